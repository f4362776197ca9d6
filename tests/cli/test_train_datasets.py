"""``musicdenoise train DATA``: datasets on disk, good and bad."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.audio import open_writer, read_audio
from musicdenoise.cli.app import app
from musicdenoise.weights.checkpoint import load_weights

LENGTH = 60_000


@pytest.fixture
def dataset(tmp_path: Path, write_wav, tune, noisy_tune) -> Path:
    """Folders as the reference has them, without a manifest."""
    for split, target in (("train", noisy_tune), ("test", tune)):
        for number in range(2):
            part = slice(number * LENGTH, (number + 1) * LENGTH)
            name = f"segment_{number:05d}.wav"
            write_wav(f"data/{split}/input/{name}", noisy_tune[:1, part], subtype="FLOAT")
            write_wav(f"data/{split}/target/{name}", target[:1, part], subtype="FLOAT")
    return tmp_path / "data"


def invoke(*arguments: object):
    fixed = ("--complexity", "1", "--batch-size", "2", "--segment-seconds", "1.2", "--device", "cpu")
    return CliRunner().invoke(app, ["train", *map(str, arguments), *fixed])


def test_epochs_over_a_dataset_as_json(tmp_path: Path, dataset: Path) -> None:
    out = tmp_path / "run"
    result = invoke(dataset, "--out", out, "--epochs", 2, "--noise", "siren", "--json")
    assert result.exit_code == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["validation", "validation", "done"]
    assert [event["step"] for event in events[:2]] == [1, 2]
    metadata = load_weights(out / "best.safetensors")[1]
    assert metadata.noise_kind == "siren"
    assert metadata.data["pairs"] == 2
    assert len(metadata.data["manifest_sha256"]) == 64
    assert events[-1]["snr_improvement_db"] == metadata.metrics["snr_improvement_db"]


def test_names_that_are_no_text_are_trained_on(tmp_path: Path, dataset: Path) -> None:
    for path in dataset.rglob("segment_00001.wav"):
        try:
            path.rename(path.with_name(os.fsdecode(b"\xe9.wav")))
        except OSError:
            pytest.skip("this file system has no such names")
    out = tmp_path / "run"
    result = invoke(dataset, "--out", out, "--steps", 1)
    assert result.exit_code == 0, result.output
    assert len(load_weights(out / "best.safetensors")[1].data["manifest_sha256"]) == 64


def test_songs_are_held_out_where_none_are_given_to_measure_on(
    tmp_path: Path, write_wav, tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICDENOISE_CACHE", str(tmp_path / "cache"))
    for number in range(2):
        write_wav(f"songs/{number}.wav", tune[:, number * 100_000 : number * 100_000 + 90_000])
    songs = ("--songs", tmp_path / "songs", "--steps", 1)
    assert invoke(*songs, "--out", tmp_path / "run").exit_code == 0
    data = load_weights(tmp_path / "run" / "best.safetensors")[1].data
    assert (data["songs"], data["validation_songs"]) == (1, 1)
    assert len(list((tmp_path / "cache" / "decoded").iterdir())) == 2
    (tmp_path / "songs" / "1.wav").unlink()
    assert "--valid-songs" in invoke(*songs, "--out", tmp_path / "other").stderr


def test_given_songs_are_measured_on_with_the_noise_of_the_dataset(
    tmp_path: Path, dataset: Path, write_wav, tune
) -> None:
    write_wav("songs/0.wav", tune[:, :90_000])
    options = (dataset, "--valid-songs", tmp_path / "songs", "--cache", tmp_path / "bank", "--steps", 1)
    result = invoke(*options, "--out", tmp_path / "run")
    assert result.exit_code != 0  # of a kind that is not known, so that it takes recordings
    assert "noises" in result.stderr
    assert invoke(*options, "--out", tmp_path / "run", "--noise", "white").exit_code == 0


def break_nothing(dataset: Path) -> None:
    """For options that are wrong by themselves."""


def empty(dataset: Path) -> None:
    for path in dataset.rglob("*.wav"):
        path.unlink()
    (dataset / "manifest.jsonl").touch()


def lose_a_partner(dataset: Path) -> None:
    (dataset / "train" / "target" / "segment_00001.wav").unlink()


def shorten(dataset: Path) -> None:
    path = dataset / "train" / "target" / "segment_00001.wav"
    samples = read_audio(path).samples[:, :-1]
    with open_writer(
        path, sample_rate=44_100, channels=1, container="WAV", subtype="FLOAT", overwrite=True
    ) as writer:
        writer.write(samples)


def damage(dataset: Path) -> None:
    path = dataset / "train" / "input" / "segment_00001.wav"
    path.write_bytes(b"RIFF" + bytes(40))


@pytest.mark.parametrize(
    ("harm", "options", "code", "messages"),
    [
        (empty, (), 1, ("holds no training pairs", "dataset build")),
        (lose_a_partner, (), 1, ("segment_00001.wav", "no partner")),
        (shorten, (), 1, ("segment_00001.wav", "60000 samples", "59999")),
        (damage, (), 1, ("segment_00001.wav",)),
        (break_nothing, ("--targets", "clean"), 1, ("no clean file", "--targets noisy")),
        (break_nothing, ("--n-fft", "1024", "--hop-length", "256"), 1, ("--n-fft", "2048")),
        (break_nothing, ("--hop-length", "700"), 1, ("--hop-length is 700",)),
        (break_nothing, ("--mask", "square"), 1, ("--mask is 'square'",)),
        (break_nothing, ("--recipe", "magic"), 2, ("no recipe 'magic'",)),
        (break_nothing, ("--init", "no.safetensors"), 1, ("there is no weights file no.safetensors",)),
        (break_nothing, ("--songs", "songs"), 2, ("either a dataset, or songs",)),
        (break_nothing, ("--epochs", "0"), 2, ("--epochs is 0",)),
        (break_nothing, ("--epochs", "nan"), 2, ("--epochs is nan",)),
        (break_nothing, ("--epochs", "inf"), 2, ("--epochs is inf",)),
        (break_nothing, ("--minutes", "nan"), 1, ("minutes is nan",)),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_bad_input_is_explained_in_one_line_and_leaves_nothing(
    tmp_path: Path, dataset: Path, harm, options: tuple[str, ...], code: int, messages: tuple[str, ...]
) -> None:
    harm(dataset)
    length = () if "--epochs" in options else ("--steps", "1")
    result = invoke(dataset, "--out", tmp_path / "run", *length, *options)
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    for message in messages:
        assert message in line
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_a_segment_that_is_found_unreadable_by_a_worker_is_named(tmp_path: Path, dataset: Path) -> None:
    assert invoke(dataset, "--out", tmp_path / "run", "--steps", 1).exit_code == 0
    path = dataset / "train" / "input" / "segment_00001.wav"
    content = bytearray(path.read_bytes())
    content[-40_000:] = b"\xff" * 40_000  # not a number, in floating point
    path.write_bytes(content)
    result = invoke(dataset, "--out", tmp_path / "run", "--steps", 30, "--resume", "--workers", 1)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "segment_00001.wav" in line
    assert invoke(dataset, "--out", tmp_path / "run", "--steps", 1, "--resume").exit_code == 0
