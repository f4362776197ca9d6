"""The chunks of WAV, RF64 and AIFF files: the one place that walks through them.

No library gives them out: libsndfile keeps them to itself, and mutagen and FFmpeg know those with tags.

References: RIFF/WAVE (Microsoft 1991), RF64 (EBU Tech 3306), "Audio Interchange File Format AIFF-C" (Apple
1991, sections "COMM" and "SSND").
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio.types import ByteFile

WAV, AIFF = b"RIFF", b"FORM"
ELSEWHERE = 0xFFFFFFFF
"""As a size: it is in the chunk ``ds64``, or was left open."""
_MOST_CHUNKS = 100_000  # more than any file has; walking over millions of empty ones takes seconds
EXTENSIBLE = 0xFFFE
"""Number of a codec that stands further behind in the format chunk."""

_HEAD_BYTES = 12
_SSND_FIELDS_BYTES = 8  # offset and block size, before the samples


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A chunk by its header.

    Parameters
    ----------
    name
        Four bytes.
    offset
        Where its content begins in the file.
    size
        Of its content by the header, or by the chunk ``ds64``.
    available
        Bytes from there to the end of the file, which may be cut off.
    is_long
        Whether the size comes from the chunk ``ds64``.
    """

    name: bytes
    offset: int
    size: int
    available: int
    is_long: bool = False

    @property
    def end(self) -> int:
        """Where the next one begins: behind a byte of padding if the size is odd."""
        return self.offset + self.size + self.size % 2


def form_of(file: ByteFile) -> bytes | None:
    """``WAV`` (also for RF64), ``AIFF``, or None for other files."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
        return WAV
    return AIFF if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC") else None


def byte_order(form: bytes) -> str:
    """That of the numbers in a file, as `struct` has it."""
    return "<" if form == WAV else ">"


def walk(file: ByteFile, form: bytes, start: int = _HEAD_BYTES) -> Iterator[Chunk]:
    """The chunks of a file, in order, up to `_MOST_CHUNKS`; the position may be changed in between.

    Parameters
    ----------
    file
        Open for reading.
    form
        ``WAV`` or ``AIFF``.
    start
        Where the header of the first one is.
    """
    layout = f"{byte_order(form)}4sI"
    end = file.seek(0, os.SEEK_END)
    offset, long_size = start, None
    for _ in range(_MOST_CHUNKS):
        if offset + 8 > end:
            return
        file.seek(offset)
        name, size = struct.unpack(layout, file.read(8))
        if name == b"ds64" and len(sizes := file.read(16)) == 16:
            long_size = int.from_bytes(sizes[8:], "little")  # the second number is that of the data
        is_long = size == ELSEWHERE and long_size is not None
        chunk = Chunk(
            name=name,
            offset=offset + 8,
            size=long_size if is_long and long_size is not None else size,
            available=end - offset - 8,
            is_long=is_long,
        )
        yield chunk
        offset = chunk.end


def clear_peak_time(path: Path) -> None:
    """Set the time in the PEAK chunk of a floating-point WAV file to 0; other files stay as they are.

    libsndfile stores there when the file was written, so that equal samples would give unequal bytes.
    The layout of the chunk is ``"PEAK", size, version, time stamp, peaks`` (32-bit little-endian each);
    see ``PEAK_CHUNK`` in libsndfile's ``wavlike.c``.
    """
    with path.open("r+b") as file:
        for chunk in walk(file, WAV) if form_of(file) == WAV else ():
            if chunk.name == b"PEAK":
                file.seek(chunk.offset + 4)
                file.write(bytes(4))
            if chunk.name in (b"PEAK", b"data"):
                return


def set_length(file: ByteFile, *, num_samples: int, frame_bytes: int) -> None:
    """Write the true number of samples into the COMM and SSND chunks of an AIFF file.

    A chunk of odd size is followed by a byte of padding that its size does not count. libsndfile counts
    it, so a file of an odd number of one-byte samples would be one sample too long.

    Parameters
    ----------
    file
        A complete AIFF file.
    num_samples
        Samples per channel.
    frame_bytes
        Bytes of one sample of all channels.
    """
    for chunk in walk(file, AIFF):
        if chunk.name == b"COMM":
            file.seek(chunk.offset + 2)  # behind the number of channels
            file.write(struct.pack(">I", num_samples))
        elif chunk.name == b"SSND":
            file.seek(chunk.offset - 4)
            file.write(struct.pack(">I", _SSND_FIELDS_BYTES + num_samples * frame_bytes))
