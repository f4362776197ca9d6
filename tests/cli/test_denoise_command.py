"""``musicdenoise denoise`` as its users run it."""

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
from typer.testing import CliRunner

from musicdenoise.audio import open_writer, probe, read_audio
from musicdenoise.cli.app import app
from musicdenoise.core.metrics import snr
from musicdenoise.denoising import files

# Files that are being written; not the claims of runs, which lie beside them.
PARTS = ".musicdenoise-*[0-9a-f].part"


@pytest.fixture
def song(write_wav, noisy_tune) -> Path:
    return write_wav("song.wav", noisy_tune[:, :66_150])


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_the_main_job(write_wav, tune, noisy_tune, tmp_path: Path) -> None:
    source = write_wav("söng ♪.wav", noisy_tune, subtype="PCM_24")
    result = invoke(source, "--noise", "white", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert result.output == ""
    target = tmp_path / "söng ♪_denoised.wav"
    before, after = probe(source), probe(target)
    assert (after.sample_rate, after.channels, after.num_samples, after.subtype) == (
        before.sample_rate,
        before.channels,
        before.num_samples,
        "PCM_24",
    )
    estimate = torch.from_numpy(read_audio(target).samples)
    assert snr(tune, estimate) - snr(tune, noisy_tune) > 4.0


@pytest.mark.parametrize(
    ("container", "subtype", "suffix"),
    [
        ("FLAC", "PCM_16", "flac"),
        ("OGG", "VORBIS", "ogg"),
        ("MP3", "MPEG_LAYER_III", "mp3"),
        ("MP4", "AAC", "m4a"),
    ],
)
def test_formats_are_kept(
    tmp_path: Path, mini_weights: Path, noisy_tune, container: str, subtype: str, suffix: str
) -> None:
    source = tmp_path / f"song.{suffix}"
    with open_writer(
        source, sample_rate=48_000, channels=2, container=container, subtype=subtype, tags={"title": "Air"}
    ) as writer:
        writer.write(noisy_tune[:, :50_000].numpy())
    result = invoke(source, "--weights", mini_weights)
    assert result.exit_code == 0, result.output
    after = probe(tmp_path / f"song_denoised.{suffix}")
    assert (after.container, after.subtype, after.sample_rate, after.channels, after.num_samples) == (
        container,
        subtype,
        48_000,
        2,
        50_000,
    )
    assert after.tags["title"] == "Air"


def test_output_file_decides_the_format(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    target = tmp_path / "new" / "x.flac"
    assert invoke(song, "--weights", mini_weights, "-o", target).exit_code == 0
    assert probe(target).container == "FLAC"


def test_existing_outputs_are_kept_without_force(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    target = tmp_path / "song_denoised.wav"
    target.write_text("precious")
    result = invoke(song, "--weights", mini_weights)
    assert result.exit_code == 1
    assert "already exists" in result.stderr
    assert target.read_text() == "precious"
    assert invoke(song, "--weights", mini_weights, "--force").exit_code == 0
    assert probe(target).num_samples == 66_150


def bad_inputs(tmp_path: Path, write_wav, noisy_tune) -> dict[str, tuple[Path, str]]:
    text = tmp_path / "text.mp3"
    text.write_text("this is no music")
    cut = tmp_path / "cut.mp3"
    with open_writer(
        cut, sample_rate=44_100, channels=2, container="MP3", subtype="MPEG_LAYER_III"
    ) as writer:
        writer.write(noisy_tune.numpy())
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    nan = noisy_tune[:, :50_000].clone()
    nan[1, 30_000] = float("nan")
    import soundfile

    soundfile.write(tmp_path / "nan.wav", nan.numpy().T, 44_100, subtype="FLOAT")
    soundfile.write(tmp_path / "wide.wav", np.zeros((5_000, 24)), 44_100)
    (tmp_path / "empty").mkdir()
    return {
        "missing": (tmp_path / "missing.wav", "no such file"),
        "folder": (tmp_path / "empty", "holds no audio"),
        "text": (text, "not an audio file"),
        "truncated": (cut, "ends too early"),
        "no samples": (write_wav("none.wav", np.zeros((2, 0))), "holds no samples"),
        "one sample": (write_wav("one.wav", np.ones((1, 1)) * 0.1), "too short"),
        "nan": (tmp_path / "nan.wav", "sample 30000"),
        "100 Hz": (write_wav("slow.wav", np.ones((1, 5_000)) * 0.1, 100), "it must be 1000 to 768000 Hz"),
        "24 channels": (tmp_path / "wide.wav", "24 channels"),
    }


def test_bad_inputs_are_named_and_the_others_done(
    tmp_path: Path, write_wav, noisy_tune, mini_weights: Path, song: Path
) -> None:
    cases = bad_inputs(tmp_path, write_wav, noisy_tune)
    before = files_in(tmp_path)
    for name, (path, message) in cases.items():
        result = invoke(path, "--weights", mini_weights)
        assert result.exit_code == 1, name
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: "), name
        assert message in line, name
        assert str(path) in line, name
        assert files_in(tmp_path) == before, name
    result = invoke(*[path for path, _ in cases.values()], song, "--weights", mini_weights)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"error: {len(cases)} of {len(cases) + 1} inputs failed"
    assert files_in(tmp_path) == before | {"song_denoised.wav"}


def test_unwritable_outputs(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    blocker = tmp_path / "blocker"
    blocker.touch()
    result = invoke(song, "--weights", mini_weights, "-o", blocker / "x.wav")
    assert result.exit_code == 1
    assert "cannot be made" in result.stderr
    assert files_in(tmp_path) == {"song.wav", "blocker"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--noise", "purple"], "there is no noise kind 'purple'"),
        (["--noise", "purple"], "ambulance), or auto"),
        (["--output", ""], "the path is empty"),
        (["--report", ""], "the path is empty"),
        ([""], "the path is empty"),
        (["--noise", "white", "--weights", "white"], "give one of them"),
        (["--device", "gpu"], "there is no device 'gpu'"),
        (["--cuda", "--device", "cpu"], "contradict"),
        (["--unknown"], "--unknown"),
        (["--start", "inf"], "--start is inf"),
        (["--start", "nan"], "--start"),
        (["--bitrate", "0.0001"], "--bitrate is '0.0001'"),
    ],
)
def test_wrong_usage(song: Path, arguments: list[str], message: str) -> None:
    result = invoke(song, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert invoke().exit_code == 2


def test_the_kind_auto_is_written_like_the_others(song: Path) -> None:
    assert invoke(song, "--noise", " AUTO ", "--dry-run").exit_code == 0


def test_cuda_falls_back_and_device_cuda_does_not(
    tmp_path: Path, mini_weights: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = invoke(song, "--weights", mini_weights, "--cuda")
    assert result.exit_code == 0
    assert "using the CPU" in result.stderr
    result = invoke(song, "--weights", mini_weights, "--device", "cuda", "--force")
    assert result.exit_code == 1
    assert "no CUDA device" in result.stderr


def test_wrong_weights(tmp_path: Path, song: Path) -> None:
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"junk")
    for weights, message in ((junk, "damaged"), (tmp_path / "no.safetensors", "no weights file")):
        result = invoke(song, "--weights", weights)
        assert result.exit_code == 1
        assert message in result.stderr


def test_loud_results_are_clipped_and_counted(
    tmp_path: Path, mini_weights: Path, write_wav, noisy_tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = write_wav("loud.wav", 3 * noisy_tune[:, :66_150], subtype="FLOAT")
    kept = tmp_path / "float.wav"
    assert invoke(song, "--weights", mini_weights, "-o", kept).stderr == ""

    def loud(stream, song, meter, fewest_seconds):
        for block in song.blocks:
            stream.advance(block)
            yield 3 * block, meter.take(block, 3 * block)

    monkeypatch.setattr(files, "_denoised_blocks", loud)
    result = invoke(song, "--weights", mini_weights, "-o", tmp_path / "x.flac")
    assert result.exit_code == 0
    assert "samples beyond full scale were limited" in result.stderr
    samples = read_audio(tmp_path / "x.flac").samples
    assert np.all(np.sign(samples) * np.sign(read_audio(song).samples) >= 0)


def test_strength_and_limit(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    samples = read_audio(song).samples.astype(float)

    def removed(*arguments: object) -> np.ndarray:
        target = tmp_path / "out.wav"
        assert invoke(song, "--weights", mini_weights, "-o", target, "-f", *arguments).exit_code == 0
        return samples - read_audio(target).samples

    whole = removed()
    assert not removed("--strength", 0).any()
    assert not removed("--atten-limit", 0).any()
    assert np.allclose(removed("--strength", 0.5), 0.5 * whole, atol=1e-4)
    assert np.allclose(removed("--atten-limit", 6.0206), 0.5 * whole, atol=1e-4)
    assert np.allclose(removed("--atten-limit", 6.0206, "--strength", 0.1), 0.1 * whole, atol=1e-4)


def test_residual_is_what_was_removed(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    assert invoke(song, "--weights", mini_weights, "--residual", "-o", tmp_path / "out").exit_code == 0
    assert files_in(tmp_path / "out") == {"song_denoised.wav", "song_residual.wav"}
    clean, residual = (
        read_audio(tmp_path / "out" / f"song_{name}.wav").samples for name in ("denoised", "residual")
    )
    assert np.abs(clean + residual - read_audio(song).samples).max() < 1e-4


def test_a_preview_is_a_stretch_of_the_song(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    arguments = (song, "--weights", mini_weights, "--start", 0.5, "--duration", 0.5, "--strength", 0)
    assert invoke(*arguments).exit_code == 0
    preview = read_audio(tmp_path / "song_preview.wav").samples
    assert np.array_equal(preview, read_audio(song, start=22_050, num_samples=22_050).samples)
    result = invoke(song, "--weights", mini_weights, "--start", 100, "-f")
    assert result.exit_code == 1
    assert "is 1.50 s long" in result.stderr
    assert invoke(song, "--weights", mini_weights, "--duration", 0).exit_code == 2
    result = invoke(song, "--weights", mini_weights, "--start", 1e305, "-f")
    assert result.exit_code == 1
    assert "is 1.50 s long" in result.stderr
    assert invoke(song, "--weights", mini_weights, "--duration", 1e305, "-f").exit_code == 0
    assert read_audio(tmp_path / "song_preview.wav").samples.shape[1] == 66_150


def test_a_preview_is_not_the_result(tmp_path: Path, mini_weights: Path, song: Path) -> None:
    result = tmp_path / "song_denoised.wav"
    preview = ("--weights", mini_weights, "--strength", 0, "--duration", 0.5, "--residual")
    assert invoke(song, *preview).exit_code == 0
    assert files_in(tmp_path) == {"song.wav", "song_preview.wav", "song_preview_residual.wav"}
    assert invoke(tmp_path, "--weights", mini_weights, "--strength", 0, "--skip-existing").exit_code == 0
    assert probe(result).num_samples == 66_150
    before = result.read_bytes()
    assert invoke(song, *preview).exit_code == 1
    assert invoke(song, *preview, "--force").exit_code == 0
    assert result.read_bytes() == before
    assert invoke(song, *preview, "--skip-existing", "--start", 0.1).exit_code == 0
    assert probe(tmp_path / "song_preview.wav").num_samples == 22_050
    assert invoke(song, *preview, "-o", tmp_path / "named.wav").exit_code == 0
    assert invoke(song, *preview, "-o", tmp_path / "out").exit_code == 0
    assert files_in(tmp_path / "out") == {"song_preview.wav", "song_preview_residual.wav"}
    assert probe(tmp_path / "named.wav").num_samples == 22_050


def test_more_threads_than_processors_are_not_used(
    mini_weights: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", used.append)
    assert invoke(song, "--weights", mini_weights, "--threads", 1_000_000).exit_code == 0
    assert used and max(used) <= (os.cpu_count() or 1)


def test_channels_alone_or_together(tmp_path: Path, mini_weights: Path, write_wav, noisy_tune) -> None:
    stereo = noisy_tune[:, :66_150].clone()
    stereo[1] *= 0.01
    song = write_wav("song.wav", stereo, subtype="FLOAT")
    left = write_wav("mono.wav", stereo[:1], subtype="FLOAT")
    results = {}
    for name, source, mode in (
        ("alone", song, "independent"),
        ("together", song, "linked"),
        ("left", left, "linked"),
    ):
        target = tmp_path / f"{name}.wav"
        assert invoke(source, "--weights", mini_weights, "--channels", mode, "-o", target).exit_code == 0
        results[name] = read_audio(target).samples
    assert np.allclose(results["alone"][0], results["left"][0], atol=1e-6)
    assert not np.allclose(results["together"][0], results["left"][0], atol=1e-6)


def test_skip_existing_dry_run_and_json(
    tmp_path: Path, mini_weights: Path, write_wav, song: Path, noisy_tune
) -> None:
    other = write_wav("other.wav", noisy_tune[:1, :50_000])
    result = invoke(song, other, "--dry-run")
    assert result.stdout.splitlines() == [
        f"{song}\t{tmp_path / 'song_denoised.wav'}",
        f"{other}\t{tmp_path / 'other_denoised.wav'}",
    ]
    assert files_in(tmp_path) == {"song.wav", "other.wav"}
    (tmp_path / "song_denoised.wav").write_text("precious")
    result = invoke(tmp_path, tmp_path / "none.wav", "--weights", mini_weights, "--skip-existing", "--json")
    assert result.exit_code == 1
    assert (tmp_path / "song_denoised.wav").read_text() == "precious"
    missing, report = map(json.loads, result.stdout.splitlines())
    assert missing["source"] == str(tmp_path / "none.wav")
    assert "no such file" in missing["error"]
    assert report["source"] == str(other)
    assert report["target"] == str(tmp_path / "other_denoised.wav")
    assert (report["num_samples"], report["sample_rate"], report["channels"]) == (50_000, 44_100, 1)
    result = invoke(write_wav("short.wav", np.ones((1, 90))), "--weights", mini_weights, "--json")
    assert "too short" in json.loads(result.stdout)["error"]
    assert invoke(song, "--force", "--skip-existing").exit_code == 2


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_interrupts_leave_nothing_behind(
    tmp_path: Path, mini_weights: Path, write_wav, tune, name: str, code: int
) -> None:
    song = write_wav("long.wav", tune.repeat(1, 40))
    number = getattr(signal, name)
    # Where the tests run under nohup the signal is ignored, and that would be handed on.
    handler = signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-m", "musicdenoise", "denoise", str(song), "--weights", str(mini_weights)],
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(number, handler)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(PARTS)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert files_in(tmp_path) == {"long.wav"}


def test_help_and_version() -> None:
    for arguments in (["--help"], ["denoise", "--help"], ["--version"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0
        assert "musicdenoise" in result.output
