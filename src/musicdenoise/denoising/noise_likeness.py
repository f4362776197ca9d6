"""How much each moment of a song sounds like noise alone, by a small network.

The network (`musicdenoise.core.noise_moments`) reads four figures of each frame and band, and two of the
frame: how far the level is above the band's floor in this song, how far below its mean, how flat the band
is compared with Gaussian noise, its share of the frame's power; the flutter of the envelope, and how far the
frame is below the mean of the song. All are differences of levels, so the result does not depend on the
gain of a song.

`tests/benchmarks/fit_noise_finder.py` trains it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from musicdenoise.core.noise_moments import NOISE_MOMENTS_REACH
from musicdenoise.denoising.band_levels import Bands
from musicdenoise.weights.bundled import load_noise_moments

MOST_BANDS = 35
"""Bands of a song at 30 kHz or more. Songs at lower rates have fewer; the others count as silent."""

NUM_FEATURES = 4 * MOST_BANDS + 2

SILENT_DB = -85.0
"""Frames below this, re full scale, are silent: dither of 16 bits has -96 to -93 dB. Chosen, not measured."""

# Chosen, not measured.
HEARD_LEVEL_DB = -105.0  # re full scale: dither of 16 bits has less in each band
FLOOR_QUANTILE = 0.05  # of a band's levels: robust, and still the pauses of most songs
LEAST_FRAMES = 8  # that sound, for a floor of them; otherwise all count
_IMPOSSIBLE = -20.0  # log odds of silent frames
_PIECE_FRAMES = 2048  # at once, to bound memory

GAUSSIAN_FLATNESS_DB = -2.507  # Euler's constant, 0.577, in neper of power
FLATNESS_OF_FEW_BINS_DB = 4.2  # over the number of bins, what a band of few bins is flatter (simulated)
_SILENCE_DB = np.float32(-160.0)  # of bands that a song does not have; `band_levels` measures no less

Floats = NDArray[np.float32]


class SongLevels:
    """What the frames of a song are compared with.

    Parameters
    ----------
    bands
        The song.
    """

    def __init__(self, bands: Bands) -> None:
        self.totals_db = np.concatenate(
            [
                _total_db(bands.levels_db(slice(first, first + _PIECE_FRAMES)))
                for first in range(0, len(bands), _PIECE_FRAMES)
            ]
        )
        self.sounding = self.totals_db > SILENT_DB
        counted = self.sounding if self.sounding.sum() >= LEAST_FRAMES else np.ones(len(bands), dtype=bool)
        floors, means = [], []
        for band in range(bands.levels.shape[1]):  # one at a time, to bound memory
            levels = bands.levels[counted, band] * np.float32(0.01)
            floors.append(np.quantile(levels, FLOOR_QUANTILE))
            means.append(_mean_db(levels))
        self.floor_db, self.mean_db = _padded(np.array([floors])), _padded(np.array([means]))
        self.level_db = _mean_db(self.totals_db[counted])


def noise_likeness(bands: Bands) -> Floats:
    """Log odds for noise alone, ``(frames,)``; -20 where it is silent."""
    if len(bands) == 0:
        return np.zeros(0, dtype=np.float32)
    song, network = SongLevels(bands), load_noise_moments()
    odds = np.empty(len(bands), dtype=np.float32)
    for first in range(0, len(bands), _PIECE_FRAMES):
        begin, end = max(0, first - NOISE_MOMENTS_REACH), first + _PIECE_FRAMES + NOISE_MOMENTS_REACH
        with torch.no_grad():
            piece = network(torch.from_numpy(features(bands, slice(begin, end), song))[None])[0].numpy()
        count = min(_PIECE_FRAMES, len(bands) - first)
        odds[first : first + count] = piece[first - begin : first - begin + count]
    odds[~song.sounding] = _IMPOSSIBLE
    return odds


def features(bands: Bands, frames: slice, song: SongLevels) -> Floats:
    """What the network reads, ``(frames, NUM_FEATURES)``, each about -3 to 4."""
    levels, flatness = _padded(bands.levels_db(frames)), _padded(bands.flatness_db(frames))
    totals = song.totals_db[frames][:, None]
    num_bins = np.pad(bands.num_bins, (0, MOST_BANDS - len(bands.num_bins)), constant_values=1)
    expected = GAUSSIAN_FLATNESS_DB + FLATNESS_OF_FEW_BINS_DB / num_bins
    heard = levels > HEARD_LEVEL_DB
    flutter = bands.flutter[frames].astype(np.float32)[:, None]
    planes = [
        np.where(heard, np.clip((levels - song.floor_db) / 10.0, -1.0, 4.0), 0.0),
        np.clip((levels - song.mean_db) / 15.0 + 1.0, -3.0, 2.0),
        np.where(heard, np.clip((flatness - expected) / 3.0, -2.5, 1.0), 0.0),
        np.clip((levels - totals) / 15.0 + 1.0, -3.0, 1.5),
        np.log(flutter + 0.01) / 1.5 + 1.0,
        np.clip((totals - song.level_db + 20.0) / 15.0, -3.0, 3.0),
    ]
    return np.concatenate(planes, axis=1, dtype=np.float32)


def _total_db(levels_db: Floats) -> Floats:
    """Level of all bands together, frame by frame."""
    powers: Floats = np.power(np.float32(10.0), np.float32(0.1) * levels_db).sum(axis=1)
    levels: Floats = np.float32(10.0) * np.log10(powers + np.float32(1e-16))
    return levels


def _mean_db(levels_db: Floats) -> float:
    """Level of the mean power."""
    return float(10.0 * np.log10(np.power(10.0, 0.1 * levels_db.astype(np.float64)).mean() + 1e-16))


def _padded(values: NDArray[np.floating]) -> Floats:
    """Figures ``(frames, bands)`` with those of silent bands behind them."""
    missing = MOST_BANDS - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing)), constant_values=_SILENCE_DB).astype(np.float32)
