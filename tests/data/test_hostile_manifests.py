"""Manifests come from anybody: types, ranges, places and digests are checked before a file is opened."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.data.folders import load_pairs
from musicdenoise.data.manifest import MANIFEST_NAME, read_manifest
from musicdenoise.errors import DataError
from musicdenoise.evaluation.items import find_items, load_item
from musicdenoise.runtime.digest import file_sha256

ROW = {
    "id": "a",
    "split": "test",
    "input": "in.wav",
    "target": "out.wav",
    "clean": "out.wav",
    "sample_rate": 44_100,
    "num_samples": 20_000,
}


def write(folder: Path, text: str) -> Path:
    (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "JSON"),
        ('{"id": ' + "9" * 5_000 + "}", "JSON|id is"),
        (json.dumps({**ROW, "clean": 5}), "clean is 5"),
        (json.dumps({**ROW, "input": ["in.wav"]}), "input is"),
        (json.dumps({**ROW, "input": "in\0.wav"}), "zero byte"),
        (json.dumps({**ROW, "input": "/dev/zero"}), "relative to the manifest"),
        (json.dumps({**ROW, "target": "C:\\windows\\x.wav"}), "relative to the manifest"),
        (json.dumps({**ROW, "num_samples": 1e30}), "num_samples is 1e\\+30"),
        (json.dumps({**ROW, "num_samples": 10**30}), "num_samples is 10{30}|num_samples is"),
        (json.dumps({**ROW, "start": -1}), "start is -1"),
        (json.dumps({**ROW, "sample_rate": True}), "sample_rate is True"),
        (json.dumps({**ROW, "sample_rate": 10**9}), "sample_rate is 1000000000"),
        (json.dumps({**ROW, "clean_scale": 1e300}), "clean_scale is 1e\\+300"),
        (json.dumps({**ROW, "clean_scale": "1"}), "clean_scale is '1'"),
        (json.dumps({**ROW, "input_sha256": 5}), "input_sha256 is 5"),
        (json.dumps({**ROW, "split": {}}), "split is"),
    ],
)
def test_rows_that_make_no_sense_are_refused_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, f"{json.dumps(ROW)}\n{text}")
    with pytest.raises(DataError, match=f"line 2: .*({message})"):
        read_manifest(tmp_path)


def test_files_stay_inside_the_dataset_or_below_a_root(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    write(folder, json.dumps({**ROW, "input": "deep/../in.wav"}))
    assert len(load_pairs(folder)) == 1
    write(folder, json.dumps({**ROW, "input": "../noisy/in.wav"}))
    with pytest.raises(DataError, match=r"the pair a has the file \.\./noisy/in\.wav outside of the dataset"):
        load_pairs(folder)
    assert len(load_pairs(folder, tmp_path)) == 1
    result = CliRunner().invoke(app, ["eval", str(folder)])
    assert result.exit_code == 1
    assert "with --root" in result.stderr


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_device_in_a_dataset_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "in.wav").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        file_sha256(tmp_path / "in.wav")


def test_digests_are_compared_unless_that_is_not_wanted(tmp_path: Path, write_wav, noisy_tune) -> None:
    noisy = write_wav("in.wav", noisy_tune[:, :20_000])
    clean = write_wav("out.wav", noisy_tune[:, 20_000:40_000])
    digests = {"input_sha256": file_sha256(noisy), "target_sha256": file_sha256(clean)}
    write(tmp_path, json.dumps({**ROW, **digests}))
    load_item(find_items(tmp_path)[0])
    data = bytearray(clean.read_bytes())
    data[-1] ^= 1
    clean.write_bytes(data)
    with pytest.raises(DataError, match=r"out\.wav: is not the file that the manifest describes"):
        load_item(find_items(tmp_path)[0])
    load_item(find_items(tmp_path, verify=False)[0])
