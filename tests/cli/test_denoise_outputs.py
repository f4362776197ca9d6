"""What ``musicdenoise denoise`` writes: formats, depths, bit rates, reports, several songs at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfilt
from typer.testing import CliRunner

from musicdenoise.audio import open_writer, probe, read_audio, source_bitrate
from musicdenoise.cli.app import app
from musicdenoise.core.resample import resample

# Files that are being written; not the claims of runs, which lie beside them.
PARTS = ".musicdenoise-*[0-9a-f].part"


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


@pytest.fixture
def song(write_wav, noisy_tune) -> Path:
    return write_wav("song.wav", noisy_tune[:, :66_150], subtype="PCM_24")


@pytest.mark.parametrize(
    ("name", "container", "subtype"),
    [
        ("wav", "WAV", "PCM_24"),
        ("flac", "FLAC", "PCM_24"),
        ("mp3", "MP3", "MPEG_LAYER_III"),
        ("ogg", "OGG", "VORBIS"),
        ("m4a", "MP4", "AAC"),
    ],
)
def test_format(
    tmp_path: Path, mini_weights: Path, song: Path, name: str, container: str, subtype: str
) -> None:
    result = invoke(song, "--weights", mini_weights, "--format", name, "--residual")
    assert result.exit_code == 0, result.output
    for role in ("denoised", "residual"):
        info = probe(tmp_path / f"song_{role}.{name}")
        assert (info.container, info.subtype, info.num_samples) == (container, subtype, 66_150)


def test_a_format_without_the_rate_of_the_song_gets_the_next(
    tmp_path: Path, mini_weights: Path, write_wav, noisy_tune
) -> None:
    samples = noisy_tune[:, :66_151]
    song = write_wav("song.wav", samples)
    options = (
        "--weights",
        mini_weights,
        "--strength",
        0,
        "--format",
        "opus",
        "--json",
        "--verbose",
        "--residual",
    )
    result = invoke(song, *options)
    assert result.exit_code == 0, result.output
    assert "at 48000 Hz (the format has no 44100 Hz), 1.5 s" in result.stderr
    report = json.loads(result.stdout)
    assert (report["sample_rate"], report["song_rate"], report["num_samples"]) == (48_000, 44_100, 72_002)
    for role in ("target", "residual"):
        info = probe(Path(report[role]))
        assert (info.subtype, info.sample_rate, info.num_samples) == ("OPUS", 48_000, 72_002)
    back = resample(torch.from_numpy(read_audio(Path(report["target"])).samples), 48_000, 44_100)
    error = back[:, 2_000:60_000] - samples[:, 2_000:60_000]
    assert error.square().mean() < 0.04 * samples.square().mean()
    high = write_wav("high.wav", noisy_tune, 96_000)
    assert invoke(high, "--weights", mini_weights, "--format", "mp3", "--bitrate", "192").exit_code == 0
    assert probe(tmp_path / "high_denoised.mp3").sample_rate == 48_000


@pytest.mark.parametrize(("depth", "subtype"), [("16", "PCM_16"), ("24", "PCM_24"), ("32f", "FLOAT")])
def test_bit_depth(tmp_path: Path, mini_weights: Path, song: Path, depth: str, subtype: str) -> None:
    assert invoke(song, "--weights", mini_weights, "--bit-depth", depth).exit_code == 0
    assert probe(tmp_path / "song_denoised.wav").subtype == subtype


def test_bit_depths_that_a_format_does_not_have(mini_weights: Path, song: Path) -> None:
    for name, depth, message in (("flac", "32f", "use 16 or 24"), ("mp3", "16", "it is lossy")):
        result = invoke(song, "--weights", mini_weights, "--format", name, "--bit-depth", depth)
        assert result.exit_code == 1
        assert message in result.stderr


def test_the_bitrate_is_kept_or_chosen(tmp_path: Path, mini_weights: Path, noisy_tune) -> None:
    source = tmp_path / "song.mp3"
    with open_writer(
        source, sample_rate=44_100, channels=2, container="MP3", subtype="MPEG_LAYER_III", bitrate=96_000
    ) as writer:
        writer.write(noisy_tune.numpy())
    assert invoke(source, "--weights", mini_weights).exit_code == 0
    assert source_bitrate(tmp_path / "song_denoised.mp3", "MPEG_LAYER_III") == 96_000
    assert invoke(source, "--weights", mini_weights, "-f", "--bitrate", "160").exit_code == 0
    assert source_bitrate(tmp_path / "song_denoised.mp3", "MPEG_LAYER_III") == 160_000
    for text in ("fast", "0", "-3k"):
        result = invoke(source, f"--bitrate={text}")
        assert result.exit_code == 2
        assert "kilobits per second" in result.stderr
    result = invoke(source, "--weights", mini_weights, "-f", "--bitrate", "500")
    assert result.exit_code == 1
    assert "takes 32 to 320 kbit/s" in result.stderr


def test_16_bits_are_dithered_and_nothing_changed_stays_so(
    tmp_path: Path, mini_weights: Path, song: Path
) -> None:
    for depth in ("16", "24"):
        target = tmp_path / f"{depth}.wav"
        arguments = ("-o", target, "--bit-depth", depth, "--strength", 0)
        assert invoke(song, "--weights", mini_weights, *arguments).exit_code == 0
    samples = read_audio(song).samples
    assert np.array_equal(read_audio(tmp_path / "24.wav").samples, samples)
    error = (read_audio(tmp_path / "16.wav").samples - samples) * 32_768
    assert 0.2 < np.var(error) < 0.3  # rounding alone gives 1/12
    arguments = ("--weights", mini_weights, "--strength", 0, "--format", "flac")
    assert invoke(tmp_path / "16.wav", *arguments).exit_code == 0
    again = tmp_path / "16_denoised.flac"
    assert np.array_equal(read_audio(again).samples, read_audio(tmp_path / "16.wav").samples)


@pytest.mark.parametrize(
    ("name", "container", "subtype"),
    [
        ("a.wav", "WAV", "PCM_16"),
        ("a.wav", "WAV", "PCM_32"),
        ("a.wav", "WAV", "DOUBLE"),
        ("a.flac", "FLAC", "PCM_24"),
        ("a.mp3", "MP3", "MPEG_LAYER_III"),
        ("a.m4a", "MP4", "AAC"),
        ("suffix is wrong.wav", "OGG", "VORBIS"),
    ],
)
def test_nothing_removed_is_nothing_changed(
    tmp_path: Path, mini_weights: Path, noisy_tune, name: str, container: str, subtype: str
) -> None:
    """Byte for byte: what is lossy loses no more, and what is finer than 32-bit floating point nothing."""
    song = tmp_path / name
    with open_writer(
        song, sample_rate=44_100, channels=2, container=container, subtype=subtype, tags={"title": "Ä"}
    ) as writer:
        writer.write(noisy_tune[:, :66_150].numpy())
    result = invoke(song, "--weights", mini_weights, "--strength", 0, "--json", "--verbose", "--residual")
    assert result.exit_code == 0, result.output
    assert "left as it came, byte for byte: at this strength nothing is removed" in result.stderr
    report = json.loads(result.stdout)
    assert (report["is_copy"], report["removed_db"]) == (True, None)
    assert Path(report["target"]).read_bytes() == song.read_bytes()
    assert np.abs(read_audio(Path(report["residual"])).samples).max() == 0.0


@pytest.mark.parametrize(
    "options", [("--bitrate", "160"), ("--duration", "1"), ("--format", "flac")], ids=lambda o: o[0]
)
def test_what_is_asked_for_is_done_where_nothing_is_removed(
    tmp_path: Path, mini_weights: Path, noisy_tune, options: tuple[str, str]
) -> None:
    song = tmp_path / "a.mp3"
    with open_writer(
        song, sample_rate=44_100, channels=2, container="MP3", subtype="MPEG_LAYER_III", bitrate=320_000
    ) as writer:
        writer.write(noisy_tune[:, :66_150].numpy())
    result = invoke(song, "--weights", mini_weights, "--strength", 0, "--json", *options)
    report = json.loads(result.stdout)
    assert not report["is_copy"]
    before, after = probe(song), probe(Path(report["target"]))
    assert (after.container != before.container) == ("flac" in options)
    assert (after.num_samples != before.num_samples) == ("--duration" in options)
    assert after.num_samples == report["num_samples"]
    if "--bitrate" in options:
        assert source_bitrate(Path(report["target"]), "MPEG_LAYER_III") == 160_000


def test_a_file_that_says_less_than_it_holds_is_written_anew(
    tmp_path: Path, mini_weights: Path, noisy_tune
) -> None:
    part, song = tmp_path / "part.mp3", tmp_path / "joined.mp3"
    with open_writer(
        part, sample_rate=44_100, channels=2, container="MP3", subtype="MPEG_LAYER_III"
    ) as writer:
        writer.write(noisy_tune[:, :66_150].numpy())
    song.write_bytes(2 * part.read_bytes())
    result = invoke(song, "--weights", mini_weights, "--atten-limit", 0, "--json", "--verbose")
    assert ": left as it came: at this strength nothing is removed" in result.stderr
    report = json.loads(result.stdout)
    assert not report["is_copy"]
    assert report["num_samples"] > 2 * 66_150


def test_report_and_verbose(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    result = invoke(song, "--weights", mini_weights, "--report", tmp_path / "r", "--verbose", "--json")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "r" / "song_report.png").read_bytes()[:4] == b"\x89PNG"
    assert "10000-22050 Hz" in result.stderr
    report = json.loads(result.stdout)
    assert report["picture"] == str(tmp_path / "r" / "song_report.png")
    assert [band["low_hz"] for band in report["bands"]] == [0, 250, 1000, 4000, 10_000]
    assert report["noise_db"] < 0
    assert report["speed"] == pytest.approx(report["audio_seconds"] / report["seconds"])
    blocker = tmp_path / "file"
    blocker.touch()
    result = invoke(song, "--weights", mini_weights, "-f", "--report", blocker)
    assert result.exit_code == 2
    assert "is a file: give a folder" in result.stderr
    result = invoke(song, "--weights", mini_weights, "-f", "--report", blocker / "r")
    assert result.exit_code == 1
    assert "cannot be made" in result.stderr


def test_what_is_there_is_kept_unless_it_is_asked_for(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    common = (song, "--weights", mini_weights, "--residual", "--report", tmp_path)
    names = ["song_denoised.wav", "song_residual.wav", "song_report.png"]
    listed = [f"{song}\t{tmp_path / name}" for name in names]
    assert invoke(*common, "--dry-run").stdout.splitlines() == listed
    for name in names:
        (tmp_path / name).write_text("precious")
        for mode in ((), ("--dry-run",)):
            result = invoke(*common, *mode)
            assert result.exit_code == 1
            assert (
                result.stderr
                == f"error: {tmp_path / name}: already exists; --force replaces it, --skip-existing passes "
                "over songs that are done\n"
            )
            assert result.stdout == ""
        assert (tmp_path / name).read_text() == "precious"
        (tmp_path / name).unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav"]


def test_skip_existing_goes_on_where_a_run_stopped(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    """What was removed is put in its place before the result is, and may lie there alone.

    A picture is not; one that is there is of another song.
    """
    common = (song, "--weights", mini_weights, "--residual", "--report", tmp_path, "--skip-existing")
    (tmp_path / "song_residual.wav").write_text("half")
    (tmp_path / "song_report.png").write_text("precious")
    result = invoke(*common)
    assert result.exit_code == 1
    assert f"{tmp_path / 'song_report.png'}: already exists" in result.stderr
    assert not (tmp_path / "song_denoised.wav").exists()
    assert (tmp_path / "song_report.png").read_text() == "precious"
    (tmp_path / "song_report.png").unlink()
    assert len(invoke(*common, "--dry-run").stdout.splitlines()) == 3
    assert invoke(*common).exit_code == 0
    assert probe(tmp_path / "song_residual.wav").num_samples == 66_150
    assert (tmp_path / "song_report.png").read_bytes()[:4] == b"\x89PNG"
    (tmp_path / "song_residual.wav").write_text("of a song that is done")
    assert invoke(*common).exit_code == 0
    assert invoke(*common, "--dry-run").stdout == ""
    assert (tmp_path / "song_residual.wav").read_text() == "of a song that is done"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--verbose", "--quiet"),
        ("--jobs", 2, "--threads", 2),
        ("--bit-depth", "16", "--bitrate", "192"),
        ("--format", "aac"),
        ("--jobs", 0),
        ("--batch-size", 0),
        ("--batch-size", "many"),
        ("--precision", "int8"),
    ],
)
def test_choices_that_exclude_each_other(song: Path, arguments: tuple[object, ...]) -> None:
    assert invoke(song, *arguments).exit_code == 2


@pytest.mark.parametrize("batch", ["auto", 2])
def test_batches_and_precision(tmp_path: Path, mini_weights: Path, song: Path, batch: object) -> None:
    options = ("--weights", mini_weights, "--segment-seconds", 0.5, "--always", "--bit-depth", "32f")
    fine = ("--precision", "float32")
    assert invoke(song, *options, *fine, "-o", tmp_path / "plain.wav").exit_code == 0
    coarse = ("--batch-size", batch, "--precision", "bf16")
    assert invoke(song, *options, *coarse, "-o", tmp_path / "coarse.wav").exit_code == 0
    plain, coarse_samples = (read_audio(tmp_path / name).samples for name in ("plain.wav", "coarse.wav"))
    assert 0.0 < np.abs(plain - coarse_samples).max() < 0.01


def test_several_songs_at_a_time(tmp_path: Path, mini_weights: Path, write_wav, noisy_tune) -> None:
    songs = [write_wav(f"{name}.wav", noisy_tune[:, :66_150], subtype="FLOAT") for name in "abc"]
    text = tmp_path / "text.wav"
    text.write_text("this is no music")
    common = ("--weights", mini_weights, "--json", "--report")
    result = invoke(*songs, text, *common, tmp_path / "r", "--jobs", 2, "-o", tmp_path / "two")
    assert result.exit_code == 1
    assert "text.wav: is not an audio file" in result.stderr
    assert "error: 1 of 4 inputs failed" in result.stderr
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    assert {report["source"] for report in reports} == {str(path) for path in (*songs, text)}
    assert len(list((tmp_path / "r").iterdir())) == 4
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    assert [page.index(f"<h2>{song.name}</h2>") for song in songs] == sorted(
        page.index(f"<h2>{song.name}</h2>") for song in songs
    )
    assert invoke(songs[0], "--weights", mini_weights, "-o", tmp_path / "one").exit_code == 0
    one, two = (read_audio(tmp_path / name / "a_denoised.wav").samples for name in ("one", "two"))
    assert np.abs(one - two).max() < 1e-5


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
def test_an_interrupt_ends_all_processes_and_leaves_nothing(
    tmp_path: Path, mini_weights: Path, write_wav, tune
) -> None:
    songs = [write_wav(f"{name}.wav", tune.repeat(1, 20)) for name in "abcd"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "musicdenoise",
            "denoise",
            *map(str, songs),
            "--jobs",
            "2",
            "--weights",
            str(mini_weights),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob(PARTS))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    while list(tmp_path.glob(PARTS)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)  # in which nothing new may appear
    assert sorted(path.name for path in tmp_path.iterdir()) == [song.name for song in songs]


def test_rumble_that_may_be_music_is_left_alone_unless_it_is_named(tmp_path: Path, write_wav, tune) -> None:
    tune = tune[:1]
    noise = np.random.default_rng(0).standard_normal(tune.shape)
    rumble = sosfilt(butter(4, (40, 250), "bandpass", fs=44_100, output="sos"), noise)
    rumble *= 0.35 * np.std(tune.numpy()) / np.std(rumble)
    song = write_wav("song.wav", tune + torch.from_numpy(rumble).float(), subtype="FLOAT")
    before = read_audio(song).samples
    for options, is_left in (((), True), (("--noise", "engine_idling"), False), (("--always",), False)):
        result = invoke(song, "--verbose", "--force", "-o", tmp_path / "result.wav", *options)
        assert result.exit_code == 0
        assert ("--always removes it" in result.stderr) is is_left
        assert np.array_equal(read_audio(tmp_path / "result.wav").samples, before) is is_left
        assert ((tmp_path / "result.wav").read_bytes() == song.read_bytes()) is is_left
