"""Scores of the segments of a pair: how useful they are for Noise2Noise training.

The score is the spectral diversity of input and target, minus the magnitude of the correlation of their
noises: recordings that differ only in their noises teach most. If the clean music is known, the noises are
input minus clean and target minus clean. Otherwise their correlation is estimated
(`musicdenoise.core.correlation.quiet_correlation`). A clean target has no noise and no correlation.

Conventions: segments are mono, the mean of all channels; positions are in samples of the pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from musicdenoise.core.correlation import complex_correlation, quiet_correlation, spectral_diversity
from musicdenoise.core.mixing import rms
from musicdenoise.core.stft import StftConfig, stft
from musicdenoise.data.manifest import PairRow, check_digest
from musicdenoise.dataset.segments.tracks import OrderedTrack
from musicdenoise.errors import AudioError, DataError

MAX_PAIRS_AT_ONCE = 32
"""Pairs of a song that are read side by side, three open files each. Chosen, not measured."""


@dataclass(frozen=True, kw_only=True)
class SegmentGrid:
    """Positions of the segments in a pair.

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
        """First samples of the segments of a pair; empty if it is too short."""
        first = round(self.skip_start_seconds * row.sample_rate)
        last = row.num_samples - round(self.skip_end_seconds * row.sample_rate) - self.num_samples
        return range(first, last + 1, self.hop_samples)


@dataclass(frozen=True, kw_only=True)
class SegmentScore:
    """The measurements of a segment.

    Parameters
    ----------
    start
        First sample in the pair.
    diversity
        Spectral diversity of input and target.
    correlation
        Correlation of the noises: signed and complex, of modulus at most 1.
    level_db
        RMS of the music in dB re full scale; that of the input if clean is unknown.
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


def songs_of(rows: Sequence[PairRow]) -> list[tuple[int, ...]]:
    """Indices of the pairs that share their clean music, which is then read only once.

    At most `MAX_PAIRS_AT_ONCE` are grouped, because all their files are open at the same time.
    """
    songs: dict[object, list[int]] = {}
    for index, row in enumerate(rows):
        song: object = index
        if row.clean is not None and row.clean != row.target:
            song = row.clean, row.sample_rate, row.num_samples
        songs.setdefault(song, []).append(index)
    return [
        tuple(indices[begin : begin + MAX_PAIRS_AT_ONCE])
        for indices in songs.values()
        for begin in range(0, len(indices), MAX_PAIRS_AT_ONCE)
    ]


def score_song(
    rows: tuple[PairRow, ...],
    root: Path,
    grid: SegmentGrid,
    keep: Path | None = None,
    keep_clean: bool = False,
) -> tuple[PairScores, ...]:
    """Score the segments of pairs with the same clean music, or of a single pair.

    Every file is read once, from beginning to end, and all side by side.

    Parameters
    ----------
    rows
        The pairs; see `songs_of`.
    root
        Folder that their paths are relative to.
    grid
        Where the segments lie.
    keep
        Folder for the samples of compressed files; see `musicdenoise.dataset.segments.tracks`.
    keep_clean
        Whether to keep those of the clean music, too.
    """
    clean = rows[0].clean if rows[0].clean != rows[0].target else None
    try:
        if clean is not None:
            check_digest(root / clean, rows[0].clean_sha256)
    except DataError as error:
        return tuple(PairScores(failure=str(error)) for _ in rows)
    with ExitStack() as stack:
        pairs = [_PairScorer(row, root, grid, keep, stack) for row in rows]
        try:
            music = None
            if clean is not None:
                music = stack.enter_context(OrderedTrack(root / clean, keep if keep_clean else None))
                if mismatch := rows[0].mismatch(root / clean, music.info):
                    return tuple(PairScores(failure=mismatch) for _ in rows)
            for start in grid.starts(rows[0]):
                heard = None
                if music is not None:
                    heard = music.segment(start, grid.num_samples, grid.hop_samples)
                for pair in pairs:
                    pair.take(start, heard)
        except AudioError as error:
            return tuple(PairScores(failure=str(error)) for _ in rows)
        return tuple(pair.result for pair in pairs)


class _PairScorer:
    """Scores the segments of one pair as they come; its first failure ends it."""

    def __init__(
        self, row: PairRow, root: Path, grid: SegmentGrid, keep: Path | None, stack: ExitStack
    ) -> None:
        self._row = row
        self._grid = grid
        self._config = StftConfig(sample_rate=row.sample_rate)
        self._scores: list[SegmentScore] = []
        self._failure: str | None = None
        try:
            check_digest(root / row.input, row.input_sha256)
            check_digest(root / row.target, row.target_sha256)
            self._tracks = [
                stack.enter_context(OrderedTrack(root / name, keep)) for name in (row.input, row.target)
            ]
        except (AudioError, DataError) as error:
            self._failure = str(error)
            return
        for track, name in zip(self._tracks, (row.input, row.target), strict=True):
            self._failure = self._failure or row.mismatch(root / name, track.info) or None

    def take(self, start: int, clean: Tensor | None) -> None:
        """Read and score the segment at ``start``."""
        if self._failure is not None:
            return
        try:
            noisy, target = (
                track.segment(start, self._grid.num_samples, self._grid.hop_samples) for track in self._tracks
            )
        except AudioError as error:
            self._failure = str(error)
            return
        if self._row.clean == self._row.target:
            clean = target
        self._scores.append(_score(start, self._row, noisy, target, clean, self._config))

    @property
    def result(self) -> PairScores:
        """All scores, or why there are none."""
        if self._failure is not None:
            return PairScores(failure=self._failure)
        return PairScores(scores=tuple(self._scores))


def _score(
    start: int, row: PairRow, noisy: Tensor, target: Tensor, clean: Tensor | None, config: StftConfig
) -> SegmentScore:
    spectra = stft(noisy, config), stft(target, config)
    music = noisy
    snrs: tuple[float | None, float | None] = (None, None)
    if clean is None:
        correlation = quiet_correlation(*spectra)
    else:
        music = clean * row.clean_scale
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
