"""What a noise is like: how steady in time, how flat over frequency, how much of it is bass.

Both measures are ratios in dB, at most 0, and near 0 for ideal white noise:

- *steadiness*: in each band, the power that a tenth of the frames stay below, over the mean power;
- *flatness*: the geometric mean of the bands over their arithmetic mean (Johnston, "Transform coding of audio
  signals using perceptual noise criteria", IEEE JSAC 6(2), 1988).

Conventions: bands are powers ``(frames, 32)``. Frames have 2048 samples (Hann window, no overlap). Bands
have equal width and end at 12 kHz, because codecs cut off what lies above.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FRAME = 2048  # samples; 46 ms at 44.1 kHz, as in the network. Chosen, not measured, as the numbers below
_BANDS = 32
_TOP_HZ = 12_000.0
_BASS_HZ = 400.0
_QUIET_SHARE = 0.1
_FLOOR = 1e-16  # -160 dB, below the smallest step of 24 bits

Bands = NDArray[np.float64]


def band_powers(noise: NDArray[np.float32], sample_rate: int) -> Bands:
    """Powers of a noise ``(channels, samples)`` by frame and band, averaged over channels.

    Samples after the last whole frame are left out.
    """
    channels, count = noise.shape[0], noise.shape[1] // _FRAME
    if count == 0:
        return np.zeros((0, _BANDS))
    top = min(_FRAME // 2, round(_TOP_HZ * _FRAME / sample_rate))
    edges = np.linspace(1, max(top, _BANDS + 1), _BANDS + 1).astype(int)
    frames = noise[:, : count * _FRAME].reshape(channels, count, _FRAME) * np.hanning(_FRAME)
    powers = np.square(np.abs(np.fft.rfft(frames, axis=-1))).mean(axis=0)
    bands: Bands = np.add.reduceat(powers[:, : edges[-1]], edges[:-1], axis=1) / np.diff(edges)
    return bands


def bass_powers(noise: NDArray[np.float32], sample_rate: int) -> tuple[float, float]:
    """Power of a noise ``(channels, samples)`` below 400 Hz, and its whole power; 0 without samples."""
    count = noise.shape[1]
    if count == 0:
        return 0.0, 0.0
    powers = np.square(np.abs(np.fft.rfft(noise, axis=-1))).sum(axis=0)
    powers[1 : (count + 1) // 2] *= 2.0  # these frequencies are in both halves of the spectrum
    bass = powers[np.fft.rfftfreq(count, 1.0 / sample_rate) < _BASS_HZ]
    return float(bass.sum()) / count, float(powers.sum()) / count


def steadiness_db(bands: Bands) -> float:
    """How steady a noise is, in dB; -inf without frames."""
    if len(bands) == 0:
        return -np.inf
    quiet = np.quantile(bands + _FLOOR, _QUIET_SHARE, axis=0)
    return float(np.mean(10.0 * np.log10(quiet / (bands + _FLOOR).mean(axis=0))))


def flatness_db(bands: Bands) -> float:
    """How flat the spectrum of a noise is, in dB; -inf without frames."""
    if len(bands) == 0:
        return -np.inf
    means = bands.mean(axis=0) + _FLOOR
    return float(np.mean(10.0 * np.log10(means)) - 10.0 * np.log10(means.mean()))
