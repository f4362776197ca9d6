"""What goes wrong around ``musicdenoise denoise``: one line, the right exit code, nothing lost or left."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from musicdenoise.audio import open_writer, probe
from musicdenoise.cli.app import app
from musicdenoise.denoising import files

COMMAND = [sys.executable, "-m", "musicdenoise", "denoise"]
# Files that are being written; not the claims of runs, which lie beside them.
PARTS = ".musicdenoise-*[0-9a-f].part"


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


@pytest.fixture
def song(write_wav, noisy_tune) -> Path:
    return write_wav("song.wav", noisy_tune[:, :66_150])


@pytest.fixture
def make_song(noisy_tune):
    def make(path: Path, *, seconds: int) -> Path:
        container, subtype = {
            ".wav": ("WAV", "PCM_16"),
            ".flac": ("FLAC", "PCM_16"),
            ".mp3": ("MP3", "MPEG_LAYER_III"),
            ".ogg": ("OGG", "VORBIS"),
        }[path.suffix]
        samples = noisy_tune.repeat(1, 100)[:, : seconds * 44_100]
        with open_writer(
            path,
            sample_rate=44_100,
            channels=2,
            container=container,
            subtype=subtype,
            tags={"title": "Ärger"},
        ) as writer:
            writer.write(samples.numpy())
        return path

    return make


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def the_error(result) -> str:
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.skipif(os.name == "nt", reason="limits of this kind are POSIX")
def test_a_full_disk_leaves_nothing(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    """A limit on the size of files, which writes run into as they would into the end of a disk."""
    script = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from musicdenoise.cli.app import app\n"
        "app(sys.argv[1:])\n"
    )
    arguments = ["denoise", str(song), "--weights", str(mini_weights)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "song_denoised.wav: cannot be written: File too large" in line
    assert files_in(tmp_path) == {"song.wav"}


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="everything is permitted to root")
def test_a_folder_that_may_not_be_written(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    assert "cannot be written" in the_error(invoke(song, "--weights", mini_weights, "-o", folder))


def test_a_song_that_may_not_be_read(
    tmp_path: Path, mini_weights: Path, song: Path, write_wav, noisy_tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is permitted to root, who shall see this test fail, too."""
    other = write_wav("other.wav", noisy_tune[:1, :20_000])
    access, open_path = os.access, Path.open

    def may(path: str | Path, *arguments: object, **options: object) -> bool:
        return Path(path) != song and access(path, *arguments, **options)  # type: ignore[arg-type]

    def open_or_not(path: Path, *arguments: object, **options: object):
        if path == song:
            raise PermissionError(13, "Permission denied", str(path))
        return open_path(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "access", may)
    monkeypatch.setattr(Path, "open", open_or_not)
    result = invoke(song, other, "--weights", mini_weights)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"error: {song}: cannot be opened: Permission denied",
        "error: 1 of 2 inputs failed",
    ]
    assert files_in(tmp_path) == {"song.wav", "other.wav", "other_denoised.wav"}


def test_a_folder_in_a_folder_that_may_not_be_read(
    tmp_path: Path, mini_weights: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    scan = os.scandir

    def scandir(path: str | Path):
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = invoke(tmp_path, "--weights", mini_weights)
    monkeypatch.undo()
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"error: {locked}: cannot be read: Permission denied; its songs are left out",
        "error: 1 of 2 inputs failed",
    ]
    assert files_in(tmp_path) == {"song.wav", "song_denoised.wav"}


def test_a_song_that_disappears_before_its_turn(
    tmp_path: Path, mini_weights: Path, song: Path, write_wav, noisy_tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_wav("a.wav", noisy_tune[:, :50_000])
    opened = files.open_song

    def open_and_remove(source: Path, *arguments: object):
        result = opened(source, *arguments)  # type: ignore[arg-type]
        song.unlink(missing_ok=True)
        return result

    monkeypatch.setattr(files, "open_song", open_and_remove)
    result = invoke(other, song, "--weights", mini_weights)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert str(song) in lines[0]
    assert lines[1] == "error: 1 of 2 inputs failed"
    assert files_in(tmp_path) == {"a.wav", "a_denoised.wav"}


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_a_song_that_disappears_or_shrinks_while_it_is_read(
    tmp_path: Path, mini_weights: Path, make_song, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is open can be read to its end, tags and all; of what is cut off, nothing is written."""
    removed, cut = (make_song(tmp_path / f"{name}.{suffix}", seconds=12) for name in ("removed", "cut"))
    opened = files.open_song

    def open_song(source: Path, *arguments: object):
        song = opened(source, *arguments)  # type: ignore[arg-type]

        def blocks():
            yield next(song.blocks)
            if source == removed:
                source.unlink()
            else:
                os.truncate(source, source.stat().st_size // 2)
            yield from song.blocks

        return replace(song, blocks=blocks())

    monkeypatch.setattr(files, "open_song", open_song)
    result = invoke(removed, cut, "--weights", mini_weights)
    monkeypatch.undo()
    assert result.exit_code == 1
    told, last = result.stderr.splitlines()
    assert told.startswith(f"error: {cut}: ")
    assert "declared samples were decoded; get a complete copy of the file" in told
    assert last == "error: 1 of 2 inputs failed"
    assert files_in(tmp_path) == {f"cut.{suffix}", f"removed_denoised.{suffix}"}
    after = probe(tmp_path / f"removed_denoised.{suffix}")
    assert (after.num_samples, after.tags["title"]) == (12 * 44_100, "Ärger")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_run_that_is_killed_is_taken_up_by_the_next(tmp_path: Path, mini_weights: Path, make_song) -> None:
    songs = [make_song(tmp_path / f"{name}.wav", seconds=seconds) for name, seconds in (("a", 2), ("b", 30))]
    before = {song: song.read_bytes() for song in songs}
    command = [*COMMAND, *map(str, songs), "--weights", str(mini_weights), "--skip-existing"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not ((tmp_path / "a_denoised.wav").exists() and list(tmp_path.glob(PARTS))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    (left,) = tmp_path.glob(PARTS)
    assert not (tmp_path / "b_denoised.wav").exists()
    assert {song: song.read_bytes() for song in songs} == before
    first = (tmp_path / "a_denoised.wav").stat().st_mtime_ns
    an_hour_ago = time.time() - 3700.0
    os.utime(left, (an_hour_ago, an_hour_ago))
    assert subprocess.run(command, check=False).returncode == 0
    assert (tmp_path / "a_denoised.wav").stat().st_mtime_ns == first
    assert probe(tmp_path / "b_denoised.wav").num_samples == 30 * 44_100
    assert files_in(tmp_path) == {"a.wav", "b.wav", "a_denoised.wav", "b_denoised.wav"}


def test_a_wrong_suffix_is_no_matter(tmp_path: Path, mini_weights: Path, noisy_tune) -> None:
    song = tmp_path / "really_flac.wav"
    with open_writer(song, sample_rate=44_100, channels=2, container="FLAC", subtype="PCM_24") as writer:
        writer.write(noisy_tune[:, :50_000].numpy())
    assert invoke(song, "--weights", mini_weights).exit_code == 0
    after = probe(tmp_path / "really_flac_denoised.wav")
    assert (after.container, after.subtype) == ("FLAC", "PCM_24")


def test_damage_is_told_where_it_is_in_the_result(tmp_path: Path, mini_weights: Path, make_song) -> None:
    song = make_song(tmp_path / "song.mp3", seconds=4)
    data = bytearray(song.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3_000] = np.random.default_rng(0).bytes(3_000)
    song.write_bytes(data)
    common = (song, "--weights", mini_weights, "--strength", 0, "--json", "-f")

    def gaps(*options: object) -> list[list[float]]:
        result = invoke(*common, *options)
        found = json.loads(result.stdout)["gaps_seconds"]
        assert ("is damaged" in result.stderr) == bool(found)
        return found

    ((start, length),) = gaps()
    assert gaps("--start", 1) == [pytest.approx([start - 1.0, length])]
    assert gaps("--start", start + 0.05, "--duration", 1) == [pytest.approx([0.0, length - 0.05], abs=1e-4)]
    assert gaps("--start", start + length + 0.1) == gaps("--duration", 1) == []


def test_names_of_all_kinds(tmp_path: Path, mini_weights: Path, write_wav, noisy_tune) -> None:
    longest = "l" * (255 - len("_denoised.wav"))
    names = ["söng ♪ 歌", "-dash", "two  spaces", "dots.and.more", "[brackets]", longest]
    folder = tmp_path / "ordner ü"
    for name in names:
        write_wav(f"ordner ü/{name}.wav", noisy_tune[:1, :20_000])
    result = invoke(folder, "--weights", mini_weights)
    assert result.exit_code == 0, result.output
    assert files_in(folder) == {f"{name}{tail}.wav" for name in names for tail in ("", "_denoised")}


def test_a_name_that_becomes_too_long(tmp_path: Path, mini_weights: Path, write_wav, noisy_tune) -> None:
    song = write_wav(f"{'l' * 250}.wav", noisy_tune[:1, :20_000])
    error = the_error(result := invoke(song, "--weights", mini_weights))
    assert result.exit_code == 1
    assert "File name too long" in error
    assert len(files_in(tmp_path)) == 1


def test_an_output_folder_inside_the_input_folder(
    tmp_path: Path, mini_weights: Path, song: Path, write_wav, noisy_tune
) -> None:
    write_wav("sub/other.wav", noisy_tune[:1, :20_000])
    out = tmp_path / "out"
    arguments = (tmp_path, "-o", out, "--weights", mini_weights, "--residual")
    assert invoke(*arguments).exit_code == 0
    made = files_in(tmp_path)
    assert {name for name in made if name.startswith("out/")} == {
        "out/song_denoised.wav",
        "out/song_residual.wav",
        "out/sub/other_denoised.wav",
        "out/sub/other_residual.wav",
    }
    assert invoke(*arguments, "--skip-existing").exit_code == 0  # results are no songs of the second run
    assert files_in(tmp_path) == made


@pytest.mark.parametrize("option", ["--always", "--verbose"])
def test_silence_stays_as_it_is(tmp_path: Path, mini_weights: Path, write_wav, option: str) -> None:
    quiet = write_wav("quiet.wav", np.zeros((2, 50_000)))
    result = invoke(quiet, "--weights", mini_weights, option, "--verbose", "--json")
    assert result.exit_code == 0
    assert "left as it came" in result.stderr
    assert json.loads(result.stdout)["removed_db"] is None
    assert (tmp_path / "quiet_denoised.wav").read_bytes() == quiet.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("mode", ["--json", "--dry-run"])
def test_a_standard_output_that_takes_nothing(mini_weights: Path, song: Path, mode: str) -> None:
    command = [*COMMAND, str(song), "--weights", str(mini_weights), mode]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "error: standard output: cannot be written: No space left on device\n",
    )


@pytest.mark.skipif(os.name == "nt", reason="descriptors are closed by a POSIX shell")
@pytest.mark.parametrize(
    ("closed", "arguments", "told"),
    [
        (
            "<&-",
            ("-", "-o", "x.wav"),
            "standard input: is closed; send a song into it, or name a file",
        ),
        (
            ">&-",
            ("song.wav", "-o", "-"),
            "standard output: is closed; send it into a file or a program",
        ),
        ("2>&-", ("none.wav", "--verbose"), ""),
    ],
)
def test_closed_ends(
    tmp_path: Path, mini_weights: Path, song: Path, closed: str, arguments: tuple[str, ...], told: str
) -> None:
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    command = [*shell, *COMMAND, *arguments, "--weights", str(mini_weights)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"error: {told}\n" if told else "")
    assert files_in(tmp_path) == {"song.wav"}


def test_pictures_of_songs_with_the_longest_names(
    tmp_path: Path, mini_weights: Path, write_wav, noisy_tune
) -> None:
    stem = "l" * (255 - len("_denoised.wav"))
    song = write_wav(f"{stem}.wav", noisy_tune[:1, :20_000])
    assert invoke(song, "--weights", mini_weights, "--report", tmp_path / "r").exit_code == 0
    assert files_in(tmp_path / "r") == {f"{stem}_report.png", "index.html"}
    longer = write_wav(f"{stem}llll.wav", noisy_tune[:1, :20_000])
    output = ("-o", tmp_path / "x.wav")
    error = the_error(invoke(longer, "--weights", mini_weights, "--report", tmp_path / "r", *output))
    assert "cannot be written: File name too long" in error
