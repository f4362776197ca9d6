"""What a run leaves behind beside its weights."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from musicdenoise.errors import TrainingError
from musicdenoise.training.records import EventLog, write_history, write_record

WRITER = "torch.utils.tensorboard.writer"


def test_history_is_one_line_per_validation(tmp_path: Path) -> None:
    history = [{"step": 1, "loss_db": -3.5}, {"step": 2, "loss_db": -4.0}]
    write_history(tmp_path, history)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == history
    write_history(tmp_path, history[:1])
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 1


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"config\.json.*resume"):
        write_record(tmp_path / "nowhere" / "config.json", "{}")


def test_events_go_to_tensorboard_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[object] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            noted.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            noted.append((step, name, value))

        def close(self) -> None:
            noted.append("closed")

    module = ModuleType(WRITER)
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, WRITER, module)
    log = EventLog(tmp_path, first_step=7)
    log.add(8, {"loss_db": -3.0})
    log.close()
    assert noted == [(str(tmp_path / "events"), 7), (8, "loss_db", -3.0), "closed"]


def test_without_tensorboard_there_are_no_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, WRITER, None)
    log = EventLog(tmp_path, first_step=0)
    log.add(1, {"loss_db": -3.0})
    log.close()
    assert list(tmp_path.iterdir()) == []
