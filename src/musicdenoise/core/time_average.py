"""Averages over time around each frame, at a cost that does not grow with their length.

At the ends of a signal, or in a signal shorter than the window, the mean is that of the frames that are
there. A signal of up to ``reach + 1`` frames has one mean for all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_around(x: Tensor, reach: int) -> Tensor:
    """Mean of the frames up to ``reach`` before and after each, over the last axis.

    Parameters
    ----------
    x
        Real, ``(..., frames)``.
    reach
        Frames to each side.

    Returns
    -------
    Tensor
        Same shape; a view of one mean if the window always covers all frames.
    """
    frames = x.shape[-1]
    if frames <= reach + 1:
        return x.mean(-1, keepdim=True).expand_as(x)
    # In double precision: otherwise the error of two long sums would show in a short window.
    sums = torch.nn.functional.pad(x.double().cumsum(-1), (1, 0))
    places = torch.arange(frames, device=x.device)
    first, after = (places - reach).clamp_min(0), (places + reach + 1).clamp_max(frames)
    means = (sums[..., after] - sums[..., first]) / (after - first)
    return means.to(x.dtype)


def moments_around(x: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the frames around each; see `mean_around`."""
    x = x.float()
    if x.shape[-1] <= reach + 1:
        spread, mean = torch.std_mean(x, -1, correction=0, keepdim=True)
        return mean.expand_as(x), spread.expand_as(x)
    mean = mean_around(x, reach)
    square = mean_around(x.square(), reach)
    return mean, (square - mean.square()).clamp_min(0.0).sqrt()
