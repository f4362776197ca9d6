"""Broadcast data, markers, loops and speaker positions of WAV and AIFF files go with the song."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicdenoise.audio import open_writer, probe, read_audio
from musicdenoise.audio.containers.riff import WAV, walk
from musicdenoise.audio.containers.riff_extras import read_chunks

CUE = struct.pack("<IIIIII", 1, 1, 4_000, 0x61746164, 0, 0) + struct.pack("<I", 4_000)
LABELS = b"adtl" + b"labl" + struct.pack("<II", 10, 1) + b"Intro\0"
ADDED = [(b"bext", b"a recording" + bytes(592)), (b"cue ", CUE), (b"LIST", LABELS), (b"junk", b"unknown")]
KEPT = tuple(ADDED[:3])


def add(path: Path, chunks: list[tuple[bytes, bytes]], order: str = "<") -> Path:
    data = bytearray(path.read_bytes())
    for name, content in chunks:
        data += name + struct.pack(f"{order}I", len(content)) + content + bytes(len(content) % 2)
    if data[:4] == b"RF64":
        data[20:28] = struct.pack("<Q", len(data) - 8)
    else:
        data[4:8] = struct.pack(f"{order}I", len(data) - 8)
    path.write_bytes(data)
    return path


def write(path: Path, container: str, channels: int = 1, subtype: str = "PCM_24", **options) -> Path:
    samples = (0.1 * np.random.default_rng(0).standard_normal((channels, 8_001))).astype(np.float32)
    with open_writer(
        path, sample_rate=48_000, channels=channels, container=container, subtype=subtype, **options
    ) as writer:
        writer.write(samples)
    return path


@pytest.mark.parametrize(
    ("container", "suffix"), [("WAV", "wav"), ("WAVEX", "wav"), ("RF64", "rf64"), ("AIFF", "aiff")]
)
def test_they_are_kept(tmp_path: Path, container: str, suffix: str) -> None:
    is_aiff = container == "AIFF"
    added = [(b"MARK", b"\0\1" + bytes(10)), (b"INST", bytes(20))] if is_aiff else ADDED
    source = add(write(tmp_path / f"a.{suffix}", container), added, ">" if is_aiff else "<")
    target = write(tmp_path / f"b.{suffix}", container, tags={"title": "Ä"}, tags_from=source)
    chunks = read_chunks(target)
    assert chunks is not None
    others = tuple((name, text) for name, text in chunks.chunks if name != b"NAME" and text[:4] != b"INFO")
    assert others == (tuple(added) if is_aiff else KEPT)
    assert len(others) == len(chunks.chunks) - 1
    assert probe(target).tags["title"] == "Ä"
    assert read_audio(target).samples.shape == (1, 8_001)
    assert soundfile.info(target).frames == 8_001
    size = struct.unpack(">I" if is_aiff else "<I", target.read_bytes()[4:8])[0]
    assert size in (target.stat().st_size - 8, 0xFFFFFFFF)


def test_the_size_of_rf64_is_in_its_own_chunk(tmp_path: Path) -> None:
    source = add(write(tmp_path / "a.rf64", "RF64"), ADDED)
    data = write(tmp_path / "b.rf64", "RF64", tags_from=source).read_bytes()
    assert data[:4] == b"RF64"
    assert struct.unpack("<Q", data[20:28])[0] == len(data) - 8


def test_positions_in_samples_are_wrong_for_a_stretch(tmp_path: Path) -> None:
    source = add(write(tmp_path / "a.wav", "WAV"), ADDED)
    chunks = read_chunks(write(tmp_path / "b.wav", "WAV", tags_from=source, chapters=False))
    assert chunks is not None
    assert [name for name, _ in chunks.chunks] == [b"bext"]


def test_speaker_positions_are_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", "WAVEX", channels=6)
    data = bytearray(source.read_bytes())
    assert data[12:16] == b"fmt "
    data[40:44] = struct.pack("<I", 0x60F)  # side instead of back
    source.write_bytes(data)
    target = write(tmp_path / "b.wav", "WAVEX", channels=6, tags_from=source)
    chunks = read_chunks(target)
    assert chunks is not None
    assert chunks.speakers == 0x60F
    plain = write(tmp_path / "c.wav", "WAV", channels=1, tags_from=source)
    assert read_chunks(plain) is None


def test_other_formats_and_damaged_files_have_none(tmp_path: Path) -> None:
    flac = write(tmp_path / "a.flac", "FLAC")
    assert read_chunks(flac) is None
    assert read_chunks(tmp_path / "missing.wav") is None
    source = add(write(tmp_path / "a.wav", "WAV"), ADDED)
    before = flac.read_bytes()
    chunks = read_chunks(source)
    assert chunks is not None
    chunks.write(flac, is_cut=False)
    assert flac.read_bytes() == before
    source.write_bytes(source.read_bytes()[:-80])  # through the labels
    damaged = read_chunks(source)
    assert damaged is not None
    assert [name for name, _ in damaged.chunks] == [b"bext"]


def test_where_there_is_no_room_the_song_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = read_chunks(add(write(tmp_path / "a.wav", "WAV"), ADDED))
    target = write(tmp_path / "b.wav", "WAV")
    before = target.read_bytes()
    assert chunks is not None
    monkeypatch.setattr("musicdenoise.audio.containers.riff_extras.ELSEWHERE", len(before))
    chunks.write(target, is_cut=False)
    assert target.read_bytes() == before


def test_tags_that_are_not_utf_8(tmp_path: Path) -> None:
    strings = [(b"INAM", b"Bj\xf6rk \x96 J\xf3ga"), (b"IART", "Björk".encode()), (b"IGNR", b"Rock\0")]
    content = b"INFO" + b"".join(
        name + struct.pack("<I", len(text)) + text + bytes(len(text) % 2) for name, text in strings
    )
    source = add(write(tmp_path / "a.wav", "WAV"), [(b"LIST", content)])
    assert probe(source).tags == {"title": "Björk \u2013 Jóga", "artist": "Björk", "genre": "Rock"}


def test_millions_of_empty_chunks_are_not_walked_over() -> None:
    file = BytesIO(b"RIFF" + bytes(4) + b"WAVE" + (b"JUNK" + bytes(4)) * 150_000)
    assert sum(1 for _ in walk(file, WAV)) == 100_000
