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


@pytest.mark.parametrize(
    ("codec", "sample_format", "comes_out"),
    [
        ("pcm_s16le", "s16", "ALAC_16"),
        ("pcm_s24le", "s32", "ALAC_24"),
        ("pcm_s16be", "s16", "ALAC_16"),
        ("pcm_f32le", "flt", "ALAC_24"),
    ],
)
def test_lossless_sound_of_a_film_stays_lossless(
    tmp_path: Path, mini_weights: Path, noisy_tune, codec: str, sample_format: str, comes_out: str
) -> None:
    song = tmp_path / "a.mov"
    samples = noisy_tune[:, :50_000].numpy()
    with av.open(str(song), "w") as out:
        stream = out.add_stream(codec, rate=44_100, layout="stereo")
        stream.codec_context.format = sample_format
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate = 44_100
        for converted in av.AudioResampler(format=sample_format).resample(frame):
            out.mux(stream.encode(converted))
        out.mux(stream.encode(None))
    assert invoke(song, "--weights", mini_weights).exit_code == 0
    after = probe(tmp_path / "a_denoised.mov")
    assert (after.container, after.subtype, after.num_samples) == ("MP4", comes_out, 50_000)
    assert invoke(song, "--weights", mini_weights, "--strength", 0, "-o", tmp_path / "b.mov").exit_code == 0
    assert (tmp_path / "b.mov").read_bytes() == song.read_bytes()


@pytest.mark.parametrize("depth", ["16", "24"])
def test_mp4_with_a_bit_depth_is_alac(tmp_path: Path, mini_weights: Path, noisy_tune, depth: str) -> None:
    song = save(tmp_path / "a.wav", noisy_tune, "WAV", "PCM_24")
    assert invoke(song, "--weights", mini_weights, "--format", "m4a", "--bit-depth", depth).exit_code == 0
    assert probe(tmp_path / "a_denoised.m4a").subtype == f"ALAC_{depth}"
    result = invoke(song, "--weights", mini_weights, "-o", tmp_path / "b.m4a", "--bit-depth", "32f")
    assert "MP4 has no bit depth 32f; use 16 or 24" in result.stderr


def test_languages_and_flags_of_a_film_are_kept(tmp_path: Path, mini_weights: Path, noisy_tune) -> None:
    plain = film(tmp_path / "plain.mp4", noisy_tune)
    song = tmp_path / "a.mp4"
    with av.open(str(plain)) as old, av.open(str(song), "w") as out:
        copies = {stream: out.add_stream_from_template(stream) for stream in old.streams}
        for copy, language in zip(copies.values(), ("ita", "ger"), strict=True):
            copy.metadata["language"] = language
        copies[old.streams.video[0]].disposition = av.stream.Disposition.forced
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream]
                out.mux(packet)
    before = described(song)
    assert before["video"][0] != before["audio"][0]
    assert invoke(song, "--weights", mini_weights).exit_code == 0
    assert described(tmp_path / "a_denoised.mp4") == before


def described(path: Path) -> dict[str, tuple[str, int]]:
    with av.open(str(path)) as container:
        return {
            stream.type: (stream.metadata["language"], int(stream.disposition))
            for stream in container.streams
        }


def test_a_stream_on_standard_output_has_no_bit_rate(song_file: Path) -> None:
    result = invoke(song_file, "-o", "-", "--bitrate", "64")
    assert result.exit_code == 2
    assert "has no bit rate" in result.stderr


@pytest.fixture
def song_file(tmp_path: Path, noisy_tune) -> Path:
    return save(tmp_path / "song.wav", noisy_tune, "WAV", "PCM_16")


def test_damaged_tags_of_an_mp3_stop_nothing(tmp_path: Path, mini_weights: Path, noisy_tune) -> None:
    song = save(tmp_path / "a.mp3", noisy_tune, "MP3", "MPEG_LAYER_III")
    frame = b"RVA2" + (4).to_bytes(4, "big") + bytes(2) + b"a\x00\x01b"  # half of a number
    song.write_bytes(b"ID3\x04\x00\x00" + bytes([0, 0, 0, len(frame)]) + frame + song.read_bytes())
    result = invoke(song, "--weights", mini_weights)
    assert result.exit_code == 0, result.stderr
