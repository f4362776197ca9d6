"""Samples that wait for their counterpart."""

from __future__ import annotations

import torch
from torch import Tensor


class DelayLine:
    """Holds samples until all readers have taken them. Each reader gets all of them in order.

    Parameters
    ----------
    channels
        Number of channels.
    readers
        Number of readers; the last one is never ahead of the others.

    Attributes
    ----------
    length : int
        Samples that the last reader has not taken yet.
    """

    def __init__(self, channels: int, readers: int = 1) -> None:
        self.channels = channels
        self.length = 0
        self._held = torch.zeros(channels, 0)
        self._arrived: list[Tensor] = []
        self._taken = [0] * readers  # how much of what is held each reader has taken

    def push(self, block: Tensor) -> None:
        """Hold the next ``(channels, samples)``."""
        self._arrived.append(block)
        self.length += block.shape[-1]

    def take(self, num_samples: int, reader: int = -1) -> Tensor:
        """The next samples for a reader, by default for the last one. They must be there."""
        if self._arrived and num_samples:
            self._held = torch.cat([self._held, *self._arrived], dim=-1)
            self._arrived = []
        first = self._taken[reader]
        block = self._held[:, first : first + num_samples]
        self._taken[reader] += num_samples
        done = self._taken[-1]
        self._held, self._taken = self._held[:, done:], [taken - done for taken in self._taken]
        self.length -= done
        return block
