"""One flipped bit in the middle of a file: an error where the format has checksums, and never a crash.

Formats without checksums (PCM in WAV and AIFF, MP3, AAC, ALAC) cannot tell a flipped bit from sound: for them
the length has to stay what it is, or the file be refused, or a gap be told.
"""

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from musicdenoise.audio import PipeReader, open_reader, probe, read_audio
from musicdenoise.audio.containers.flac import frame_is_whole, read_layout
from musicdenoise.errors import AudioError, AudioReadError

Save = Callable[..., Path]

LENGTH_OFFSET = 21  # of the byte in a FLAC file that ends in the highest bits of the number of samples


def without_length(path: Path) -> Path:
    """The same FLAC file with its length left open, as from an encoder that writes to a pipe."""
    data = bytearray(path.read_bytes())
    data[LENGTH_OFFSET] &= 0xF0
    data[LENGTH_OFFSET + 1 : LENGTH_OFFSET + 5] = bytes(4)
    target = path.with_name("open.flac")
    target.write_bytes(data)
    return target


def flips(path: Path, count: int, seed: int) -> list[bytes]:
    """Copies of a file with one flipped bit each, anywhere behind the first tenth."""
    data, rng = path.read_bytes(), random.Random(seed)
    copies = []
    for _ in range(count):
        copy = bytearray(data)
        copy[rng.randrange(len(data) // 10, len(data))] ^= 1 << rng.randrange(8)
        copies.append(bytes(copy))
    return copies


@pytest.fixture
def flac(save: Save, make_music) -> Path:
    return save("song.flac", make_music(60_000, 2), "FLAC", "PCM_16")


@pytest.mark.parametrize("route", ["libsndfile", "ffmpeg", "pipe"])
def test_flac_never_passes(flac: Path, route: str, tmp_path: Path) -> None:
    sound = without_length(flac) if route != "libsndfile" else flac
    np.testing.assert_array_equal(read_audio(sound).samples, read_audio(flac).samples)
    for number, data in enumerate(flips(sound, 25, seed=1)):
        with pytest.raises(AudioReadError):
            if route == "pipe":
                list(PipeReader(io.BytesIO(data)).blocks(44_100))
            else:
                path = tmp_path / "flipped.flac"
                path.write_bytes(data)
                read_audio(path)
                pytest.fail(f"flip {number} passed")


@pytest.mark.parametrize("route", ["ffmpeg", "pipe"])
@pytest.mark.parametrize("frame", [0, 5, -1])
def test_a_flac_frame_whose_header_is_hit_is_missed(
    flac: Path, route: str, frame: int, tmp_path: Path
) -> None:
    sound = without_length(flac)
    data = bytearray(sound.read_bytes())
    starts = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xf8" and data[i + 3] & 1 == 0]
    whole = [a for a, b in zip(starts, [*starts[1:], len(data)], strict=True) if frame_is_whole(data[a:b])]
    data[whole[frame] + 4] ^= 4
    with pytest.raises(AudioReadError):
        if route == "pipe":
            list(PipeReader(io.BytesIO(bytes(data))).blocks(44_100))
        else:
            sound.write_bytes(data)
            read_audio(sound)
            pytest.fail("passed")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("route", ["file", "pipe"])
def test_ogg_never_passes(save: Save, make_music, tmp_path: Path, subtype: str, route: str) -> None:
    sound = save("song.ogg", make_music(48_000, 2), "OGG", subtype, 48_000)
    for data in flips(sound, 10, seed=2):
        with pytest.raises(AudioError):
            if route == "pipe":
                list(PipeReader(io.BytesIO(data)).blocks(44_100))
            else:
                (tmp_path / "flipped.ogg").write_bytes(data)
                read_audio(tmp_path / "flipped.ogg")
                pytest.fail("passed")


@pytest.mark.parametrize(
    ("name", "container", "subtype"),
    [
        ("song.wav", "WAV", "PCM_16"),
        ("song.aiff", "AIFF", "PCM_24"),
        ("song.rf64", "RF64", "FLOAT"),
        ("song.mp3", "MP3", "MPEG_LAYER_III"),
        ("song.m4a", "MP4", "AAC"),
        ("song.m4a", "MP4", "ALAC_16"),
    ],
)
def test_without_checksums_the_length_stays_or_the_file_is_refused(
    save: Save, make_music, name: str, container: str, subtype: str
) -> None:
    sound = save(name, make_music(60_000, 2), container, subtype)
    length = probe(sound).num_samples
    for data in flips(sound, 10, seed=3):
        sound.write_bytes(data)
        try:
            with open_reader(sound) as reader:
                count = sum(block.shape[1] for block in reader.blocks(44_100))
        except AudioError:
            continue
        assert count == reader.info.num_samples
        assert abs(count - length) < 2_304 or reader.info.gaps_seconds or reader.info.notes


def test_the_layout_of_a_flac_file(flac: Path) -> None:
    layout = read_layout(flac)
    assert layout is not None
    assert (layout.bits, layout.declared, layout.begin, layout.end) == (16, 60_000, 0, 60_000)
    assert layout.is_as_declared
    opened = read_layout(without_length(flac))
    assert opened is not None
    assert (opened.declared, opened.end, opened.is_as_declared) == (0, 60_000, False)
    data = flac.read_bytes()
    flac.write_bytes(data + b"TAG" + bytes(125))
    tagged = read_layout(flac)
    assert tagged is not None and tagged.end == 60_000
    flac.write_bytes(data[:-1])
    cut = read_layout(flac)
    assert cut is not None and cut.end is None
