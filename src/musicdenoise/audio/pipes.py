"""Audio that comes from and goes to a pipe: read once from front to back, length often unknown.

Any format that FFmpeg can decode without seeking may come in (WAV, FLAC, MP3, Ogg, ADTS, ...). What
goes out is WAV, whose header leaves the length open with sizes of 0xFFFFFFFF, as FFmpeg writes it.

Reference: RIFF/WAVE (Microsoft 1991; WAVE_FORMAT_EXTENSIBLE, 2001).
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from typing import BinaryIO

import numpy as np

from musicdenoise.audio.dither import Dither
from musicdenoise.audio.encoders import quantize
from musicdenoise.audio.formats import PCM_BITS
from musicdenoise.audio.integrity import declared_wav_bytes
from musicdenoise.audio.types import MAX_CHANNELS, Samples
from musicdenoise.errors import AudioReadError, AudioWriteError, UnsupportedAudioError

__all__ = ["PipeReader", "WavPipeWriter"]

_SUBTYPES = {
    "pcm_u8": "PCM_U8",
    "pcm_s16le": "PCM_16",
    "pcm_s24le": "PCM_24",
    "pcm_s32le": "PCM_32",
    "pcm_f32le": "FLOAT",
    "pcm_f64le": "DOUBLE",
    "pcm_alaw": "ALAW",
    "pcm_mulaw": "ULAW",
}
_WIDTHS = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}
_OPEN_SIZE = 0xFFFFFFFF
_HEAD_BYTES = 65_536


class PipeReader:
    """Decodes a pipe block by block.

    Parameters
    ----------
    file
        Open for reading; it is never asked to seek.
    name
        What it is called in messages.

    Attributes
    ----------
    sample_rate : int
        Rate in Hz.
    channels : int
        Number of channels, 1 to 8.
    subtype : str
        Subtype of the samples, as `musicdenoise.audio.AudioInfo` has it.

    Raises
    ------
    AudioReadError
        If there is no audio that can be decoded.
    UnsupportedAudioError
        If there are more than eight channels.
    """

    def __init__(self, file: BinaryIO, name: str = "standard input") -> None:
        # FFmpeg's libraries take a while to load, and most runs do not need them.
        import av

        self._name = name
        self._tap = _Tap(file)
        try:
            self._container = av.open(self._tap, mode="r", metadata_errors="replace")
            streams = self._container.streams.audio
            self._check_source()
        except av.FFmpegError as error:
            self._check_source()
            raise AudioReadError(
                f"{name}: is not audio that can be read from a pipe ({error.strerror}); "
                "send WAV, FLAC, MP3 or OGG"
            ) from error
        codec = getattr(streams[0], "codec_context", None) if streams else None
        if codec is None or not codec.sample_rate or not codec.channels:
            raise AudioReadError(f"{name}: holds no audio stream that can be decoded")
        self.sample_rate, self.channels = codec.sample_rate, codec.channels
        if self.channels > MAX_CHANNELS:
            raise UnsupportedAudioError(
                f"{name}: has {self.channels} channels; at most {MAX_CHANNELS} channels are handled"
            )
        self.subtype = _SUBTYPES.get(
            codec.name, "PCM_24" if codec.format.name.startswith("s32") else "PCM_16"
        )
        self._declared = self._declared_samples(codec.name)

    def blocks(self, block_samples: int) -> Iterator[Samples]:
        """Yield everything as float32 ``(channels, block_samples)``; the last block may be shorter.

        Raises
        ------
        AudioReadError
            If the data is damaged, ends before the length that a WAV header declares, or holds samples
            that are not finite.
        """
        waiting: list[Samples] = []
        count = done = 0
        for part in self._decode():
            finite = np.isfinite(part).all(axis=0)
            if not finite.all():
                index = done + count + int(np.argmin(finite))
                raise AudioReadError(
                    f"{self._name}: sample {index} (at {index / self.sample_rate:.3f} s) is not "
                    "a finite number"
                )
            waiting.append(part)
            count += part.shape[1]
            while count >= block_samples:
                joined = np.concatenate(waiting, axis=1)
                yield np.ascontiguousarray(joined[:, :block_samples])
                waiting, count, done = (
                    [joined[:, block_samples:]],
                    count - block_samples,
                    done + block_samples,
                )
        if count:
            yield np.concatenate(waiting, axis=1)
        if self._declared is not None and done + count < self._declared:
            raise AudioReadError(
                f"{self._name}: ends too early: {done + count} of {self._declared} declared samples were "
                "decoded"
            )

    def _decode(self) -> Iterator[Samples]:
        import av

        resampler = av.AudioResampler(format="flt")
        try:
            for packet in self._container.demux(self._container.streams.audio[0]):
                self._check_source()
                for frame in packet.decode():
                    if (frame.sample_rate, frame.layout.nb_channels) != (self.sample_rate, self.channels):
                        raise AudioReadError(
                            f"{self._name}: the stream changes its rate or channels on the way"
                        )
                    for converted in resampler.resample(frame):
                        packed = converted.to_ndarray().reshape(-1, self.channels)
                        yield np.ascontiguousarray(packed.T, dtype=np.float32)
        except av.FFmpegError as error:
            self._check_source()
            raise AudioReadError(f"{self._name}: the data is damaged ({error.strerror})") from error

    def _check_source(self) -> None:
        """Raise what ended a read of the pipe; FFmpeg took it for the end of the data."""
        error = self._tap.error
        if isinstance(error, OSError):
            raise AudioReadError(f"{self._name}: cannot be read: {error.strerror}") from error
        if error is not None:
            raise error

    def _declared_samples(self, codec: str) -> int | None:
        size = declared_wav_bytes(bytes(self._tap.head))
        width = _WIDTHS.get(_SUBTYPES.get(codec, ""))
        return None if size is None or width is None else size // (width * self.channels)


class _Tap:
    """Passes reads on, and keeps the first bytes. Without a `seek` FFmpeg does not try to.

    FFmpeg cannot pass exceptions through: what a read raises is kept in ``error``, and FFmpeg is told that
    the data ends.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.head = bytearray()
        self.error: BaseException | None = None
        # A generator and no method: an interrupt that came while FFmpeg worked is raised where Python goes
        # on, which in a method is before its first line, outside every `try`.
        reads = self._reads()
        next(reads)
        self.read = reads.send

    def _reads(self) -> Generator[bytes, int, None]:
        data = b""
        while True:
            try:
                size = yield data
                data = self._file.read(size) if self.error is None else b""
            except GeneratorExit:
                return
            except BaseException as error:  # noqa: BLE001 - interrupts, too: they are raised again later
                self.error, data = error, b""
            self.head += data[: max(_HEAD_BYTES - len(self.head), 0)]


class WavPipeWriter:
    """Writes WAV of open length into a pipe.

    The header goes out with the first samples, so that a failure before them leaves the pipe empty.

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
        Whether samples are dithered where they are rounded to 8 or 16 bits.

    Attributes
    ----------
    num_samples : int
        Samples per channel written so far.
    clipped_samples : int
        Samples beyond full scale that were limited, over all channels; none for ``FLOAT``.
    """

    def __init__(
        self, file: BinaryIO, *, sample_rate: int, channels: int, subtype: str, dither: bool = False
    ) -> None:
        self._file = file
        self._sample_rate, self._channels = sample_rate, channels
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
            self._file.write(self._header() + data if self.num_samples == 0 else data)
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise AudioWriteError(f"standard output: cannot be written: {error.strerror}") from error
        self.num_samples += samples.shape[1]

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
        fields = (self._channels, self._sample_rate, self._sample_rate * block, block, 8 * width)
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
