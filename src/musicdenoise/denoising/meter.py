"""What was removed from a song, measured on the way: levels, bands, and spectra for a picture.

Conventions: blocks are float32 ``(channels, samples)``; spectra are powers, averaged over channels and
over frames of 2048 samples (Hann window, no overlap); levels are in dB, those of a signal re full scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BAND_EDGES_HZ = (0.0, 250.0, 1000.0, 4000.0, 10_000.0, math.inf)
"""Limits of the bands of a report: bass, lower and upper mid range, presence, air."""

_FRAME = 2048  # samples, as in the network
_MOST_COLUMNS = 1600  # more than a picture has pixels
_FLOOR = 1e-20  # -200 dB

_Powers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BandReport:
    """What was removed from a band.

    Parameters
    ----------
    low_hz, high_hz
        Limits; the last band ends at half the sample rate.
    removed_db
        Power of what was removed, relative to the song's in this band; None if nothing was.
    """

    low_hz: float
    high_hz: float
    removed_db: float | None


@dataclass(frozen=True, kw_only=True)
class Spectra:
    """Mean power spectra over time, ``(frames, freqs)``: before, after, and removed.

    Parameters
    ----------
    before, after, removed
        The spectra, at most 1600 frames of equal length (the last may be shorter).
    frame_seconds
        Time of a frame.
    high_hz
        Frequency of the last bin; the first is 0 Hz.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    removed: NDArray[np.float32]
    frame_seconds: float
    high_hz: float


class SongMeter:
    """Takes blocks before and after, of any lengths, and sums up.

    Parameters
    ----------
    sample_rate
        Rate in Hz.
    channels
        Number of channels.

    Attributes
    ----------
    num_samples : int
        Samples per channel that were taken.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.num_samples = 0
        self._sample_rate = sample_rate
        self._input_power = self._removed_power = 0.0
        self._frames = np.zeros((3, channels, 0), dtype=np.float32)
        self._bands = np.zeros((2, _FRAME // 2 + 1))
        self._columns = _Columns()

    def take(self, song: NDArray[np.float32], clean: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples of the song and of the result; returns what was removed from them."""
        removed = song - clean
        self.num_samples += song.shape[1]
        self._input_power += float(np.sum(np.square(song, dtype=np.float64)))
        self._removed_power += float(np.sum(np.square(removed, dtype=np.float64)))
        self._take_frames(np.stack([song, clean, removed]))
        return removed

    @property
    def removed_db(self) -> float:
        """Power of what was removed, relative to the song's; -inf if nothing was."""
        return _ratio_db(self._removed_power, self._input_power)

    def bands(self) -> tuple[BandReport, ...]:
        """What was removed from each band."""
        nyquist = self._sample_rate / 2
        freqs = np.linspace(0.0, nyquist, self._bands.shape[1])
        reports = []
        for low, high in pairwise(BAND_EDGES_HZ):
            if low >= nyquist:
                break
            inside = (freqs >= low) & (freqs < high)
            before, removed = self._bands[:, inside].sum(axis=1)
            level = _ratio_db(float(removed), float(before))
            reports.append(
                BandReport(
                    low_hz=low,
                    high_hz=min(high, nyquist),
                    removed_db=level if math.isfinite(level) else None,
                )
            )
        return tuple(reports)

    def spectra(self) -> Spectra:
        """Spectra over time; ``(0, freqs)`` for a song shorter than a frame."""
        before, after, removed = self._columns.means()
        return Spectra(
            before=before,
            after=after,
            removed=removed,
            frame_seconds=self._columns.span * _FRAME / self._sample_rate,
            high_hz=self._sample_rate / 2,
        )

    def _take_frames(self, signals: NDArray[np.float32]) -> None:
        joined = np.concatenate([self._frames, signals], axis=2)
        count = joined.shape[2] // _FRAME
        whole, self._frames = joined[:, :, : count * _FRAME], joined[:, :, count * _FRAME :]
        if count == 0:
            return
        frames = whole.reshape(*whole.shape[:2], count, _FRAME) * np.hanning(_FRAME).astype(np.float32)
        powers = np.square(np.abs(np.fft.rfft(frames, axis=-1))).mean(axis=1)
        self._bands += powers[[0, 2]].sum(axis=1)
        self._columns.take(powers)


class _Columns:
    """Means of frames; when they become too many, neighbours are joined."""

    def __init__(self) -> None:
        self.span = 1
        self._done: list[_Powers] = []  # (3, freqs) each, the mean of `span` frames
        self._open: list[_Powers] = []

    def take(self, powers: _Powers) -> None:
        """The next frames, ``(3, frames, freqs)``."""
        for index in range(powers.shape[1]):
            self._open.append(powers[:, index])
            if len(self._open) == self.span:
                self._done.append(np.mean(self._open, axis=0))
                self._open = []
            if len(self._done) == _MOST_COLUMNS:
                self._done = [
                    np.mean(pair, axis=0) for pair in zip(self._done[::2], self._done[1::2], strict=True)
                ]
                self.span *= 2

    def means(self) -> NDArray[np.float32]:
        """All columns, ``(3, columns, freqs)``."""
        columns = [*self._done, np.mean(self._open, axis=0)] if self._open else self._done
        if not columns:
            return np.zeros((3, 0, _FRAME // 2 + 1), dtype=np.float32)
        return np.stack(columns, axis=1).astype(np.float32)


def _ratio_db(power: float, reference: float) -> float:
    if power <= _FLOOR or reference <= _FLOOR:
        return -math.inf
    return 10.0 * math.log10(power / reference)
