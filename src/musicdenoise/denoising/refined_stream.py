"""A network's estimate refined by the spectrum of the noise, in windows of some seconds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from musicdenoise.core.blocks import BlockStream
from musicdenoise.core.refiner import REFINER_STFT, Refiner
from musicdenoise.core.window_stream import WindowPlan, WindowStream
from musicdenoise.denoising.delay import Delay

__all__ = ["REFINER_PLAN", "RefinedStream"]

_RATE = REFINER_STFT.sample_rate

REFINER_PLAN = WindowPlan(stretch=8 * _RATE, context=_RATE, fade=_RATE // 2)
"""Windows of 10 s, over which levels and spectra are averaged.

With a context of 2 s, with stretches of 16 s, or in one piece mixes of 30 s gain the same to 0.01 dB.
"""


class RefinedStream:
    """Denoise a song at the network's rate block by block; as many samples come out as go in.

    Parameters
    ----------
    network
        Its estimate of the music, at the same rate.
    refiner
        In evaluation mode, on ``device``.
    sample_power
        Mean power of the noise alone, ``(channels, 4097)``; see `Refiner`.
    sample_seconds
        Length of the recordings that it was learnt from.
    channels
        Channels of the song.
    device
        Where the refiner computes. Samples are on the CPU.
    dtype
        Type in which its layers are computed.
    """

    def __init__(
        self,
        network: BlockStream,
        *,
        refiner: Refiner,
        sample_power: Tensor,
        sample_seconds: float,
        channels: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._network = network
        self._song = Delay(channels)
        refine = _refine(refiner, sample_power, sample_seconds, device, dtype)
        self._windows = WindowStream(refine, REFINER_PLAN, 2 * channels, channels)

    def push(self, block: Tensor) -> Tensor:
        """Take the next ``(channels, samples)``; return what is settled by now, perhaps nothing."""
        self._song.push(block)
        return self._through(self._network.push(block))

    def flush(self) -> Tensor:
        """End of the song: return the rest."""
        last = self._through(self._network.flush())
        return torch.cat([last, self._windows.flush()], -1)

    def _through(self, estimate: Tensor) -> Tensor:
        return self._windows.push(torch.cat([self._song.pop(estimate.shape[-1]), estimate]))


def _refine(
    refiner: Refiner, sample_power: Tensor, sample_seconds: float, device: torch.device, dtype: torch.dtype
) -> Callable[[Tensor], Tensor]:
    """A function from a window (song and estimate, one below the other) to ``(channels, samples)``."""
    power, seconds = sample_power[:, None].to(device), torch.tensor([sample_seconds], device=device)

    def refine(window: Tensor) -> Tensor:
        song, estimate = window[:, None].to(device).chunk(2)
        parts = range(len(song))  # one channel after the other: memory is that of one
        with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
            done = [refiner(song[i, None], estimate[i, None], power[i, None], seconds) for i in parts]
        return torch.cat(done)[:, 0].cpu()

    return refine
