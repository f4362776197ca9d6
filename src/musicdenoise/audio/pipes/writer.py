"""WAV for a pipe: its header leaves the length open with sizes of 0xFFFFFFFF, as FFmpeg does.

Reference: RIFF/WAVE (Microsoft 1991; WAVE_FORMAT_EXTENSIBLE, 2001).
"""

from __future__ import annotations

import errno
import os
import struct
from typing import BinaryIO

import numpy as np

from musicdenoise.audio.backends.encoders import quantize
from musicdenoise.audio.dither import Dither
from musicdenoise.audio.formats import PCM_BITS
from musicdenoise.audio.types import Samples
from musicdenoise.errors import AudioWriteError

_WIDTHS = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}
_OPEN_SIZE = 0xFFFFFFFF  # the size that FFmpeg writes if it cannot come back to the header


class WavPipeWriter:
    """Writes WAV of open length into a pipe.

    The header goes out with the first samples, so a failure before them leaves the pipe empty.

    Parameters
    ----------
    file
        Open for writing.
    sample_rate
        Rate in Hz.
    channels
        Number of channels.
    subtype
        ``PCM_U8``, ``PCM_16``, ``PCM_24``, ``PCM_32`` or ``FLOAT``; others become ``FLOAT``.
    dither
        Whether samples are dithered when they are rounded to 8 or 16 bits.

    Attributes
    ----------
    sample_rate : int
        Rate in Hz.
    num_samples : int
        Samples per channel written so far.
    clipped_samples : int
        Samples beyond full scale that were limited, over all channels; none for ``FLOAT``.
    """

    def __init__(
        self, file: BinaryIO, *, sample_rate: int, channels: int, subtype: str, dither: bool = False
    ) -> None:
        self._file = file
        self.sample_rate, self._channels = sample_rate, channels
        self._subtype = subtype if subtype in _WIDTHS else "FLOAT"
        is_short = PCM_BITS.get(self._subtype, 32) <= 16
        self._dither = Dither(PCM_BITS[self._subtype]) if dither and is_short else None
        self.num_samples = 0
        self.clipped_samples = 0

    def write(self, samples: Samples) -> None:
        """Append float32 ``(channels, n)``.

        Raises
        ------
        BrokenPipeError
            If nobody reads any more.
        AudioWriteError
            If the data cannot be written for another reason.
        """
        if samples.shape[1] == 0:
            return
        data = self._encode(samples)
        try:
            self._write_all(self._header() + data if self.num_samples == 0 else data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise AudioWriteError(f"standard output: cannot be written: {error.strerror}") from error
        self.num_samples += samples.shape[1]

    def _write_all(self, data: bytes) -> None:
        # Without a buffer, as under PYTHONUNBUFFERED, a write takes what there is room for and says so.
        rest = memoryview(data)
        while rest:
            count = self._file.write(rest)
            if count is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            rest = rest[count:]
        self._file.flush()

    def _encode(self, samples: Samples) -> bytes:
        interleaved = np.ascontiguousarray(samples.T)
        if self._subtype == "FLOAT":
            return interleaved.astype("<f4").tobytes()
        self.clipped_samples += int(np.count_nonzero(np.abs(interleaved) > 1.0))
        if self._dither:
            interleaved = np.ascontiguousarray(self._dither(samples).T)
        integers = quantize(interleaved, PCM_BITS[self._subtype]).astype("<i4")
        if self._subtype == "PCM_U8":
            return ((integers >> 24) + 128).astype(np.uint8).tobytes()
        width = _WIDTHS[self._subtype]
        return integers.view(np.uint8).reshape(-1, 4)[:, 4 - width :].tobytes()

    def _header(self) -> bytes:
        width = _WIDTHS[self._subtype]
        code = 3 if self._subtype == "FLOAT" else 1
        block = width * self._channels
        fields = (self._channels, self.sample_rate, self.sample_rate * block, block, 8 * width)
        if self._channels <= 2:
            fmt = struct.pack("<HHIIHH", code, *fields)
        else:
            guid = struct.pack("<H", code) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
            fmt = struct.pack("<HHIIHHHHI", 0xFFFE, *fields, 22, 8 * width, 0) + guid
        return (
            struct.pack("<4sI4s4sI", b"RIFF", _OPEN_SIZE, b"WAVE", b"fmt ", len(fmt))
            + fmt
            + struct.pack("<4sI", b"data", _OPEN_SIZE)
        )
