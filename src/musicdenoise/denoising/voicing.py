"""How voiced each moment of a song is, to tell machines and weather from people.

Noise alone is worth removing; applause, a playground and street music are not. Levels by band tell them apart
badly, because all of them change all the time. In voices, tones glide and come and go; in engines they stay,
and hiss has none. So each window of 46 ms (the mean of the channels), with 23 ms from one to the next, is
measured: in two bands, the highest peak of the autocorrelation as a share of the power and corrected for the
window (Boersma, "Accurate short-term analysis of the fundamental frequency", 1993), and its lag as a pitch of
90 to 450 Hz; how far the spectrum's highest bins are above the rest; and the levels of three bands, which
show how fast the sound moves. Three hours of a song take 6 MB.

`tests/benchmarks/fit_crowds.py` trains the network that reads them (`musicdenoise.core.crowds`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicdenoise.denoising.band_levels import frame_length

WINDOWS_PER_FRAME = 4
"""Windows per frame of `musicdenoise.denoising.band_levels`."""

NUM_FIGURES = 33

# Chosen, not measured, unless something else is said.
VOICED_HZ = ((80.0, 800.0), (300.0, 2000.0))
PITCHES_HZ = (90.0, 450.0)
LEVELS_HZ = ((100.0, 400.0), (400.0, 1600.0), (1600.0, 6400.0))
PEAKS_HZ = 7500.0
NUM_PEAKS, NUM_BINS = 20, 350
VOICED, CLEARLY_VOICED = 0.5, 0.7  # of the power of a band
USUAL_PITCH = 1.15  # where nothing is voiced: 200 Hz
LEAST_WINDOWS, MOST_WINDOWS = 16, 2000  # 0.4 to 46 s
_TINY = 1e-12
_LEAST_BIN = 1e-7  # of the mean power of the bins: recordings at low rates have empty ones
_LEAST_WINDOW_SHARE = 0.02  # of the window's own autocorrelation
_WINDOWS_AT_ONCE = 32
_HIGHEST_HZ = 8000.0  # autocorrelations have two samples per period of this

# What is kept of a window: peaks in hundredths, pitches in hundredths of an octave above the lowest, how far
# the highest bins are above the rest in neper, and levels in dB.
WINDOW = np.dtype(
    [
        ("peaks", "u1", len(VOICED_HZ)),
        ("pitches", "u1", len(VOICED_HZ)),
        ("height", "f2"),
        ("levels", "f2", 3),
    ]
)

Floats = NDArray[np.float32]
Windows = NDArray[np.void]


class VoicingMeter:
    """Measure a song, block after block; the result does not depend on how they are cut.

    Parameters
    ----------
    sample_rate
        In Hz, 8000 to 192 000.
    """

    def __init__(self, sample_rate: int) -> None:
        self._hop = frame_length(sample_rate) // WINDOWS_PER_FRAME
        length = 2 * self._hop
        self._window = np.hanning(length + 1)[:-1].astype(np.float32)
        hz = np.fft.rfftfreq(2 * length, 1.0 / sample_rate)
        # An autocorrelation of what is below 8 kHz needs few samples; `rate` is theirs.
        self._size = _fast_length(2 * int(np.searchsorted(hz, _HIGHEST_HZ)))
        rate = self._size * hz[1]
        self._lags = slice(int(rate / PITCHES_HZ[1]), int(rate / PITCHES_HZ[0]) + 1)
        lags = np.arange(self._lags.start, self._lags.stop)
        own = np.correlate(self._window, self._window, "full")[length - 1 :]
        own = np.interp(lags * (sample_rate / rate), np.arange(length), own / own[0])
        self._correction = np.maximum(own, _LEAST_WINDOW_SHARE).astype(np.float32)
        self._rate = rate
        self._voiced = [slice(*np.searchsorted(hz, edges)) for edges in VOICED_HZ]
        self._levels = [slice(*np.searchsorted(hz, edges)) for edges in LEVELS_HZ]
        wanted = np.linspace(0.0, min(PEAKS_HZ, 0.5 * sample_rate), NUM_BINS, endpoint=False)
        self._bins = np.rint(wanted / hz[1]).astype(np.intp)
        # So the second window of a frame is the first that lies within it.
        self._waiting = np.zeros(self._hop, dtype=np.float32)
        self._measured = bytearray()

    def push(self, block: Floats) -> None:
        """Take the next finite samples ``(channels, n)``, of any length."""
        self._waiting = np.concatenate([self._waiting, block.mean(axis=0, dtype=np.float32)])
        most = (_WINDOWS_AT_ONCE + 1) * self._hop
        while len(self._waiting) >= most:
            self._measure(self._waiting[:most])
            self._waiting = self._waiting[most - self._hop :]

    def finish(self) -> Windows:
        """Return the measurements, one `WINDOW` each; samples behind the last whole window are left out."""
        if len(self._waiting) >= 2 * self._hop:
            self._measure(self._waiting)
        return np.frombuffer(self._measured, dtype=WINDOW)

    def _measure(self, samples: Floats) -> None:
        frames = np.lib.stride_tricks.sliding_window_view(samples, 2 * self._hop)[:: self._hop] * self._window
        spectra = np.fft.rfft(frames, 4 * self._hop, axis=1)
        powers = np.square(spectra.real) + np.square(spectra.imag)
        measured = np.empty(len(powers), dtype=WINDOW)
        for number, band in enumerate(self._voiced):
            peaks, octaves = self._peaks(powers, band)
            measured["peaks"][:, number] = np.rint(100.0 * peaks.clip(0.0, 2.5))
            measured["pitches"][:, number] = np.rint(100.0 * octaves.clip(0.0, 2.5))
        some = powers[:, self._bins]
        logs = np.log(np.maximum(some, _LEAST_BIN * some.mean(axis=1, keepdims=True)) + _TINY)
        highest = np.partition(logs, -NUM_PEAKS, axis=1)[:, -NUM_PEAKS:]
        measured["height"] = highest.mean(axis=1) - logs.mean(axis=1)
        for number, band in enumerate(self._levels):
            measured["levels"][:, number] = 10.0 * np.log10(powers[:, band].sum(axis=1) + _TINY)
        self._measured += measured.tobytes()

    def _peaks(self, powers: Floats, band: slice) -> tuple[Floats, Floats]:
        """The highest peak of the autocorrelation in each window, and its octaves above the lowest pitch."""
        some = np.zeros((len(powers), self._size // 2 + 1), dtype=np.complex64)
        some[:, band] = powers[:, band]
        correlation = np.fft.irfft(some, self._size, axis=1)
        shares = correlation[:, self._lags] / (correlation[:, :1] + _TINY) / self._correction
        highest = shares.argmax(axis=1)
        # A parabola through the peak and its neighbours has its top between the samples.
        middle = highest.clip(1, shares.shape[1] - 2)
        before, at, behind = (np.take_along_axis(shares, middle[:, None] + i, 1)[:, 0] for i in (-1, 0, 1))
        bend = np.minimum(before - 2.0 * at + behind, -_TINY)
        offset = np.where(highest == middle, (0.5 * (before - behind) / bend).clip(-0.5, 0.5), 0.0)
        lags = self._lags.start + highest + offset
        return shares.max(axis=1), np.log2(self._rate / (PITCHES_HZ[0] * lags))


def _fast_length(least: int) -> int:
    """The next even length whose prime factors are 2, 3 and 5: quick to transform."""
    length = least + least % 2
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 2


def voicing_figures(windows: Windows) -> Floats | None:
    """What the network reads of a stretch, ``(NUM_FIGURES,)``; None if it is shorter than 0.4 s.

    Parameters
    ----------
    windows
        Measurements of its windows, as `VoicingMeter` gives them; the first 2000 count.
    """
    if len(windows) < LEAST_WINDOWS:
        return None
    windows = windows[:MOST_WINDOWS]
    peaks, octaves = (0.01 * windows[name].astype(np.float64) for name in ("peaks", "pitches"))
    height, levels = (windows[name].astype(np.float64) for name in ("height", "levels"))
    figures: list[float] = []
    for band in range(len(VOICED_HZ)):
        figures += _voicing(peaks[:, band], octaves[:, band])
    figures += [height.mean(), height.std()]
    for level in levels.T:
        figures += _movement(level)
    figures += [_correlation(levels[:, 0], levels[:, 1]), _correlation(levels[:, 1], levels[:, 2])]
    return np.array(figures, dtype=np.float32)


def _voicing(peaks: NDArray[np.float64], pitches: NDArray[np.float64]) -> list[float]:
    voiced = peaks > VOICED
    both = voiced[1:] & voiced[:-1]
    moves = np.abs(np.diff(pitches))[both]
    return [
        float(peaks.mean()),
        float(peaks.std()),
        float(voiced.mean()),
        float((peaks > CLEARLY_VOICED).mean()),
        float(moves.mean()) if both.any() else 0.0,
        float(pitches[voiced].std()) if voiced.any() else 0.0,
        float(pitches[voiced].mean()) if voiced.any() else USUAL_PITCH,
    ]


def _movement(level: NDArray[np.float64]) -> list[float]:
    """How a level in dB moves: from window to window, from frame to frame, up and down."""
    smooth = np.convolve(level, np.full(WINDOWS_PER_FRAME, 1.0 / WINDOWS_PER_FRAME), "valid")
    low, middle, high = np.quantile(level, (0.1, 0.5, 0.9))
    return [
        float(level.std()),
        float(np.abs(np.diff(level)).mean()),
        float(np.abs(np.diff(smooth)).mean()),
        float(high - middle),
        float(middle - low),
    ]


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).mean() / (one.std() * other.std() + _TINY))
