"""A small network that settles what the noise's spectrum and a large network disagree about.

The closed form of `musicdenoise.core.noise_spectrum` weighs both alike in every bin. More than one bin tells
which of them is right: a bark stands out of its own mean spectrum, a hum never does, and a quarter of a
second of noise does not show its spectrum for sure. For each bin, `NoiseFilter` reads how far the song, the
network's estimate and the result of the subtraction stand above the noise. It then changes the logarithmic
odds of the gain of the closed form. Before training, it changes nothing.

Bins of 5.4 Hz matter in the bass. Above `FINE_BINS` four neighbours share a change, which takes less than
half of the time.

Conventions: as in `musicdenoise.core.noise_spectrum`. It reads only ratios, so it does not depend on the
level. Powers are kept as base-10 logarithms.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.noise_spectrum import power_of, prior_power, smooth, subtracted_power

FINE_BINS = 1024
"""Bins with a change of their own: up to 5.5 kHz."""

NOISE_FILTER_REACH = 5
"""Frames to each side that a frame depends on: three averages over three frames, then two convolutions."""

_SHARED = 4  # bins above that share a change
_NUM_FEATURES = 9
_LEAST, _LARGEST = -4.0, 5.0  # ratios of powers that are told apart, in powers of ten; chosen
_TINY_POWER = 1e-14  # far below what any format holds
_TINY_RATIO = 1e-6  # of powers: keeps the logarithm of 0 finite; chosen
_NEIGHBOURHOOD = 31  # bins around one that its noise is compared with: hum stands out of them


class NoiseFilter(nn.Module):
    """Gain from a song, a network's estimate of it, and the spectrum of its noise.

    Parameters
    ----------
    width
        Channels of its two hidden layers.
    """

    def __init__(self, width: int = 10) -> None:
        super().__init__()
        self.first = nn.Conv2d(_NUM_FEATURES, width, 3, padding=1)
        self.hidden = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 1, 1)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, noisy: Tensor, estimate: Tensor, power: Tensor, seconds: float) -> Tensor:
        """Gain of each bin.

        Parameters
        ----------
        noisy, estimate
            Spectrograms of the song and of the network's estimate, complex ``(channels, freqs, frames)``.
        power
            Mean power of the noise, ``(channels, freqs)``.
        seconds
            Length of the recordings that it was learnt from.

        Returns
        -------
        Tensor
            ``(channels, freqs, frames)``, 0 to 1. `NOISE_FILTER_REACH` frames at both ends depend on frames
            beyond.
        """
        # Spectrograms hold the bins of a frame side by side in memory: (channels, frames, freqs) is dense.
        song, kept = power_of(noisy).mT, power_of(estimate).mT
        level = power[:, None] + _TINY_POWER
        subtracted = subtracted_power(song, level)
        with torch.no_grad():
            features = _features(song, kept, subtracted, level, seconds)
        x = F.silu(self.first(features.contiguous(memory_format=torch.channels_last)))
        x = x + F.silu(self.hidden(x))
        change = _to_bins(self.last(x)[:, 0], song.shape[-1])
        odds = ((prior_power(kept, subtracted) + _TINY_POWER) / level).log()
        return torch.sigmoid(odds + change).mT


def _features(song: Tensor, kept: Tensor, subtracted: Tensor, level: Tensor, seconds: float) -> Tensor:
    """What the filter reads, ``(channels, 9, frames, rows)``, from powers ``(channels, frames, freqs)``."""
    noise = _to_rows(level)
    around = F.avg_pool1d(
        level, _NEIGHBOURHOOD, stride=1, padding=_NEIGHBOURHOOD // 2, count_include_pad=False
    )
    planes = [
        _to_rows(song) / noise,
        _to_rows(kept) / noise,
        _to_rows(smooth(kept)) / noise,
        _to_rows(subtracted) / noise,
        _to_rows(smooth(smooth(smooth(song)))) / noise,
        kept.mean(dim=-1, keepdim=True) / level.mean(dim=-1, keepdim=True),
        noise / _to_rows(around),
        torch.full_like(noise, seconds),
    ]
    frames, rows = song.shape[1], noise.shape[-1]
    place = torch.linspace(-1.0, 1.0, rows, device=song.device).expand(song.shape[0], frames, rows)
    logs = [(plane + _TINY_RATIO).log10_().clamp_(_LEAST, _LARGEST).expand_as(place) for plane in planes]
    return torch.stack([*logs, place], dim=1)


def _to_rows(powers: Tensor) -> Tensor:
    """Bins ``(channels, frames, freqs)`` as rows: means of four above `FINE_BINS`, and of what is left."""
    fine, shared = powers[..., :FINE_BINS], powers[..., FINE_BINS:]
    whole = shared.shape[-1] // _SHARED * _SHARED
    means = (
        shared[..., :whole].reshape(*shared.shape[:-1], -1, _SHARED).mean(dim=-1)
        if whole
        else shared[..., :0]
    )
    rest = shared[..., whole:]
    parts = [fine, means, rest.mean(dim=-1, keepdim=True)] if rest.shape[-1] else [fine, means]
    return torch.cat(parts, dim=-1)


def _to_bins(rows: Tensor, freqs: int) -> Tensor:
    """Rows ``(channels, frames, rows)`` as bins: those above `FINE_BINS` serve four each."""
    shared = rows[..., FINE_BINS:].repeat_interleave(_SHARED, dim=-1)
    return torch.cat([rows[..., :FINE_BINS], shared], dim=-1)[..., :freqs]
