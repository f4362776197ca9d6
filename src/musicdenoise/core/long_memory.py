"""A layer that remembers seconds: averages over time join a map in the middle of a U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.time_average import moments_around

_NEAR_REACHES = (3, 11)  # at 11 frames a second: 0.6 and 2.1 s in all


class LongMemory(nn.Module):
    """Averages over time at several scales beside the map, joined, and then passed along frequency.

    Parameters
    ----------
    width
        Channels.
    groups
        Groups of channels of the convolution along frequency.
    reach
        Frames to each side of the longest averages.
    """

    def __init__(self, width: int, groups: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.join = nn.Conv2d((3 + len(_NEAR_REACHES)) * width, width, 1)
        self.along = nn.Conv2d(width, width, (9, 1), padding=(4, 0), groups=groups)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(items, channels, rows, frames)``, of the same shape."""
        near = [
            F.avg_pool2d(x, (1, 2 * reach + 1), 1, (0, reach), count_include_pad=False)
            for reach in _NEAR_REACHES
        ]
        far = [moment.to(x.dtype) for moment in moments_around(x, self.reach)]
        joined = self.join(torch.cat([x, *near, *far], 1))
        return x + F.silu(self.norm(self.along(joined)))
