"""Audio in memory, what is known of a file before it is decoded, and what decoders offer.

Samples are float32 of shape ``(channels, samples)``, full scale is 1.0, rates are in Hz.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

MAX_CHANNELS = 8
"""The most channels a file may have (7.1). More is nearly always an array with its axes swapped."""


class ByteFile(Protocol):
    """The part of a binary file that the libraries use."""

    def write(self, data: bytes) -> int:
        """Write bytes and return how many."""

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, and return the new position."""

    def tell(self) -> int:
        """Return the position."""


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What an audio file says about itself.

    Parameters
    ----------
    path
        The file.
    sample_rate
        Rate in Hz.
    channels
        Number of channels, 1 to 8.
    num_samples
        Samples per channel that the file declares. A truncated file declares more than it holds.
    container
        File format, a key of `musicdenoise.audio.FORMATS` ("WAV", "FLAC", "MP4", ...).
    subtype
        Sample format or codec ("PCM_16", "FLOAT", "VORBIS", "MPEG_LAYER_III", "AAC", ...).
    tags
        Title, artist and the like, by the names of `musicdenoise.audio.TAG_NAMES`; only those that
        are not empty.
    gaps_seconds
        Beginning and length of stretches that are damaged in the file and silent in its samples.
    num_tracks
        Audio tracks of the file; this is one of them.
    is_repaired
        Whether the file is damaged or declares less than it holds, so that some programs do not read it to
        its end.
    notes
        What is odd about the file, a sentence each, for warnings.
    """

    path: Path
    sample_rate: int
    channels: int
    num_samples: int
    container: str
    subtype: str
    tags: Mapping[str, str] = field(default_factory=dict)
    gaps_seconds: tuple[tuple[float, float], ...] = ()
    num_tracks: int = 1
    is_repaired: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.channels <= 0 or self.num_samples < 0:
            raise ValueError(
                f"an AudioInfo needs a positive rate and channel count and a length of at least 0; "
                f"got {self.sample_rate} Hz, {self.channels} channels, {self.num_samples} samples"
            )

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate


@dataclass(frozen=True, kw_only=True)
class Audio:
    """A signal in memory.

    Parameters
    ----------
    samples
        float32, shape ``(channels, samples)``; full scale is 1.0.
    sample_rate
        Rate in Hz.
    """

    samples: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise ValueError(
                f"samples must be float32 of shape (channels, samples); "
                f"got {self.samples.dtype} of shape {self.samples.shape}"
            )
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive; got {self.sample_rate}")


def ffmpeg_url(path: Path, start: int = 0) -> str:
    """A path for FFmpeg, which would take ``Re:`` in ``Re:Stacks.m4a`` for a protocol.

    With ``start``, FFmpeg sees the file from that byte on.
    """
    return f"subfile,,start,{start},end,0,,:file:{path}" if start else f"file:{path}"


class Decoder(Protocol):
    """What a backend offers; see `SoundFileDecoder` and `PyAvDecoder`."""

    info: AudioInfo
    incomplete_end: bool
    is_estimate: bool

    def read(self, num_samples: int) -> Samples:
        """Decode up to `num_samples`, shape ``(channels, n)``."""

    def seek(self, sample: int) -> None:
        """Go to a sample, exactly."""

    def close(self) -> None:
        """Close the file."""
