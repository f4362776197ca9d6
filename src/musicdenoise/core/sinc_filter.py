"""Resampling with PyTorch alone, by the filter that torchaudio uses.

A signal without anything above half its rate is the sum of its samples, each times a sinc (Shannon). With
``sinc(u) = sin(pi u) / (pi u)``, a low-pass at the share ``c`` of half the input rate makes it
``y(t) = sum_n x[n] c sinc(c (n - t))``, ``t`` in input samples. ``c`` is a little below 1, or below the
ratio of the rates if that is less, so nothing is left that the output rate cannot hold. A Kaiser
window ends the sinc after ``W`` zero crossings, ``u = c (n - t)`` from ``-W`` to ``W``:
``w(u) = I0(beta sqrt(1 - (u / W)^2)) / I0(beta)``.

Output sample ``j`` lies at ``t = j P / Q``, where ``Q / P`` is the ratio of the rates in lowest terms. After
``Q`` output samples ``t`` has moved on by exactly ``P`` input samples and the same weights come again:
``Q`` filters, one for each ``q = j mod Q``, that step ``P`` samples at a time. That is one convolution with
``Q`` output channels and stride ``P``.

References: J. O. Smith, "Digital audio resampling", https://ccrma.stanford.edu/~jos/resample/;
J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", 1974.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SincFilter(nn.Module):
    """Conversion at one ratio of rates; zeros stand before and after the signal.

    Parameters
    ----------
    ratio
        New rate over old rate.
    zero_crossings
        Zero crossings of the sinc to each side, ``W`` above.
    rolloff
        Cut-off as a share of half the lower rate.
    beta
        Shape of the Kaiser window.
    """

    _weights: Tensor

    def __init__(self, ratio: Fraction, *, zero_crossings: int, rolloff: float, beta: float) -> None:
        super().__init__()
        self._step_in, self._step_out = ratio.denominator, ratio.numerator
        cutoff = rolloff * min(1.0, float(ratio))
        self.width = ceil(zero_crossings / cutoff)
        # Offsets n of the inputs that one step reads, and the times t of the outputs that it makes.
        n = torch.arange(-self.width, self.width + self._step_in, dtype=torch.float64)
        t = torch.arange(self._step_out, dtype=torch.float64) / float(ratio)
        u = (cutoff * (n - t[:, None])).clamp(-zero_crossings, zero_crossings)
        root = (1 - (u / zero_crossings).square()).sqrt()
        window = torch.special.i0(beta * root) / torch.special.i0(torch.tensor(beta, dtype=torch.float64))
        weights = (cutoff * torch.sinc(u) * window).unsqueeze(1)  # (Q, 1, inputs of one step)
        self.register_buffer("_weights", weights.float())

    def forward(self, waveform: Tensor) -> Tensor:
        """Convert ``(channels, samples)`` to ``(channels, ceil(samples * ratio))``."""
        num_samples = waveform.shape[-1]
        padded = F.pad(waveform.unsqueeze(1), (self.width, self.width + self._step_in))
        phases = F.conv1d(padded, self._weights, stride=self._step_in)  # (channels, Q, steps)
        joined = phases.transpose(1, 2).reshape(waveform.shape[0], -1)
        return joined[:, : -(-num_samples * self._step_out // self._step_in)]
