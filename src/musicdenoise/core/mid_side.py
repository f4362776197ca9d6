"""Stereo as middle and side, around any stream."""

from __future__ import annotations

import torch
from torch import Tensor

from musicdenoise.core.blocks import BlockStream
from musicdenoise.core.silence import SilentStretches


def mid_side(stereo: Tensor) -> Tensor:
    """Middle and side ``(2, samples)`` of left and right, or the other way round.

    The sum and the difference are divided by the square root of two, which keeps the power. Most music is
    in the middle, and noise that differs between the channels is equally loud in both. So in the middle the
    music is 3 dB further above the noise.
    """
    left, right = stereo.unbind()
    return torch.stack([left + right, left - right]).mul(0.5**0.5)


class MidSideStream:
    """Denoise left and right as middle and side; as many samples come out as go in.

    A channel that is digitally silent stays silent. Without care, a remainder of the other would be in it.

    Parameters
    ----------
    inner
        Denoises middle and side, ``(2, samples)``.
    least_silence
        Shortest silence of a channel that is kept, in samples. The inner stream must return its results
        at least as many samples later.
    """

    def __init__(self, inner: BlockStream, least_silence: int) -> None:
        self._inner = inner
        self._silent = SilentStretches(2, least_silence)

    def push(self, block: Tensor) -> Tensor:
        """Take the next ``(2, samples)``; return what is settled by now, perhaps nothing."""
        self._silent.push(block)
        return self._back(self._inner.push(mid_side(block)), is_end=False)

    def flush(self) -> Tensor:
        """End of the song: return the rest ``(2, samples)``."""
        return self._back(self._inner.flush(), is_end=True)

    def _back(self, turned: Tensor, *, is_end: bool) -> Tensor:
        silent = self._silent.pop(turned.shape[-1], is_end=is_end)
        return mid_side(turned).masked_fill(silent, 0.0)
