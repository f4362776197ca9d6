"""What all streams share: blocks of samples go in, and blocks of the result come out later."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class BlockStream(Protocol):
    """A stream that works on a signal block by block.

    A block is a tensor ``(channels, samples)`` of any length, zero included. The result does not depend on
    how the signal is cut into blocks. A stream is used once.
    """

    def push(self, block: Tensor) -> Tensor:
        """Take the next block; return the samples that later blocks do not change, perhaps none."""

    def flush(self) -> Tensor:
        """End of the signal: return the rest. The results together are as long as the blocks together."""
