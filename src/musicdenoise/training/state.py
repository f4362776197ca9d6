"""State of a training run: what a step changes, and how it is stored.

A checkpoint holds the whole state, so a run that was killed goes on as if nothing had happened. Examples are
numbered, so the number of steps is also the position in the data. The learning rate is a function of the
progress (`musicdenoise.training.schedule`).
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.families import Network, config_from_json, new_network
from musicdenoise.core.fine_net import FineNet
from musicdenoise.core.widen import widen
from musicdenoise.errors import ConfigurationError, TrainingError
from musicdenoise.runtime.atomic import AtomicFile
from musicdenoise.training.config import TrainConfig
from musicdenoise.training.distributed import Topology, synchronise_norms, wrap
from musicdenoise.training.muon import ComplexMuon
from musicdenoise.training.objective import freeze_parts

Tensors = tuple[Tensor, ...] | list[Tensor]

_LOSS_MEMORY = 0.98  # the shown loss averages about 50 steps

# What reading raises if the file is damaged or is not a checkpoint.
_DAMAGE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    pickle.UnpicklingError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
)


@dataclass
class TrainState:
    """Network, averaged network, optimizer and counters of a run.

    Parameters
    ----------
    config
        Configuration of the run.
    network, averaged
        The network being trained and its exponential moving average.
    runner
        The network as the steps run it, perhaps shared with other processes.
    optimizer
        What updates the network's parameters.
    topology
        The number of this process, and how many there are.
    step
        Steps done.
    seconds
        Wall-clock seconds spent on steps.
    loss_db
        Loss in dB, averaged over the last steps.
    best_db
        Best mean SNR improvement in validation so far, in dB.
    validated_seconds
        `seconds` at the last validation.
    history
        One record per validation.
    """

    config: TrainConfig
    network: Network
    averaged: AveragedModel
    runner: nn.Module
    optimizer: torch.optim.Optimizer
    topology: Topology = field(default_factory=Topology)
    step: int = 0
    seconds: float = 0.0
    loss_db: float = math.nan
    best_db: float = -math.inf
    validated_seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        done = 0.0
        if self.config.steps is not None:
            done = self.step / self.config.steps
        if self.config.minutes is not None:
            done = max(done, self.seconds / (60.0 * self.config.minutes))
        return min(done, 1.0)

    def note_step(self, loss_db: float, seconds: float) -> None:
        """Count a step that had a loss in dB and took some seconds."""
        self.step += 1
        self.seconds += seconds
        first = math.isnan(self.loss_db)
        self.loss_db = loss_db if first else _LOSS_MEMORY * self.loss_db + (1.0 - _LOSS_MEMORY) * loss_db


def new_state(
    config: TrainConfig,
    device: torch.device,
    initial: Network | None = None,
    topology: Topology | None = None,
) -> TrainState:
    """State before the first step; ``initial`` gives the weights to start from.

    The run's network may have more channels than ``initial`` (see `musicdenoise.core.widen`), and another
    profile filter, or none.

    Raises
    ------
    TrainingError
        If ``initial`` has more channels in a layer than the configuration's network, or if the layers are
        frozen and there is no ``initial``.
    """
    if config.frozen_layers and initial is None:
        raise TrainingError("frozen layers need weights: give them with {initial}", initial=None)
    topology = topology or Topology()
    torch.manual_seed(config.seed)
    network = new_network(config.network)
    if initial is not None:
        _copy_weights(initial, network)
    if config.frozen_layers and isinstance(network, DCUNet):
        network.freeze_layers()
    freeze_parts(network, config)
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = synchronise_norms(network, topology, device)
    network.train()
    averaged = AveragedModel(network, multi_avg_fn=_averaging(config.ema_decay), use_buffers=True)
    optimizer = _optimizer(config, network)
    if config.compile:
        # The layers alone: around them the spectrograms are complex, and the compiler does not handle these.
        layers = network.unet if isinstance(network, FineNet) else network
        layers.mask = torch.compile(layers.mask)  # type: ignore[method-assign]
    return TrainState(
        config=config,
        network=network,
        averaged=averaged,
        runner=wrap(network, topology, device),
        optimizer=optimizer,
        topology=topology,
    )


def _optimizer(config: TrainConfig, network: Network) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "muon":
        real_kernels = list(network.real_kernels()) if isinstance(network, FineNet) else []
        return ComplexMuon(network, lr=rate, weight_decay=decay, real_kernels=real_kernels)
    return torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)


def _copy_weights(initial: Network, network: Network) -> None:
    if isinstance(initial, DCUNet) and isinstance(network, DCUNet):
        _copy_layers(initial, network)
    elif initial.config == network.config:
        network.load_state_dict(initial.state_dict())
    else:
        raise TrainingError(
            f"the initial weights are for a network with {initial.config}, the run's has {network.config}: "
            "leave out {recipe} to take the weights' network, or leave out {initial}",
            recipe=None,
            initial=initial.config,
        )


def _copy_layers(initial: DCUNet, network: DCUNet) -> None:
    ours, theirs = network.config, initial.config
    if replace(ours, profile_width=theirs.profile_width) != theirs:
        try:
            initial = widen(initial, ours)
        except ConfigurationError as error:
            raise TrainingError(
                f"the initial weights do not fit the run's network: {error}; leave out {{complexity}}, "
                "{mask} and {recipe} to take the weights' network",
                complexity=None,
                mask=None,
                recipe=None,
            ) from error
    learnt = initial.state_dict()
    if ours.profile_width == theirs.profile_width:
        network.load_state_dict(learnt)
    else:  # a filter of another width starts from random weights
        layers = {name: value for name, value in learnt.items() if not name.startswith("profile.")}
        network.load_state_dict({**network.state_dict(), **layers})


def save_checkpoint(path: Path, state: TrainState) -> None:
    """Store the whole state atomically.

    Raises
    ------
    TrainingError
        If the file cannot be written; an earlier one is left as it was.
    """
    document = {
        "network": state.network.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "optimizer_name": state.config.optimizer,
        "step": state.step,
        "seconds": state.seconds,
        "loss_db": state.loss_db,
        "best_db": state.best_db,
        "validated_seconds": state.validated_seconds,
        "history": state.history,
        "network_config": asdict(state.config.network),
        "torch_random_state": torch.get_rng_state(),
        "cuda_random_states": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    try:
        with AtomicFile(path) as file:
            torch.save(document, file)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"cannot write the checkpoint {path}: {reason}; free some space and go on with {{resume}}, which "
            "starts from the last checkpoint that was complete",
            resume=False,
        ) from error


def load_checkpoint(path: Path, state: TrainState) -> None:
    """Bring ``state``, made by `new_state` with the same configuration, to where the run was.

    Raises
    ------
    TrainingError
        If the file is missing, damaged, or for another network.
    """
    if not path.is_file():
        raise TrainingError(
            f"there is no checkpoint {path} to resume from: start without {{resume}}", resume=True
        )
    document = _read_checkpoint(path)
    try:
        # A setting that did not exist yet when the run began has its default.
        if config_from_json(document["network_config"]) != state.config.network:
            raise TrainingError(
                f"the checkpoint {path} is for a network with another configuration: resume with the options "
                "that the run began with (config.json beside it)"
            )
        if document["optimizer_name"] != state.config.optimizer:
            raise TrainingError(
                f"the checkpoint {path} comes from a run with another optimizer: resume with {{optimizer}} "
                f"{document['optimizer_name']}",
                optimizer=state.config.optimizer,
            )
        state.network.load_state_dict(document["network"])
        state.averaged.load_state_dict(document["averaged"])
        state.optimizer.load_state_dict(document["optimizer"])
        _check_counters(document)
        state.step, state.seconds = document["step"], document["seconds"]
        state.loss_db, state.best_db = document["loss_db"], document["best_db"]
        state.validated_seconds, state.history = document["validated_seconds"], document["history"]
        torch.set_rng_state(document["torch_random_state"])
        if torch.cuda.is_available() and len(document["cuda_random_states"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(document["cuda_random_states"])
    except _DAMAGE as error:
        raise _unusable(path, (str(error).splitlines() or [type(error).__name__])[0]) from error


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises nearly any, and advises to load without the protection
        raise _unusable(path, "it is damaged, or not a checkpoint") from error
    if not isinstance(document, dict):
        raise _unusable(path, "it is not a checkpoint")
    return document


def _check_counters(document: Mapping[str, Any]) -> None:
    numbers = {name: document[name] for name in ("seconds", "loss_db", "best_db", "validated_seconds")}
    wrong = [name for name, value in numbers.items() if not isinstance(value, int | float)]
    if not isinstance(document["step"], int) or document["step"] < 0:
        wrong.append("step")
    if not isinstance(document["history"], list):
        wrong.append("history")
    if wrong:
        raise TypeError(f"{wrong[0]} is {document[wrong[0]]!r}")


def _unusable(path: Path, reason: str) -> TrainingError:
    return TrainingError(
        f"the checkpoint {path} cannot be read: {reason}; start a new run, with {{initial}} if "
        "best.safetensors is good",
        initial=None,
    )


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
