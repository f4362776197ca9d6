"""Songs and results in a store that is not on this machine; here it is in memory."""

import json
import os
import pickle
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.denoising import staging
from musicdenoise.denoising.plan import plan_jobs
from musicdenoise.errors import UsageError
from musicdenoise.runtime.remote import RemotePath, parse_path

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Temporary files in a folder of their own, which must be empty at the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


@pytest.fixture
def store():
    """A bucket with three songs, a result and a hidden file."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.mkdirs("/bucket/in", exist_ok=True)
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def songs(store, write_wav, noisy_tune) -> list[str]:
    song = write_wav("a.wav", noisy_tune[:1, :4_000]).read_bytes()
    names = ["a.wav", "disc 2/b.wav", "c_denoised.wav", ".x/d.wav", "notes.txt", "e.wav"]
    for name in names:
        store.pipe(f"/bucket/in/{name}", song)
    return names


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


def results(store, folder: str = "/bucket/out") -> list[str]:
    return sorted(store.find(folder))


def test_a_folder_goes_into_another_and_is_not_done_twice(songs, store, mini_weights: Path) -> None:
    common = ("memory://bucket/in", "-o", "memory://bucket/out/", "--weights", mini_weights)
    result = invoke(*common, "--json", "--residual")
    assert result.exit_code == 0, result.output
    expected = ["a_denoised.wav", "a_residual.wav", "disc 2/b_denoised.wav", "disc 2/b_residual.wav"]
    expected += ["e_denoised.wav", "e_residual.wav"]
    assert results(store) == [f"/bucket/out/{name}" for name in expected]
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert documents[1]["source"] == "memory://bucket/in/disc 2/b.wav"
    assert documents[1]["target"] == "memory://bucket/out/disc 2/b_denoised.wav"
    assert documents[1]["residual"] == "memory://bucket/out/disc 2/b_residual.wav"
    store.rm("/bucket/out/a_denoised.wav")  # its residual is replaced
    again = invoke(*common, "--skip-existing", "--json", "--residual")
    assert [json.loads(line)["source"] for line in again.stdout.splitlines()] == ["memory://bucket/in/a.wav"]
    refused = invoke(*common)
    assert refused.exit_code == 1
    assert "memory://bucket/out/a_denoised.wav: already exists; --force replaces it" in refused.stderr
    assert invoke(*common, "--force", "--residual").exit_code == 0


def test_the_result_is_that_of_the_same_song_here(songs, store, tmp_path: Path, mini_weights: Path) -> None:
    assert invoke(tmp_path / "a.wav", "--weights", mini_weights).exit_code == 0
    here = (tmp_path / "a_denoised.wav").read_bytes()
    assert invoke("memory://bucket/in/a.wav", "--weights", mini_weights).exit_code == 0
    assert store.cat("/bucket/in/a_denoised.wav") == here
    assert invoke(tmp_path / "a.wav", "-o", "memory://bucket/x.wav", "--weights", mini_weights).exit_code == 0
    assert store.cat("/bucket/x.wav") == here
    local = tmp_path / "y.wav"
    done = invoke("memory://bucket/in/a.wav", "-o", local, "--weights", mini_weights, "--report", tmp_path)
    assert done.exit_code == 0, done.output
    assert local.read_bytes() == here
    assert (tmp_path / "a_report.png").exists()
    assert not (tmp_path / "index.html").exists()  # the song is not here to be heard


def test_patterns_and_shards() -> None:
    system = fsspec.filesystem("memory")
    for name in ("a.wav", "b/c.wav", "b/d.flac", "b/c_denoised.wav"):
        system.pipe(f"/archive/in/{name}", b"")
    try:
        jobs, failures = plan_jobs(
            [parse_path("memory://archive/in/**/*.wav")], parse_path("memory://archive/out")
        )
        assert not failures
        assert [str(job.target) for job in jobs] == [
            "memory://archive/out/a_denoised.wav",
            "memory://archive/out/b/c_denoised.wav",
        ]
        shown = invoke("memory://archive/in", "--dry-run", "--shard", "3/3")
        assert shown.stdout == "memory://archive/in/b/d.flac\tmemory://archive/in/b/d_denoised.flac\n"
    finally:
        system.store.clear()


@pytest.mark.parametrize(
    ("inputs", "code", "told"),
    [
        (["memory://bucket/no.wav"], 1, "memory://bucket/no.wav: cannot be read: there is no such file"),
        (["memory://bucket/no/"], 1, "memory://bucket/no: there are no audio files"),
        (
            ["memory://bucket/in/a.wav", "-o", "memory://none/"],
            1,
            "memory://none: cannot be written: there is no",
        ),
        (["memory://bucket/in/a.wav", "-o", "https://host/x/"], 2, "nothing can be written to web servers"),
        (
            ["memory://bucket/in", "--offline"],
            2,
            "--offline and an address such as s3:// contradict each other",
        ),
        (["https://host/a.wav"], 2, "choose a folder, s3:// or gs:// with --output"),
        (
            ["memory://bucket/in/a.wav", "--report", "s3://b/r"],
            2,
            "--report is s3://b/r; give a folder on this",
        ),
    ],
)
def test_what_goes_wrong_is_one_line(songs, mini_weights: Path, inputs, code: int, told: str) -> None:
    result = invoke(*inputs, "--weights", mini_weights)
    assert result.exit_code == code, result.output
    assert told in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_other_addresses_are_wrong_usage() -> None:
    result = invoke("sftp://host/a.wav")
    assert result.exit_code == 2
    assert "sftp:// is not known" in result.stderr
    result = invoke("https://me:secret@host/a.wav")
    assert result.exit_code == 2
    assert "may not hold a password" in result.stderr
    assert "secret" not in result.output


def test_a_damaged_song_is_told_by_its_address(store, mini_weights: Path) -> None:
    store.pipe("/bucket/in/bad.wav", b"RIFF")
    result = invoke("memory://bucket/in/bad.wav", "--weights", mini_weights)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: memory://bucket/in/bad.wav: ")
    assert "musicdenoise-" not in result.stderr


def test_a_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("Please install gcsfs")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    result = invoke("gs://bucket/in", "--dry-run")
    assert result.exit_code == 2
    assert result.stderr.endswith("gs:// is not installed: pip install 'musicdenoise[gcs]'\n")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, OSError("the line is dead")])
def test_half_a_result_is_never_seen(songs, store, mini_weights: Path, monkeypatch, raised) -> None:
    def copy(source, target, *_: object) -> None:
        target.write(source.read(100))
        raise raised

    monkeypatch.setattr("musicdenoise.runtime.remote.shutil.copyfileobj", copy)
    result = invoke("memory://bucket/in/a.wav", "-o", "memory://bucket/out/", "--weights", mini_weights)
    assert result.exit_code == (130 if raised is KeyboardInterrupt else 1)
    assert results(store) == []
    monkeypatch.undo()


def test_a_result_that_another_machine_stored_meanwhile_stays(
    songs, store, mini_weights: Path, monkeypatch
) -> None:
    def beaten(*arguments: object, **options: object):
        store.pipe("/bucket/out/a_denoised.wav", b"theirs")
        return done(*arguments, **options)

    done = staging.denoise_file
    monkeypatch.setattr(staging, "denoise_file", beaten)
    common = ("memory://bucket/in/a.wav", "-o", "memory://bucket/out/", "--weights", mini_weights)
    result = invoke(*common, "--skip-existing", "--verbose")
    assert result.exit_code == 0, result.output
    assert "another run has written it; passed over" in result.stderr
    store.rm("/bucket/out/a_denoised.wav")
    assert "already exists" in invoke(*common).stderr
    assert store.cat("/bucket/out/a_denoised.wav") == b"theirs"


def test_addresses_are_named_as_paths_are() -> None:
    path = parse_path("S3://bucket/album/a song.flac")
    assert isinstance(path, RemotePath)
    assert str(path) == os.fspath(path) == "s3://bucket/album/a song.flac"
    assert (path.name, path.stem, path.suffix, path.scheme) == ("a song.flac", "a song", ".flac", "s3")
    assert path.with_name("b.mp3") == parse_path("s3://bucket/album/b.mp3")
    assert isinstance(path.parent / "x" / Path("y"), RemotePath)
    copy = pickle.loads(pickle.dumps(path))  # for processes and other machines
    assert (type(copy), copy, str(copy), hash(copy)) == (RemotePath, path, str(path), hash(path))
    web = parse_path("https://host/my%20song.flac?sign=a.b")
    assert (web.name, web.suffix, web.address) == (
        "my song.flac",
        ".flac",
        "https://host/my%20song.flac?sign=a.b",
    )
    assert parse_path("https://host/..%2Fx.flac").name == ".._x.flac"
    for local in ("C://a.wav", "a.wav", "/tmp/a://b.wav", "-"):
        assert not isinstance(parse_path(local), RemotePath)
    with pytest.raises(UsageError, match=r"nothing can be written to web servers"):
        web.check_writable()
