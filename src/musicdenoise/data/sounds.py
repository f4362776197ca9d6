"""What noise is made of: levels, and spectra given by a factor for each frequency.

Conventions: sounds are float32 ``(samples,)``; frequencies are in Hz.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float32]
Response = Callable[[Array], NDArray[np.floating]]
"""The factor for each frequency."""

_TINY = 1e-12  # keeps silence from dividing by zero


def unit(sound: NDArray[np.floating]) -> Array:
    """A sound with a root mean square of 1; silence stays."""
    level = np.sqrt(np.mean(np.square(sound), dtype=np.float64)) + _TINY
    scaled: Array = (sound / level).astype(np.float32)
    return scaled


def factor(decibels: float | NDArray[np.floating]) -> Array:
    """Factor on the amplitude, for each level in dB."""
    return np.power(10.0, np.asarray(decibels) / 20.0, dtype=np.float32)


def filtered(sound: Array, sample_rate: int, response: Response) -> Array:
    """A sound with another spectrum, as long as it was."""
    length = scipy.fft.next_fast_len(len(sound), real=True)
    hz = scipy.fft.rfftfreq(length, 1.0 / sample_rate).astype(np.float32)
    spectrum = scipy.fft.rfft(sound, length) * response(hz).astype(np.float32)
    changed: Array = scipy.fft.irfft(spectrum, length)[: len(sound)].astype(np.float32)
    return changed


def coloured(num_samples: int, sample_rate: int, response: Response, rng: np.random.Generator) -> Array:
    """Gaussian noise with a spectrum."""
    length = scipy.fft.next_fast_len(num_samples, real=True)
    return filtered(rng.standard_normal(length, dtype=np.float32), sample_rate, response)[:num_samples]


def waveform(sound: Array) -> Tensor:
    """A sound without its mean, ``(1, samples)``."""
    return torch.from_numpy(np.ascontiguousarray(sound - sound.mean(), dtype=np.float32)).unsqueeze(0)
