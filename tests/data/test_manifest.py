"""Rows of a manifest: validated, stored line by line, read back as they were."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from dataset_trees import save, tune
from musicdenoise.audio.containers.riff import clear_peak_time
from musicdenoise.data.manifest import PairRow, read_manifest, write_manifest
from musicdenoise.errors import DataError
from musicdenoise.runtime.atomic import remove_abandoned, write_text
from musicdenoise.runtime.digest import file_sha256


def row(**changes: object) -> PairRow:
    values = {
        "id": "train-S1N1",
        "split": "train",
        "input": "train/input/a.wav",
        "target": "train/target/a.wav",
        "clean": "train/clean/a.wav",
        "sample_rate": 44_100,
        "num_samples": 132_300,
        "song": "Björk - Jóga",
        "input_snr_db": 12.3456,
        "gain": 0.5,
        "input_sha256": "0" * 64,
    }
    return PairRow(**{**values, **changes})


def test_rows_survive_writing_and_reading(tmp_path: Path) -> None:
    rows = [row(), row(id="test-S1N1", split="test", target_snr_db=None, score=-0.25)]
    path = write_manifest(tmp_path, rows)
    assert read_manifest(path) == rows
    assert read_manifest(tmp_path) == rows
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["train-S1N1", "test-S1N1"]
    assert "Björk" in lines[0]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\x0c"])
def test_names_that_hold_ends_of_lines(tmp_path: Path, end: str) -> None:
    rows = [row(song=f"Wait{end} what")]
    write_manifest(tmp_path, rows)
    assert read_manifest(tmp_path) == rows


def test_duration() -> None:
    assert row().duration_seconds == 3.0


def test_rows_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        row().gain = 2.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "valid"}, "split is 'valid'; it must be one of train, test"),
        ({"id": ""}, "id is ''"),
        ({"input": None}, "input is None"),
        ({"sample_rate": 0}, "sample_rate is 0"),
        ({"num_samples": 1.5}, "num_samples is 1.5"),
        ({"start": -1}, "start is -1"),
        ({"gain": 0.0}, "gain is 0.0; it must be a positive number"),
        ({"clean_scale": float("nan")}, "clean_scale is nan"),
        ({"input_snr_db": float("inf")}, "input_snr_db is inf"),
        ({"score": "good"}, "score is 'good'"),
        ({"input_sha256": "abc"}, "input_sha256 is 'abc'"),
    ],
)
def test_values_out_of_range_are_errors(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        row(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 2: is not JSON"),
        ("[1]", "line 2: is not a JSON object"),
        ('{"id": "x", "split": "train"}', "line 2: lacks a field: .*input"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(f"{row().to_json()}\n{text}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_manifest(path)


def test_unknown_fields_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    known = json.loads(row().to_json())
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps({**known, "mood": "sad"}) + "\n\n", encoding="utf-8")
    assert read_manifest(path) == [row()]


def test_ids_must_differ(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'train-S1N1' occurs twice"):
        write_manifest(tmp_path, [row(), row()])
    assert not list(tmp_path.iterdir())


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.jsonl: cannot be read"):
        read_manifest(tmp_path)


def test_text_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(DataError, match="taken: cannot be written"):
        write_text(tmp_path / "taken", "words")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_digest_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(256)) * 9000)
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_peak_time_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", tune(0.1), subtype="FLOAT")
    before = path.read_bytes()
    place = before.index(b"PEAK") + 12
    clear_peak_time(path)
    assert before[place : place + 4] != bytes(4)
    assert path.read_bytes() == before[:place] + bytes(4) + before[place + 4 :]
    integer = save(tmp_path / "b.wav", tune(0.1))
    flac = save(tmp_path / "c.flac", tune(0.1), container="FLAC", subtype="PCM_24")
    for other in (integer, flac):
        before = other.read_bytes()
        clear_peak_time(other)
        assert other.read_bytes() == before


def test_partial_files_are_removed(tmp_path: Path) -> None:
    for name in (".musicdenoise-12.part", ".musicdenoise-12-34.part", "song.part", ".hidden"):
        (tmp_path / name).touch()
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"song.part", ".hidden"}
    remove_abandoned(tmp_path / "missing")
