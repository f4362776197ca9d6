"""Damage between frames, which FFmpeg passes over without a word: it is told, whichever way a song comes."""

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from ffmpeg_files import copied, encode

from musicdenoise.audio import PipeReader, open_reader, probe, read_audio
from musicdenoise.audio.containers.adts import frame_bytes
from musicdenoise.audio.containers.adts_repair import silent_frame
from musicdenoise.audio.containers.mpeg import frame_bytes as mpeg_frame_bytes
from musicdenoise.errors import AudioError, AudioReadError

RATE = 44_100
FRAME = 1024
MIDDLE = 30  # number of a frame


@pytest.fixture
def aac(tmp_path: Path, make_music) -> Path:
    return encode(tmp_path / "song.aac", make_music(66_150, 2), "aac")


def starts_of(data: bytes, size) -> list[int]:
    starts, position = [], 0
    while length := size(data[position : position + 16]):
        starts.append(position)
        position += length
    return starts


def adts_starts(data: bytes) -> list[int]:
    return starts_of(data, lambda header: frame_bytes(header, data))


@pytest.mark.parametrize("byte", range(1, 6))
def test_a_header_of_raw_aac_that_is_hit(aac: Path, byte: int) -> None:
    whole, data = read_audio(aac).samples, bytearray(aac.read_bytes())
    data[adts_starts(data)[MIDDLE] + byte] ^= 1 << byte
    aac.write_bytes(data)
    try:
        with open_reader(aac) as reader:
            samples = np.concatenate(list(reader.blocks(10_000)), axis=1)
    except AudioError:
        return
    info = reader.info
    assert samples.shape == whole.shape
    if info.gaps_seconds:
        ((begin, length),) = info.gaps_seconds
        assert abs(begin - MIDDLE * FRAME / RATE) <= FRAME / RATE + 1e-6
        assert length <= 4 * FRAME / RATE
        after = round((begin + length + 0.1) * RATE)
        assert np.corrcoef(samples[0, after:], whole[0, after:])[0, 1] > 0.99


@pytest.mark.parametrize("change", ["cut", "zeros", "more"])
def test_raw_aac_goes_on_in_its_place_behind_damage(aac: Path, change: str) -> None:
    whole, data = read_audio(aac).samples, bytearray(aac.read_bytes())
    begin, end = (adts_starts(data)[number] for number in (MIDDLE, MIDDLE + 4))
    if change == "cut":
        del data[begin + 20 : end + 20]
    elif change == "zeros":
        data[begin:end] = bytes(end - begin)
    else:
        data[begin:begin] = b"text" * 100
    aac.write_bytes(data)
    info = probe(aac)
    assert info.is_repaired and len(info.gaps_seconds) == 1
    samples = read_audio(aac).samples
    lost = {"cut": 4, "zeros": 0, "more": -2}[change]
    assert abs(whole.shape[1] - samples.shape[1] - lost * FRAME) <= 2 * FRAME
    np.testing.assert_array_equal(samples[:, : (MIDDLE - 3) * FRAME], whole[:, : (MIDDLE - 3) * FRAME])


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_silent_frame_is_silent(channels: int, tmp_path: Path) -> None:
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    path = tmp_path / "song.aac"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, channels * 8192), "f4"), format="flt", layout=layout)
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    path.write_bytes(10 * silent_frame(path.read_bytes()[:7]))
    samples = read_audio(path).samples
    assert samples.shape == (channels, 10 * FRAME)
    assert not samples.any()


def test_channels_without_a_number_are_told(aac: Path) -> None:
    data = bytearray(aac.read_bytes())
    assert silent_frame(bytes([*data[:2], data[2] & 0xFE, data[3] & 0x3F, *data[4:7]])) == b""


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "mp2"])
def test_damage_between_frames_of_a_pipe_is_an_error(tmp_path: Path, make_music, codec: str) -> None:
    suffix = {"aac": "aac", "libmp3lame": "mp3", "mp2": "mp2"}[codec]
    path = encode(tmp_path / f"song.{suffix}", make_music(66_150, 2), codec, write_xing="0")
    data = bytearray(path.read_bytes())
    size = (lambda header: frame_bytes(header, data)) if codec == "aac" else mpeg_frame_bytes
    whole = list(PipeReader(io.BytesIO(data)).blocks(RATE))
    assert sum(block.shape[1] for block in whole) > 60_000
    tagged = bytes(data) + b"TAG" + bytes(125)
    assert len(list(PipeReader(io.BytesIO(tagged)).blocks(RATE))) == len(whole)
    begin = data.find(b"\xff")
    starts = [begin + at for at in starts_of(data[begin:], size)]
    data[starts[MIDDLE] + 1] ^= 8
    with pytest.raises(AudioReadError, match="damaged"):
        list(PipeReader(io.BytesIO(data)).blocks(RATE))


@pytest.fixture
def m4a(tmp_path: Path, make_music) -> Path:
    return encode(tmp_path / "song.m4a", make_music(66_150, 2), "aac")


def in_fragments(path: Path) -> Path:
    options = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "300000"}
    return copied(path, path.with_name("pieces.m4a"), lambda *_: True, **options)


def test_times_that_nobody_believes_make_no_silence(m4a: Path) -> None:
    pieces = in_fragments(m4a)
    whole, data = read_audio(pieces).samples.shape[1], bytearray(pieces.read_bytes())
    at = data.index(b"tfhd", data.index(b"tfhd") + 1)
    flags = int.from_bytes(data[at + 5 : at + 8], "big")
    assert flags & 8  # how long its packets last
    place = at + 12 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    data[place : place + 4] = struct.pack(">I", 1 << 27)
    pieces.write_bytes(data)
    with open_reader(pieces) as reader:
        count = sum(block.shape[1] for block in reader.blocks(10_000))
    assert whole // 2 < count <= whole
    assert any("was not believed" in note for note in reader.info.notes)


def test_packets_that_cannot_be_read_are_counted(m4a: Path) -> None:
    data = bytearray(m4a.read_bytes())
    at = data.index(b"stsz") + 16 + 4 * 60  # the size of a packet near the end
    data[at] ^= 0x10
    m4a.write_bytes(data)
    (note,) = probe(m4a).notes
    assert "its index counts" in note


def test_what_is_lost_of_fragments_is_told(m4a: Path) -> None:
    pieces = in_fragments(m4a)
    whole, sound = read_audio(pieces).samples.shape[1], pieces.read_bytes()
    begin = sound.index(b"tfhd", sound.index(b"tfhd") + 1)
    outcomes = set()
    for place in range(begin - 30, begin + 60, 3):
        data = bytearray(sound)
        data[place] ^= 1
        pieces.write_bytes(data)
        try:
            with open_reader(pieces) as reader:
                count = sum(block.shape[1] for block in reader.blocks(1 << 18))
        except AudioError:
            outcomes.add("refused")
            continue
        is_told = bool(reader.info.notes or reader.info.gaps_seconds)
        outcomes.add("told" if is_told else "same")
        assert is_told or count == whole, place - begin
    assert outcomes == {"refused", "told", "same"}
