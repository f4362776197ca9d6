"""Audio from a pipe: it is read once from front to back, and its length is often unknown.

Any format that FFmpeg can decode without seeking may come in (WAV, FLAC, MP3, Ogg, ADTS, ...).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from musicdenoise.audio.containers import mpeg
from musicdenoise.audio.containers.frame_chain import FrameChain
from musicdenoise.audio.containers.mp4 import index_is_behind
from musicdenoise.audio.containers.riff_length import declared_wav_end
from musicdenoise.audio.formats import FFMPEG_WAV_CODECS
from musicdenoise.audio.pipes.source import PipeSource
from musicdenoise.audio.types import MAX_CHANNELS, Samples
from musicdenoise.errors import AudioReadError, UnsupportedAudioError

if TYPE_CHECKING:
    from musicdenoise.audio.backends.ffmpeg_scan import FlacChain

# Formats that FFmpeg knows the length of from their beginnings, and by how many seconds less may be decoded:
# an MP4 file's edit list and the priming of its encoder say when what is there is not to be heard.
_SLACK_SECONDS = {"aiff": 0.0, "mov,mp4,m4a,3gp,3g2,mj2": 0.25}
_OPEN_AIFF_BYTES = 0x7F000000  # about what SoX declares in a pipe


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
    num_tracks : int
        Audio tracks in it; the first is decoded.

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

        from musicdenoise.audio.backends.ffmpeg_decoder import CHECKED
        from musicdenoise.audio.backends.ffmpeg_scan import FlacChain
        from musicdenoise.audio.backends.wide_pcm import decoder_of

        self._name = name
        self._source = PipeSource(file)
        self._frames: FrameChain | None = None
        try:
            self._container = av.open(self._source, mode="r", metadata_errors="replace")
            streams = self._container.streams.audio
            self._check_source()
        except av.FFmpegError as error:
            self._check_source()
            if self._source.num_bytes == 0:
                raise AudioReadError(
                    f"{name}: is empty (0 bytes); see whether the program that should write it failed"
                ) from None
            self._check_index()
            raise AudioReadError(
                f"{name}: is not audio that can be read from a pipe ({error.strerror}); "
                "send WAV, FLAC, MP3 or OGG"
            ) from error
        # Contrary to its types, PyAV has no codec context if FFmpeg has no decoder.
        is_known = bool(streams) and getattr(streams[0], "codec_context", None) is not None
        codec = decoder_of(streams[0]) if is_known else None
        if codec is None or not codec.sample_rate or not codec.channels:
            raise AudioReadError(f"{name}: holds no audio stream that can be decoded")
        self.sample_rate, self.channels = codec.sample_rate, codec.channels
        if self.channels > MAX_CHANNELS:
            raise UnsupportedAudioError(
                f"{name}: has {self.channels} channels; at most {MAX_CHANNELS} channels are handled"
            )
        self.num_tracks = len(streams)
        self.subtype = FFMPEG_WAV_CODECS.get(
            re.sub("be$", "le", codec.name), "PCM_24" if codec.format.name.startswith("s32") else "PCM_16"
        )
        self._codec = codec
        self._frames = self._source.chains.get(self._container.format.name)
        self._chain = FlacChain() if self._container.format.name == "flac" else None
        if codec.name == "flac":
            codec.options = dict(CHECKED)
        self._num_frames, self._last_frame = 0, (b"", 0)  # that one's first bytes and its size

    def blocks(self, block_samples: int) -> Iterator[Samples]:
        """Yield everything as float32 ``(channels, block_samples)``; the last block may be shorter.

        Raises
        ------
        AudioReadError
            If the data cannot be read, is damaged, ends before the length that it declares or inside a
            block of data, or holds samples that are not finite.
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
        if lack := self._lack(done + count):
            raise AudioReadError(
                f"{self._name}: ends too early: {done + count} samples were decoded, {lack}; "
                "send the whole song"
            )

    def _decode(self) -> Iterator[Samples]:
        import av

        resampler = av.AudioResampler(format="flt")
        try:
            for packet in self._container.demux(self._container.streams.audio[0]):
                self._check_source()
                if packet.size:
                    if self._chain is not None:
                        self._check_flac(self._chain, packet)
                    self._num_frames += 1
                    self._last_frame = bytes(memoryview(packet)[: mpeg.HEADER_BYTES]), packet.size
                for frame in self._codec.decode(packet):
                    if (frame.sample_rate, frame.layout.nb_channels) != (self.sample_rate, self.channels):
                        raise AudioReadError(f"{self._name}: the stream changes its rate or channels midway")
                    for converted in resampler.resample(frame):
                        packed = converted.to_ndarray().reshape(-1, self.channels)
                        yield np.ascontiguousarray(packed.T, dtype=np.float32)
        except av.FFmpegError as error:
            self._check_source()
            self._check_index()
            raise AudioReadError(f"{self._name}: the data is damaged ({error.strerror})") from error

    def _check_flac(self, chain: FlacChain, packet: Any) -> None:
        try:
            chain.add(packet)
        except AudioReadError as error:
            raise AudioReadError(f"{self._name}: {error}; send the whole song") from error

    def _check_index(self) -> None:
        """Raise why FFmpeg cannot read an MP4 file whose index has not come when its samples do."""
        if index_is_behind(self._source.head):
            raise AudioReadError(
                f"{self._name}: is an MP4 file with its index at the end, which cannot be read from a pipe; "
                "give the file by its name"
            ) from None

    def _check_source(self) -> None:
        """Raise what FFmpeg ignores: a failed read of the pipe, and damaged Ogg pages."""
        error = self._source.error
        if isinstance(error, OSError):
            raise AudioReadError(f"{self._name}: cannot be read: {error.strerror}") from error
        if error is not None:
            raise error
        pages, frames = self._source.pages, self._frames
        if (pages is not None and pages.is_damaged) or (frames is not None and frames.is_damaged):
            raise AudioReadError(f"{self._name}: the data is damaged, or a part of it is missing")

    def _lack(self, num_samples: int) -> str:
        """What is missing at the end of the stream, as far as that can be known; empty if it is whole."""
        wav_end = declared_wav_end(self._source.head)
        if wav_end is not None and self._source.num_bytes < wav_end:
            return f"but {self._source.num_bytes} of {wav_end} declared bytes came"
        if (pages := self._source.pages) is not None and pages.is_inside_page:
            return "then the stream breaks off inside a block of data"
        if pages is not None and not pages.has_end:
            return (
                "then the stream breaks off without the mark of its end (a recording that never had one can "
                "be denoised as a file)"
            )
        if self._container.format.name == "mp3":
            return self._lack_of_mp3()
        if self._chain is not None:
            if num_samples < self._chain.num_samples:
                return f"but {self._chain.num_samples} came: the data is damaged"
            return "then the stream breaks off inside a frame" if self._chain.is_cut else ""
        declared = self._declared_samples()
        if declared is not None and num_samples < declared:
            return f"but {declared} are declared"
        return ""

    def _lack_of_mp3(self) -> str:
        first = mpeg.find_first_frame(self._source.head, is_whole=False)
        declared = None if first is None else mpeg.declared_frames(self._source.head[first:])
        # Some encoders count the frame of the header, too.
        if declared is not None and self._num_frames < declared - 1:
            return f"from {self._num_frames} of {declared} declared frames"
        header, size = self._last_frame
        return "then the stream breaks off inside a frame" if size < (mpeg.frame_bytes(header) or 0) else ""

    def _declared_samples(self) -> int | None:
        stream, name = self._container.streams.audio[0], self._container.format.name
        if name not in _SLACK_SECONDS or not stream.duration or stream.time_base is None:
            return None
        seconds = stream.duration * stream.time_base - _SLACK_SECONDS[name]
        declared: int = round(self.sample_rate * float(seconds))
        if name == "aiff" and declared * self.channels * stream.format.bytes >= _OPEN_AIFF_BYTES:
            return None
        return declared
