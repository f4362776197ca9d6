"""Samples that wait for their counterpart."""

from __future__ import annotations

import torch
from torch import Tensor


class Delay:
    """Holds samples back until others have come through.

    Parameters
    ----------
    channels
        Number of channels.

    Attributes
    ----------
    length : int
        Samples that wait.
    """

    def __init__(self, channels: int) -> None:
        self._waiting = torch.zeros(channels, 0)
        self._arrived: list[Tensor] = []
        self.length = 0

    def push(self, block: Tensor) -> None:
        """Keep the next ``(channels, samples)``."""
        self._arrived.append(block)
        self.length += block.shape[-1]

    def pop(self, num_samples: int) -> Tensor:
        """The ``num_samples`` that wait longest."""
        if num_samples == 0:
            return self._waiting[:, :0]
        self._waiting = torch.cat([self._waiting, *self._arrived], dim=-1)
        self._arrived = []
        self.length -= num_samples
        taken, self._waiting = self._waiting[:, :num_samples], self._waiting[:, num_samples:].clone()
        return taken
