"""``musicdenoise fleet denoise``: each song once, whatever happens to workers and to the program."""

import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from musicdenoise.cli import fleet as command
from musicdenoise.cli.app import app
from musicdenoise.denoising.batch import DenoiserSettings
from musicdenoise.denoising.denoise_config import DenoiseConfig
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.errors import DataError
from musicdenoise.fleet import song_list, workers
from musicdenoise.fleet.denoise import _denoise
from musicdenoise.fleet.song_list import ListedSong
from musicdenoise.fleet.workers import map_on_fleet, spread
from musicdenoise.weights.store import WeightsStore

distributed = pytest.importorskip("distributed")
# Dask leaves the sockets of connections that failed to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
RATE = 44_100
# Files that are being written; not the claims of runs, which lie beside them.
PARTS = ".musicdenoise-*[0-9a-f].part"


@pytest.fixture(scope="module")
def address():
    """A scheduler with two workers in threads of this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def songs(write_wav, noisy_tune, tmp_path: Path) -> Path:
    """A list of three songs, of which the second is missing."""
    for name in "ac":
        write_wav(f"{name}.wav", noisy_tune[:1, :4_000])
    lines = [f"{tmp_path}/{name}.wav\t{tmp_path}/out/{name}.flac" for name in "abc"]
    (tmp_path / "songs.tsv").write_text("\n\n".join(lines), encoding="utf-8")
    return tmp_path / "songs.tsv"


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["fleet", "denoise", *map(str, arguments)])


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_list_is_done_once_and_failures_are_tried_on_both_workers(
    songs: Path, tmp_path: Path, mini_weights: Path, address: str, write_wav, noisy_tune
) -> None:
    common = (songs, "--address", address, "--weights", mini_weights)
    result = invoke(*common, "--verbose")
    assert result.exit_code == 1, result.output
    told = sorted(rows(tmp_path / "songs.tsv.results.jsonl"), key=lambda row: str(row["in"]))
    assert [row["status"] for row in told] == ["done", "failed", "done"]
    assert [row["tries"] for row in told] == [1, 3, 1]
    assert all(str(row["worker"]).startswith("tcp://") for row in told)
    assert set(told[0]) == {"in", "out", "status", "seconds", "error", "warnings", "worker", "tries"}
    assert told[1]["error"] == result.stderr.splitlines()[0].removeprefix("error: ")
    assert "b.wav: " in str(told[1]["error"])
    assert result.stderr.splitlines()[-2].startswith("2 songs done, 0 there already, 1 failed; see ")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.flac", "c.flac"]

    again = invoke(*common)  # nothing is tried again
    assert (again.exit_code, len(rows(tmp_path / "songs.tsv.results.jsonl"))) == (1, 3)
    write_wav("b.wav", noisy_tune[:1, :4_000])
    assert invoke(*common, "--retry-failed").exit_code == 0
    assert [row["status"] for row in rows(tmp_path / "songs.tsv.results.jsonl")[3:]] == ["done"]
    # Another file of results knows nothing, but the results are there.
    assert invoke(*common, "--results", tmp_path / "new.jsonl").exit_code == 0
    assert {row["status"] for row in rows(tmp_path / "new.jsonl")} == {"there"}


def test_an_interrupted_run_goes_on(
    songs: Path, tmp_path: Path, mini_weights: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append_and_stop(*arguments: object) -> None:
        append(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    append = song_list.append_result
    monkeypatch.setattr(song_list, "append_result", append_and_stop)
    common = (songs, "--address", address, "--weights", mini_weights, "--retries", 0)
    assert invoke(*common).exit_code == 130
    results = tmp_path / "songs.tsv.results.jsonl"
    assert len(rows(results)) == 1
    results.write_bytes(results.read_bytes() + b'{"in": "half a li')
    monkeypatch.setattr(song_list, "append_result", append)
    assert invoke(*common).exit_code == 1  # of the missing song
    lines = results.read_text(encoding="utf-8").splitlines()
    known = [json.loads(line) for line in lines if not line.endswith("half a li")]
    assert len(lines) == len(known) + 1
    assert sorted(Path(row["in"]).name for row in known) == ["a.wav", "b.wav", "c.wav"]


def fails_on_the_first_worker(marker: Path) -> str:
    address = str(distributed.get_worker().address)
    with contextlib.suppress(FileExistsError):
        marker.touch(exist_ok=False)
        marker.write_text(address)
        raise ValueError("once")
    return address


def is_deadly(_: object) -> None:
    raise distributed.KilledWorker("song", SimpleNamespace(address="tcp://x"), 3)


def raises_ours(_: object) -> None:
    raise DataError("the disk is full")


def test_what_fails_on_one_worker_is_done_on_another(tmp_path: Path, address: str) -> None:
    with workers.connected(address) as client:
        (answer,) = spread(client, fails_on_the_first_worker, [tmp_path / "marker"])
        assert answer.value == answer.worker != (tmp_path / "marker").read_text()
        assert (answer.tries, answer.error) == (2, None)
        assert list(map_on_fleet(client, abs, [-1, -2])) in ([(0, 1), (1, 2)], [(1, 2), (0, 1)])
        (answer,) = spread(client, is_deadly, [1])
        assert (answer.tries, answer.value) == (1, None)
        assert "was killed, perhaps because memory ran out" in workers.reason_of(answer.error)
        with pytest.raises(DataError, match="the disk is full"):
            list(map_on_fleet(client, raises_ours, [1]))


def test_workers_that_join_get_items_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_JOINING_SECONDS", 0.3)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        threading.Timer(0.2, cluster.scale, [2]).start()
        with workers.connected(cluster.scheduler_address) as client:
            answers = spread(client, time.sleep, [4.0, 0.0])
            assert next(answers).index == 1  # while the first worker sleeps
            monkeypatch.setattr(distributed, "wait", cancelled)
            with pytest.raises(DataError, match="the scheduler is gone; start it and its workers"):
                next(answers)


def test_a_worker_that_ends_leaves_nothing_behind(
    tmp_path: Path, mini_weights: Path, write_wav, tune
) -> None:
    song = ListedSong(source=write_wav("long.wav", tune.repeat(1, 60)), target=tmp_path / "out" / "x.wav")
    settings = DenoiserSettings(
        weights=str(mini_weights), device="cpu", config=DenoiseConfig(), store=WeightsStore.of_user()
    )
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        workers.connected(cluster.scheduler_address) as client,
    ):
        future = client.submit(_denoise, song, settings=settings, options=FileOptions())
        wait_until(lambda: any(path.match(PARTS) for path in (tmp_path / "out").glob(".*")))
        cluster.scale(0)
        wait_until(lambda: not any((tmp_path / "out").glob("*")))
        assert not future.done() or future.status != "finished"


def wait_until(is_so) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def cancelled(*_: object, **__: object) -> None:
    """What Dask does when it has lost the scheduler."""
    raise concurrent.futures.CancelledError


def test_no_scheduler_and_no_worker(monkeypatch: pytest.MonkeyPatch, songs: Path) -> None:
    monkeypatch.setattr(workers, "_CONNECTING_SECONDS", 0.5)
    monkeypatch.setattr(workers, "_JOINING_SECONDS", 1.0)
    result = invoke(songs, "--address", "tcp://127.0.0.1:1")
    assert result.exit_code == 1
    assert (
        result.stderr == "error: tcp://127.0.0.1:1: no scheduler answers; start one with 'dask scheduler'\n"
    )
    result = invoke(songs, "--address", "nonsense://x")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --address is nonsense://x; it must be that of a scheduler")
    with distributed.LocalCluster(
        n_workers=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        with workers.connected(cluster.scheduler_address) as client:
            answers = spread(client, time.sleep, [0.0, 5.0])
            next(answers)
            cluster.scale(0)
            with pytest.raises(DataError, match="no worker is left; start some, and run again"):
                next(answers)
        joins = pytest.raises(DataError, match=r"no worker joins; start some with 'dask worker tcp://")
        with joins, workers.connected(cluster.scheduler_address):
            pass


def test_a_missing_package_is_told(songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = invoke(songs)
    assert result.exit_code == 2
    assert "pip install 'musicdenoise[fleet]'" in result.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a.wav\n", "line 1 is not a song: it must be INPUT, a tab, OUTPUT"),
        ("a.wav\tb.wav\tc.wav\n", "line 1 is not a song"),
        ("a.wav\tx.wav\n\nb.wav\tx.wav\n", "line 3 has the output of another line: x.wav"),
        ("\n", "holds no songs"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_list(tmp_path: Path, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / "songs.tsv").write_text(text)
    result = invoke(tmp_path / "songs.tsv")
    assert result.exit_code == 1
    assert told in result.stderr


def test_the_list_is_what_a_dry_run_prints(songs: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["denoise", str(tmp_path), "-o", str(tmp_path / "out"), "--dry-run"])
    (tmp_path / "list.tsv").write_text(shown.stdout, encoding="utf-8")
    listed = song_list.read_songs(tmp_path / "list.tsv")
    assert [(song.source.name, song.target.name) for song in listed] == [
        ("a.wav", "a_denoised.wav"),
        ("c.wav", "c_denoised.wav"),
    ]


def test_address_and_jobs_contradict_each_other(songs: Path) -> None:
    assert invoke(songs, "--address", "tcp://x:1", "--jobs", 2).exit_code == 2
    assert command.Request.__dataclass_fields__["retries"].default == 2


def test_a_dataset_of_a_fleet_has_the_same_bytes(tmp_path: Path, write_wav, tune, address: str) -> None:
    for split in ("train", "test"):
        for number in range(2):
            write_wav(f"songs/{split}/{number}.wav", tune[:, number * RATE :][:, : 3 * RATE])
    common = ["dataset", "build", "--kind", "white", "--songs", str(tmp_path / "songs"), "--quiet"]
    for name, where in (("here", ["--jobs", "1"]), ("there", ["--fleet", address])):
        result = CliRunner().invoke(app, [*common, "--out", str(tmp_path / name), *where])
        assert result.exit_code == 0, result.output
    here, there = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*") if path.name != "build.json"}
        for name in ("here", "there")
    )
    assert here == there
    assert len(here) > 6
    result = CliRunner().invoke(app, [*common, "--out", "relative", "--fleet", address])
    assert result.exit_code == 2
    assert "--fleet needs folders that begin with /, and relative does not" in result.stderr


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="workers are found through /proc")
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path, mini_weights: Path, write_wav, tune) -> None:
    names = "abcde"
    for name in names:
        write_wav(f"{name}.wav", tune.repeat(1, 3))
    (tmp_path / "out").mkdir()
    lines = [f"{tmp_path}/{name}.wav\t{tmp_path}/out/{name}.wav" for name in names]
    (tmp_path / "songs.tsv").write_text("\n".join(lines))
    arguments = [sys.executable, "-m", "musicdenoise", "fleet", "denoise", str(tmp_path / "songs.tsv")]
    process = subprocess.Popen(
        [*arguments, "--jobs", "2", "--weights", str(mini_weights)], stderr=subprocess.PIPE, text=True
    )
    results = tmp_path / "songs.tsv.results.jsonl"
    # In the middle: a song is done, and both workers have one in work.
    os.kill(wait_for_writer(tmp_path / "out", results), signal.SIGKILL)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    told = rows(results)
    assert sorted(Path(str(row["in"])).stem for row in told) == list(names)
    assert {row["status"] for row in told} == {"done"}
    shown = [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")]
    assert sorted(shown) == [f"{name}.wav" for name in names]


def wait_for_writer(folder: Path, results: Path) -> int:
    """A process that writes a song into a folder, after the first result."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        time.sleep(0.02)
        if not results.exists() or not results.read_bytes().count(b"\n"):
            continue
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may have ended, or be another user's
                links = [descriptor.readlink() for descriptor in (process / "fd").iterdir()]
                if any(
                    link.parent == folder and link.match(".musicdenoise-*[0-9a-f].part") for link in links
                ):
                    return int(process.name)
    raise AssertionError(f"no process writes into {folder}")
