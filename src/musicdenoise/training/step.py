"""One training step and one validation: tensors in, numbers out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from statistics import fmean

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from musicdenoise.core.metrics import improvement, snr
from musicdenoise.data.mixer import Example, ValidationItem
from musicdenoise.errors import TrainingError
from musicdenoise.runtime.device import has_fast_bf16
from musicdenoise.training.objective import estimate, loss_db
from musicdenoise.training.schedule import schedule
from musicdenoise.training.state import TrainState, averaged_network


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """Type in which the layers are computed: bfloat16 if you ask for it, or if it is fast."""
    if precision == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def train_step(
    state: TrainState, parts: Sequence[Example], dtype: torch.dtype, device: torch.device
) -> tuple[float, float]:
    """Update the network by one batch.

    Parameters
    ----------
    state
        State of the run; its networks and optimizer are changed, its counters are not.
    parts
        This process's share of the batch, in parts that are computed one after the other: examples with a
        batch axis in front.
    dtype
        Type in which the layers are computed.
    device
        Where the network is.

    Returns
    -------
    tuple of float
        Loss in dB over this process's share, and norm of the gradient before clipping.

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
    state.optimizer.zero_grad(set_to_none=True)
    total_db = 0.0
    for number, part in enumerate(parts, start=1):
        with _exchange(state.runner, is_last=number == len(parts)):
            moved = Example(*(tensor.to(device) for tensor in part))
            loss = loss_db(state.runner, config, moved, dtype) / len(parts)
            loss.backward()  # type: ignore[no-untyped-call]
        total_db += float(loss.detach())
    norm = float(nn.utils.clip_grad_norm_(state.network.parameters(), config.clip_norm))
    if not math.isfinite(total_db) or not math.isfinite(norm):
        raise TrainingError(
            f"the loss is {total_db} dB and the gradient's norm {norm} at step {state.step}: look for "
            "samples that are not finite, or lower {learning_rate}; the checkpoint and best weights on disk "
            "are good: go on from them with {initial}",
            learning_rate=config.learning_rate,
            initial=None,
        )
    state.optimizer.step()
    state.averaged.update_parameters(state.network)
    return total_db, norm


def _exchange(runner: nn.Module, *, is_last: bool) -> AbstractContextManager[object]:
    """Processes exchange gradients once per batch, with its last part."""
    if isinstance(runner, DistributedDataParallel) and not is_last:
        manager: AbstractContextManager[object] = runner.no_sync()
        return manager
    return contextlib.nullcontext()


@torch.inference_mode()
def snr_improvements(
    state: TrainState, items: Sequence[ValidationItem], dtype: torch.dtype, device: torch.device
) -> list[float]:
    """SNR improvement in dB of the averaged network on each item. The processes share the items."""
    network = averaged_network(state).eval()
    gains_db = []
    for item in items[state.topology.rank :: state.topology.num_processes]:
        noisy = item.noisy.to(device).unsqueeze(0)
        cleaned = estimate(network, state.config, noisy, dtype)[0].cpu()
        gains_db.append(improvement(snr, item.clean, item.noisy, cleaned))
    return state.topology.gather(gains_db)


def summarise(gains_db: Sequence[float], items: Sequence[ValidationItem]) -> dict[str, float]:
    """Mean improvement in dB, over all items and by input SNR; the least; the share that improved."""
    summary = {
        "snr_improvement_db": fmean(gains_db),
        "snr_improvement_min_db": min(gains_db),
        "share_improved": fmean(float(gain > 0) for gain in gains_db),
    }
    groups: dict[str, list[float]] = {}
    for gain, item in zip(gains_db, items, strict=True):
        group = "coded" if item.is_coded else f"at_{item.snr_db:g}db"
        groups.setdefault(group, []).append(gain)
    for group, gains in sorted(groups.items()):
        name = f"snr_improvement_{group}" if group.startswith("at_") else f"snr_improvement_{group}_db"
        summary[name] = fmean(gains)
    return summary
