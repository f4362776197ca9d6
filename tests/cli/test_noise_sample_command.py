"""``denoise --noise-sample`` and its relatives, as they are typed."""

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_tune import synthesise_tune
from typer.testing import CliRunner

from musicdenoise.audio import read_audio
from musicdenoise.cli.app import app

RATE = 44_100


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


def hiss(seconds: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((1, round(seconds * RATE)))
    return (0.02 * noise).astype(np.float32)


@pytest.fixture
def song(write_wav) -> Path:
    """Three seconds of hiss alone, then hiss and music."""
    tune = synthesise_tune(4.0).numpy()[:1]
    music = np.concatenate([np.zeros((1, 3 * RATE), np.float32), tune], axis=1)
    return write_wav("song.wav", music + hiss(8.0)[:, : music.shape[1]])


def removed_db(song: Path, result: Path) -> float:
    before, after = (read_audio(path).samples[:, : 3 * RATE] for path in (song, result))
    return 10 * float(np.log10(np.sum(after.astype(float) ** 2) / np.sum(before.astype(float) ** 2)))


@pytest.mark.parametrize("sample", ["0:00-0:02.5", "file", None])
def test_hiss_is_removed_without_a_network(song: Path, write_wav, sample: str | None) -> None:
    given = [] if sample is None else ["--noise-sample", sample]
    if sample == "file":
        given[1] = str(write_wav("hiss.wav", 0.25 * hiss(2.0, seed=9)))
    result = invoke(song, "--no-network", "--json", *given)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["weights"] == "none"
    known = report["noise_sample"]
    assert known["source"] == ("found" if sample is None else "given")
    assert known["level_db"] == pytest.approx(12.0 if sample == "file" else 0.0, abs=1.5)
    assert removed_db(song, song.with_name("song_denoised.wav")) < -9.0


def test_a_network_and_a_sample_in_several_processes(song: Path, write_wav, mini_weights: Path) -> None:
    other = write_wav("other.wav", read_audio(song).samples)
    result = invoke(song, other, "--weights", mini_weights, "--noise-sample", "0-2", "--jobs", 2, "--json")
    assert result.exit_code == 0, result.output
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    assert [report["noise_sample"]["stretches"] for report in reports] == [[[0.0, 2.0]]] * 2
    results = [read_audio(path.with_name(f"{path.stem}_denoised.wav")).samples for path in (song, other)]
    np.testing.assert_array_equal(*results)


def test_a_preview_is_a_part_of_the_whole(song: Path, tmp_path: Path) -> None:
    arguments = (song, "--no-network", "--noise-sample", "0-2", "--strength", 0.7)
    assert invoke(*arguments, "-o", tmp_path / "whole.wav").exit_code == 0
    assert invoke(*arguments, "-o", tmp_path / "part.wav", "--start", 4, "--duration", 2).exit_code == 0
    whole, part = (read_audio(tmp_path / name).samples for name in ("whole.wav", "part.wav"))
    inner = slice(RATE // 2, -RATE // 2)
    expected, part = whole[:, 4 * RATE : 6 * RATE][:, inner], part[:, inner]
    # Windows lie on a grid that is counted from where the preview begins.
    assert np.square(part - expected).mean() < 1e-3 * np.square(expected).mean()


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (
            ["--noise-sample", "0:05-0:20"],
            r"song.wav: the song is 7.00 s long; the noise sample 5-20 s is not in it",
            1,
        ),
        (["--noise-sample", "missing.wav"], "missing.wav", 1),
        (["--noise-sample", "2-1"], "2-1 s is too short", 2),
        (["--no-network", "--noise", "white"], "--no-network and --noise contradict each other", 2),
        (["--no-network", "--no-find-noise"], "--no-network needs to know the noise", 2),
    ],
)
def test_wrong_samples_are_refused_and_nothing_is_written(
    song: Path, mini_weights: Path, arguments: list[str], message: str, code: int
) -> None:
    weights = [] if "--no-network" in arguments else ["--weights", mini_weights]
    result = invoke(song, *weights, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert sorted(path.name for path in song.parent.iterdir() if path.suffix == ".wav") == ["song.wav"]


def test_silent_and_short_samples(song: Path, write_wav) -> None:
    silent = write_wav("silent.wav", np.zeros((1, RATE)))
    short = write_wav("short.wav", hiss(0.05))
    for sample, message in ((silent, "is silent"), (short, "too short: give at least 0.1 s")):
        result = invoke(song, "--no-network", "--noise-sample", sample)
        assert result.exit_code == 1
        assert f"{sample}" in result.stderr
        assert message in " ".join(result.stderr.split())
    assert not song.with_name("song_denoised.wav").exists()


def test_nothing_is_found_in_clean_music(write_wav) -> None:
    song = write_wav("clean.wav", synthesise_tune(4.0).numpy())
    result = invoke(song, "--no-network", "--verbose")
    assert result.exit_code == 0
    assert "no moment of noise alone was found; give one with --noise-sample" in result.stderr
    assert song.with_name("clean_denoised.wav").read_bytes() == song.read_bytes()
