"""MP3 files with damage on the way: the rest is kept in its place, and the gap is named."""

from pathlib import Path

import numpy as np
import pytest
from synthetic_tune import synthesise_tune
from typer.testing import CliRunner

from musicdenoise.audio import open_reader, open_writer, probe, read_audio
from musicdenoise.audio.containers.mpeg import frame_bytes
from musicdenoise.audio.containers.mpeg_repair import find_repair
from musicdenoise.cli.app import app

RATE = 44_100
FRAME = 1152 / RATE


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mp3") / "song.mp3"
    with open_writer(
        path,
        sample_rate=RATE,
        channels=2,
        container="MP3",
        subtype="MPEG_LAYER_III",
        bitrate=128_000,
        tags={"title": "T"},
    ) as writer:
        writer.write(synthesise_tune(6.0).numpy())
    return path


def damage(song: Path, tmp_path: Path, kind: str, share: float = 0.5, size: int = 3000) -> Path:
    data = bytearray(song.read_bytes())
    begin = round(share * len(data))
    if kind == "cut out":
        del data[begin : begin + size]
    else:
        filling = {
            "zeros": bytes(size),
            "noise": np.random.default_rng(0).bytes(size),
            "ones": b"\xff" * size,
        }
        data[begin : begin + size] = filling[kind]
    path = tmp_path / f"{kind}.mp3"
    path.write_bytes(data)
    return path


def test_sound_files_have_no_gaps(song: Path, tmp_path: Path) -> None:
    assert find_repair(song).gaps == ()
    with_tag = tmp_path / "tagged.mp3"
    with_tag.write_bytes(song.read_bytes() + b"TAG" + bytes(125))
    assert find_repair(with_tag).gaps == ()
    (tmp_path / "empty.mp3").touch()
    assert find_repair(tmp_path / "empty.mp3").gaps == ()


@pytest.mark.parametrize("kind", ["zeros", "ones", "noise", "cut out"])
def test_the_rest_stays_in_its_place(song: Path, tmp_path: Path, kind: str) -> None:
    whole = read_audio(song).samples
    damaged = damage(song, tmp_path, kind)
    info = probe(damaged)
    assert (info.num_samples, info.path, info.tags["title"]) == (whole.shape[1], damaged, "T")
    ((start, length),) = info.gaps_seconds
    assert 2.8 < start < 3.1
    assert 0.1 < length < 0.4
    samples = read_audio(damaged).samples
    # A frame overlaps the next one, and may take data from earlier ones, which are lost.
    before, after = round((start - FRAME) * RATE), round((start + length + 6 * FRAME) * RATE)
    assert np.array_equal(samples[:, :before], whole[:, :before])
    assert np.array_equal(samples[:, after:], whole[:, after:])
    inside = slice(round((start + 2 * FRAME) * RATE), round((start + length - FRAME) * RATE))
    assert np.abs(samples[:, inside]).max() < 1e-3


def test_two_gaps(song: Path, tmp_path: Path) -> None:
    twice = damage(damage(song, tmp_path, "zeros", 0.3), tmp_path, "noise", 0.7)
    gaps = probe(twice).gaps_seconds
    assert len(gaps) == 2
    assert gaps[0][0] == pytest.approx(1.8, abs=0.2)
    assert gaps[1][0] == pytest.approx(4.2, abs=0.2)
    with open_reader(twice) as reader:
        reader.seek(200_000)
        assert reader.read(1000).shape == (2, 1000)
        reader.close()


ID3V1 = b"TAG" + bytes(125)
ID3V2 = b"ID3\x03\x00\x00\x00\x00\x02\x00" + bytes(256)
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (100).to_bytes(4, "little") + bytes(16 + 100)


@pytest.mark.parametrize("between", [b"", ID3V1, ID3V2, ID3V1 + ID3V2, APE])
def test_joined_files_are_read_to_the_end(song: Path, tmp_path: Path, between: bytes) -> None:
    whole = read_audio(song).samples
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(song.read_bytes() + between + song.read_bytes())
    info = probe(joined)
    assert (info.gaps_seconds, info.path, info.tags["title"]) == ((), joined, "T")
    samples = read_audio(joined).samples
    assert samples.shape[1] == info.num_samples
    # Both with the delays of encoder and decoder and filled up to whole frames; no header is heard.
    assert 2 * whole.shape[1] <= samples.shape[1] <= 2 * (whole.shape[1] + 3 * 1152)
    delay = 1105
    assert np.abs(samples[:, delay : delay + whole.shape[1]] - whole).max() < 1e-3
    second = samples.shape[1] // 2 + delay
    inside = whole[:, 4 * 1152 : -1152]  # the first frames of the second lean on the end of the first
    assert np.abs(samples[:, second + 4 * 1152 : second + whole.shape[1] - 1152] - inside).max() < 1e-3


def test_a_joined_file_with_damage(song: Path, tmp_path: Path) -> None:
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(song.read_bytes() + ID3V2 + damage(song, tmp_path, "zeros").read_bytes())
    info = probe(joined)
    ((start, length),) = info.gaps_seconds
    assert 8.8 < start < 9.2
    assert 0.1 < length < 0.4
    assert abs(info.num_samples - 2 * probe(song).num_samples) < 6 * 1152


def test_a_tag_in_the_middle_is_no_damage(song: Path, tmp_path: Path) -> None:
    whole = read_audio(song).samples
    data = song.read_bytes()
    frame = data.index(b"\xff\xfb")  # behind the title
    while frame < len(data) // 2:
        frame += frame_bytes(data[frame:]) or len(data)
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(data[:frame] + ID3V2 + data[frame:])
    assert probe(tagged).gaps_seconds == ()
    assert np.array_equal(read_audio(tagged).samples, whole)


def test_denoise_keeps_the_rest_and_names_the_gap(song: Path, tmp_path: Path, mini_weights: Path) -> None:
    damaged = damage(song, tmp_path, "zeros")
    result = CliRunner().invoke(app, ["denoise", str(damaged), "--weights", str(mini_weights)])
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"warning: {damaged}: is damaged or empty from 2.9")
    assert probe(tmp_path / "zeros_denoised.mp3").num_samples == probe(song).num_samples
