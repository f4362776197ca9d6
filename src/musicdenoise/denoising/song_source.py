"""A song that can be read twice: first to learn about its noise, then to denoise it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from musicdenoise.audio import open_reader, read_audio
from musicdenoise.audio.types import AudioInfo, Samples

_BLOCK_SECONDS = 2.0  # chosen, not measured: a few hundred kB


class SongSource(Protocol):
    """A song, or its beginning, that can be read anywhere."""

    name: str
    sample_rate: int
    channels: int
    num_samples: int

    def read(self, first: int, num_samples: int) -> Samples:
        """Samples from a place on."""

    def blocks(self) -> Iterator[Samples]:
        """All samples, in blocks."""


class SongFile:
    """A song in a file.

    Parameters
    ----------
    info
        About the file.
    """

    def __init__(self, info: AudioInfo) -> None:
        self._path = info.path
        self.name = str(info.path)
        self.sample_rate, self.channels, self.num_samples = info.sample_rate, info.channels, info.num_samples

    def read(self, first: int, num_samples: int) -> Samples:
        """Samples from a place on."""
        return read_audio(self._path, start=first, num_samples=num_samples).samples

    def blocks(self) -> Iterator[Samples]:
        """All samples, in blocks of two seconds."""
        with open_reader(self._path) as reader:
            yield from reader.blocks(max(1, round(_BLOCK_SECONDS * self.sample_rate)))


class SongSamples:
    """A song in memory, or the beginning of one.

    Parameters
    ----------
    samples
        ``(channels, samples)``.
    sample_rate
        Rate in Hz.
    name
        Its name in messages.
    """

    def __init__(self, samples: Samples, sample_rate: int, name: str) -> None:
        self._samples = samples
        self.name, self.sample_rate = name, sample_rate
        self.channels, self.num_samples = samples.shape

    def read(self, first: int, num_samples: int) -> Samples:
        """Samples from a place on."""
        return self._samples[:, first : first + num_samples]

    def blocks(self) -> Iterator[Samples]:
        """All samples at once."""
        yield self._samples
