"""Which format ``musicdenoise denoise`` writes: what was asked for, or what the song is."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from musicdenoise.audio import has_other_streams, open_writer, probe
from musicdenoise.cli.app import app


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


def save(path: Path, samples, container: str, subtype: str) -> Path:
    with open_writer(path, sample_rate=44_100, channels=2, container=container, subtype=subtype) as writer:
        writer.write(samples[:, :50_000].numpy())
    return path


@pytest.mark.parametrize(
    ("name", "is_really", "arguments", "target", "comes_out"),
    [
        ("a.mp3", ("WAV", "PCM_24"), ("--format", "mp3"), "a_denoised.mp3", ("MP3", "MPEG_LAYER_III")),
        ("a.wav", ("FLAC", "PCM_24"), ("--format", "wav"), "a_denoised.wav", ("WAV", "PCM_24")),
        ("a.wav", ("FLAC", "PCM_24"), ("-o", "x.wav"), "x.wav", ("WAV", "PCM_24")),
        ("a.opus", ("WAV", "PCM_24"), ("--format", "flac"), "a_denoised.flac", ("FLAC", "PCM_24")),
        ("a.opus", ("OGG", "VORBIS"), (), "a_denoised.opus", ("OGG", "VORBIS")),
        ("a.wav", ("RF64", "PCM_24"), ("-o", "x.wav"), "x.wav", ("RF64", "PCM_24")),
        ("a.wav", ("RF64", "PCM_24"), (), "a_denoised.wav", ("RF64", "PCM_24")),
        ("a.dat", ("FLAC", "PCM_24"), (), "a_denoised.dat", ("FLAC", "PCM_24")),
    ],
)
def test_what_is_asked_for_wins_where_a_suffix_is_wrong(
    tmp_path: Path,
    mini_weights: Path,
    noisy_tune,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    is_really: tuple[str, str],
    arguments: tuple[str, ...],
    target: str,
    comes_out: tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save(Path(name), noisy_tune, *is_really)
    result = invoke(name, "--weights", mini_weights, *arguments)
    assert result.exit_code == 0, result.stderr
    after = probe(target)
    assert (after.container, after.subtype) == comes_out
    assert len(list(tmp_path.iterdir())) == 2


def test_raw_aac_is_written_as_planned(
    tmp_path: Path, mini_weights: Path, noisy_tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.aac", "b.wav"):
        with av.open(name, "w", format="adts") as out:
            stream = out.add_stream("aac", rate=44_100, layout="stereo")
            frame = av.AudioFrame.from_ndarray(noisy_tune[:, :50_000].numpy(), format="fltp", layout="stereo")
            frame.sample_rate = 44_100
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    assert invoke("a.aac", "--dry-run").stdout == "a.aac\ta_denoised.m4a\n"
    assert invoke("a.aac", "b.wav", "--weights", mini_weights).exit_code == 0
    assert probe("a_denoised.m4a").container == "MP4"
    assert probe("b_denoised.wav").container == "WAV"  # the format of the suffix, for its own cannot be
    assert invoke("a.aac", "--weights", mini_weights, "--skip-existing", "--dry-run").stdout == ""
    assert len(list(tmp_path.iterdir())) == 4


def film(path: Path, samples) -> Path:
    """A second of pictures, and samples ``(2, n)`` as often as there are tracks."""
    pictures = path.with_name("pictures.mp4")
    with av.open(str(pictures), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(25):
            picture = np.full((48, 64, 3), level, dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode(None))
    with open_writer(
        path, sample_rate=44_100, channels=2, container="MP4", subtype="AAC", streams_from=pictures
    ) as writer:
        writer.write(samples[:, :50_000].numpy())
    pictures.unlink()
    return path


def test_a_file_for_sound_gets_no_video(
    tmp_path: Path, mini_weights: Path, noisy_tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    film(Path("a.mp4"), noisy_tune)
    for arguments in (("--format", "m4a"), (), ("-o", "x.mov")):
        assert invoke("a.mp4", "--weights", mini_weights, *arguments).exit_code == 0
    held = {path.name: has_other_streams(path) for path in Path().iterdir()}
    assert held == {"a.mp4": True, "a_denoised.m4a": False, "a_denoised.mp4": True, "x.mov": True}


def test_further_audio_tracks_are_left_out_with_a_warning(
    tmp_path: Path, mini_weights: Path, noisy_tune
) -> None:
    path = tmp_path / "two.m4a"
    with av.open(str(path), "w", format="mp4") as out:
        for stream in [out.add_stream("aac", rate=44_100, layout="stereo") for _ in range(2)]:
            frame = av.AudioFrame.from_ndarray(noisy_tune[:, :50_000].numpy(), format="fltp", layout="stereo")
            frame.sample_rate = 44_100
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    result = invoke(path, "--weights", mini_weights, "--json")
    assert result.exit_code == 0
    assert "has 2 audio tracks; the first was denoised" in result.stderr
    assert json.loads(result.stdout)["num_tracks"] == 2
    assert probe(tmp_path / "two_denoised.m4a").num_tracks == 1
