"""Songs through the network for recorded noise: in windows of half a minute, at its rate."""

from __future__ import annotations

import torch
from torch import Tensor

from musicdenoise.core.fine_net import FineNet
from musicdenoise.core.fine_unet import FINE_STFT
from musicdenoise.core.resample import resample
from musicdenoise.core.window_stream import WindowPlan, WindowStream

__all__ = ["FINE_PLAN", "denoise_song", "fine_stream"]

_RATE = FINE_STFT.sample_rate

FINE_PLAN = WindowPlan(stretch=24 * _RATE, context=3 * _RATE, fade=_RATE // 2)
"""Windows of 30 s, a fifth of which is context that is computed twice."""


def fine_stream(network: FineNet, channels: int, device: torch.device) -> WindowStream:
    """Stream of a song at the network's rate.

    Parameters
    ----------
    network
        In evaluation mode, on ``device``.
    channels
        Channels of the song.
    device
        Where the network computes; samples come and go on the CPU.
    """

    def estimate(window: Tensor) -> Tensor:
        return network.denoise(window[None].to(device))[0].cpu()

    return WindowStream(estimate, FINE_PLAN, channels)


@torch.inference_mode()
def denoise_song(network: FineNet, samples: Tensor, sample_rate: int, device: torch.device) -> Tensor:
    """Denoise a whole song.

    The song is converted to the network's rate, and the noise found there converted back and subtracted:
    what lies above the network's band stays.

    Parameters
    ----------
    network, device
        As for `fine_stream`.
    samples
        float32 ``(channels, samples)``; not changed.
    sample_rate
        Rate in Hz.

    Returns
    -------
    Tensor
        Same shape.
    """
    inner = resample(samples, sample_rate, _RATE)
    stream = fine_stream(network, samples.shape[0], device)
    clean = torch.cat([stream.push(inner), stream.flush()], -1)
    if sample_rate == _RATE:
        return clean
    noise = resample(inner - clean, _RATE, sample_rate)[:, : samples.shape[-1]]
    return samples - torch.nn.functional.pad(noise, (0, samples.shape[-1] - noise.shape[-1]))
