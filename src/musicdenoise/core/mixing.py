"""Mixing noise into music at a stated signal-to-noise ratio.

Conventions: waveforms are ``(channels, samples)`` or ``(..., samples)``; levels are root mean squares
over all channels and samples; ratios are in dB of power. No function changes its arguments.
"""

from __future__ import annotations

import math

from torch import Tensor

from musicdenoise.errors import DataError


def rms(waveform: Tensor) -> float:
    """Root mean square over all channels and samples; 0 for an empty waveform."""
    if waveform.numel() == 0:
        return 0.0
    return math.sqrt(float(waveform.double().square().mean()))


def snr_gain(signal_rms: float, noise_rms: float, snr_db: float) -> float:
    """Factor that brings a noise ``snr_db`` below a signal.

    Parameters
    ----------
    signal_rms, noise_rms
        Their levels.
    snr_db
        Wanted ratio of their powers in dB.

    Raises
    ------
    DataError
        If either is silent, because then no factor gives the wanted ratio.
    """
    if signal_rms == 0.0 or noise_rms == 0.0:
        silent = "signal" if signal_rms == 0.0 else "noise"
        raise DataError(f"the {silent} is silent, so it cannot be mixed at {snr_db:g} dB SNR")
    return signal_rms / noise_rms * math.pow(10.0, -snr_db / 20.0)


def mix_at_snr(signal: Tensor, noise: Tensor, snr_db: float) -> Tensor:
    """``signal`` plus ``noise`` scaled to be ``snr_db`` below it; both ``(..., samples)``, same length."""
    return signal + noise * snr_gain(rms(signal), rms(noise), snr_db)


def zero_mean(waveform: Tensor) -> Tensor:
    """Waveform without the mean of each channel."""
    return waveform - waveform.mean(dim=-1, keepdim=True)


def loop_to_length(waveform: Tensor, num_samples: int) -> Tensor:
    """Repeat or cut ``(..., samples)`` to ``num_samples``.

    Raises
    ------
    DataError
        If there is nothing to repeat.
    """
    length = waveform.shape[-1]
    if length == 0:
        raise DataError("a waveform without samples cannot be repeated")
    copies = -(-num_samples // length)
    return waveform.repeat(*[1] * (waveform.dim() - 1), copies)[..., :num_samples]
