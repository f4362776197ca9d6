"""``musicdenoise serve`` as a program: its address, its end, and what stops it from starting."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli import serve
from musicdenoise.cli.app import app
from serving_client import Client


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """The program with a folder for its temporary files, and its address."""
    folder.mkdir()
    command = [sys.executable, "-m", "musicdenoise", "serve", "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process, Client(process.stdout.readline().strip())
        finally:
            process.kill()


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_nothing_is_left_behind(tmp_path: Path, write_wav, noisy_tune, number: int, code: int) -> None:
    pytest.importorskip("starlette", reason="needs the extra [serve]")
    from musicdenoise.serving.server import listen

    song = write_wav("song.wav", noisy_tune.repeat(1, 10))
    folder = tmp_path / "temporary"
    with running(folder) as (process, client):
        assert client.address.startswith("http://127.0.0.1:")
        key = client.take(song)["key"]
        answer = client.open("POST", f"/songs/{key}/result", b'{"noise": "hiss"}')
        while b'"waits": true' in answer.readline():
            pass
        process.send_signal(number)
        assert process.wait(timeout=60) == code
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""
        answer.close()
    assert list(folder.iterdir()) == []
    listen(int(client.address.rstrip("/").rpartition(":")[2])).close()  # the port is free at once


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_NEEDED", ("starlette", "no_such_package"))
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[-1].endswith(
        "no_such_package must be installed for this command: pip install 'musicdenoise[serve]'"
    )
    assert len(lines) == 1


def test_a_port_that_is_taken() -> None:
    pytest.importorskip("starlette", reason="needs the extra [serve]")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["serve", "--device", "cpu", "--port", str(port)])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: --port is {port}, which cannot be used: ")
    assert result.stderr.endswith("; choose another one, or 0 for any that is free\n")
