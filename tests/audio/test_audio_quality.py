"""Bit rates and dither of the writers, and video that is copied."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from synthetic_tune import synthesise_tune

from musicdenoise.audio import has_other_streams, open_writer, probe, read_audio, source_bitrate
from musicdenoise.audio.bitrate import LOSSY_SUBTYPES, nearest_bitrate
from musicdenoise.audio.dither import Dither
from musicdenoise.errors import AudioWriteError, UnsupportedAudioError

CONTAINERS = {
    "MPEG_LAYER_III": ("MP3", "mp3"),
    "VORBIS": ("OGG", "ogg"),
    "OPUS": ("OGG", "opus"),
    "AAC": ("MP4", "m4a"),
}


def write(path: Path, subtype: str, samples: np.ndarray, rate: int = 48_000, **options) -> Path:
    with open_writer(
        path,
        sample_rate=rate,
        channels=samples.shape[0],
        container=CONTAINERS[subtype][0],
        subtype=subtype,
        **options,
    ) as writer:
        writer.write(samples)
    return path


def music(seconds: float = 6.0, channels: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    tune = synthesise_tune(seconds).numpy()
    return (tune + 0.02 * rng.standard_normal(tune.shape)).astype(np.float32)[:channels]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kbps", [64, 96])
@pytest.mark.parametrize("subtype", LOSSY_SUBTYPES)
def test_files_have_the_bitrate_that_was_asked_for(
    tmp_path: Path, subtype: str, kbps: int, channels: int
) -> None:
    samples = music(3.0, channels)
    bitrate = 1000 * kbps * channels
    path = write(tmp_path / f"x.{CONTAINERS[subtype][1]}", subtype, samples, bitrate=bitrate)
    made = 8 * path.stat().st_size / (samples.shape[1] / 48_000)
    assert made == pytest.approx(bitrate, rel=0.25 if subtype == "VORBIS" else 0.15)
    declared = source_bitrate(path, subtype)
    assert declared is not None
    assert declared == pytest.approx(bitrate, rel=0.25 if subtype == "VORBIS" else 0.15)


@pytest.mark.parametrize(("rate", "bitrate"), [(44_100, 320_000), (22_050, 64_000), (11_025, 32_000)])
def test_mp3_at_every_rate(tmp_path: Path, rate: int, bitrate: int) -> None:
    path = write(tmp_path / "x.mp3", "MPEG_LAYER_III", music(2.0), rate, bitrate=bitrate)
    assert source_bitrate(path, "MPEG_LAYER_III") == bitrate


def test_unusual_bitrates_are_averages(tmp_path: Path) -> None:
    path = write(tmp_path / "x.mp3", "MPEG_LAYER_III", music(), bitrate=150_000)
    assert source_bitrate(path, "MPEG_LAYER_III") == pytest.approx(150_000, rel=0.1)


def test_impossible_bitrates(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedAudioError, match=r"takes 32 to 320 kbit/s; got 400 kbit/s"):
        write(tmp_path / "x.mp3", "MPEG_LAYER_III", music(1.0), bitrate=400_000)
    with pytest.raises(UnsupportedAudioError, match="lossless"):
        open_writer(
            tmp_path / "x.wav",
            sample_rate=8000,
            channels=1,
            container="WAV",
            subtype="PCM_16",
            bitrate=64_000,
        )
    assert nearest_bitrate("MPEG_LAYER_III", 400_000, sample_rate=44_100, channels=2) == 320_000
    assert nearest_bitrate("OPUS", 1, sample_rate=48_000, channels=2) == 12_000


def test_files_without_a_bitrate(tmp_path: Path) -> None:
    assert source_bitrate(tmp_path / "x.wav", "PCM_16") is None
    (tmp_path / "x.mp3").write_bytes(b"no music")
    assert source_bitrate(tmp_path / "x.mp3", "MPEG_LAYER_III") is None


def test_dither_makes_the_rounding_error_independent_of_the_signal() -> None:
    quiet = np.full((1, 200_000), 0.3 / 32_768, dtype=np.float32)  # 0.3 steps: plain rounding gives 0
    rounded = np.rint(Dither(16)(quiet) * 32_768)
    assert rounded.mean() == pytest.approx(0.3, abs=0.01)
    assert np.var(rounded - 0.3) == pytest.approx(0.25, rel=0.02)  # a quarter step squared, by theory


def test_dither_leaves_exact_samples_alone_and_ignores_blocks() -> None:
    exact = np.arange(-4, 5, dtype=np.float32)[None] / 32_768
    assert np.array_equal(Dither(16)(exact), exact)
    samples = np.random.default_rng(1).standard_normal((2, 1000)).astype(np.float32)
    whole, blocks = Dither(16), Dither(16)
    parts = [blocks(samples[:, a:b]) for a, b in ((0, 1), (1, 700), (700, 1000))]
    assert np.array_equal(whole(samples), np.concatenate(parts, axis=1))


@pytest.mark.parametrize(("subtype", "differs"), [("PCM_16", True), ("PCM_24", False)])
def test_the_writer_dithers_16_bits_when_asked(tmp_path: Path, subtype: str, differs: bool) -> None:
    samples = music(1.0)
    paths = [tmp_path / "plain.wav", tmp_path / "dithered.wav"]
    for path in paths:
        with open_writer(
            path, sample_rate=44_100, channels=2, container="WAV", subtype=subtype, dither="dith" in path.name
        ) as writer:
            writer.write(samples)
    plain, dithered = (read_audio(path).samples for path in paths)
    assert (not np.array_equal(plain, dithered)) == differs
    assert np.abs(plain - dithered).max() <= 1.5 / 32_768


def movie(path: Path) -> Path:
    """Two seconds of MPEG-4 pictures and AAC sound, with two chapters."""
    with av.open(str(path), "w", format="mp4") as out:
        video = out.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("aac", rate=44_100, layout="mono")
        out.set_chapters(
            [
                {
                    "id": i,
                    "start": 1000 * i,
                    "end": 1000 * (i + 1),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": name},
                }
                for i, name in enumerate(("one", "two"))
            ]
        )
        for index in range(50):
            picture = np.full((48, 64, 3), 5 * index, dtype=np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(video.encode(None))
        samples = synthesise_tune(2.0).numpy()[:1]
        for begin in range(0, samples.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, begin : begin + 1024]), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 44_100, begin
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


def pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


def test_video_and_chapters_are_copied(tmp_path: Path) -> None:
    source = movie(tmp_path / "movie.mp4")
    samples = read_audio(source).samples[:, :80_000]
    out = write(tmp_path / "out.mp4", "AAC", samples, 44_100, streams_from=source)
    assert pictures(out) == pictures(source)
    assert probe(out).num_samples == 80_000
    plain = write(tmp_path / "plain.m4a", "AAC", samples, 44_100)
    assert np.array_equal(read_audio(out).samples, read_audio(plain).samples)
    with av.open(str(out)) as container:
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["one", "two"]
    assert [has_other_streams(path) for path in (source, out, plain)] == [True, True, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["movie.mp4", "out.mp4", "plain.m4a"]


def test_video_that_cannot_be_copied_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "broken.mp4"
    source.write_bytes(b"no movie at all")
    with pytest.raises(AudioWriteError, match=r"out\.mp4: its video, subtitles or chapters cannot be copied"):
        write(tmp_path / "out.mp4", "AAC", music(1.0), 44_100, streams_from=source)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mp4"]
    assert not has_other_streams(source)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
def test_another_program_sees_the_same_streams(tmp_path: Path) -> None:
    source = movie(tmp_path / "movie.mp4")
    out = write(tmp_path / "out.mp4", "AAC", read_audio(source).samples, 44_100, streams_from=source)
    shown = [
        subprocess.run(
            ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,start_time", "-of", "csv", path],
            capture_output=True,
            check=True,
        ).stdout
        for path in (source, out)
    ]
    assert shown[0] == shown[1]
