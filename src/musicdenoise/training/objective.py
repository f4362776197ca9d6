"""What a network estimates in training, and how far that is from the target. Both depend on its family."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

from musicdenoise.core.fine_net import PARTS, FineNet, FineNetConfig, join_estimates
from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.losses import error_ratio_loss
from musicdenoise.core.stft import istft, stft
from musicdenoise.data.mixer import Example
from musicdenoise.training.config import TrainConfig


def loss_db(runner: nn.Module, config: TrainConfig, part: Example, dtype: torch.dtype) -> Tensor:
    """Loss of a part of a batch in dB.

    Parameters
    ----------
    runner
        The network, or what runs it in several processes.
    config
        Configuration of the run.
    part
        Examples with a batch axis in front.
    dtype
        Type in which the layers are computed.
    """
    noisy, target, sample_power, _ = part
    if not isinstance(config.network, FineNetConfig):
        return error_ratio_loss(target, estimate(runner, config, noisy, dtype))
    parts = (config.objective,) if config.objective in PARTS else PARTS
    with _layers_in(dtype, noisy.device):
        estimates: dict[str, Tensor] = runner(noisy, sample_power, parts)
    if config.objective == "joined":
        return error_ratio_loss(target, join_estimates(noisy, **estimates))
    return torch.stack([error_ratio_loss(target, part) for part in estimates.values()]).mean()


def estimate(network: nn.Module, config: TrainConfig, noisy: Tensor, dtype: torch.dtype) -> Tensor:
    """Denoise ``(batch, channels, samples)`` with one pass of the network over all of it."""
    if isinstance(config.network, FineNetConfig):
        with _layers_in(dtype, noisy.device):
            return join_estimates(noisy, **network(noisy))
    spectrogram = stft(noisy, config.stft)
    # The gains stay in float32: levels span more than bfloat16 can tell apart.
    reach = config.network.level_reach
    gains = frame_gains(frame_powers(spectrogram), reach) if reach else None
    with _layers_in(dtype, noisy.device):
        cleaned: Tensor = network(spectrogram, gains)
    return istft(cleaned, config.stft, num_samples=noisy.shape[-1])


def freeze_parts(network: nn.Module, config: TrainConfig) -> None:
    """Freeze the part of a network that the configuration does not train."""
    if isinstance(network, FineNet) and config.objective in PARTS:
        for part in PARTS:
            network.get_submodule(part).requires_grad_(part == config.objective)


def _layers_in(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[object]:
    if dtype is torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)
