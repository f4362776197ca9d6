"""Decode with FFmpeg, through PyAV: MP4, ADTS, and what libsndfile cannot read or would cut.

The edit list of an MP4 file says how many samples at the beginning are priming. FFmpeg drops them and gives
the first remaining sample its time. The duration of the last packet says where the signal ends inside the
last frame, and this module cuts there. Together that makes the length exact. ADTS says neither, so the
encoder's priming (often 1024 samples) stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from musicdenoise.audio.backends.ffmpeg_scan import PacketScan, scan_packets
from musicdenoise.audio.backends.wide_pcm import decoder_of
from musicdenoise.audio.containers import mpeg
from musicdenoise.audio.containers.id3 import packed_tag_bytes
from musicdenoise.audio.containers.mp4 import ends_inside_box
from musicdenoise.audio.containers.ogg import OPUS_RATE, check_ogg, ends_inside_ogg_page, read_opus_head
from musicdenoise.audio.containers.riff_length import find_data_chunk, read_wav_codec
from musicdenoise.audio.formats import FFMPEG_WAV_CODECS, RECORDING_TAGS
from musicdenoise.audio.types import AudioInfo, Samples, ffmpeg_url
from musicdenoise.errors import AudioReadError

CHECKED = {"err_detect": "crccheck+explode"}
"""Options for FFmpeg's FLAC decoder, which otherwise ignores wrong checksums."""

_SUBTYPES = {"aac": "AAC", "mp3": "MPEG_LAYER_III", "mp3float": "MPEG_LAYER_III"}
_LOSSLESS = {"flac": "PCM", "alac": "ALAC"}
_LAYER_2 = frozenset({"mp2", "mp2float"})
_TAGS = {"track": "tracknumber"}
_TAG_NAMES = ("title", "artist", "album", "date", "comment", "genre", "track", "copyright")
_MOST_BAD_PACKETS = 8  # before the first good one, if a stream was entered in the middle; chosen
_HEAD_BYTES = 4096  # in which the first page of Opus lies
_EXACT = frozenset({"FLAC"})  # containers whose frames are counted, not timed
_PADDED_SECONDS = 0.25  # at the end a frame or two may be missing, which become silence; chosen
# How many samples the packets of codecs hold. A clock that disagrees with all of them runs apart.
_FRAME_SAMPLES = (576, 960, 1024, 1152, 1536, 1920, 2048, 4096)
_MOST_DRIFT = 0.03  # chosen: a larger difference is something other than drift
_LEAST_DRIFT_SECONDS = 0.02  # over the whole file, that anybody could notice; chosen
_SILENCE_BLOCK = 1 << 18  # samples of a gap that are made at a time


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
    num_samples
        Samples per channel, if known; None to count the packets.

    Attributes
    ----------
    info : AudioInfo
        What the file declares.
    incomplete_end : bool
        Whether the file breaks off although it declares no length that shows it.
    is_estimate : bool
        Whether there may be fewer samples than ``info`` says without damage.

    Raises
    ------
    AudioReadError
        The header cannot be read, there is no such stream, or its first frame is damaged.
    """

    def __init__(self, path: Path, container: str, stream: int, *, num_samples: int | None = None) -> None:
        self._path, self._stream, self._kind = path, stream, container
        source, av_stream = self._open()
        try:
            with source:
                self._scan = scan_packets(source, av_stream, container)
        except AudioReadError as error:
            raise AudioReadError(f"{path}: {error}; get a complete copy of the file") from error
        self.incomplete_end = self._scan.is_cut or _is_cut(path, container)
        self._has_unchecked_pages = container == "OGG"
        self.is_estimate = container not in _EXACT and num_samples is None
        self._ends_at: int | None = None
        self._start()
        codec = self._codec
        try:
            # Only a decoded frame tells the true rate and channels (HE-AAC) and where the signal begins.
            first = next(self._blocks, None)
        except AudioReadError as error:
            self._container.close()
            raise AudioReadError(f"{path}: {error}, from its first frame on") from error
        if first is not None:
            self._pending = first
        rate = codec.sample_rate
        drift = _drift(self._scan, rate)
        is_timed = container == "MP4" or (container == "OGG" and codec.name != "opus")
        total = self._scan.end - self._first_time if is_timed else self._scan.total - self._unheard()
        count = max(round(float(total) * rate / drift), 0) if num_samples is None else num_samples
        self._ends_at = count
        self.info = AudioInfo(
            path=path,
            sample_rate=rate,
            channels=codec.channels,
            num_samples=count,
            container=container,
            subtype=_subtype(codec.name, codec.format.name),
            tags=_read_tags(self._container),
            num_tracks=len(self._container.streams.audio),
            is_repaired=bool(self._scan.gaps),
            gaps_seconds=_gaps(self._scan, self._first_time),
            notes=(*self._scan.notes, *_notes(drift)),
        )

    def read(self, num_samples: int) -> Samples:
        """Decode up to `num_samples`; float32, shape ``(channels, n)``, n smaller at the end.

        Raises
        ------
        AudioReadError
            The data is damaged.
        """
        if self._has_unchecked_pages:
            self._has_unchecked_pages = False
            check_ogg(self._path, self.info.sample_rate)
        parts: list[Samples] = []
        missing = num_samples
        while missing > 0:
            if self._pending.shape[1] == 0:
                block = next(self._blocks, None)
                if block is None:
                    parts.append(self._padding(self._position + num_samples - missing, missing))
                    missing -= parts[-1].shape[1]
                    break
                self._pending = block
            part = self._pending[:, :missing]
            self._pending = self._pending[:, missing:]
            parts.append(part)
            missing -= part.shape[1]
        self._position += num_samples - missing
        return np.concatenate(parts, axis=1) if parts else self._empty()

    def _padding(self, position: int, wanted: int) -> Samples:
        """Silence for what is missing at the end, if it is little more than a frame."""
        lack = 0 if self._ends_at is None else self._ends_at - position
        if not self.is_estimate or lack > _PADDED_SECONDS * self.info.sample_rate:
            lack = 0
        return np.zeros((self._empty().shape[0], max(0, min(lack, wanted))), dtype=np.float32)

    def seek(self, sample: int) -> None:
        """Go to a sample by decoding up to it; from the beginning of the file if it is behind.

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

    def _unheard(self) -> Fraction:
        """Seconds of packets at the beginning that give no samples: priming of Opus, and bad ones."""
        with self._path.open("rb") as file:
            file.seek(mpeg.id3_bytes(file.read(mpeg.ID3_HEADER_BYTES)))
            head = read_opus_head(file.read(_HEAD_BYTES))
        if head is not None:
            return Fraction(head.skipped, OPUS_RATE)
        return self._bad_packets * self._scan.total / max(self._scan.count, 1)

    def _start(self) -> None:
        self._container, self._av_stream = self._open()
        self._codec = decoder_of(self._av_stream)
        self._position = 0
        self._first_time = Fraction(0)
        self._pending = self._empty()
        self._bad_packets = 0
        self._blocks: Iterator[Samples] = self._decode()

    def _empty(self) -> Samples:
        return np.zeros((self._codec.channels, 0), dtype=np.float32)

    def _open(self) -> tuple[av.container.InputContainer, av.AudioStream]:
        try:
            # Raw AAC has nothing in front that FFmpeg would know it by, if its first frame is cut.
            form = "aac" if self._kind == "ADTS" else None
            url = ffmpeg_url(self._path, packed_tag_bytes(self._path))
            container = av.open(url, format=form, metadata_errors="replace")
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
        # Contrary to its types, PyAV has no codec context if FFmpeg has no decoder.
        codec = getattr(stream, "codec_context", None)
        if codec is None or not codec.sample_rate or not codec.channels:
            container.close()
            raise AudioReadError(
                f"{self._path}: cannot be decoded: audio stream {self._stream} has a codec that is not known"
                f"{self._codec_tag()}, or a damaged header"
            )
        if codec.name == "flac":
            codec.options = dict(CHECKED)
        return container, stream

    def _codec_tag(self) -> str:
        """The number of the codec in a WAV file, for messages. You can look it up."""
        tag = read_wav_codec(self._path) if self._kind == "WAV" else None
        return "" if tag is None else f" (number 0x{tag:04x} in its header)"

    def _decode(self) -> Iterator[Samples]:
        """Yield the frames as float32 of shape ``(channels, n)``, with silence in gaps."""
        resampler = av.AudioResampler(format="flt")
        expected: tuple[int, int] | None = None
        for frame in self._frames():
            channels = frame.layout.nb_channels
            time = (frame.pts or 0) * (frame.time_base or Fraction(1))
            if expected is None:
                expected = (frame.sample_rate, channels)
                self._first_time = time
            elif time in self._scan.gaps:
                yield from _silence(channels, round(self._scan.gaps[time] * frame.sample_rate))
            if (frame.sample_rate, channels) != expected:
                raise AudioReadError(
                    f"the stream changes from {expected[0]} Hz and {expected[1]} channels "
                    f"to {frame.sample_rate} Hz and {channels} channels"
                )
            for converted in resampler.resample(frame):
                packed = converted.to_ndarray().reshape(-1, channels)
                yield np.ascontiguousarray(packed.T, dtype=np.float32)

    def _frames(self) -> Iterator[Any]:
        """Decoded frames. Packets before the first may be impossible to decode."""
        has_begun, self._bad_packets = False, 0
        try:
            for packet in self._container.demux(self._av_stream):
                try:
                    for frame in self._codec.decode(packet):
                        has_begun = True
                        yield frame
                except av.FFmpegError:
                    self._bad_packets += 1
                    if has_begun or self._bad_packets > _MOST_BAD_PACKETS:
                        raise
        except av.FFmpegError as error:
            raise AudioReadError(f"the data is damaged or cut off ({error.strerror})") from error


def _is_cut(path: Path, container: str) -> bool:
    """Whether a file breaks off inside what its container says it holds."""
    if container == "MP4":
        return ends_inside_box(path)
    if container == "OGG":
        return ends_inside_ogg_page(path)
    chunk = find_data_chunk(path, container)
    return chunk is not None and chunk.declared_bytes > chunk.available_bytes


def _silence(channels: int, num_samples: int) -> Iterator[Samples]:
    for start in range(0, num_samples, _SILENCE_BLOCK):
        yield np.zeros((channels, min(_SILENCE_BLOCK, num_samples - start)), dtype=np.float32)


def _gaps(scan: PacketScan, first: Fraction) -> tuple[tuple[float, float], ...]:
    """Gaps after the first frame: beginning, counted from that frame, and length; in s."""
    return tuple(
        (float(at - lasting - first), float(lasting)) for at, lasting in scan.gaps.items() if at > first
    )


def _drift(scan: PacketScan, rate: int) -> float:
    """How many times longer the packets last than their samples; 1 if nobody could notice."""
    spacing = float(scan.spacing * rate)
    nearest = min(_FRAME_SAMPLES, key=lambda samples: abs(spacing - samples))
    drift = spacing / nearest
    lasting = abs(drift - 1.0) * scan.count * nearest / rate
    return drift if abs(drift - 1.0) < _MOST_DRIFT and lasting > _LEAST_DRIFT_SECONDS else 1.0


def _notes(drift: float) -> tuple[str, ...]:
    if drift == 1.0:
        return ()
    pace = "slower" if drift > 1.0 else "faster"
    return (
        f"its clock runs {abs(drift - 1.0):.2%} {pace} than its samples, which are all kept; sound and "
        "picture of a film may drift apart",
    )


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
    of_recording = {name: found[name] for name in RECORDING_TAGS if found.get(name)}
    return of_recording | {_TAGS.get(name, name): found[name] for name in _TAG_NAMES if found.get(name)}
