"""TensorBoard, Weights & Biases and MLflow are told the same, without a network; a run does not need them."""

import json
import logging
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from training_data import CONFIG, CPU, Sine
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.data.mixer import ValidationItem
from musicdenoise.errors import ConfigurationError, TrainingError, UsageError
from musicdenoise.training.loggers import LOGGERS, RunLog, check_loggers, open_log
from musicdenoise.training.loop import train

SETTINGS = {"batch_size": 6, "network": {"mask": "polar"}}
WRITER = "torch.utils.tensorboard.writer"


class Told:
    """Modules in place of the three packages, and what they were told, by run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scalars: dict[tuple[str, str], list[tuple[int, str, float]]] = {}
        self.settings: list[str] = []
        self.ends: list[object] = []
        self.is_broken = False
        for name, module in (
            (WRITER, SimpleNamespace(SummaryWriter=self._writer)),
            ("wandb", SimpleNamespace(init=self._init, Error=KeyError, Settings=dict)),
            ("mlflow", self._mlflow()),
        ):
            fake = ModuleType(name)
            vars(fake).update(vars(module))
            monkeypatch.setitem(sys.modules, name, fake)
        for variable in ("WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            monkeypatch.delenv(variable, raising=False)

    def _note(self, key: tuple[str, str], step: int, name: str, value: float) -> None:
        if self.is_broken:
            raise KeyError("the server is gone")
        self.scalars.setdefault(key, []).append((step, name, value))

    def _writer(self, folder: str, purge_step: int) -> SimpleNamespace:
        key = ("tensorboard", folder)
        self.scalars[key] = [row for row in self.scalars.get(key, []) if row[0] < purge_step]
        return SimpleNamespace(
            add_text=lambda name, text, step: self.settings.append(text),
            add_scalar=lambda name, value, step: self._note(key, step, name, value),
            flush=lambda: None,
            close=lambda: self.ends.append("tensorboard"),
        )

    def _init(self, **arguments: object) -> SimpleNamespace:
        assert arguments["project"] == "musicdenoise" and arguments["resume"] == "allow"
        self.settings.append(json.dumps(arguments["config"]))
        key = ("wandb", str(arguments["id"]))

        def log(values: dict[str, float], step: int) -> None:
            for name, value in values.items():
                self._note(key, step, name, value)

        last = max((row[0] for row in self.scalars.get(key, [])), default=-1)
        return SimpleNamespace(
            step=last + 1, log=log, finish=lambda exit_code: self.ends.append(("wandb", exit_code))
        )

    def _mlflow(self) -> SimpleNamespace:
        told = self

        class Client:
            def __init__(self, tracking_uri: str) -> None:
                assert tracking_uri.startswith("sqlite:///")

            def get_experiment_by_name(self, name: str) -> None:
                assert name == "musicdenoise"

            def create_experiment(self, _: str) -> str:
                return "1"

            def create_run(self, _: str, run_name: str) -> SimpleNamespace:
                return SimpleNamespace(info=SimpleNamespace(run_id=f"id of {run_name}"))

            def update_run(self, run: str, status: str) -> None:
                assert status == "RUNNING"

            def log_batch(self, run: str, metrics=(), params=()) -> None:
                told.settings += [f"{name}={value}" for name, value in params]
                for name, value, _, step in metrics:
                    told._note(("mlflow", run), step, name, value)

            def get_metric_history(self, run: str, name: str) -> list[SimpleNamespace]:
                rows = told.scalars.get(("mlflow", run), [])
                return [SimpleNamespace(step=row[0]) for row in rows if row[1] == name]

            def set_terminated(self, run: str, status: str) -> None:
                told.ends.append(("mlflow", status))

        return SimpleNamespace(
            MlflowClient=Client,
            entities=SimpleNamespace(Metric=lambda *row: row, Param=lambda *row: row),
            exceptions=SimpleNamespace(MlflowException=KeyError),
        )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


def run_training(folder: Path, loggers: tuple[str, ...] | None, **options) -> None:
    source = Sine(CONFIG.segment_samples)
    clean, noisy = (wave[:, :44_100] for wave in (source.example(0).noisy, source.example(1).noisy))
    items = [ValidationItem(clean=clean, noisy=noisy, snr_db=5.0)]
    train(CONFIG, source, items, folder, device=CPU, data={}, loggers=loggers, **options)


class KilledError(Exception):
    """Stands for the end of a process, between two steps."""


def test_all_are_told_the_same_and_no_step_twice_if_a_run_goes_on(tmp_path: Path, told: Told) -> None:
    def kill(progress) -> None:
        if progress.step == 5:
            raise KilledError

    with pytest.raises(KilledError):
        run_training(tmp_path / "run", LOGGERS, on_progress=kill)
    assert told.ends[1:] == [("wandb", 1), ("mlflow", "KILLED")]
    run_training(tmp_path / "run", LOGGERS, resume=True)
    assert told.ends[4:] == [("wandb", 0), ("mlflow", "FINISHED")]
    rows = list(told.scalars.values())
    assert len(rows) == 3, "the second part went to runs of its own"
    assert rows[0] == rows[1] == rows[2]
    assert [step for step, name, _ in rows[0] if name == "loss_db"] == [1, 2, 3, 4, 5, 6]
    assert {name for _, name, _ in rows[0]} >= {"gradient_norm", "learning_rate", "snr_improvement_db"}
    assert sum("batch_size" in text for text in told.settings) == 5, "MLflow keeps those of the beginning"
    assert "stft.n_fft=2048" in told.settings


def test_a_logger_that_fails_is_left_out(
    tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    log = open_log(("wandb",), tmp_path, SETTINGS, 0)
    told.is_broken = True
    with caplog.at_level(logging.WARNING):
        for step in range(3):
            log.add(step, {"loss_db": -3.0})
    log.close(is_complete=True)
    assert caplog.text.count("wandb failed, and the run goes on without it: 'the server is gone'") == 1
    assert told.ends == []


def test_a_logger_that_cannot_begin_is_told(tmp_path: Path, told: Told) -> None:
    def refuse(**_: object) -> None:
        raise KeyError("No API key configured.\nMore.")

    sys.modules["wandb"].init = refuse
    with pytest.raises(TrainingError, match=r"wandb cannot begin: 'No API key configured\..*environment"):
        open_log(("wandb",), tmp_path, SETTINGS, 0)


def test_unknown_and_missing_loggers_are_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"'paper'; it must be one of tensorboard, wandb, mlflow"):
        check_loggers(["paper"])
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UsageError, match=r"mlflow is not installed: pip install 'musicdenoise\[mlflow\]'"):
        check_loggers(["mlflow"])
    result = CliRunner().invoke(app, ["train", "--songs", "none", "--steps", "1", "--logger", "mlflow"])
    assert result.exit_code == 2
    assert "pip install 'musicdenoise[mlflow]'" in result.stderr


def test_without_tensorboard_there_are_no_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, WRITER, None)
    log = open_log(None, tmp_path, SETTINGS, 0)
    log.add(1, {"loss_db": -3.0})
    log.close(is_complete=True)
    assert list(tmp_path.iterdir()) == []


def tell(log: RunLog, steps: range) -> None:
    for step in steps:
        log.add(step, {"loss_db": float(-step), "learning_rate": 0.5})
    log.close(is_complete=True)


def test_tensorboard_itself(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", exc_type=ImportError)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tell(open_log(None, tmp_path, SETTINGS, 0), range(1, 4))
    tell(open_log(("tensorboard",), tmp_path, SETTINGS, 2), range(3, 6))
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss_db")] == [
        (step, -step) for step in range(1, 6)
    ]


@pytest.mark.filterwarnings("ignore")  # they warn about their own dependencies
def test_wandb_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tell(open_log(("wandb",), tmp_path, SETTINGS, 0), range(1, 4))
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    (stored,) = run.glob("*.wandb")
    deadline = time.monotonic() + 20.0
    while b"learning_rate" not in (content := stored.read_bytes()):  # a process of its own writes it
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert b"batch_size" in content
    assert json.loads((tmp_path / "loggers.json").read_text())["wandb"] in run.name


@pytest.mark.filterwarnings("ignore")
def test_mlflow_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(package)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tell(open_log(("mlflow",), tmp_path, SETTINGS, 0), range(1, 4))
    tell(open_log(("mlflow",), tmp_path, SETTINGS, 2), range(2, 6))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        rows = database.execute("select step, value from metrics where key = 'loss_db' order by step")
        assert rows.fetchall() == [(step, -step) for step in range(1, 6)]
        assert ("network.mask", "polar") in database.execute("select key, value from params").fetchall()
        assert database.execute("select status from runs").fetchall() == [("FINISHED",)]
