"""Sends the figures of a run to TensorBoard, Weights & Biases or MLflow, as you choose.

Each gets the settings of the run once, and numbers by name at every step. If a run is resumed, so is its run
in the logger, and no step is sent twice. If a logger fails later, the run goes on without it, with a warning:
training does not depend on a server.

The addresses, names and keys come from the environment, as each program documents them: ``WANDB_MODE``,
``WANDB_PROJECT``, ``WANDB_API_KEY``; ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME``.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from musicdenoise.errors import ConfigurationError, TrainingError, UsageError
from musicdenoise.runtime.credentials import without_credentials
from musicdenoise.training.records import write_record

_LOG = logging.getLogger(__name__)
_PROJECT = "musicdenoise"
_IDS = "loggers.json"
_FLUSH_SECONDS = 5.0  # chosen: a write to MLflow's database takes up to a tenth of a second


class _Logger(Protocol):
    @property
    def errors(self) -> tuple[type[Exception], ...]: ...

    def add(self, step: int, values: Mapping[str, float]) -> None: ...

    def flush(self) -> None: ...

    def close(self, *, is_complete: bool) -> None: ...


class RunLog:
    """The loggers of a run, as one."""

    def __init__(self, loggers: Mapping[str, _Logger]) -> None:
        self._loggers = dict(loggers)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Note numbers by name at a step."""
        self._each(lambda logger: logger.add(step, values))

    def flush(self) -> None:
        """Write what is pending, so that a run that goes on from here misses nothing."""
        self._each(lambda logger: logger.flush())

    def close(self, *, is_complete: bool) -> None:
        """Write what is pending, and say whether the run has reached its end."""
        self._each(lambda logger: logger.close(is_complete=is_complete))

    def _each(self, tell: Callable[[_Logger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                tell(logger)
            except logger.errors as error:
                del self._loggers[name]
                _LOG.warning("%s failed, and the run goes on without it: %s", name, _reason(error))


def check_loggers(names: Sequence[str]) -> None:
    """Check that loggers are known and installed.

    Raises
    ------
    ConfigurationError, UsageError
        If one is unknown, or its package is missing.
    """
    for name in names:
        _load(name)


def open_log(
    names: Sequence[str] | None, folder: Path, settings: Mapping[str, Any], first_step: int
) -> RunLog:
    """Begin to log a run, or go on with it.

    Parameters
    ----------
    names
        Loggers, of `LOGGERS`; None for TensorBoard if it is installed.
    folder
        The run folder.
    settings
        The run's settings.
    first_step
        Steps that are done. TensorBoard drops what it has of later steps: a run that was killed wrote it.

    Raises
    ------
    ConfigurationError, UsageError
        If one is unknown, or its package is missing.
    TrainingError
        If one cannot begin, for example without credentials.
    """
    ids = _Ids(folder, is_new=first_step == 0)
    loggers: dict[str, _Logger] = {}
    for name in _default() if names is None else dict.fromkeys(names):
        package = _load(name)
        try:
            loggers[name] = _MAKERS[name](package, folder, settings, first_step, ids)
        except Exception as error:  # of any kind: each package has its own, and its server, too
            raise TrainingError(
                f"{name} cannot begin: {_reason(error)}; set what it needs in the environment, or leave the "
                "logger out"
            ) from error
    return RunLog(loggers)


def _default() -> tuple[str, ...]:
    try:
        _load("tensorboard")
    except UsageError:
        return ()
    return ("tensorboard",)


def _load(name: str) -> Any:
    if name not in LOGGERS:
        raise ConfigurationError.wrong("loggers", name, f"one of {', '.join(LOGGERS)}", repr(name))
    try:
        return import_module(_MODULES[name])
    except ImportError as error:
        raise UsageError(f"the logger {name} is not installed: pip install 'musicdenoise[{name}]'") from error


def _reason(error: Exception) -> str:
    return without_credentials((str(error).strip().splitlines() or [type(error).__name__])[0])


class _Ids:
    """How other programs call a run; kept in its folder, so that it goes on there under the same name."""

    def __init__(self, folder: Path, *, is_new: bool) -> None:
        self._path = folder / _IDS
        try:
            self._ids = {} if is_new else dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self._ids = {}

    def get(self, name: str) -> str | None:
        return self._ids.get(name)

    def keep(self, name: str, value: str) -> str:
        self._ids[name] = value
        write_record(self._path, json.dumps(self._ids) + "\n")
        return value


class _TensorBoard:
    errors = (OSError,)

    def __init__(
        self, package: Any, folder: Path, settings: Mapping[str, Any], first_step: int, _: _Ids
    ) -> None:
        self._writer = package.SummaryWriter(str(folder / "events"), purge_step=first_step + 1)
        self._writer.add_text("settings", f"```json\n{json.dumps(settings, indent=2)}\n```", first_step)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self, *, is_complete: bool) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, package: Any, folder: Path, settings: Mapping[str, Any], _: int, ids: _Ids) -> None:
        self.errors = (OSError, package.Error)
        self._run = package.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=folder.name,
            id=ids.get("wandb") or ids.keep("wandb", secrets.token_hex(8)),
            resume="allow",
            dir=folder,
            config=dict(settings),
            allow_val_change=True,
            settings=package.Settings(console="off", silent=not sys.stderr.isatty()),
        )

    def add(self, step: int, values: Mapping[str, float]) -> None:
        if step >= self._run.step:  # a run that was killed had told the others
            self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """Nothing to do: a process of its own writes as it goes."""

    def close(self, *, is_complete: bool) -> None:
        self._run.finish(exit_code=0 if is_complete else 1)


class _MLflow:
    def __init__(self, package: Any, folder: Path, settings: Mapping[str, Any], _: int, ids: _Ids) -> None:
        self.errors = (OSError, package.exceptions.MlflowException)
        self._metric = package.entities.Metric
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / 'mlflow.db').resolve()}"
        self._client = package.MlflowClient(tracking_uri=uri)
        self._waiting: list[Any] = []
        self._flushed = time.monotonic()
        self._told = -1
        known = ids.get("mlflow")
        if known is None:
            self._id = ids.keep("mlflow", self._begin(folder.name))
            params = [package.entities.Param(name, str(value)) for name, value in _flat(settings)]
            self._client.log_batch(self._id, params=params)
        else:
            self._id = known
            told = self._client.get_metric_history(known, "loss_db")
            self._told = max((metric.step for metric in told), default=-1)
            self._client.update_run(known, status="RUNNING")

    def _begin(self, run_name: str) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        found = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name) if found is None else found.experiment_id
        return str(self._client.create_run(experiment, run_name=run_name).info.run_id)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        if step <= self._told:
            return
        now = int(time.time() * 1000)
        self._waiting += [self._metric(name, float(value), now, step) for name, value in values.items()]
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        waiting, self._waiting, self._flushed = self._waiting, [], time.monotonic()
        for first in range(0, len(waiting), 500):  # MLflow takes up to 1000 at once
            self._client.log_batch(self._id, metrics=waiting[first : first + 500])

    def close(self, *, is_complete: bool) -> None:
        self.flush()
        self._client.set_terminated(self._id, status="FINISHED" if is_complete else "KILLED")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings of tables under names with dots."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


_MODULES = {"tensorboard": "torch.utils.tensorboard.writer", "wandb": "wandb", "mlflow": "mlflow"}
_MAKERS: Mapping[str, Callable[..., _Logger]] = {
    "tensorboard": _TensorBoard,
    "wandb": _Wandb,
    "mlflow": _MLflow,
}
LOGGERS = tuple(_MAKERS)
"""Names of the loggers."""
