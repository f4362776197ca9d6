"""The training loop: steps, validations, checkpoints, history.

A run folder holds ``config.json``, ``history.jsonl`` (one line per validation), ``checkpoint.pt`` (the
whole state, replaced every few minutes), ``best.safetensors`` (the averaged weights of the best
validation by mean SNR improvement), ``curves.png`` and ``improvements.png``. What else is told, and
to whom, is in `musicdenoise.training.loggers`.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from musicdenoise.core.families import Network
from musicdenoise.data.datasets import ExampleSource
from musicdenoise.data.mixer import ValidationItem
from musicdenoise.errors import TrainingError
from musicdenoise.runtime.atomic import remove_abandoned
from musicdenoise.training.config import TrainConfig
from musicdenoise.training.distributed import Topology, launch_name, process_group
from musicdenoise.training.feed import BatchPlan, feed
from musicdenoise.training.loggers import RunLog, open_log
from musicdenoise.training.plots import draw_curves, draw_histogram
from musicdenoise.training.records import (
    CONFIG,
    CURVES,
    HISTOGRAM,
    is_noted,
    note_launch,
    only_writer,
    write_history,
    write_record,
)
from musicdenoise.training.state import (
    TrainState,
    averaged_network,
    load_checkpoint,
    new_state,
    save_checkpoint,
)
from musicdenoise.training.step import resolve_precision, snr_improvements, summarise, train_step
from musicdenoise.weights.checkpoint import CheckpointMetadata, save_weights

CHECKPOINT = "checkpoint.pt"
BEST = "best.safetensors"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come, for display.

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
        Seconds of audio trained on per second of time, over all processes.
    record
        The validation that followed this step, as it is in the history; None if there was none.
    """

    step: int
    share: float
    loss_db: float
    best_db: float
    audio_rate: float
    record: Mapping[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """The result of a run.

    Parameters
    ----------
    best
        The best weights.
    best_db
        Their mean SNR improvement in validation in dB.
    steps
        Steps done in all.
    seconds
        Time spent on steps.
    """

    best: Path
    best_db: float
    steps: int
    seconds: float


def train(
    config: TrainConfig,
    source: ExampleSource,
    validation: Sequence[ValidationItem],
    run: Path,
    *,
    device: torch.device,
    data: Mapping[str, Any],
    licence: str = "unknown",
    initial: Network | None = None,
    resume: bool = False,
    workers: int = 0,
    loggers: Sequence[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> RunReport:
    """Train a network, alone or as one of several processes that ``torchrun`` started.

    If ``torchrun`` starts them again, because one was lost, they go on from the checkpoint.

    Parameters
    ----------
    config
        Configuration of the run.
    source
        Training pairs.
    validation
        Mixes on which the SNR improvement is measured.
    run
        Run folder; made if missing.
    device
        Where to compute.
    data, licence
        The training data and the licence of the weights, for the weights' metadata.
    initial
        Network to start from.
    resume
        Go on from the checkpoint in the run folder; it must be there.
    workers
        Processes that prepare examples ahead.
    loggers
        Who is told the figures, by name; see `musicdenoise.training.loggers`.
    on_progress
        Called after every step.

    Raises
    ------
    TrainingError
        If the folder holds a run and ``resume`` is false, another process trains there, the loss is not
        finite, a logger cannot begin, or a file cannot be written.
    """
    topology = Topology.from_environment()
    is_restart = is_noted(run, launch_name())
    if topology.is_first and not (resume or is_restart):
        _check_unused(run)
    device = topology.choose_device(device)
    with process_group(topology, device):
        state = new_state(config, device, initial, topology)
        # A restart before the first checkpoint begins anew.
        if topology.agree(resume or (is_restart and (run / CHECKPOINT).is_file()), device):
            load_checkpoint(run / CHECKPOINT, state)
        with only_writer(run) if topology.is_first else contextlib.nullcontext():
            if topology.is_first:
                _prepare_folder(run, config)
                write_history(run, state.history)
            worker = _Run(state, validation, run, device, data, licence)
            return worker.go(source, workers, loggers, on_progress)


def _check_unused(run: Path) -> None:
    if any((run / name).exists() for name in (CHECKPOINT, BEST)):
        raise TrainingError(
            f"{run} already holds a training run: go on with {{resume}}, or choose another {{out}}",
            resume=False,
            out=run,
        )


def _prepare_folder(run: Path, config: TrainConfig) -> None:
    remove_abandoned(run)
    write_record(run / CONFIG, json.dumps(config.to_dict(), indent=2) + "\n")
    note_launch(run, launch_name())


class _Run:
    """One run in progress."""

    def __init__(
        self,
        state: TrainState,
        validation: Sequence[ValidationItem],
        folder: Path,
        device: torch.device,
        data: Mapping[str, Any],
        licence: str,
    ) -> None:
        self.config, self.state, self.validation = state.config, state, validation
        self.folder, self.device, self.data, self.licence = folder, device, data, licence
        self.dtype = resolve_precision(self.config.precision, device)
        self.log = RunLog({})

    def go(
        self,
        source: ExampleSource,
        workers: int,
        loggers: Sequence[str] | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> RunReport:
        state, config = self.state, self.config
        if state.topology.is_first:
            self.log = open_log(loggers, self.folder, config.to_dict(), state.step)
        plan = BatchPlan(
            first_step=state.step,
            batch_size=config.batch_size,
            part_size=config.part_size(state.topology.num_processes),
            rank=state.topology.rank,
            num_processes=state.topology.num_processes,
        )
        batches = feed(source, plan, workers)
        stored = time.monotonic()
        try:
            while state.progress < 1.0:
                began = time.monotonic()
                loss_db, norm = train_step(state, next(batches), self.dtype, self.device)
                seconds = time.monotonic() - began
                # The same in all processes, so they agree on what is due and when the run ends.
                loss_db, seconds = state.topology.average((loss_db, seconds), self.device)
                state.note_step(loss_db, seconds)
                record = self._validate() if self._validation_is_due() else None
                self._tell(on_progress, loss_db, norm, seconds, record)
                if time.monotonic() - stored > config.checkpoint_every_seconds:
                    self._save()
                    stored = time.monotonic()
        finally:
            batches.close()
            self.log.close(is_complete=state.progress >= 1.0)
        return RunReport(
            best=self.folder / BEST, best_db=state.best_db, steps=state.step, seconds=state.seconds
        )

    def _validation_is_due(self) -> bool:
        state, config = self.state, self.config
        if state.progress >= 1.0:
            return True
        if config.minutes is None:
            return state.step % config.validate_every_steps == 0
        return state.seconds - state.validated_seconds > config.validate_every_seconds

    def _tell(
        self,
        on_progress: Callable[[Progress], None] | None,
        loss_db: float,
        norm: float,
        seconds: float,
        record: Mapping[str, float] | None,
    ) -> None:
        state = self.state
        rate = state.optimizer.param_groups[0]["lr"]
        figures = {"loss_db": loss_db, "gradient_norm": norm, "learning_rate": rate}
        self.log.add(state.step, {**figures, **(record or {})})
        if record is not None:  # the checkpoint of a validation holds this step already
            self.log.flush()
        if on_progress:
            on_progress(
                Progress(
                    step=state.step,
                    share=state.progress,
                    loss_db=state.loss_db,
                    best_db=state.best_db,
                    audio_rate=self.config.batch_size * self.config.segment_seconds / seconds,
                    record=record,
                )
            )

    def _validate(self) -> dict[str, float]:
        """Measure, keep the weights if they are the best, and write history and pictures."""
        state = self.state
        gains_db = snr_improvements(state, self.validation, self.dtype, self.device)
        metrics = {name: round(value, 3) for name, value in summarise(gains_db, self.validation).items()}
        record = {
            "step": state.step,
            "loss_db": round(state.loss_db, 3),
            "learning_rate": state.optimizer.param_groups[0]["lr"],
            **metrics,
        }
        if self.config.minutes is not None:
            # Only then: a run bounded by steps is reproducible to the bit, and so is its history.
            record["seconds"] = round(state.seconds, 1)
        state.history.append(record)
        state.validated_seconds = state.seconds
        is_best = metrics["snr_improvement_db"] > state.best_db
        if is_best:
            state.best_db = metrics["snr_improvement_db"]
        if state.topology.is_first:
            if is_best:
                weights = averaged_network(state).state_dict()
                save_weights(self.folder / BEST, weights, self._metadata(metrics))
            self._save()
            write_history(self.folder, state.history)
            write_record(self.folder / CURVES, draw_curves(state.history))
            write_record(self.folder / HISTOGRAM, draw_histogram(gains_db, state.step))
        return record

    def _save(self) -> None:
        if self.state.topology.is_first:
            self.log.flush()
            save_checkpoint(self.folder / CHECKPOINT, self.state)

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
                "config": config.to_dict(),
            },
            metrics=metrics,
            licence=self.licence,
            versions={name: version(name) for name in ("musicdenoise", "torch")},
        )
