"""Many songs in one run of ``musicdenoise denoise``: what happens to one is no matter to the others."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.denoising import batch, files
from musicdenoise.errors import WeightsError


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


@pytest.fixture
def songs(write_wav, noisy_tune) -> list[Path]:
    return [write_wav(f"{name}.wav", noisy_tune[:1, :20_000]) for name in "abc"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ValueError("two\nlines"), "failed unexpectedly (ValueError: two lines); please report"),
        (MemoryError(), "a.wav: needs more memory than there is"),
        (WeightsError("no network"), "a.wav: no network"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_nobody_foresaw_stops_one_song_only(
    tmp_path: Path, mini_weights: Path, songs: list[Path], monkeypatch, raised: Exception, told: str
) -> None:
    opened = files.open_song

    def open_song(source: Path, *arguments: object):
        if source == songs[0]:
            raise raised
        return opened(source, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "open_song", open_song)
    result = invoke(*songs, "--weights", mini_weights, "--json")
    assert result.exit_code == 1
    first, last = result.stderr.splitlines()
    assert first.startswith(f"error: {songs[0]}: ")
    assert told in first
    assert last == "error: 1 of 3 inputs failed"
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert documents[0] == {"source": str(songs[0]), "error": first.removeprefix("error: ")}
    assert [document["source"] for document in documents[1:]] == [str(song) for song in songs[1:]]
    assert names_in(tmp_path) == ["a.wav", "b.wav", "b_denoised.wav", "c.wav", "c_denoised.wav"]


def test_an_interrupt_stops_all(
    tmp_path: Path, mini_weights: Path, songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "denoise_file", lambda *_, **__: interrupt())
    result = invoke(*songs, "--weights", mini_weights)
    assert result.exit_code == 130
    assert result.stderr == "error: interrupted\n"


def test_the_last_line_counts(mini_weights: Path, songs: list[Path]) -> None:
    common = (*songs, "missing.wav", "--weights", mini_weights, "--skip-existing")
    assert invoke(songs[0], "--weights", mini_weights).stderr == ""
    lines = invoke(*common, "--verbose").stderr.splitlines()
    assert lines[-2:] == ["2 songs done, 1 there already, 1 failed", "error: 1 of 4 inputs failed"]
    assert "there already" not in invoke(*common).stderr  # no terminal
    assert "there already" not in invoke(*common, "--quiet").stderr


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found through /proc")
def test_a_worker_that_is_killed_takes_the_songs_in_work_with_it_and_no_others(
    tmp_path: Path, mini_weights: Path, write_wav, tune
) -> None:
    songs = [write_wav(f"{name}.wav", tune.repeat(1, 40 if name in "ab" else 1)) for name in "abcd"]
    command = [sys.executable, "-m", "musicdenoise", "denoise", *map(str, songs), "--json", "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--weights", str(mini_weights)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob(".musicdenoise*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(worker_of(process.pid, tmp_path), signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    documents = {document["source"]: document for document in map(json.loads, stdout.splitlines())}
    assert sorted(documents) == list(map(str, songs))
    for song in songs[:2]:
        assert "was not done: a worker process was killed" in documents[str(song)]["error"]
        assert f"error: {documents[str(song)]['error']}" in stderr.splitlines()
    assert stderr.splitlines()[-1] == "error: 2 of 4 inputs failed", stderr
    for song in songs[2:]:
        assert documents[str(song)]["target"] == str(song.with_name(f"{song.stem}_denoised.wav"))
        assert song.with_name(f"{song.stem}_denoised.wav").exists()


def worker_of(parent: int, folder: Path) -> int:
    """A process below this one that has a file open for writing in a folder."""
    waiting = [parent]
    while waiting:
        process = waiting.pop()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        waiting += map(int, children)
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            if descriptor.readlink().name.startswith(".musicdenoise") and process != parent:
                return process
    raise AssertionError(f"no process below {parent} writes into {folder}")
