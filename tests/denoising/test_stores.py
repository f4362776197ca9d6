"""A real S3 server (moto's) and a web server, both on this machine."""

import functools
import http.server
import json
import logging
import threading
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


@pytest.fixture
def song(write_wav, noisy_tune) -> Path:
    return write_wav("web/my song.wav", noisy_tune[:1, :4_000])


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A file system of an S3 server with the bucket ``archive``."""
    s3fs = pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").disabled = True
    server.start()
    host, port = server.get_host_and_port()
    settings = {"ENDPOINT_URL": f"http://{host}:{port}", "EC2_METADATA_DISABLED": "true"}
    settings |= {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "CONFIG_FILE": str(tmp_path / "none")}
    settings |= {"DEFAULT_REGION": "us-east-1", "SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    system.mkdir("archive")
    yield system
    s3fs.S3FileSystem.clear_instance_cache()
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()
    server.stop()


def test_s3_from_and_to_and_once_only(s3, song: Path, mini_weights: Path) -> None:
    s3.put_file(str(song), "archive/in/my song.wav")
    s3.put_file(str(song), "archive/in/live/b.wav")
    common = ("s3://archive/in/**/*.wav", "-o", "s3://archive/out/", "--weights", mini_weights, "--json")
    result = invoke(*common)
    assert result.exit_code == 0, result.output
    assert sorted(s3.find("archive/out")) == [
        "archive/out/live/b_denoised.wav",
        "archive/out/my song_denoised.wav",
    ]
    report = json.loads(result.stdout.splitlines()[0])
    assert report["target"] == "s3://archive/out/live/b_denoised.wav"
    assert invoke(*common, "--skip-existing").stdout == ""
    assert "s3://archive/out/live/b_denoised.wav: already exists; --force" in invoke(*common).stderr


def test_s3_uploads_that_are_interrupted_leave_nothing(
    s3, song: Path, mini_weights: Path, monkeypatch
) -> None:
    def copy(source, target, *_: object) -> None:
        target.write(source.read(100))
        target.flush(force=True)  # the first part is on the server
        raise KeyboardInterrupt

    monkeypatch.setattr("musicdenoise.runtime.remote.shutil.copyfileobj", copy)
    result = invoke(song, "-o", "s3://archive/out/", "--weights", mini_weights)
    assert (result.exit_code, result.stderr) == (130, "error: interrupted\n")
    assert s3.find("archive") == []
    assert s3.list_multipart_uploads("archive") == []


@pytest.mark.parametrize("has_credentials", [True, False])
def test_s3_errors_are_one_line(
    s3, song: Path, mini_weights: Path, monkeypatch, has_credentials: bool
) -> None:
    if not has_credentials:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            monkeypatch.delenv(f"AWS_{name}")
        type(s3).clear_instance_cache()
    told = "there is no such file, folder or bucket" if has_credentials else "your credentials are missing"
    for arguments in (
        ("s3://none/a.wav", "-o", song.parent),
        ("s3://none/folder", "-o", song.parent),
        (song, "-o", "s3://none/out/"),
        (song, "-o", "s3://none/a.wav", "--force"),
    ):
        result = invoke(*arguments, "--weights", mini_weights)
        assert result.exit_code == 1, result.output
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("error: s3://none")
        assert told in result.stderr or ("folder" in str(arguments[0]) and "no audio files" in result.stderr)


def test_a_song_of_a_web_server(song: Path, tmp_path: Path, mini_weights: Path) -> None:
    pytest.importorskip("aiohttp")
    handler = functools.partial(_Quiet, directory=str(song.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        common = ("-o", tmp_path / "out", "--weights", mini_weights)
        result = invoke(f"{address}/my%20song.wav?signature=x", *common)
        assert result.exit_code == 0, result.output
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["my song_denoised.wav"]
        missing = invoke(f"{address}/none.wav", *common)
        assert missing.exit_code == 1
        assert (
            missing.stderr
            == f"error: {address}/none.wav: cannot be read: there is no such file, folder or bucket\n"
        )
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
