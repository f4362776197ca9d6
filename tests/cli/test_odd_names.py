"""Names of files that mean something to FFmpeg, to matplotlib or to rich, or are no text at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.audio import open_writer, probe
from musicdenoise.cli.app import app


def invoke(*arguments: object):
    return CliRunner().invoke(app, list(map(str, arguments)))


def save(path: Path, samples, container: str, subtype: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_writer(path, sample_rate=44_100, channels=2, container=container, subtype=subtype) as writer:
        writer.write(samples[:, :50_000].numpy())
    return path


@pytest.mark.parametrize("name", ["Re:Stacks.m4a", "http:a.m4a", "CD1:Live/a.m4a", "a [live] $x_1_$ %d.m4a"])
def test_no_protocol_is_read_into_a_name(
    tmp_path: Path, mini_weights: Path, noisy_tune, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    song = save(Path(name), noisy_tune, "MP4", "AAC")
    result = invoke("denoise", song, "--weights", mini_weights)
    assert result.exit_code == 0, result.output
    assert probe(song.with_name(f"{song.stem}_denoised.m4a")).num_samples == 50_000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["$AP_01_$x_.wav", "$$.wav", "音楽.wav"])
def test_names_are_drawn_as_they_are(tmp_path: Path, mini_weights: Path, noisy_tune, name: str) -> None:
    song = save(tmp_path / "a" / name, noisy_tune, "WAV", "PCM_16")
    arguments = ("--report", tmp_path / "r", "--json", "-o", tmp_path / "denoised")
    result = invoke("denoise", song, "--weights", mini_weights, *arguments)
    assert result.exit_code == 0, result.output
    assert Path(json.loads(result.stdout)["picture"]).stat().st_size > 10_000
    save(tmp_path / "b" / name, noisy_tune, "WAV", "PCM_24")
    out = tmp_path / "out"
    arguments = ("--baselines", "none", "--metrics", "snr", "--out", out, "--workers", 0)
    result = invoke("eval", tmp_path / "a", tmp_path / "b", "--weights", mini_weights, *arguments)
    assert result.exit_code == 0, result.output
    assert list((out / "plots").glob("sample_01_*"))


def test_a_name_that_is_no_text_stops_nothing(tmp_path: Path, mini_weights: Path, noisy_tune) -> None:
    odd = tmp_path / os.fsdecode(b"a\xe9.wav")
    try:
        save(odd, noisy_tune, "WAV", "PCM_16")
    except OSError:
        pytest.skip("this file system has no such names")
    save(tmp_path / "b.wav", noisy_tune, "WAV", "PCM_16")
    command = [sys.executable, "-m", "musicdenoise", "denoise", tmp_path, "--weights", mini_weights]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    for options in (["--dry-run"], ["--json", "--report", tmp_path / "r"]):
        done = subprocess.run([*command, *options], capture_output=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.decode().splitlines()
        assert len(lines) == 2
        assert "\\udce9" in lines[0]
    sources = [json.loads(line)["source"] for line in lines]
    assert sources == [str(odd), str(tmp_path / "b.wav")]
    assert len(list((tmp_path / "r").iterdir())) == 3


def test_json_is_json_whatever_can_be_written(tmp_path: Path, mini_weights: Path, noisy_tune) -> None:
    name = "é ♫ 🎵.wav"
    save(tmp_path / name, noisy_tune, "WAV", "PCM_16")
    command = [sys.executable, "-m", "musicdenoise", "denoise", tmp_path, "--weights", mini_weights, "--json"]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert json.loads(done.stdout.decode("cp1252"))["source"] == str(tmp_path / name)


def test_brackets_are_shown(tmp_path: Path, noisy_tune) -> None:
    for folder in ("one", "two"):
        for name in ("song.wav", "song [live].wav", "song [bold].wav"):
            save(tmp_path / folder / name, noisy_tune, "WAV", "PCM_16")
    result = invoke("correlate", tmp_path / "one", tmp_path / "two")
    assert result.exit_code == 0, result.output
    assert "[live]" in result.stdout
    assert "[bold]" in result.stdout
