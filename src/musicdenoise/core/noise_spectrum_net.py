"""The long-term spectrum of the noise, from the song or from a sample of the noise alone, and its removal.

Noise that lasts differs from music by what it does over seconds in each bin: its level hardly moves, and its
quiet moments are hardly quieter than its mean. A small network reads such statistics per bin (n_fft 8192, 5.4
Hz a bin) along frequency, and answers with the mean power of the noise. Spectral subtraction does the rest:
the network is trained through it, by Noise2Noise. If there is a sample, its spectrum is the starting
point, instead of the floor of the song.

References: Boll, "Suppression of acoustic noise in speech using spectral subtraction", 1979; Steinmetz,
Walther and Reiss, "High-fidelity noise reduction with differentiable signal processing", 2023 (a small
network that steers a classical denoiser); Martin, "Noise power spectral density estimation based on optimal
smoothing and minimum statistics", 2001 (the floor).

Conventions: spectrograms are complex ``(batch, channels, freqs, frames)`` of `SPECTRUM_STFT`; channels have a
spectrum each. Powers per bin are ``(batch, channels, freqs)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.level import SILENCE_POWER
from musicdenoise.core.noise_spectrum import smooth
from musicdenoise.core.stft import StftConfig, stft

SPECTRUM_STFT = StftConfig(n_fft=8192, hop_length=2048)

_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)  # over time; chosen, not measured
_SORTED_FRAMES = 129  # 6 s; of longer stretches quantiles are those of every second frame, or third, ...
_NUM_STATISTICS = len(_QUANTILES) + 8
_DILATIONS = (1, 2, 4, 8, 16, 32, 1)  # along frequency: 1.4 kHz in all; chosen, not measured
_FLOOR_FRAMES = 5  # 0.23 s, over which powers are averaged before the minimum is taken; chosen
_FLOOR_FACTOR = 1.6  # from such a minimum to the mean of steady noise
_LEAST_POWER = 1e-10  # relative to the mean power of a bin
_LOG_SCALE = 4.0  # what the network reads and answers are natural logarithms of power over four
_FIRST_LEAST_GAIN = -4.0  # before the sigmoid: 0.018
_LEAST_VARIANCE = 1e-3  # of logarithms; chosen, not measured


class NoiseSpectrum(NamedTuple):
    """What is known of the noise per bin.

    ``power`` is its mean power, and ``least_gain`` the least gain of subtraction, each
    ``(batch, channels, freqs)``.
    """

    power: Tensor
    least_gain: Tensor


class NoiseSpectrumNet(nn.Module):
    """Estimates the noise's mean power per bin.

    Parameters
    ----------
    width
        Channels along frequency.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv1d(_NUM_STATISTICS, width, 9, padding=4)
        self.blocks = nn.ModuleList(_SpectrumBlock(width, dilation) for dilation in _DILATIONS)
        self.last = nn.Conv1d(width, 2, 1)
        assert self.last.bias is not None
        if not self.last.weight.is_meta:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)

    def forward(self, noisy: Tensor, sample_power: Tensor | None = None) -> NoiseSpectrum:
        """Spectrum of the noise in a stretch of a song.

        Parameters
        ----------
        noisy
            Complex, ``(batch, channels, freqs, frames)``.
        sample_power
            Mean power of the noise alone, ``(batch, channels, freqs)``; zeros for items without a sample.
        """
        shape = noisy.shape[:3]
        power = (noisy.real.square() + noisy.imag.square()).flatten(0, 1)
        sample = torch.zeros(power.shape[:2]) if sample_power is None else sample_power.flatten(0, 1)
        with torch.no_grad():
            level = power.mean((1, 2)).clamp_min(SILENCE_POWER)
            scaled_sample = sample.to(power) / level[:, None]
            statistics, base = _statistics(power / level[:, None, None], scaled_sample)
        x = self.first(statistics)
        for block in self.blocks:
            x = block(x)
        x = self.last(x).float()
        power = (base + _LOG_SCALE * x[:, 0]).exp() * level[:, None]
        least_gain = torch.sigmoid(x[:, 1] + _FIRST_LEAST_GAIN)
        return NoiseSpectrum(power=power.reshape(shape), least_gain=least_gain.reshape(shape))


def _statistics(power: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
    """What the network reads, ``(items, 14, freqs)``, and the logarithm of power that it corrects.

    ``power`` is ``(items, freqs, frames)`` with a mean of 1, ``sample`` ``(items, freqs)``.
    """
    power = power + _LEAST_POWER
    frames = power.shape[-1]
    logs = power.log()
    mean, spread = logs.mean(-1), logs.std(-1, correction=0)
    away = logs - mean[..., None]
    lag1 = (away[..., 1:] * away[..., :-1]).sum(-1) / frames / (spread.square() + _LEAST_VARIANCE)
    ordered = _sorted(logs[..., :: max(1, frames // _SORTED_FRAMES)])
    count = ordered.shape[-1]
    quantiles = [ordered[..., min(count - 1, int(share * count))] for share in _QUANTILES]
    reach = _FLOOR_FRAMES // 2
    means = F.avg_pool1d(power, _FLOOR_FRAMES, 1, reach, count_include_pad=False)
    floor = (_FLOOR_FACTOR * means.amin(-1)).log()
    is_known = sample.sum(-1, keepdim=True) > 0.0
    known = is_known.to(power).expand_as(sample)
    sample_log = (sample + _LEAST_POWER).log() * known
    place = torch.linspace(-1.0, 1.0, power.shape[1], device=power.device).expand_as(sample)
    logarithms = [*quantiles, floor, power.mean(-1).log(), mean, sample_log]
    planes = [*(plane / _LOG_SCALE for plane in logarithms), spread, lag1, known, place]
    return torch.stack(planes, 1), torch.where(is_known, sample_log, floor)


def _sorted(x: Tensor) -> Tensor:
    """In order along the last axis. NumPy's sort takes a tenth of the time of PyTorch's on processors."""
    if x.device.type == "cpu":
        return torch.from_numpy(np.sort(x.numpy(), axis=-1))
    return x.sort(-1).values


class _SpectrumBlock(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)
        self.point = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.point(F.gelu(self.norm(self.wide(x))))
        return x + changed


def mean_power(sample: Tensor) -> Tensor:
    """Mean power per bin ``(..., freqs)`` of a sample ``(..., samples)`` of at least 0.1 s."""
    spectrogram = stft(sample, SPECTRUM_STFT)
    return (spectrogram.real.square() + spectrogram.imag.square()).mean(-1)


def subtraction_gain(noisy: Tensor, noise: NoiseSpectrum) -> Tensor:
    """Gain of spectral subtraction, averaged over 3 x 3 bins, ``(batch, channels, freqs, frames)``.

    Parameters
    ----------
    noisy
        Complex, ``(batch, channels, freqs, frames)``.
    noise
        Spectrum of the noise in it.
    """
    power = (noisy.real.square() + noisy.imag.square()).clamp_min(SILENCE_POWER)
    gain = 1.0 - noise.power[..., None] / power
    return smooth(torch.maximum(gain, noise.least_gain[..., None]))
