"""A small network that tells noise from people: from applause, crowds, playgrounds and music in the street.

Conventions: figures are ``(stretches, num_figures)``; `musicdenoise.denoising.voicing` makes them.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MOST_DEVIATIONS = 3.0  # of a figure from its mean; beyond, nothing was learnt. Chosen, not measured


class CrowdNet(nn.Module):
    """Log odds for noise, and against people.

    It is the mean of several networks with one hidden layer, each trained from other random weights.

    Parameters
    ----------
    num_figures
        What is known of each stretch.
    width
        Hidden units of each network.
    networks
        How many there are.
    """

    def __init__(self, num_figures: int, width: int = 32, networks: int = 8) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_figures))
        self.register_buffer("deviation", torch.ones(num_figures))
        bound = num_figures**-0.5
        self.first = nn.Parameter(torch.empty(networks, num_figures, width).uniform_(-bound, bound))
        self.first_bias = nn.Parameter(torch.zeros(networks, 1, width))
        self.last = nn.Parameter(torch.empty(networks, width, 1).uniform_(-(width**-0.5), width**-0.5))
        self.last_bias = nn.Parameter(torch.zeros(networks, 1, 1))
        self.dropout = nn.Dropout(0.2)  # in training. Chosen, not measured

    def forward(self, figures: Tensor) -> Tensor:
        """Log odds ``(stretches,)`` from figures ``(stretches, num_figures)``."""
        return self.each(figures).mean(dim=0)

    def each(self, figures: Tensor) -> Tensor:
        """Log odds of each network, ``(networks, stretches)``."""
        mean, deviation = cast("Tensor", self.mean), cast("Tensor", self.deviation)
        x = ((figures - mean) / deviation).clamp(-_MOST_DEVIATIONS, _MOST_DEVIATIONS)
        x = self.dropout(F.silu(x @ self.first + self.first_bias))
        return cast("Tensor", (x @ self.last + self.last_bias)[..., 0])
