"""Encode samples into an open binary file: libsndfile, and FFmpeg (through PyAV) for AAC and ALAC in MP4.

Without a bit rate, MP3 gets LAME's best variable rate (V0, about 245 kbit/s in stereo), Vorbis quality 7
(about 220 kbit/s), Opus about 210 kbit/s in stereo, and AAC 128 kbit/s per channel. At these rates a copy
loses nothing audible. FLOAT, DOUBLE, MP3, Vorbis and Opus keep samples beyond full scale. FFmpeg's AAC
encoder distorts them (measured), so they are limited before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import soundfile

from musicdenoise.audio.bitrate import encoder_quality
from musicdenoise.audio.containers.ogg import VORBIS_CHANNELS, VORBIS_ORDERED
from musicdenoise.audio.formats import PCM_BITS, RECORDING_TAGS, TAG_NAMES
from musicdenoise.audio.types import ByteFile, Samples
from musicdenoise.errors import AudioWriteError

_AAC_BITS_PER_CHANNEL = 128_000  # 256 kbit/s in stereo: no audible loss. Chosen, not measured
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_ALAC_LAYOUTS = _LAYOUTS | {7: "6.1(back)", 8: "7.1(wide)"}
_MP4_TAGS = {"tracknumber": "track"}


class Encoder(Protocol):
    """What a backend offers."""

    def write(self, samples: Samples) -> None:
        """Encode samples of shape ``(channels, n)``."""

    def close(self) -> None:
        """Write what is still held back and the final header."""


def quantize(samples: Samples, bits: int, *, symmetric: bool = False) -> npt.NDArray[np.int32]:
    """Round samples to integers of some width, in the upper bits of 32.

    ``round(x * 2**(bits - 1))``, the inverse of how integer files are read, limited to what fits.

    Parameters
    ----------
    samples
        Any shape; full scale is 1.0.
    bits
        Width from 8 to 32.
    symmetric
        Whether to leave out the lowest value, which has no positive counterpart.

    Returns
    -------
    ndarray
        int32, the same shape; the lower ``32 - bits`` bits are zero.
    """
    limit = 2 ** (bits - 1)
    rounded = np.rint(samples.astype(np.float64) * limit)
    integers = np.clip(rounded, 1 - limit if symmetric else -limit, limit - 1).astype(np.int32)
    return cast(npt.NDArray[np.int32], integers << (32 - bits))


class SoundFileEncoder:
    """Writes with libsndfile.

    libsndfile's own float-to-integer conversion rounds down; `quantize` rounds to nearest.

    Parameters
    ----------
    file
        Open for reading and writing, at its beginning.
    container, subtype, sample_rate, channels
        As checked by `musicdenoise.audio.formats.check_writable`.
    tags
        By the names of `TAG_NAMES`.
    bitrate
        Bits per second of a lossy subtype, or None.

    Raises
    ------
    AudioWriteError
        libsndfile refuses.
    """

    def __init__(
        self,
        file: ByteFile,
        *,
        container: str,
        subtype: str,
        sample_rate: int,
        channels: int,
        tags: Mapping[str, str],
        bitrate: int | None = None,
    ) -> None:
        self._bits = PCM_BITS.get(subtype)
        places = VORBIS_CHANNELS.get(channels) if subtype in VORBIS_ORDERED else None
        self._order = None if places is None else np.argsort(places)
        # libsndfile negates before it compands: the lowest integer would come out positive.
        self._symmetric = subtype in ("ALAW", "ULAW")
        quality = encoder_quality(subtype, bitrate, sample_rate=sample_rate, channels=channels)
        try:
            self._file = soundfile.SoundFile(
                file, "w", sample_rate, channels, subtype, format=container, **quality
            )
        except soundfile.LibsndfileError as error:
            raise AudioWriteError(f"cannot be encoded: {error.error_string}") from error
        for name in TAG_NAMES:
            if tags.get(name):
                setattr(self._file, name, tags[name])

    def write(self, samples: Samples) -> None:
        """Encode samples of shape ``(channels, n)``."""
        block = samples if self._bits is None else quantize(samples, self._bits, symmetric=self._symmetric)
        try:
            self._file.write(np.ascontiguousarray((block if self._order is None else block[self._order]).T))
        except soundfile.LibsndfileError as error:
            raise AudioWriteError(f"cannot be encoded: {error.error_string}") from error

    def close(self) -> None:
        """Write what is still held back and the final header."""
        try:
            self._file.close()
        except soundfile.LibsndfileError as error:
            raise AudioWriteError(f"cannot be encoded: {error.error_string}") from error


class PyAvEncoder:
    """Writes AAC or ALAC in MP4 with FFmpeg.

    The movie's time scale is the sample rate, so that the edit list and the duration of the last
    packet give the beginning and the end to the sample.

    Parameters
    ----------
    file
        Open for reading and writing, at its beginning.
    subtype, sample_rate, channels
        As checked by `musicdenoise.audio.formats.check_writable`.
    tags
        By the names of `TAG_NAMES`.
    bitrate
        Bits per second of AAC, all channels, or None.
    """

    def __init__(
        self,
        file: ByteFile,
        *,
        subtype: str,
        sample_rate: int,
        channels: int,
        tags: Mapping[str, str],
        bitrate: int | None = None,
    ) -> None:
        # FFmpeg's libraries take a while to load, and most files do not need them.
        import av

        self._av = av
        self._bits = PCM_BITS.get(subtype)
        self._rate, self._position = sample_rate, 0
        self._layout = (_ALAC_LAYOUTS if self._bits else _LAYOUTS)[channels]
        codec = "alac" if self._bits else "aac"
        self._container = av.open(file, "w", format="mp4", options={"movie_timescale": str(sample_rate)})
        stream = self._container.add_stream(codec, rate=sample_rate, layout=self._layout)
        self._stream = cast(av.AudioStream, stream)
        if self._bits:
            self._stream.format = "s16p" if self._bits == 16 else "s32p"
        else:
            self._stream.bit_rate = bitrate or _AAC_BITS_PER_CHANNEL * channels
        self._stream.time_base = Fraction(1, sample_rate)
        for name in (*TAG_NAMES, *RECORDING_TAGS):
            if tags.get(name):
                self._container.metadata[_MP4_TAGS.get(name, name)] = tags[name]

    def write(self, samples: Samples) -> None:
        """Encode samples of shape ``(channels, n)``."""
        if samples.shape[1] == 0:
            return
        values: np.ndarray[Any, Any]
        if self._bits is None:
            values, sample_format = np.clip(samples, -1.0, 1.0), "flt"
        elif self._bits == 16:
            values, sample_format = (quantize(samples, 16) >> 16).astype(np.int16), "s16"
        else:
            values, sample_format = quantize(samples, self._bits), "s32"
        # Packed, because PyAV cannot fill a planar frame of eight channels.
        packed = np.ascontiguousarray(values.T).reshape(1, -1)
        frame = self._av.AudioFrame.from_ndarray(packed, format=sample_format, layout=self._layout)
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts = self._position
        self._position += samples.shape[1]
        self._mux(frame)

    def close(self) -> None:
        """Write what is still held back and the final header."""
        try:
            if self._position:
                self._mux(None)
        finally:
            try:
                self._container.close()
            except self._av.FFmpegError as error:
                raise AudioWriteError(f"cannot be encoded: {error.strerror}") from error

    def _mux(self, frame: Any) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except self._av.FFmpegError as error:
            raise AudioWriteError(f"cannot be encoded: {error.strerror}") from error
