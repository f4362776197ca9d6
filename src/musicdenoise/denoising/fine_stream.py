"""Songs through the network for recorded noise: in windows of half a minute, at its rate."""

from __future__ import annotations

import torch
from torch import Tensor

from musicdenoise.core.fine_net import FineNet
from musicdenoise.core.fine_unet import FINE_STFT
from musicdenoise.core.window_stream import WindowPlan, WindowStream

_RATE = FINE_STFT.sample_rate

FINE_PLAN = WindowPlan(stretch=24 * _RATE, context=3 * _RATE, fade=_RATE // 2)
"""Windows of 30 s; a fifth of them is context, which is computed twice."""


def fine_stream(network: FineNet, channels: int, device: torch.device) -> WindowStream:
    """Stream of a song at the network's rate.

    Parameters
    ----------
    network
        In evaluation mode, on ``device``.
    channels
        Channels of the song.
    device
        Where the network computes. Samples are on the CPU.
    """

    def estimate(window: Tensor) -> Tensor:
        return network.denoise(window[None].to(device))[0].cpu()

    return WindowStream(estimate, FINE_PLAN, channels)
