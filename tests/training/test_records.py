"""What a run leaves behind beside its weights."""

import json
from pathlib import Path

import pytest

from musicdenoise.errors import TrainingError
from musicdenoise.training.records import write_history, write_record


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
