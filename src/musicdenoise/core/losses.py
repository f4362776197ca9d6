"""Training losses on waveforms.

Arguments come as ``(reference, estimate)``; waveforms are ``(batch, channels, samples)``.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Power of the error, relative to the reference, at which the loss bottoms out: -60 dB. Without it an
# example that is almost solved would have an unbounded gradient.
_ERROR_FLOOR = 1e-6
_SILENCE_POWER = 1e-12


def error_ratio_loss(reference: Tensor, estimate: Tensor) -> Tensor:
    """Mean over examples of ``10 log10(|e - r|^2 / |r|^2)``, in dB: the negative SNR.

    The logarithm weighs each example by the inverse of its remaining error, so quiet and nearly clean
    examples count as much as loud and noisy ones. Unlike cosine similarity, it also fixes the scale of the
    estimate. With a noisy reference (Noise2Noise, Lehtinen et al. 2018), a part of the error cannot be
    removed by any network. That only lowers the weight of the example.

    Parameters
    ----------
    reference, estimate
        ``(batch, channels, samples)``.

    Returns
    -------
    Tensor
        Scalar; lower is better.
    """
    error = (estimate - reference).square().sum(dim=(1, 2))
    power = reference.square().sum(dim=(1, 2)) + _SILENCE_POWER
    return (10.0 * torch.log10(error / power + _ERROR_FLOOR)).mean()
