"""The training loop: steps, validations, checkpoints, history.

A run folder holds ``config.json``, ``history.jsonl`` (one line per validation), ``checkpoint.pt`` (the
whole state, replaced every few minutes) and ``best.safetensors`` (the averaged weights of the best
validation by mean SNR improvement).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from musicdenoise.core.dcunet import DCUNet
from musicdenoise.data.mixer import PairMixer, ValidationItem
from musicdenoise.errors import TrainingError
from musicdenoise.training.config import TrainConfig
from musicdenoise.training.state import (
    TrainState,
    averaged_network,
    load_checkpoint,
    new_state,
    save_checkpoint,
)
from musicdenoise.training.step import resolve_precision, snr_improvements, summarise, train_step
from musicdenoise.weights.checkpoint import CheckpointMetadata, save_weights

__all__ = ["Progress", "train"]

CHECKPOINT = "checkpoint.pt"
BEST = "best.safetensors"
HISTORY = "history.jsonl"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is, for display.

    Parameters
    ----------
    step
        Steps done.
    share
        Share of the run that is done, 0 to 1.
    loss_db
        Loss in dB, averaged over the last steps.
    best_db
        Best mean SNR improvement so far in dB; minus infinity before the first validation.
    audio_rate
        Seconds of audio trained on per second of time.
    """

    step: int
    share: float
    loss_db: float
    best_db: float
    audio_rate: float


def train(
    config: TrainConfig,
    mixer: PairMixer,
    validation: Sequence[ValidationItem],
    run: Path,
    *,
    device: torch.device,
    data: Mapping[str, Any],
    licence: str = "unknown",
    initial: DCUNet | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train a network and return the path of its best weights.

    Parameters
    ----------
    config
        Configuration of the run.
    mixer
        Training pairs.
    validation
        Mixes on which the SNR improvement is measured.
    run
        Run folder; made if missing.
    device
        Where to compute.
    data, licence
        What is trained on and under which licence the weights are, for the weights' metadata.
    initial
        Network to start from.
    resume
        Go on from the checkpoint in the run folder; it must be there.
    on_progress
        Called after every step.

    Raises
    ------
    TrainingError
        If the folder holds a run and ``resume`` is false, the loss is not finite, or a file cannot be
        written.
    """
    if not resume and (run / CHECKPOINT).exists():
        raise TrainingError(f"{run} already holds a training run: go on with --resume, or choose another")
    run.mkdir(parents=True, exist_ok=True)
    state = new_state(config, device, initial)
    if resume:
        load_checkpoint(run / CHECKPOINT, state)
    (run / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
    return _Run(config, state, mixer, validation, run, device, data, licence).go(on_progress)


class _Run:
    """One run in progress."""

    def __init__(
        self,
        config: TrainConfig,
        state: TrainState,
        mixer: PairMixer,
        validation: Sequence[ValidationItem],
        folder: Path,
        device: torch.device,
        data: Mapping[str, Any],
        licence: str,
    ) -> None:
        self.config, self.state, self.mixer, self.validation = config, state, mixer, validation
        self.folder, self.device, self.data, self.licence = folder, device, data, licence
        self.dtype = resolve_precision(config.precision, device)
        self.loss_db = math.nan

    def go(self, on_progress: Callable[[Progress], None] | None) -> Path:
        state = self.state
        stored = validated = time.monotonic()
        while state.progress < 1.0:
            began = time.monotonic()
            noisy, target = self.mixer.batch(state.step * self.config.batch_size, self.config.batch_size)
            loss, _ = train_step(state, noisy.to(self.device), target.to(self.device), self.dtype)
            ended = time.monotonic()
            state.seconds += ended - began
            self.loss_db = loss if math.isnan(self.loss_db) else 0.98 * self.loss_db + 0.02 * loss
            if on_progress:
                on_progress(self._progress(ended - began))
            if self._validation_is_due(ended - validated):
                self._validate()
                validated = time.monotonic()
            if ended - stored > self.config.checkpoint_every_seconds:
                save_checkpoint(self.folder / CHECKPOINT, state)
                stored = time.monotonic()
        self._validate()
        save_checkpoint(self.folder / CHECKPOINT, state)
        return self.folder / BEST

    def _validation_is_due(self, seconds_since: float) -> bool:
        if self.state.progress >= 1.0:
            return False  # the last one follows anyway
        if self.config.minutes is None:
            return self.state.step % self.config.validate_every_steps == 0
        return seconds_since > self.config.validate_every_seconds

    def _progress(self, step_seconds: float) -> Progress:
        return Progress(
            step=self.state.step,
            share=self.state.progress,
            loss_db=self.loss_db,
            best_db=self.state.best_db,
            audio_rate=self.config.batch_size * self.config.segment_seconds / step_seconds,
        )

    def _validate(self) -> None:
        state = self.state
        gains_db = snr_improvements(state, self.validation, self.dtype, self.device)
        metrics = summarise(gains_db, self.validation)
        mean_db = metrics["snr_improvement_db"]
        line = {
            "step": state.step,
            "seconds": round(state.seconds, 1),
            "loss_db": round(self.loss_db, 3),
            **{name: round(value, 3) for name, value in metrics.items()},
        }
        with (self.folder / HISTORY).open("a", encoding="utf-8") as history:
            history.write(json.dumps(line) + "\n")
        if mean_db > state.best_db:
            state.best_db = mean_db
            module = averaged_network(state)
            save_weights(self.folder / BEST, module.state_dict(), self._metadata(metrics))
        save_checkpoint(self.folder / CHECKPOINT, state)

    def _metadata(self, metrics: Mapping[str, float]) -> CheckpointMetadata:
        config, state = self.config, self.state
        return CheckpointMetadata(
            network=config.network,
            stft=config.stft,
            noise_kind=config.noise_kind,
            data=dict(self.data),
            training={
                "steps": state.step,
                "audio_seconds": round(state.step * config.batch_size * config.segment_seconds),
                "targets": config.targets,
                "config": asdict(config),
            },
            metrics={name: round(value, 3) for name, value in metrics.items()},
            licence=self.licence,
            versions={name: version(name) for name in ("musicdenoise", "torch")},
        )
