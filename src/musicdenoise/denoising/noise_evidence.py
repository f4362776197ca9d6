"""Quiet frames of a song that look alike, and the evidence that they are noise.

In music, minima of different bands come at different times. Where all bands are near a common low spectrum
at once, and stay there, nothing plays but noise, or something that looks like it. This module finds such
frames and measures what tells noise from quiet music; `noise_finder` decides. It also measures stretches that
were found in another way.

1. Windows of three frames are sorted by the mean of their levels in dB. The quietest of them, half a second
   apart, are the seeds.
2. The spectrum at a seed is the mean of the frames around it that look like it.
3. All frames of the song that look like this spectrum, three or more in a row, belong to it.

A frame looks like a spectrum if its levels differ no more than chance and some unsteadiness make them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicdenoise.denoising.band_levels import Bands
from musicdenoise.denoising.noise_likeness import (
    FLATNESS_OF_FEW_BINS_DB,
    GAUSSIAN_FLATNESS_DB,
    HEARD_LEVEL_DB,
    SILENT_DB,
)

# How stretches are cut. Chosen, not measured.
SEED_FRAMES = 3  # 0.28 s: the mean of three frames varies little, and short pauses have as many
SEEDS = 12  # ends of notes may be quieter than noise that is elsewhere; each costs a pass through the levels
SEED_DISTANCE_FRAMES = 5  # 0.46 s between seeds, so that they differ
LEAST_RUN_FRAMES = 3  # before the edges are cut
BRIDGE_FRAMES = 2  # a raindrop, a click
# A band's level in one frame varies by 4.34 dB / sqrt(n) for n independent bins (chi-square, 2 n degrees of
# freedom). Neighbouring bins of a Hann window are not independent: 0.6 of them count (simulated).
INDEPENDENT_BINS = 0.6
DB_PER_NEPER = 4.343
UNSTEADY_DB = 1.5  # beside chance; with 1 dB 4 % fewer noises are found, with 2 to 3 dB hardly more
# What looks alike. Chosen, not measured.
MOST_DISTANCE = 2.0  # mean squared deviation re the variance of both; 1 is chance
MOST_DEVIATION = 3.0  # of one band, in standard deviations: more counts as this: a click ends no run
MOST_OFFSET_DB = 2.0  # all bands together
LEAST_BANDS = 4  # of 35; with fewer, chance decides
HEARD_DB = 60.0  # bands further below the loudest say nothing
# A loud note in one band changes the mean over bands little, but the power: at 5 to 25 dB SNR music
# joined in one song of seven without these limits, and in none with them.
MOST_LOUDER_DB = 1.0  # a run, re the run at the seed
MOST_LOUDER_IN_FRAME_DB = 2.5  # deep rumble varies by as much from frame to frame
# What is measured of frames that look alike. Chosen, not measured.
MOST_MEASURED_FRAMES = 2000  # three minutes
FLOOR_QUANTILE = 0.02  # the least of all is what codecs and gaps of an edit leave
QUIET_QUANTILE = 0.1  # of so few windows, the second or third quietest
SHOWN_DB = 3.0  # noise and a little music
_SILENT_POWER = 10.0 ** (SILENT_DB / 10.0)
_PIECE_FRAMES = 2048  # that are compared at once, to bound memory

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Frames that look alike, and the evidence that they are noise.

    Attributes
    ----------
    runs
        First frame and the one behind the last.
    level_db
        Mean level of these frames, re full scale.
    below_music_db
        How far this is below the mean of the song.
    tonality_db
        Mean over bands: how much less flat they are than Gaussian noise.
    variation
        Variance of the levels over time re that of chance, mean over bands.
    flutter
        Median over frames.
    slope_db
        How fast the level changes along the longest run, dB per second, whichever way.
    longest
        Frames in the longest run; runs with hardly a gap between them count as one.
    floor_db
        How far the floor of the rest of the song is above this spectrum, ``(bands,)``.
        Only bands in which this spectrum is heard.
    quiet_floor_db
        The same, above the quiet moments of these frames: unsteady noise is as quiet again under the music.
    heard
        Share of these bands.
    """

    runs: list[tuple[int, int]]
    level_db: float
    below_music_db: float
    tonality_db: float
    variation: float
    flutter: float
    slope_db: float
    longest: int
    floor_db: Floats
    quiet_floor_db: Floats
    heard: float

    @property
    def num_frames(self) -> int:
        """Frames in all runs."""
        return sum(end - begin for begin, end in self.runs)

    @property
    def shown(self) -> float:
        """Share of the bands in which the rest of the song comes down to this spectrum."""
        return float((self.floor_db < SHOWN_DB).mean())


def runs_of(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of true values: first index, and the one behind the last."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def collect(bands: Bands) -> Iterator[Evidence]:
    """Evidence for each group of quiet frames that look alike, from the quietest seed on."""
    if len(bands) < 2 * SEED_FRAMES:
        return
    totals, quietness = _loudness(bands)
    variance = np.square(DB_PER_NEPER) / (INDEPENDENT_BINS * bands.num_bins)
    for seed in _seeds(np.where(_whole(totals > _SILENT_POWER), quietness, np.inf)):
        group = _Group(bands, totals, variance, slice(seed, seed + SEED_FRAMES))
        if group.runs:
            yield _evidence(bands, group.runs, group.spectrum_db, totals)


def evidence_of(bands: Bands, run: tuple[int, int]) -> Evidence:
    """Evidence for a stretch that may be noise: first frame, and the one behind the last."""
    spectrum_db = np.asarray(_db(_powers(bands.levels_db(slice(*run))).mean(axis=0)))
    return _evidence(bands, [run], spectrum_db, _loudness(bands)[0])


def _db(power: Floats | float) -> Floats | float:
    return 10.0 * np.log10(np.maximum(power, 1e-16))


def _powers(levels_db: NDArray[np.float32]) -> Floats:
    return np.power(10.0, 0.1 * levels_db.astype(np.float64))


def _whole(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether all frames of a window are in the mask, by the window's first frame."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(mask, SEED_FRAMES).all(axis=1))


def _loudness(bands: Bands) -> tuple[Floats, Floats]:
    """Power of each frame, and the mean level over bands of each window."""
    totals, quietness = [], []
    for first in range(0, len(bands), _PIECE_FRAMES):
        powers = _powers(bands.levels_db(slice(first, first + _PIECE_FRAMES + SEED_FRAMES - 1)))
        totals.append(powers[:_PIECE_FRAMES].sum(axis=1))
        if len(powers) >= SEED_FRAMES:
            windows = sum(powers[i : len(powers) - SEED_FRAMES + 1 + i] for i in range(SEED_FRAMES))
            levels = _db(windows / SEED_FRAMES)
            quietness.append(np.maximum(levels, HEARD_LEVEL_DB).mean(axis=1))
    return np.concatenate(totals), np.concatenate(quietness)


def _seeds(quietness: Floats) -> list[int]:
    """The quietest windows; each is the quietest of its surroundings."""
    reach = SEED_DISTANCE_FRAMES
    padded = np.pad(quietness, reach, constant_values=np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1)
    found = np.flatnonzero((quietness == around) & np.isfinite(quietness))
    order: list[int] = found[np.argsort(quietness[found], kind="stable")][:SEEDS].tolist()
    return order


class _Group:
    """Frames that look like those at a seed: their runs, spectrum and the bands that are heard."""

    def __init__(self, bands: Bands, totals: Floats, variance: Floats, seed: slice) -> None:
        self.runs: list[tuple[int, int]] = []
        sounding = totals > _SILENT_POWER
        near = slice(max(0, seed.start - 100), seed.stop + 100)
        self.spectrum_db = np.asarray(_db(_powers(bands.levels_db(seed)).mean(axis=0)))
        for _ in range(2):
            alike = self._alike(bands.levels_db(near), variance) & sounding[near]
            first, last = seed.start - near.start, seed.stop - near.start
            own = [run for run in runs_of(alike) if run[0] < last and run[1] > first]
            if not own:
                return
            begin, end = max(own, key=lambda run: run[1] - run[0])
            own_frames = slice(near.start + begin, near.start + end)
            self.spectrum_db = np.asarray(_db(_powers(bands.levels_db(own_frames)).mean(axis=0)))
        alike = np.concatenate(
            [
                self._alike(bands.levels_db(slice(first, first + _PIECE_FRAMES)), variance)
                for first in range(0, len(bands), _PIECE_FRAMES)
            ]
        )
        most = np.power(10.0, 0.1 * MOST_LOUDER_DB) * totals[own_frames].mean()
        most_in_frame = np.power(10.0, 0.1 * MOST_LOUDER_IN_FRAME_DB) * totals[own_frames].mean()
        self.runs = [
            (begin, end)
            for begin, end in runs_of(alike & sounding & (totals < most_in_frame))
            if end - begin >= LEAST_RUN_FRAMES and totals[begin:end].mean() < most
        ]

    def _alike(self, levels_db: NDArray[np.float32], variance: Floats) -> NDArray[np.bool_]:
        heard = _heard(self.spectrum_db)
        if heard.sum() < LEAST_BANDS:
            return np.zeros(len(levels_db), dtype=bool)
        deviation = (levels_db - self.spectrum_db.astype(np.float32))[:, heard]
        scale = (1.0 / np.sqrt(variance[heard] + UNSTEADY_DB**2)).astype(np.float32)
        squares = np.minimum(np.abs(deviation * scale), MOST_DEVIATION) ** 2
        alike: NDArray[np.bool_] = (squares.mean(axis=1) < MOST_DISTANCE) & (
            np.abs(deviation.mean(axis=1)) < MOST_OFFSET_DB
        )
        return alike


def _heard(spectrum_db: Floats) -> NDArray[np.bool_]:
    """Bands with noise in them."""
    heard: NDArray[np.bool_] = (spectrum_db > HEARD_LEVEL_DB) & (spectrum_db > spectrum_db.max() - HEARD_DB)
    return heard


def _evidence(bands: Bands, runs: list[tuple[int, int]], spectrum_db: Floats, totals: Floats) -> Evidence:
    frames = _frames(runs)
    longest = max((_frames(together) for together in _bridged(runs)), key=len)
    measured = frames[:: 1 + len(frames) // MOST_MEASURED_FRAMES]
    is_longest = np.isin(measured, longest)
    heard = _heard(spectrum_db)
    deviation = (bands.levels_db(measured) - spectrum_db.astype(np.float32))[:, heard]
    num_bins = bands.num_bins[heard]
    expected = GAUSSIAN_FLATNESS_DB + FLATNESS_OF_FEW_BINS_DB / num_bins
    chance = np.square(DB_PER_NEPER) / (INDEPENDENT_BINS * num_bins)
    rest = totals > _SILENT_POWER
    rest[frames] = False
    floor = _quiet_level(bands, _whole(rest), heard, FLOOR_QUANTILE)
    inside = np.zeros(len(bands), dtype=bool)
    inside[frames] = True
    level = float(_db(totals[frames].mean()))
    return Evidence(
        runs=runs,
        level_db=level,
        below_music_db=float(_db(totals.mean())) - level,
        tonality_db=float((expected - bands.flatness_db(measured)[:, heard].mean(axis=0)).mean()),
        variation=float((deviation.var(axis=0) / chance).mean()),
        flutter=float(np.median(bands.flutter[measured])),
        slope_db=_slope(deviation.mean(axis=1)[is_longest], measured[is_longest]) / bands.frame_seconds,
        longest=len(longest),
        floor_db=floor - spectrum_db[heard],
        quiet_floor_db=floor - _quiet_level(bands, _whole(inside), heard, QUIET_QUANTILE),
        heard=float(heard.mean()),
    )


def _frames(runs: list[tuple[int, int]]) -> NDArray[np.intp]:
    return np.concatenate([np.arange(begin, end) for begin, end in runs])


def _bridged(runs: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Runs with hardly a gap between them, together."""
    groups: list[list[tuple[int, int]]] = []
    for run in runs:
        if groups and run[0] - groups[-1][-1][1] <= BRIDGE_FRAMES:
            groups[-1].append(run)
        else:
            groups.append([run])
    return groups


def _slope(levels_db: Floats, frames: NDArray[np.intp]) -> float:
    """Slope of a line through the levels, dB per frame, whichever way it goes."""
    return abs(float(np.polyfit(frames - frames[0], levels_db, 1)[0]))


def _quiet_level(
    bands: Bands, windows: NDArray[np.bool_], heard: NDArray[np.bool_], quantile: float
) -> Floats:
    """Level that a band has in the quiet ones of these windows, ``(heard,)``; inf without windows."""
    count = int(windows.sum())
    if count == 0:
        return np.full(int(heard.sum()), np.inf)
    levels = []
    rank = int(quantile * count)
    for band in np.flatnonzero(heard):
        powers = np.power(np.float32(10.0), bands.levels[:, band] * np.float32(0.001))
        powers = np.convolve(powers, np.ones(SEED_FRAMES, dtype=np.float32), "valid")
        levels.append(np.partition(powers[windows], rank)[rank] / SEED_FRAMES)
    return np.asarray(_db(np.array(levels)))
