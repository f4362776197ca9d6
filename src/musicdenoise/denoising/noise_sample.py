"""A sample of the noise alone: a file, a stretch of the song, or samples in memory.

References: Audacity's "noise profile", SoX's ``noiseprof`` and noisereduce's ``y_noise`` ask for the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from musicdenoise.audio.types import Samples
from musicdenoise.denoising.samples import as_samples
from musicdenoise.errors import AudioError, ConfigurationError, UsageError

SHORTEST_SECONDS = 0.1
"""Shortest recording of noise: half a window of the spectrum. Half a second gains 0.8 of what two gain."""

_TIME = r"(?:(?:\d+:)?\d{1,2}:)?\d+(?:\.\d*)?"
_STRETCH = re.compile(rf"({_TIME})-({_TIME})")


@dataclass(frozen=True, kw_only=True)
class SampleFile:
    """A recording of the noise alone in a file of its own.

    Parameters
    ----------
    path
        The file, of any format and rate that can be read.
    """

    path: Path

    @property
    def label(self) -> str:
        """Its name in messages."""
        return str(self.path)


@dataclass(frozen=True, kw_only=True)
class SampleStretch:
    """A stretch of the song in which there is only noise.

    Parameters
    ----------
    start_seconds, end_seconds
        Where it begins and ends in the song.

    Raises
    ------
    ConfigurationError
        If it does not end at least 0.1 s after it begins.
    """

    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.start_seconds < math.inf or not self.end_seconds < math.inf:
            raise ConfigurationError(
                f"the noise sample {self.label} must begin and end within the song, in seconds from its start"
            )
        if self.end_seconds - self.start_seconds < SHORTEST_SECONDS - 1e-9:
            raise ConfigurationError(
                f"the noise sample {self.label} is too short: it must last at least {SHORTEST_SECONDS} s"
            )

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"{self.start_seconds:g}-{self.end_seconds:g} s"


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleArray:
    """Samples of the noise alone.

    Parameters
    ----------
    samples
        float32 ``(channels, samples)``.
    sample_rate
        Rate in Hz.
    """

    samples: Samples
    sample_rate: int

    @property
    def label(self) -> str:
        """Its name in messages."""
        return "the noise sample"


@dataclass(frozen=True, kw_only=True)
class NoiseReport:
    """Where the spectrum of the noise came from.

    Parameters
    ----------
    source
        ``"given"`` or ``"found"``.
    files
        Names of sample files.
    stretches
        Begin and end of stretches of the song.
    seconds
        Length of all samples.
    level_db
        By how much samples from files were raised to the level of the song's noise, in dB.
    warnings
        What may be wrong with them, one line each.
    """

    source: str
    files: tuple[str, ...] = ()
    stretches: tuple[tuple[float, float], ...] = ()
    seconds: float
    level_db: float = 0.0
    warnings: tuple[str, ...] = ()


NoiseSample: TypeAlias = SampleFile | SampleStretch | SampleArray

SampleLike: TypeAlias = str | Path | tuple[float, float] | tuple[ArrayLike, int] | NoiseSample
"""A file, a stretch (two times in seconds, or as text: ``"0:00-0:02.5"``), or samples with their rate."""


def parse_noise_sample(text: str) -> NoiseSample:
    """The sample that a text names: a stretch such as ``0:00-0:02.5`` or ``61-63``, or else a file.

    If a file of that name exists, the text means the file.

    Raises
    ------
    UsageError
        If a stretch ends before it begins, or is too short.
    """
    match = _STRETCH.fullmatch(text.strip())
    if match is None or Path(text).exists():
        return SampleFile(path=Path(text))
    start, end = (_seconds(part) for part in match.groups())
    try:
        return SampleStretch(start_seconds=start, end_seconds=end)
    except ConfigurationError as error:
        raise UsageError(str(error)) from error


def _seconds(text: str) -> float:
    """Seconds of ``"1:02:03.5"``, ``"2:03.5"`` or ``"3.5"``."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60.0 * seconds + float(part)
    return seconds


def as_noise_samples(given: SampleLike | Sequence[NoiseSample] | None) -> tuple[NoiseSample, ...]:
    """Everything that you may give as a noise sample, as samples; none for None.

    Raises
    ------
    AudioError
        If samples are not finite or have more than two dimensions.
    ConfigurationError
        If a stretch ends before it begins, or is too short.
    UsageError
        If its type is unknown.
    """
    if given is None:
        return ()
    if isinstance(given, SampleFile | SampleStretch | SampleArray):
        return (given,)
    if isinstance(given, Path):
        return (SampleFile(path=given),)
    if isinstance(given, str):
        return (parse_noise_sample(given),)
    items: tuple[Any, ...] = tuple(given)
    if all(isinstance(item, SampleFile | SampleStretch | SampleArray) for item in items):
        return items
    if len(items) == 2 and np.ndim(items[0]) > 0 and np.ndim(items[1]) == 0:
        return (_of_array(items[0], int(items[1])),)
    if len(items) == 2 and all(np.ndim(item) == 0 and not isinstance(item, str) for item in items):
        return (SampleStretch(start_seconds=float(items[0]), end_seconds=float(items[1])),)
    raise UsageError(
        "a noise sample is the path of a file, a pair of seconds (start, end), or a pair of samples and rate"
    )


def _of_array(samples: ArrayLike, sample_rate: int) -> SampleArray:
    array = as_samples(samples)
    if array.ndim not in (1, 2):
        raise AudioError(
            f"the noise sample has {array.ndim} dimensions: give (channels, samples) or (samples,)"
        )
    return SampleArray(samples=np.atleast_2d(array), sample_rate=sample_rate)
