"""`musicdenoise dataset segment` as users call it."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from musicdenoise.audio import open_writer
from musicdenoise.cli.app import app
from musicdenoise.data.manifest import read_manifest

RATE = 44_100


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small dataset of white noise, ``dataset_white``."""
    for split in ("train", "test"):
        folder = tmp_path / "musdb18" / split
        folder.mkdir(parents=True)
        samples = 0.1 * np.random.default_rng(1).standard_normal((2, 3 * RATE))
        with open_writer(
            folder / "a.wav", sample_rate=RATE, channels=2, container="WAV", subtype="PCM_16"
        ) as writer:
            writer.write(samples.astype(np.float32))
    monkeypatch.chdir(tmp_path)
    assert run("build", "--kind", "white", "-q", "--jobs", "1").exit_code == 0
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dataset", *arguments])


def test_segments_of_a_built_dataset(home: Path) -> None:
    short = ["--length", "30000", "--skip-start", "0.5", "--skip-end", "0.1", "-j", "1"]
    result = run("segment", "dataset_white", *short)
    assert result.exit_code == 0, result.output
    out = home / "dataset_white_segments"
    assert len(read_manifest(out)) == 6
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        "manifest.jsonl",
        "segments.json",
        "segments.txt",
        "segments.png",
    }
    first, *lines = result.stdout.splitlines()
    assert first == "6 segments in dataset_white_segments; segments.txt there has all statistics"
    assert [line.split("(")[0] for line in lines] == [
        "train: 3 of 3 segments kept ",
        "test: 3 of 3 segments kept ",
    ]
    assert "0 silent, 0 beyond the thresholds); median score " in lines[0]
    assert (out / "segments.txt").read_text().startswith("train\n")
    again = run("segment", "dataset_white", *short)
    assert again.exit_code == 1
    assert "is not empty; give --force" in again.stderr
    forced = run("segment", "dataset_white", *short, "--force", "--quiet", "--max-train", "1")
    assert (forced.exit_code, forced.stdout) == (0, "")
    assert len(read_manifest(out)) == 4


@pytest.mark.parametrize(("place", "given"), [("dataset_white", "."), ("dataset_white/train", "..")])
def test_segments_lie_beside_the_dataset_they_are_called_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, place: str, given: str
) -> None:
    monkeypatch.chdir(home / place)
    short = ("--length", "30000", "--skip-start", "0.5", "--skip-end", "0.1", "-j", "1", "-q")
    result = run("segment", given, *short)
    assert result.exit_code == 0, result.output
    assert (home / "dataset_white_segments" / "manifest.jsonl").exists()


def test_songs_too_short_for_the_defaults_are_explained(home: Path) -> None:
    result = run("segment", "dataset_white")
    assert result.exit_code == 1
    assert "2 too short" in result.stderr
    assert "--skip-start" in result.stderr


def test_an_estimate_is_announced(home: Path) -> None:
    (home / "dataset_white" / "manifest.jsonl").unlink()
    result = run(
        "segment", "dataset_white", "--length", "30000", "--skip-start", "0", "--skip-end", "0", "-j", "1"
    )
    assert result.exit_code == 0, result.output
    assert "the correlation of the noises is estimated" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 1, "nowhere: holds no dataset"),
        (["dataset_white", "--out", "dataset_white"], 2, "is the dataset itself"),
        (["dataset_white", "--sort", "name"], 2, "--sort is 'name'"),
        (["dataset_white", "--length", "7"], 2, "--length is 7 samples"),
    ],
)
def test_bad_requests(home: Path, arguments: list[str], code: int, message: str) -> None:
    result = run("segment", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
