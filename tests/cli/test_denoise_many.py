"""Many songs in one run of ``musicdenoise denoise``: what happens to one is no matter to the others."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.denoising import batch, files
from musicdenoise.errors import WeightsError
from musicdenoise.runtime.claim import claimed

# Files that are being written; not the claims of runs, which lie beside them.
PARTS = ".musicdenoise-*[0-9a-f].part"


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

    monkeypatch.setattr(batch, "denoise_staged", lambda *_, **__: interrupt())
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
@pytest.mark.parametrize("kills", [1, 2])
def test_a_song_whose_worker_is_killed_is_done_again_alone_and_fails_alone(
    tmp_path: Path, mini_weights: Path, write_wav, tune, kills: int
) -> None:
    songs = [write_wav(f"{name}.wav", tune.repeat(1, 8 if name in "ab" else 1)) for name in "abcd"]
    command = [sys.executable, "-m", "musicdenoise", "denoise", *map(str, songs), "--json", "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--weights", str(mini_weights)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    first = wait_for_workers(process.pid, tmp_path, 2, set())
    os.kill(min(first), signal.SIGKILL)
    if kills == 2:
        os.kill(min(wait_for_workers(process.pid, tmp_path, 1, first)), signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=240)
    # Whoever comes next removes what the killed process left, and says so.
    told = [line for line in stderr.splitlines() if "which a killed run left" not in line]
    documents = {document["source"]: document for document in map(json.loads, stdout.splitlines())}
    assert sorted(documents) == list(map(str, songs))
    failed = [source for source, document in documents.items() if "error" in document]
    if kills == 1:
        assert (process.returncode, failed, told) == (0, [], [])
    else:
        assert (process.returncode, failed) == (1, [str(songs[0])]), stderr
        assert "was not done: a worker process was killed" in documents[failed[0]]["error"]
        assert told == [
            f"error: {documents[failed[0]]['error']}",
            "error: 1 of 4 inputs failed",
        ]
    done = [f"{song.stem}_denoised.wav" for song in songs if str(song) not in failed]
    shown = [
        name for name in names_in(tmp_path) if not name.startswith(".")
    ]  # a later run removes the others
    assert shown == sorted([*done, *(song.name for song in songs)])


def wait_for_workers(parent: int, folder: Path, count: int, former: set[int]) -> set[int]:
    """Processes below a process, none of the former ones, that write into a folder."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        found = set(workers_of(parent, folder)) - former
        if len(found) == count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {count} processes below {parent} write into {folder}")


def workers_of(parent: int, folder: Path) -> Iterator[int]:
    waiting = [parent]
    while waiting:
        process = waiting.pop()
        with contextlib.suppress(OSError):  # it may have ended
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            waiting += map(int, children)
            links = [descriptor.readlink() for descriptor in Path(f"/proc/{process}/fd").iterdir()]
            if process != parent and any(link.parent == folder and link.match(PARTS) for link in links):
                yield process


@pytest.mark.skipif(os.name == "nt", reason="no such limit there")
@pytest.mark.parametrize(("limit", "failed"), [(20, 0), (12, 3)])
def test_where_few_files_may_be_open(
    tmp_path: Path, mini_weights: Path, songs: list[Path], limit: int, failed: int
) -> None:
    command = f'ulimit -n {limit}; exec "$@"'
    arguments = [sys.executable, "-m", "musicdenoise", "denoise", *map(str, songs), "--jobs", "3"]
    done = subprocess.run(
        ["bash", "-c", command, "bash", *arguments, "--weights", str(mini_weights)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == bool(failed), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == (failed + 1 if failed else 0), lines
    for song, line in zip(songs, lines, strict=False):
        assert line.startswith(f"error: {song}: was not done: more processes cannot be started; run again")
        assert "fewer --jobs" in line
        assert "ulimit" in line
    assert len(names_in(tmp_path)) == 6 - failed


@pytest.mark.skipif(os.name == "nt", reason="no locks there")
def test_a_song_that_another_run_is_writing(tmp_path: Path, mini_weights: Path, songs: list[Path]) -> None:
    target = tmp_path / "a_denoised.wav"
    common = (*songs[:2], "--weights", mini_weights)
    with claimed(target) as is_ours:
        assert is_ours
        result = invoke(*common, "--skip-existing", "--verbose")
        assert result.exit_code == 0, result.output
        assert f"{target}: another run is writing it; passed over" in result.stderr
        assert result.stderr.splitlines()[-1] == "1 songs done, 1 there already, 0 failed"
        result = invoke(*common, "--force")
        assert result.exit_code == 1
        assert f"error: {target}: another run is writing it; wait for it, or choose" in result.stderr
    assert names_in(tmp_path) == ["a.wav", "b.wav", "b_denoised.wav", "c.wav"]


@pytest.mark.skipif(os.name == "nt", reason="no locks there")
def test_two_runs_at_once_do_each_song_once(tmp_path: Path, mini_weights: Path, songs: list[Path]) -> None:
    command = [sys.executable, "-m", "musicdenoise", "denoise", *map(str, songs), "-o", str(tmp_path / "out")]
    command += ["--weights", str(mini_weights), "--skip-existing", "--json"]
    (tmp_path / "out").mkdir()
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    told = [run.communicate(timeout=240) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    done = [json.loads(line)["source"] for stdout, _ in told for line in stdout.splitlines()]
    assert sorted(done) == list(map(str, songs)), told
    assert names_in(tmp_path / "out") == [f"{song.stem}_denoised.wav" for song in songs]
