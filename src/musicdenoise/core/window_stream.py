"""A signal of any length through a network that sees half a minute at a time.

The signal is cut on a fixed grid, counted from its start. Each stretch is denoised in a window that reaches
some seconds further on both sides, and neighbours are cross-faded around the cut. So results do not depend on
the blocks that a signal arrives in, and memory does not grow with it. Averages over half a minute (spectra,
levels of bins) are those of the window. The last stretch takes the rest. It is never shorter than the context
of a window, unless the whole signal is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from musicdenoise.core.overlap import mirror
from musicdenoise.errors import ConfigurationError

# Maps a waveform (channels, samples) to an estimate, perhaps with fewer channels.
Estimator = Callable[[Tensor], Tensor]

_FEWEST_SAMPLES = 16_384
"""Shorter signals are extended to this by their mirror image, because the transforms need some frames."""


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """Lengths in samples.

    Parameters
    ----------
    stretch
        From one cut to the next.
    context
        What a window reaches beyond its stretch on both sides, at most a stretch.
    fade
        Length of the cross-fade around a cut, at most twice the context.
    """

    stretch: int
    context: int
    fade: int

    def __post_init__(self) -> None:
        if self.stretch < _FEWEST_SAMPLES:
            raise ConfigurationError(
                f"stretch is {self.stretch} samples; it must be at least {_FEWEST_SAMPLES}"
            )
        if not 0 < self.context <= self.stretch:
            raise ConfigurationError(
                f"context is {self.context} samples; it must be from 1 to the stretch ({self.stretch})"
            )
        if not 0 < self.fade <= 2 * self.context or self.fade % 2:
            raise ConfigurationError(
                f"fade is {self.fade} samples; it must be an even number up to twice the context "
                f"({2 * self.context})"
            )


class WindowStream:
    """Denoise a signal block by block; as many samples come out as go in.

    Parameters
    ----------
    estimator
        Denoises one window.
    plan
        Lengths of stretches and windows.
    channels
        Number of channels.
    channels_out
        Number of channels of the estimates; as many by default.
    """

    def __init__(
        self, estimator: Estimator, plan: WindowPlan, channels: int, channels_out: int | None = None
    ) -> None:
        self.estimator, self.plan = estimator, plan
        self._channels_out = channels if channels_out is None else channels_out
        self._buffer = torch.zeros(channels, 0)
        self._arrived: list[Tensor] = []  # blocks that are not in the buffer yet
        self._start = 0  # position of the buffer's first sample
        self._received = 0
        self._cut = 0  # where the next stretch begins
        self._tail: Tensor | None = None  # the last estimate around that cut
        self._up = torch.sin(torch.linspace(0.0, 0.5 * torch.pi, plan.fade)).square()

    def push(self, block: Tensor) -> Tensor:
        """Take the next ``(channels, samples)``; return what is settled by now, perhaps nothing."""
        self._received += block.shape[-1]
        self._arrived.append(block)
        plan, done = self.plan, [self._buffer[: self._channels_out, :0]]
        # A stretch begins only when the next one is sure to be long enough.
        while self._received >= self._cut + plan.stretch + plan.context:
            done.append(self._stretch(self._cut + plan.stretch, self._cut + plan.stretch + plan.context))
        return torch.cat(done, -1)

    def flush(self) -> Tensor:
        """End of the signal: return the rest."""
        if self._received == 0:
            return self._buffer[: self._channels_out]
        return self._stretch(self._received, self._received)

    def _stretch(self, end: int, window_end: int) -> Tensor:
        """Samples that the stretch up to ``end`` settles, seen in a window up to ``window_end``."""
        plan, half = self.plan, self.plan.fade // 2
        self._buffer = torch.cat([self._buffer, *self._arrived], -1)
        self._arrived = []
        first = max(0, self._cut - plan.context)
        window = self._buffer[:, first - self._start : window_end - self._start]
        estimate = self._estimate(window)
        inner = estimate[:, self._cut - first :]
        settled = []
        if self._tail is not None:
            around = estimate[:, self._cut - half - first : self._cut + half - first]
            settled.append(self._tail + self._up * (around - self._tail))
            inner = inner[:, half:]
        if window_end > end:
            settled.append(inner[:, : inner.shape[-1] - (window_end - end) - half])
            self._tail = estimate[:, end - half - first : end + half - first]
        else:
            settled.append(inner)
            self._tail = None
        self._cut = end
        keep = max(0, end - plan.context) - self._start
        self._buffer, self._start = self._buffer[:, keep:].clone(), self._start + keep
        return torch.cat(settled, -1)

    def _estimate(self, window: Tensor) -> Tensor:
        length = window.shape[-1]
        if not window.any():
            return torch.zeros_like(window[: self._channels_out])
        return self.estimator(mirror(window, 0, max(0, _FEWEST_SAMPLES - length)))[:, :length]
