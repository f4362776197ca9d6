"""`musicdenoise dataset build` as users call it."""

import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from musicdenoise.audio import open_writer
from musicdenoise.cli.app import app
from musicdenoise.data.manifest import read_manifest

RATE = 44_100


def save(path: Path, seconds: float, seed: int, level: float = 0.1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = level * np.random.default_rng(seed).standard_normal((2, round(seconds * RATE)))
    with open_writer(path, sample_rate=RATE, channels=2, container="WAV", subtype="PCM_16") as writer:
        writer.write(noise.astype(np.float32))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds ``musdb18`` (in the layout of the HQ version) and ``UrbanSound8K``."""
    for split in ("train", "test"):
        for number in range(3):
            save(tmp_path / "musdb18" / split / f"Song {number}" / "mixture.wav", 2.5, number)
    for recording in range(8):
        class_id = recording % 2
        save(
            tmp_path / "UrbanSound8K" / "audio" / "fold1" / f"{recording}-{class_id}-0-0.wav",
            0.5,
            50 + recording,
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dataset", "build", *arguments])


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_kind_alone_is_enough(home: Path) -> None:
    result = build("--kind", "mixed", "--jobs", "1")
    assert result.exit_code == 0, result.output
    assert {row.split for row in read_manifest(home / "dataset_mixed")} == {"train", "test"}
    for text in ("train pairs", "megabytes", "SNRs of inputs", "white", "10 to 15"):
        assert text in result.stdout
    assert json.loads((home / "dataset_mixed" / "build.json").read_text())["pairs"] == {"train": 3, "test": 3}


def test_the_names_of_the_reference_work(home: Path) -> None:
    (home / "UrbanSound8K").rename(home / "noise")
    (home / "musdb18").rename(home / "music")
    first = ["--kind", "class", "--path-songs", "music", "--path-noises", "noise/audio", "--class-num", "1"]
    result = build(*first, "--iter-songs", "2", "--iter-noise", "2", "--split", "train", "--out", "a", "-q")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    rows = read_manifest(home / "a")
    assert len(rows) == 4
    assert {row.input_class for row in rows} == {"car_horn"}
    second = ["--kind", "class", "--songs", "music", "--noises", "noise/audio", "--class", "car_horn"]
    second += ["--max-songs", "2", "--max-noises", "2"]
    assert build(*second, "--split", "train", "--out", "b", "-q").exit_code == 0
    assert [row.input_sha256 for row in read_manifest(home / "b")] == [row.input_sha256 for row in rows]
    both = build(*first, "--songs", "music")
    assert both.exit_code == 2
    assert "--songs and --path-songs mean the same" in both.stderr


def test_cuda_is_not_needed(home: Path) -> None:
    result = build("--kind", "white", "--max-songs", "1", "--device", "cpu", "-q")
    assert result.exit_code == 0, result.output
    assert build("--kind", "white", "--device", "gpu").exit_code == 2


def test_a_dry_run_writes_nothing(home: Path) -> None:
    before = digests(home)
    result = build("--kind", "real", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "Would be built in dataset_real" in result.stdout
    assert "about 0.00 h of pairs, at most 13 MB" in result.stdout
    assert digests(home) == before


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("musdb18", "musdb18: there is no such folder of songs; MUSDB18 and MUSDB18-HQ are at https://"),
        (
            "UrbanSound8K",
            "UrbanSound8K/audio: there is no such folder of noises; UrbanSound8K is at https://",
        ),
    ],
)
def test_what_is_missing_is_explained(home: Path, missing: str, message: str) -> None:
    (home / missing).rename(home / "elsewhere")
    result = build("--kind", "mixed")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "DIR" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (home / "dataset_mixed").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("--kind pink", 2, "--kind is 'pink'; it must be one of real, class, mixed, white"),
        ("--kind class --class cat", 2, "there is no noise class 'cat'"),
        ("--kind class", 2, "needs a class"),
        ("--kind class --class siren", 1, "holds no noise recordings of the class siren"),
        ("--kind white --songs empty", 1, "empty: holds no songs"),
        ("--kind white --out empty/..", 1, "is not empty; give --resume"),
        ("--kind white --input-dir a --target-dir ./a", 2, "are the same folder"),
        ("--kind white --input-dir a", 2, "give both or neither"),
        ("--kind white --input-dir /a --target-dir /b/c", 2, "have no folder in common"),
        ("--kind white --resume --force", 2, "give one of them"),
        ("--kind white --jobs 0", 2, "--jobs is 0; it must be at least 1"),
        ("--kind white --snr-range 9 1", 2, "give the lower limit first"),
    ],
)
def test_bad_requests_are_one_clear_line(home: Path, arguments: str, code: int, message: str) -> None:
    (home / "empty").mkdir()
    result = build(*arguments.split())
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_bad_files_are_named_and_the_exit_code_says_so(home: Path) -> None:
    save(home / "musdb18" / "train" / "Short" / "mixture.wav", 1.0, 9)
    for number in range(4):
        (home / "UrbanSound8K" / "audio" / "fold1" / f"{90 + number}-1-0-0.wav").write_bytes(b"RIFF")
        save(home / "UrbanSound8K" / "audio" / "fold1" / f"{80 + number}-0-0-0.wav", 0.5, 9, level=0.0)
    result = build("--kind", "real", "--jobs", "1", "--max-noises", "4")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert any("Short/mixture.wav: lasts 1.00 s" in line for line in lines)
    assert any(line.startswith("warning:") and line.endswith("is silent; skipped") for line in lines)
    assert any(line.startswith("error:") and "is not an audio file" in line for line in lines)
    assert lines[-1].startswith("error: 1 song(s) or pair(s) failed and ")
    assert len(read_manifest(home / "dataset_real")) == 24


def test_killed_at_any_moment_and_resumed_gives_the_same_bytes(home: Path) -> None:
    arguments = ["--kind", "mixed", "--max-noises", "5"]
    assert build(*arguments, "--out", "whole", "--jobs", "1", "-q").exit_code == 0
    expected = digests(home / "whole")
    command = [sys.executable, "-m", "musicdenoise", "dataset", "build", *arguments]
    process = subprocess.Popen(
        [*command, "--out", "killed", "--jobs", "2", "-q"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240  # two processes start, on a machine that may be busy
    while len(list((home / "killed").rglob("*.wav"))) < 12 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the build was over before it was killed"
    assert not (home / "killed" / "manifest.jsonl").exists()
    assert build(*arguments, "--out", "killed", "--jobs", "1", "--resume", "-q").exit_code == 0
    assert digests(home / "killed") == expected


def test_a_dataset_among_the_songs_is_no_song(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home / "musdb18" / "train"
    monkeypatch.chdir(home)
    options = ("--kind", "white", "--songs", ".", "--jobs", "1", "--max-songs", "2", "-q")
    assert build(*options).exit_code == 0
    before = digests(home / "dataset_white")
    assert build(*options, "--resume").exit_code == 0
    assert build(*options, "--force").exit_code == 0
    assert digests(home / "dataset_white") == before
    clean = "dataset_white/train/clean"
    result = build("--kind", "white", "--songs", clean, "--out", "dataset_white", "--force", "-q")
    assert result.exit_code == 2
    assert f"{clean}: holds songs or noises, but files of the dataset go there, too" in result.stderr
    assert digests(home / "dataset_white") == before
