"""Audio that comes from a pipe: read once from front to back, length often unknown.

Any format that FFmpeg can decode without seeking may come in (WAV, FLAC, MP3, Ogg, ADTS, ...).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import BinaryIO

import numpy as np

from musicdenoise.audio.integrity import declared_wav_bytes
from musicdenoise.audio.types import MAX_CHANNELS, Samples
from musicdenoise.errors import AudioReadError, UnsupportedAudioError

__all__ = ["PipeReader"]

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
