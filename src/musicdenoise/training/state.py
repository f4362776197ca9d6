"""State of a training run: what a step changes, and how it is stored.

A checkpoint holds the whole state, so that a run that was killed goes on as if nothing had happened.
The position in the data is the number of steps done, since examples are numbered.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from musicdenoise.core.dcunet import DCUNet
from musicdenoise.errors import TrainingError
from musicdenoise.training.config import TrainConfig

__all__ = [
    "TrainState",
    "averaged_network",
    "load_checkpoint",
    "new_state",
    "save_checkpoint",
    "schedule",
]

Tensors = tuple[Tensor, ...] | list[Tensor]

_LAST_RATE = 0.01  # learning rate at the end, as a share of the highest


@dataclass
class TrainState:
    """Network, averaged network, optimizer and counters of a run.

    Parameters
    ----------
    config
        Configuration of the run.
    network, averaged
        The network being trained and its exponential moving average.
    optimizer
        AdamW over the network's parameters.
    step
        Steps done.
    seconds
        Wall-clock seconds spent on steps.
    best_db
        Best mean SNR improvement in validation so far, in dB.
    """

    config: TrainConfig
    network: DCUNet
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    best_db: float = field(default=-math.inf)

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        done = 0.0
        if self.config.steps is not None:
            done = self.step / self.config.steps
        if self.config.minutes is not None:
            done = max(done, self.seconds / (60.0 * self.config.minutes))
        return min(done, 1.0)


def new_state(config: TrainConfig, device: torch.device, initial: DCUNet | None = None) -> TrainState:
    """State before the first step; ``initial`` gives the weights to start from."""
    torch.manual_seed(config.seed)
    network = DCUNet(config.network)
    if initial is not None:
        network.load_state_dict(initial.state_dict())
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    averaged = AveragedModel(network, multi_avg_fn=_averaging(config.ema_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    return TrainState(config=config, network=network, averaged=averaged, optimizer=optimizer)


def schedule(config: TrainConfig, step: int, progress: float) -> float:
    """Learning rate at a step: linear warm-up, then a cosine from the highest rate to 1 % of it.

    Parameters
    ----------
    config
        Configuration of the run.
    step
        Steps done.
    progress
        Share of the run that is done, 0 to 1.
    """
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
    return config.learning_rate * warmup * (_LAST_RATE + (1.0 - _LAST_RATE) * cosine)


def save_checkpoint(path: Path, state: TrainState) -> None:
    """Store the whole state atomically.

    Raises
    ------
    TrainingError
        If the file cannot be written; an earlier one is left as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    document = {
        "network": state.network.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "seconds": state.seconds,
        "best_db": state.best_db,
        "network_config": asdict(state.config.network),
        "torch_random_state": torch.get_rng_state(),
    }
    try:
        torch.save(document, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise TrainingError(
            f"cannot write the checkpoint {path}: {error}; free some space and go on with --resume"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path, state: TrainState) -> None:
    """Bring ``state``, made by `new_state` with the same configuration, to where the run was.

    Raises
    ------
    TrainingError
        If the file is missing, damaged, or of another network.
    """
    if not path.is_file():
        raise TrainingError(f"there is no checkpoint {path} to resume from")
    try:
        document: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if document["network_config"] != asdict(state.config.network):
            raise TrainingError(f"the checkpoint {path} is of a network with another configuration")
        state.network.load_state_dict(document["network"])
        state.averaged.load_state_dict(document["averaged"])
        state.optimizer.load_state_dict(document["optimizer"])
        state.step, state.seconds = document["step"], document["seconds"]
        state.best_db = document["best_db"]
        torch.set_rng_state(document["torch_random_state"])
    except (OSError, RuntimeError, KeyError, EOFError) as error:
        raise TrainingError(f"the checkpoint {path} cannot be read: {error}") from error


def averaged_network(state: TrainState) -> nn.Module:
    """The averaged network itself."""
    return state.averaged.module


def _averaging(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Exponential moving average whose memory grows with the number of steps averaged so far."""

    @torch.no_grad()
    def average(averages: Tensors, currents: Tensors, num_averaged: Tensor | int) -> None:
        count = float(num_averaged)
        weight = 1.0 - min(decay, (1.0 + count) / (10.0 + count))
        for average, current in zip(averages, currents, strict=True):
            if average.is_floating_point():
                average.lerp_(current, weight)
            else:
                average.copy_(current)

    return average
