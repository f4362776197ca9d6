"""``musicdenoise train`` from the command line alone."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.cli.train_options import Request, overrides
from musicdenoise.training import loop
from musicdenoise.training.loop import RunReport
from musicdenoise.weights.checkpoint import load_weights


@pytest.fixture
def arguments(tmp_path: Path, write_wav, tune) -> list[str]:
    write_wav("songs/tune.wav", tune)
    folders = [
        "--songs",
        tmp_path / "songs",
        "--valid-songs",
        tmp_path / "songs",
        "--cache",
        tmp_path / "bank",
    ]
    return ["train", *map(str, folders), "--complexity", "1", "--batch-size", "2", "--device", "cpu"]


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_every_override_comes_from_an_option_of_its_own() -> None:
    given: dict[str, Any] = {field.name: object() for field in fields(Request)}
    values = list(vars(overrides(Request(**given), "siren")).values())
    assert None not in values
    assert len(set(map(id, values))) == len(values)


def test_a_run_and_what_becomes_of_it(tmp_path: Path, arguments: list[str], write_wav, noisy_tune) -> None:
    run = tmp_path / "run"
    result = invoke(*arguments, "--out", run, "--steps", 2, "--licence", "CC0-1.0")
    assert result.exit_code == 0, result.output
    best = run / "best.safetensors"
    assert load_weights(best)[1].licence == "CC0-1.0"
    song = write_wav("song.wav", noisy_tune[:, :50_000])
    assert invoke("denoise", song, "--weights", best).exit_code == 0
    result = invoke(*arguments, "--out", run, "--steps", 3)
    assert result.exit_code == 1
    assert "already holds a training run" in result.stderr
    result = invoke(*arguments, "--out", run, "--steps", 3, "--resume", "--seed", 7)
    assert result.exit_code == 0
    assert "warning: the run began with other settings" in result.stderr
    assert "seed: 42 -> 7" in result.stderr
    assert invoke(*arguments, "--out", tmp_path / "second", "--steps", 1, "--init", best).exit_code == 0


def test_a_profile_filter_behind_a_trained_network(
    tmp_path: Path, arguments: list[str], write_wav, noisy_tune
) -> None:
    first = tmp_path / "first"
    assert invoke(*arguments, "--out", first, "--steps", 1).exit_code == 0
    recipe = ["--recipe", "profile", "--noise", "white", "--segment-seconds", 1.5]
    result = invoke(*arguments, *recipe, "--out", tmp_path / "nothing", "--steps", 1)
    assert result.exit_code == 1
    assert "frozen layers need weights" in result.stderr
    second = tmp_path / "second"
    result = invoke(*arguments, *recipe, "--out", second, "--steps", 2, "--init", first / "best.safetensors")
    assert result.exit_code == 0, result.output
    before, _ = load_weights(first / "best.safetensors")
    after, metadata = load_weights(second / "best.safetensors")
    assert (before.config.profile_width, after.config.profile_width) == (0, 16)
    assert metadata.network == after.config
    for name, value in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], value)
    song = write_wav("song.wav", noisy_tune[:, :50_000])
    assert invoke("denoise", song, "--weights", second / "best.safetensors").exit_code == 0


def test_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    result = invoke(*arguments, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "needs an end" in result.stderr
    result = invoke(*arguments, "--out", tmp_path / "run", "--steps", 2, "--noise", "siren")
    assert result.exit_code == 1
    assert "--noises" in result.stderr
    arguments[2] = str(tmp_path / "nowhere")
    result = invoke(*arguments, "--out", tmp_path / "run", "--steps", 2)
    assert result.exit_code == 1
    assert "holds no songs" in result.stderr


def test_a_bad_song_is_named_and_the_others_are_used(tmp_path: Path, arguments: list[str]) -> None:
    bad = tmp_path / "songs" / "bad.wav"
    bad.write_bytes(b"no song")
    result = invoke(*arguments, "--out", tmp_path / "run", "--steps", 1)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stderr.splitlines() if str(bad) in line]
    assert lines
    assert all(line.startswith("warning: ") and line.endswith("this song is left out") for line in lines)
    (tmp_path / "songs" / "tune.wav").write_bytes(b"no song either")
    result = invoke(*arguments, "--out", tmp_path / "none", "--steps", 1)
    assert result.exit_code == 1
    assert "none of the 2 audio files can be used" in result.stderr


def test_weights_that_are_worse_than_nothing(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for best_db, is_warned in ((-0.5, True), (0.5, False)):
        report = RunReport(best=tmp_path / "best.safetensors", best_db=best_db, steps=1, seconds=1.0)
        monkeypatch.setattr(loop, "train", lambda *_, report=report, **__: report)
        result = invoke(*arguments, "--out", tmp_path / "run", "--steps", 1)
        assert result.exit_code == 0, result.output
        assert ("worse than doing nothing (-0.50 dB)" in result.stderr) == is_warned
