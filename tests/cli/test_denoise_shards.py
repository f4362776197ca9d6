"""``musicdenoise denoise --shard``: N runs that know nothing of each other share the songs."""

import json
from itertools import chain
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


@pytest.fixture
def album(write_wav, noisy_tune, tmp_path: Path) -> Path:
    for name in ("d", "b", "disc 2/e", "c", "a"):
        write_wav(f"album/{name}.wav", noisy_tune[:1, :4_000])
    return tmp_path / "album"


def test_shards_do_every_song_once_and_go_on(album: Path, tmp_path: Path, mini_weights: Path) -> None:
    common = ("-o", tmp_path / "out", "--weights", mini_weights, "--json", "--report", tmp_path / "r")
    inputs = ([album / "d.wav", album / "b.wav", album / "disc 2", album / "c.wav", album / "a.wav"], [album])
    done = []
    for number in (1, 2, 3):
        given = inputs[number % 2]  # the order of inputs is no matter
        result = invoke(*given, *common, "--shard", f"{number}/3")
        assert result.exit_code == 0, result.output
        done.append([json.loads(line)["source"] for line in result.stdout.splitlines()])
        assert (tmp_path / "r" / f"index_{number}_of_3.html").exists()
        again = invoke(*given, *common, "--shard", f"{number}/3", "--skip-existing")
        assert (again.exit_code, again.output) == (0, "")
    assert list(map(len, done)) == [2, 2, 1]
    assert sorted(chain(*done)) == sorted(map(str, album.rglob("*.wav")))
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 5


def test_a_missing_input_is_told_by_one_shard(album: Path, mini_weights: Path) -> None:
    codes = [
        invoke(album, album / "no.wav", "--dry-run", "--shard", f"{number}/2").exit_code for number in (1, 2)
    ]
    assert sorted(codes) == [0, 1]


def test_more_shards_than_songs(album: Path) -> None:
    result = invoke(album, "--dry-run", "--shard", "6/6")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("text", ["3/2", "0/4", "a/b"])
def test_a_wrong_shard_is_wrong_usage(album: Path, text: str) -> None:
    result = invoke(album, "--shard", text)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: --shard is {text!r}; it must be I/N, with I from 1 to N")
