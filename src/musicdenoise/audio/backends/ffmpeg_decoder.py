"""Decode with FFmpeg, through PyAV: AAC and ALAC in MP4, ADTS, and MP3, FLAC and WAV of open length.

An MP4 file says by its edit list how many of the decoded samples at the beginning are priming;
FFmpeg drops them and gives the first remaining sample its time. The last packet's duration says
where the signal ends inside the last frame; that end is cut here. Both together make the length
exact. ADTS says neither, so the encoder's priming (often 1024 samples) stays in what is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from musicdenoise.audio.containers import mpeg
from musicdenoise.audio.formats import FFMPEG_WAV_CODECS
from musicdenoise.audio.types import AudioInfo, Samples, ffmpeg_url
from musicdenoise.errors import AudioReadError

__all__ = ["PyAvDecoder"]

_SUBTYPES = {"aac": "AAC", "mp3": "MPEG_LAYER_III", "mp3float": "MPEG_LAYER_III"}
_LOSSLESS = {"flac": "PCM", "alac": "ALAC"}
_LAYER_2 = frozenset({"mp2", "mp2float"})
_TAGS = {"track": "tracknumber"}
_TAG_NAMES = ("title", "artist", "album", "date", "comment", "genre", "track", "copyright")
# Edit lists are often kept in ticks of 1/600 s or 1 ms, which says less about the end than the last
# packet does; only an end that is earlier by more than such a tick is meant.
_EDIT_TICK = Fraction(1, 600)


class PyAvDecoder:
    """One audio stream of an open file that FFmpeg decodes.

    Parameters
    ----------
    path
        The file.
    container
        Its container as told by its content.
    stream
        Index among the audio streams of the file.

    Attributes
    ----------
    info : AudioInfo
        What the file declares.
    incomplete_end : bool
        Whether the file breaks off although it declares no length that would show it.

    Raises
    ------
    AudioReadError
        The header cannot be read, there is no such stream, or its first frame is damaged.
    """

    def __init__(self, path: Path, container: str, stream: int) -> None:
        self._path, self._stream = path, stream
        end, total, self.incomplete_end = self._scan(container)
        self._start()
        codec = self._av_stream.codec_context
        try:
            # Only a decoded frame tells the true rate and channels (HE-AAC) and where the signal begins.
            first = next(self._blocks, None)
        except AudioReadError as error:
            self._container.close()
            raise AudioReadError(f"{path}: {error}, from its first frame on") from error
        if first is not None:
            self._pending = first
        rate = codec.sample_rate
        if container == "MP4":
            total = end - self._first_time
        self.info = AudioInfo(
            path=path,
            sample_rate=rate,
            channels=codec.channels,
            num_samples=max(round(total * rate), 0),
            container=container,
            subtype=_subtype(codec.name, codec.format.name),
            tags=_read_tags(self._container),
            num_tracks=len(self._container.streams.audio),
        )

    def read(self, num_samples: int) -> Samples:
        """Decode up to `num_samples`; float32, shape ``(channels, n)``, n smaller at the end.

        Raises
        ------
        AudioReadError
            The data is damaged.
        """
        parts: list[Samples] = []
        missing = num_samples
        while missing > 0:
            if self._pending.shape[1] == 0:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._pending = block
            part = self._pending[:, :missing]
            self._pending = self._pending[:, missing:]
            parts.append(part)
            missing -= part.shape[1]
        self._position += num_samples - missing
        return np.concatenate(parts, axis=1) if parts else self._empty()

    def seek(self, sample: int) -> None:
        """Go to a sample by decoding up to it, from the beginning where it lies behind.

        Raises
        ------
        AudioReadError
            The data before the sample is damaged.
        """
        if sample < self._position:
            self._container.close()
            self._start()
        while self._position < sample:
            if self.read(min(self.info.sample_rate, sample - self._position)).shape[1] == 0:
                return

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _start(self) -> None:
        self._container, self._av_stream = self._open()
        self._position = 0
        self._first_time = Fraction(0)
        self._pending = self._empty()
        self._blocks: Iterator[Samples] = self._decode()

    def _empty(self) -> Samples:
        return np.zeros((self._av_stream.codec_context.channels, 0), dtype=np.float32)

    def _open(self) -> tuple[av.container.InputContainer, av.AudioStream]:
        try:
            container = av.open(ffmpeg_url(self._path), metadata_errors="replace")
        except av.FFmpegError as error:
            raise AudioReadError(
                f"{self._path}: cannot be decoded: the file is damaged or cut off ({error.strerror})"
            ) from error
        count = len(container.streams.audio)
        if not 0 <= self._stream < count:
            container.close()
            raise AudioReadError(
                f"{self._path}: has {count} audio streams, counted from 0; "
                f"stream {self._stream} was asked for"
            )
        stream = container.streams.audio[self._stream]
        # PyAV has no codec context where FFmpeg has no decoder, whatever its types say.
        codec = getattr(stream, "codec_context", None)
        if codec is None or not codec.sample_rate or not codec.channels:
            container.close()
            raise AudioReadError(
                f"{self._path}: cannot be decoded: audio stream {self._stream} has a codec that is not known "
                f"or a damaged header"
            )
        return container, stream

    def _scan(self, container: str) -> tuple[Fraction, Fraction, bool]:
        """Read the packets' times: where the last one ends, their sum (both in s), and if it is cut."""
        source, stream = self._open()
        total, latest, header = Fraction(0), Fraction(0), (b"", 0)
        with source:
            tick = stream.time_base or Fraction(1)
            try:
                for packet in source.demux(stream):
                    if packet.size == 0 or packet.is_discard:
                        continue
                    duration = (packet.duration or 0) * tick
                    total += duration
                    latest = max(latest, (packet.pts or 0) * tick + duration)
                    header = bytes(memoryview(packet)[: mpeg.HEADER_BYTES]), packet.size
            except av.FFmpegError as error:
                raise AudioReadError(f"{self._path}: cannot be read to its end: {error.strerror}") from error
            end = latest
            if stream.duration is not None:
                edited = ((stream.start_time or 0) + stream.duration) * tick
                end = edited if latest - edited > _EDIT_TICK else latest
        is_cut = container == "MP3" and header[1] < (mpeg.frame_bytes(header[0]) or 0)
        return end, total, is_cut

    def _decode(self) -> Iterator[Samples]:
        """Yield the frames as float32 of shape ``(channels, n)``."""
        resampler = av.AudioResampler(format="flt")
        expected: tuple[int, int] | None = None
        try:
            for frame in self._container.decode(self._av_stream):
                channels = frame.layout.nb_channels
                if expected is None:
                    expected = (frame.sample_rate, channels)
                    self._first_time = (frame.pts or 0) * (frame.time_base or Fraction(1))
                if (frame.sample_rate, channels) != expected:
                    raise AudioReadError(
                        f"the stream changes from {expected[0]} Hz and {expected[1]} channels "
                        f"to {frame.sample_rate} Hz and {channels} channels"
                    )
                for converted in resampler.resample(frame):
                    packed = converted.to_ndarray().reshape(-1, channels)
                    yield np.ascontiguousarray(packed.T, dtype=np.float32)
        except av.FFmpegError as error:
            raise AudioReadError(f"the data is damaged or cut off ({error.strerror})") from error


def _subtype(codec: str, sample_format: str) -> str:
    if codec in _LOSSLESS:
        return f"{_LOSSLESS[codec]}_{16 if sample_format.startswith('s16') else 24}"
    if codec in _LAYER_2:
        return "MPEG_LAYER_II"
    if codec.endswith("be"):  # samples are the same in either order of their bytes
        codec = f"{codec.removesuffix('be')}le"
    return (_SUBTYPES | FFMPEG_WAV_CODECS).get(codec, codec.upper())


def _read_tags(container: av.container.InputContainer) -> dict[str, str]:
    found = {name.lower(): value for name, value in container.metadata.items()}
    return {_TAGS.get(name, name): found[name] for name in _TAG_NAMES if found.get(name)}
