"""Finds where channels are digitally silent, so that they stay silent.

A network that denoises middle and side leaves a remainder of one channel in the other.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class SilentStretches:
    """Remembers, block by block, which samples belong to a silence of some length.

    Parameters
    ----------
    channels
        Number of channels.
    least
        Shortest silence that counts, in samples, because music also passes through zero.
    """

    def __init__(self, channels: int, least: int) -> None:
        self._least = least
        self._waiting = np.zeros((channels, 0), dtype=bool)
        self._arrived: list[NDArray[np.bool_]] = []
        self._before = np.full((channels, 1), least)  # silent samples in front, as before any song

    def push(self, block: Tensor) -> None:
        """Take the next samples ``(channels, n)``."""
        self._arrived.append(block.eq(0.0).numpy())

    def pop(self, num_samples: int, *, is_end: bool = False) -> Tensor:
        """Whether each of the next samples is silent, bool ``(channels, num_samples)``.

        Parameters
        ----------
        num_samples
            How many. `least` more must have been pushed, unless the song has ended.
        is_end
            Whether nothing follows. Then silence at the end counts, however short it is.
        """
        self._waiting = np.concatenate([self._waiting, *self._arrived], axis=1)
        self._arrived = []
        silent, length = self._waiting, self._waiting.shape[1]
        places = np.arange(length)
        last = np.maximum.accumulate(np.where(silent, -1 - self._before, places), axis=1)
        beyond = length + self._least if is_end else length
        following = np.where(silent, beyond, places)[:, ::-1]
        following = np.minimum.accumulate(following, axis=1)[:, ::-1]
        taken = (silent & (following - last > self._least))[:, :num_samples]
        if num_samples:
            run = num_samples - 1 - last[:, num_samples - 1 : num_samples]
            self._before = np.where(silent[:, num_samples - 1 : num_samples], run, 0)
        self._waiting = silent[:, num_samples:]
        return torch.from_numpy(np.ascontiguousarray(taken))
