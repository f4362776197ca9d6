"""One training step and one validation: tensors in, numbers out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor, nn

from musicdenoise.core.dcunet import DCUNetConfig
from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.losses import error_ratio_loss
from musicdenoise.core.metrics import improvement, snr
from musicdenoise.core.stft import StftConfig, istft, stft
from musicdenoise.data.mixer import ValidationItem
from musicdenoise.errors import TrainingError
from musicdenoise.training.state import TrainState, averaged_network, schedule

__all__ = ["resolve_precision", "snr_improvements", "train_step"]


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """Type in which the layers are computed: bfloat16 where that was asked for, or is fast."""
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def estimate(
    network: nn.Module, config: DCUNetConfig, stft_config: StftConfig, noisy: Tensor, dtype: torch.dtype
) -> Tensor:
    """Denoise ``(batch, channels, samples)`` with one pass of the network over all of it."""
    spectrogram = stft(noisy, stft_config)
    # The gains stay in float32: levels span more than bfloat16 can tell apart.
    gains = frame_gains(frame_powers(spectrogram), config.level_reach) if config.level_reach else None
    mixed = dtype is not torch.float32
    with torch.autocast(noisy.device.type, dtype) if mixed else contextlib.nullcontext():
        cleaned: Tensor = network(spectrogram, gains)
    return istft(cleaned, stft_config, num_samples=noisy.shape[-1])


def train_step(state: TrainState, noisy: Tensor, target: Tensor, dtype: torch.dtype) -> tuple[float, float]:
    """Update the network by one batch.

    Parameters
    ----------
    state
        State of the run; changed.
    noisy, target
        ``(batch, 1, samples)`` on the network's device.
    dtype
        Type in which the layers are computed.

    Returns
    -------
    tuple of float
        Loss in dB and norm of the gradient before clipping.

    Raises
    ------
    TrainingError
        If the loss or the gradient is not finite; the parameters are left as they were.
    """
    config = state.config
    rate = schedule(config, state.step, state.progress)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.network.train()
    loss = error_ratio_loss(target, estimate(state.network, config.network, config.stft, noisy, dtype))
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = float(nn.utils.clip_grad_norm_(state.network.parameters(), config.clip_norm))
    if not math.isfinite(float(loss.detach())) or not math.isfinite(norm):
        raise TrainingError(
            f"the loss is {float(loss.detach())} and the gradient's norm {norm} at step {state.step}: lower "
            "the learning rate, or look for samples that are not finite; the last checkpoint is good"
        )
    state.optimizer.step()
    state.averaged.update_parameters(state.network)
    state.step += 1
    return float(loss.detach()), norm


@torch.inference_mode()
def snr_improvements(
    state: TrainState, items: Sequence[ValidationItem], dtype: torch.dtype, device: torch.device
) -> list[float]:
    """SNR improvement in dB of the averaged network on each item."""
    network = averaged_network(state).eval()
    gains_db = []
    for item in items:
        noisy = item.noisy.to(device).unsqueeze(0)
        cleaned = estimate(network, state.config.network, state.config.stft, noisy, dtype)[0].cpu()
        gains_db.append(improvement(snr, item.clean, item.noisy, cleaned))
    return gains_db


def summarise(gains_db: Sequence[float], items: Sequence[ValidationItem]) -> dict[str, float]:
    """Mean improvement in dB over all items and per input SNR, the smallest, and the share improved."""
    summary = {
        "snr_improvement_db": fmean(gains_db),
        "snr_improvement_min_db": min(gains_db),
        "share_improved": fmean(float(gain > 0) for gain in gains_db),
    }
    for level in sorted({item.snr_db for item in items}):
        at_level = [gain for gain, item in zip(gains_db, items, strict=True) if item.snr_db == level]
        summary[f"snr_improvement_at_{level:g}db"] = fmean(at_level)
    return summary
