"""Correct the length in AIFF files that libsndfile wrote.

A chunk of odd size is followed by a byte of padding that its size does not count. libsndfile counts
it, so a file of an odd number of one-byte samples would be one sample too long.

Reference: Apple, "Audio Interchange File Format AIFF-C" (1991), sections "COMM" and "SSND".
"""

from __future__ import annotations

import struct

from musicdenoise.audio.types import ByteFile

__all__ = ["set_length"]

_FORM_BYTES = 12
_SSND_FIELDS_BYTES = 8  # offset and block size, before the samples


def set_length(file: ByteFile, *, num_samples: int, frame_bytes: int) -> None:
    """Write the true number of samples into the COMM and SSND chunks.

    Parameters
    ----------
    file
        A complete AIFF file.
    num_samples
        Samples per channel.
    frame_bytes
        Bytes of one sample of all channels.
    """
    end = file.seek(0, 2)
    offset = _FORM_BYTES
    while offset + 8 <= end:
        file.seek(offset)
        name, size = struct.unpack(">4sI", file.read(8))
        if name == b"COMM":
            file.seek(offset + 8 + 2)  # behind the number of channels
            file.write(struct.pack(">I", num_samples))
        elif name == b"SSND":
            file.seek(offset + 4)
            file.write(struct.pack(">I", _SSND_FIELDS_BYTES + num_samples * frame_bytes))
        offset += 8 + size + size % 2
