"""Scores of the segments of a pair: how useful they are for Noise2Noise training.

The score is the spectral diversity of input and target less the magnitude of the correlation of their
noises: takes that differ in their noises and in nothing else teach most. Where the clean music is known
the noises are input minus clean and target minus clean; otherwise their correlation is estimated
(`musicdenoise.core.correlation.quiet_correlation`). A clean target has no noise, and nothing to
correlate with.

Conventions: segments are mono, the mean of all channels; positions are in samples of the pair.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from musicdenoise.audio import AudioReader, open_reader
from musicdenoise.core.correlation import complex_correlation, quiet_correlation, spectral_diversity
from musicdenoise.core.mixing import rms
from musicdenoise.core.stft import StftConfig, stft
from musicdenoise.data.manifest import PairRow
from musicdenoise.errors import MusicDenoiseError

__all__ = ["PairScores", "SegmentGrid", "SegmentScore", "correlation_method", "read_segment", "score_pair"]


@dataclass(frozen=True, kw_only=True)
class SegmentGrid:
    """Where segments lie in a pair.

    Parameters
    ----------
    num_samples
        Length of a segment.
    hop_samples
        From one segment to the next.
    skip_start_seconds, skip_end_seconds
        Left out at both ends of the pair.
    """

    num_samples: int
    hop_samples: int
    skip_start_seconds: float
    skip_end_seconds: float

    def starts(self, row: PairRow) -> range:
        """First samples of the segments of a pair; empty where it is too short."""
        first = round(self.skip_start_seconds * row.sample_rate)
        last = row.num_samples - round(self.skip_end_seconds * row.sample_rate) - self.num_samples
        return range(first, last + 1, self.hop_samples)


@dataclass(frozen=True, kw_only=True)
class SegmentScore:
    """What is measured of a segment.

    Parameters
    ----------
    start
        First sample in the pair.
    diversity
        Spectral diversity of input and target.
    correlation
        Correlation of the noises: signed and complex, of modulus at most 1.
    level_db
        RMS of the music (of the input, where clean is unknown), in dB re full scale.
    input_snr_db, target_snr_db
        SNR of the segment in dB; None where unknown or infinite.
    """

    start: int
    diversity: float
    correlation: complex
    level_db: float
    input_snr_db: float | None
    target_snr_db: float | None

    @property
    def score(self) -> float:
        """Diversity less the magnitude of the correlation."""
        return self.diversity - abs(self.correlation)


@dataclass(frozen=True, kw_only=True)
class PairScores:
    """Scores of all segments of a pair, or why there are none."""

    scores: tuple[SegmentScore, ...] = ()
    failure: str | None = None


def correlation_method(row: PairRow) -> str:
    """How the correlation of a pair's noises is found: ``known``, ``clean target`` or ``estimated``."""
    if row.clean is None:
        return "estimated"
    return "clean target" if row.clean == row.target else "known"


def score_pair(row: PairRow, root: Path, grid: SegmentGrid) -> PairScores:
    """Score the segments of a pair; its files are read once, from beginning to end.

    Parameters
    ----------
    row
        The pair.
    root
        Folder that its paths are relative to.
    grid
        Where the segments lie.
    """
    config = StftConfig(sample_rate=row.sample_rate)
    try:
        with ExitStack() as stack:
            names = dict.fromkeys(name for name in (row.input, row.target, row.clean) if name is not None)
            readers = {name: stack.enter_context(open_reader(root / name)) for name in names}
            scores = tuple(
                _score(start, row, signals, config) for start, signals in _segments(readers, grid, row)
            )
    except MusicDenoiseError as error:
        return PairScores(failure=str(error))
    return PairScores(scores=scores)


def read_segment(reader: AudioReader, start: int, num_samples: int) -> Tensor:
    """Samples ``[start, start + num_samples)`` of a file as mono, float32 ``(1, num_samples)``."""
    reader.seek(start)
    return _mono(reader, num_samples)


def _mono(reader: AudioReader, num_samples: int) -> Tensor:
    return torch.from_numpy(reader.read(num_samples).mean(axis=0, keepdims=True, dtype=np.float32))


def _segments(
    readers: dict[str, AudioReader], grid: SegmentGrid, row: PairRow
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Mono segments of all files with their start; samples that two segments share are read once."""
    held = {name: torch.zeros(1, 0) for name in readers}
    for start in grid.starts(row):
        signals = {}
        for name, reader in readers.items():
            begin = start + held[name].shape[-1]
            if reader.position != begin:
                reader.seek(begin)
            signals[name] = torch.cat([held[name], _mono(reader, start + grid.num_samples - begin)], dim=-1)
            held[name] = signals[name][:, grid.hop_samples :]
        yield start, signals


def _score(start: int, row: PairRow, signals: dict[str, Tensor], config: StftConfig) -> SegmentScore:
    noisy, target = signals[row.input], signals[row.target]
    spectra = stft(noisy, config), stft(target, config)
    music = noisy
    snrs: tuple[float | None, float | None] = (None, None)
    if row.clean is None:
        correlation = quiet_correlation(*spectra)
    else:
        music = signals[row.clean] * row.clean_scale
        noises = noisy - music, target - music
        snrs = _snr_db(music, noises[0]), _snr_db(music, noises[1])
        correlation = complex_correlation(stft(noises[0], config), stft(noises[1], config))
    return SegmentScore(
        start=start,
        diversity=spectral_diversity(*spectra),
        correlation=correlation,
        level_db=20.0 * math.log10(max(rms(music), 1e-10)),
        input_snr_db=snrs[0],
        target_snr_db=snrs[1],
    )


def _snr_db(music: Tensor, noise: Tensor) -> float | None:
    levels = rms(music), rms(noise)
    if min(levels) <= 0.0:
        return None
    return round(20.0 * math.log10(levels[0] / levels[1]), 4)
