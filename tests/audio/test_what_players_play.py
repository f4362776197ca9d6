"""Files whose headers say something else than what is there, and that players play to their end."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from audio_signals import best_lag
from audio_signals import snr_db as measure_db
from ffmpeg_files import copied, encode
from typer.testing import CliRunner

from musicdenoise.audio import AudioInfo, PipeReader, open_reader, probe, read_audio
from musicdenoise.audio.containers.mpeg import count_offset, declared_frames, frame_bytes
from musicdenoise.audio.containers.ogg import page_checksum
from musicdenoise.cli.app import app
from musicdenoise.errors import AudioError, AudioReadError

Save = Callable[..., Path]
AAC_SNR_DB = 15.0  # between two decodings from other frames on: noise in AAC is made anew each time


def snr_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    return np.inf if np.array_equal(reference, estimate) else measure_db(reference, estimate)


def read_all(path: Path) -> tuple[np.ndarray, AudioInfo]:
    with open_reader(path) as reader:
        return np.concatenate(list(reader.blocks(10_000)), axis=1), reader.info


WIDE = {"plain": (1, 24, b""), "extensible": (0xFFFE, 32, b"\x18\0"), "odd": (0xFFFE, 24, b"\x18\0")}
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


@pytest.mark.parametrize("kind", WIDE)
def test_24_bits_in_32(tmp_path: Path, make_music, kind: str) -> None:
    music = make_music(20_000, 2)
    samples = np.round(music * (1 << 23)).astype("<i4") << 8
    tag, bits, valid = WIDE[kind]
    form = struct.pack("<HHIIHH", tag, 2, 44_100, 44_100 * 8, 8, bits)
    if valid:
        form += struct.pack("<H", 22) + valid + struct.pack("<I", 3) + PCM_GUID
    body = samples.T.tobytes()
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body)) + body
    path = tmp_path / "wide.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    expected = samples.astype(np.float32) / np.float32(1 << 31)
    read, info = read_all(path)
    assert info.subtype == "PCM_32"
    np.testing.assert_array_equal(read, expected)
    pipe = PipeReader(io.BytesIO(path.read_bytes()))
    assert pipe.subtype == "PCM_32"
    np.testing.assert_array_equal(np.concatenate(list(pipe.blocks(7_000)), axis=1), expected)


def test_two_songs_side_by_side_in_ogg(tmp_path: Path, make_music, save: Save) -> None:
    first = save("one.ogg", make_music(30_000, 2), "OGG", "VORBIS", 44_100)
    second = save("two.ogg", make_music(30_000, 1), "OGG", "VORBIS", 44_100)
    both = tmp_path / "both.ogg"
    with av.open(str(first)) as a, av.open(str(second)) as b, av.open(str(both), "w") as out:
        streams = [out.add_stream_from_template(source.streams.audio[0]) for source in (a, b)]
        for source, stream in zip((a, b), streams, strict=True):
            for packet in source.demux(source.streams.audio[0]):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    assert (probe(first).num_tracks, probe(both).num_tracks) == (1, 2)
    assert PipeReader(io.BytesIO(both.read_bytes())).num_tracks == 2
    np.testing.assert_array_equal(read_audio(both).samples, read_audio(first).samples)
    assert read_audio(both, stream=1).samples.shape[0] == 1


def declare(path: Path, num_samples: int) -> None:
    """Let the last page of an Ogg file say where its sound ends."""
    data = bytearray(path.read_bytes())
    begin = data.rfind(b"OggS")
    data[begin + 6 : begin + 14] = struct.pack("<q", num_samples)
    data[begin + 22 : begin + 26] = bytes(4)
    data[begin + 22 : begin + 26] = page_checksum(bytes(data[begin:])).to_bytes(4, "little")
    path.write_bytes(data)


def test_a_length_that_no_song_has_is_told(make_music, save: Save) -> None:
    path = save("song.ogg", make_music(30_000, 2), "OGG", "VORBIS", 44_100)
    declare(path, (1 << 63) - 1)
    with pytest.raises(AudioReadError, match=r"song.ogg: is damaged: it declares more samples than any song"):
        read_audio(path)


def test_an_ogg_file_whose_last_page_declares_a_little_more_ends_in_silence(make_music, save: Save) -> None:
    path = save("song.ogg", make_music(30_000, 2), "OGG", "VORBIS", 44_100)
    whole = read_audio(path).samples
    declare(path, 38_000)
    samples, info = read_all(path)
    ((begin, length),) = info.gaps_seconds
    end = round(begin * 44_100)  # the last block holds more than 30,000 samples
    assert 30_000 <= end < 32_100 and round((begin + length) * 44_100) == samples.shape[1] == 38_000
    np.testing.assert_allclose(samples[:, :30_000], whole, atol=1e-6)
    assert not samples[:, end:].any()
    with open_reader(path) as reader:  # once told, not again
        reader.seek(end - 1000)
        for _ in range(2):
            np.testing.assert_array_equal(reader.read(3_000), samples[:, end - 1000 : end + 2000])
            reader.seek(end - 1000)
        assert len(reader.info.gaps_seconds) == 1
    result = CliRunner().invoke(app, ["denoise", str(path), "--noise", "white"])
    assert "is damaged or empty from" in result.stderr
    declare(path, end + 100)
    samples, info = read_all(path)
    assert info.gaps_seconds == () and not samples[:, end:].any() and samples.shape[1] == end + 100
    declare(path, end + 9000)
    with pytest.raises(AudioReadError, match=f"ends too early: {end} of {end + 9000} declared samples"):
        read_audio(path)


@pytest.fixture
def m4a(tmp_path: Path, make_music) -> Path:
    return encode(tmp_path / "song.m4a", make_music(132_300, 2), "aac")


@pytest.mark.parametrize("lost", [range(60, 61), range(40, 80)])
@pytest.mark.parametrize("flags", ["", "frag_keyframe+empty_moov"])
def test_a_gap_in_an_mp4_becomes_silence(tmp_path: Path, m4a: Path, lost: range, flags: str) -> None:
    whole, _ = read_all(m4a)
    options = {"movflags": flags} if flags else {}
    gapped = copied(m4a, tmp_path / "gap.mp4", lambda number, _: number not in lost, **options)
    samples, info = read_all(gapped)
    ((start, length),) = info.gaps_seconds
    assert length == pytest.approx(len(lost) * 1024 / 44_100, abs=1e-3)
    assert info.is_repaired
    gap = slice(round(start * 44_100), round((start + length) * 44_100))
    assert not samples[:, gap].any()
    # What follows is where it was, but for the fragments' priming, which they do not mark.
    shift = best_lag(whole[0, 100_000:], samples[0, 100_000:])
    assert shift in ((0,) if not flags else (0, 1024))
    behind = slice(gap.stop + 4096, 125_000)
    assert snr_db(whole[:, behind], samples[:, behind.start + shift : behind.stop + shift]) > AAC_SNR_DB


@pytest.mark.parametrize("factor", [0.99, 1.0001, 1.01])
def test_a_clock_that_runs_apart_is_told_and_nothing_is_lost(
    tmp_path: Path, m4a: Path, factor: float
) -> None:
    whole, _ = read_all(m4a)

    def stretch(_: int, packet: Any) -> bool:
        packet.pts, packet.dts = round(packet.pts * factor), round(packet.dts * factor)
        return True

    samples, info = read_all(copied(m4a, tmp_path / "drift.mp4", stretch))
    assert info.gaps_seconds == ()
    assert abs(samples.shape[1] - whole.shape[1]) < 1100
    inside = slice(4096, 125_000)
    shift = best_lag(whole[0], samples[0])
    assert snr_db(whole[:, inside], samples[:, inside.start + shift : inside.stop + shift]) > AAC_SNR_DB
    assert any("clock runs 1.0" in note for note in info.notes) == (factor != 1.0001)


def test_a_jump_of_hours_does_not_fill_the_disk(tmp_path: Path, m4a: Path) -> None:
    def jump(number: int, packet: Any) -> bool:
        if number >= 60:
            packet.pts, packet.dts = packet.pts + 10**9, packet.dts + 10**9
        return True

    try:
        samples, info = read_all(copied(m4a, tmp_path / "jump.mp4", jump))
    except AudioError:
        return
    assert samples.shape[1] < 200_000
    assert info.gaps_seconds == ()


def test_an_mp4_that_breaks_off_inside_a_box_is_an_error(tmp_path: Path, m4a: Path) -> None:
    fast = copied(m4a, tmp_path / "fast.m4a", lambda *_: True, movflags="faststart")
    data = fast.read_bytes()
    fast.write_bytes(data[: len(data) * 9 // 10])
    with pytest.raises(AudioReadError, match=r"cut off|breaks off|ends too early"):
        read_all(fast)


def test_raw_aac_that_was_entered_in_the_middle(tmp_path: Path, make_music) -> None:
    path = encode(tmp_path / "raw.aac", make_music(66_150, 2), "aac")
    whole, _ = read_all(path)
    data = path.read_bytes()
    header = bytearray(data[:7])
    header[3] &= 0xFC
    header[4], header[5] = 0, 7 << 5 | header[5] & 0x1F  # a frame of nothing but its header
    for name, changed, lost in (
        ("cut", data[100:], 1024),
        ("empty", bytes(header) * 3 + data, 0),
        ("junk", bytes(5_000) + data, 0),
    ):
        path.write_bytes(changed)
        samples, info = read_all(path)
        assert info.container == "ADTS", name
        assert abs(samples.shape[1] - whole.shape[1]) <= lost, name
        assert snr_db(whole[:, -20_000:-2_000], samples[:, -20_000:-2_000]) > AAC_SNR_DB, name


def counted(path: Path, count: int) -> Path:
    """The same MP3 file with another number of frames in its header."""
    data = bytearray(path.read_bytes())
    first = next(i for i in range(len(data)) if frame_bytes(data[i : i + 4]) is not None)
    place = count_offset(data[first : first + 200])
    assert place is not None
    data[first + place : first + place + 4] = count.to_bytes(4, "big")
    target = path.with_name(f"counts_{count}.mp3")
    target.write_bytes(data)
    return target


@pytest.fixture
def mp3(save: Save, make_music) -> Path:
    return save("song.mp3", make_music(132_300, 2), "MP3", "MPEG_LAYER_III")


@pytest.mark.parametrize("wrong", [-12, -5, -1, 1, 5, 40])
def test_mp3_is_read_to_its_end_whatever_its_header_counts(mp3: Path, wrong: int) -> None:
    whole = read_audio(mp3).samples
    path = counted(mp3, declared_frames(mp3.read_bytes()[:2_000]) + wrong)
    samples, info = read_all(path)
    assert samples.shape[1] == info.num_samples
    assert abs(samples.shape[1] - whole.shape[1]) <= 3 * 1152
    shift = best_lag(whole[0], samples[0])
    inside = slice(4096, 128_000)
    assert snr_db(whole[:, inside], samples[:, inside.start + shift : inside.stop + shift]) > 60.0
    assert bool(info.notes) == (abs(wrong) > 1 and wrong != -12)


def test_an_mp3_header_that_counts_hours_takes_no_memory(mp3: Path) -> None:
    for count in (3_000_000, 2**32 - 1):
        path = counted(mp3, count)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + bytes(500) + data[len(data) // 2 + 500 :])
        assert probe(path).num_samples < 200_000


@pytest.mark.parametrize("junk", [60_000, 70_000, 2_000_000])
def test_junk_in_front_of_mp3_is_passed_over(mp3: Path, junk: int) -> None:
    whole = read_audio(mp3).samples
    mp3.write_bytes(bytes(junk) + mp3.read_bytes())
    assert np.array_equal(read_audio(mp3).samples, whole)


@pytest.mark.parametrize("bits", [12, 20])
def test_flac_of_odd_depths(tmp_path: Path, save: Save, make_music, bits: int) -> None:
    music = make_music(30_000, 1)
    deep = save("deep.flac", music, "FLAC", "PCM_16" if bits == 12 else "PCM_24")
    whole = read_audio(deep).samples
    # The depth in the header alone: frames of this encoder say theirs themselves, and FFmpeg believes them.
    data = bytearray(deep.read_bytes())
    packed = int.from_bytes(data[18:26], "big") & ~(31 << 36) | (bits - 1) << 36
    data[18:26] = packed.to_bytes(8, "big")
    deep.write_bytes(data)
    try:
        samples, info = read_all(deep)
    except AudioReadError:  # FFmpeg may also refuse the contradiction; what it must not do is give noise
        return
    assert info.container == "FLAC"
    assert np.array_equal(samples, whole)


def test_a_flac_piece_that_counts_the_whole(save: Save, make_music) -> None:
    path = save("song.flac", make_music(100_000, 2), "FLAC", "PCM_16")
    whole = read_audio(path).samples
    data = bytearray(path.read_bytes())
    packed = int.from_bytes(data[18:26], "big")
    for declared, is_told in ((150_000, True), (50_000, True), (0, False)):
        data[18:26] = (packed & ~(2**36 - 1) | declared).to_bytes(8, "big")
        path.write_bytes(data)
        samples, info = read_all(path)
        assert np.array_equal(samples, whole), declared
        assert bool(info.notes) == is_told
        assert info.is_repaired


def test_opus_is_decoded_at_48_khz_whatever_was_put_in(save: Save, make_music) -> None:
    music = make_music(48_000, 1, 16_000)
    path = save("song.opus", music, "OGG", "OPUS", 16_000)
    samples, info = read_all(path)
    assert (info.sample_rate, info.num_samples, info.subtype) == (48_000, 144_000, "OPUS")
    assert samples.shape == (1, 144_000)
    thin = samples[:, ::3]
    shift = best_lag(music[0], thin[0])
    assert abs(shift) <= 1
    assert snr_db(music[:, 2_000:40_000], thin[:, 2_000 + shift : 40_000 + shift]) > 10.0


@pytest.mark.parametrize("name", ["ogg", "opus"])
def test_a_tag_in_front_of_ogg(save: Save, make_music, name: str) -> None:
    subtype = "VORBIS" if name == "ogg" else "OPUS"
    path = save(f"song.{name}", make_music(48_000, 2, 48_000), "OGG", subtype, 48_000)
    whole = read_audio(path).samples
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + path.read_bytes())
    samples, info = read_all(path)
    assert (info.container, info.num_samples) == ("OGG", 48_000)
    assert snr_db(whole, samples) > 40.0


@pytest.mark.parametrize(("codec", "subtype"), [("mp2", "MPEG_LAYER_II"), ("ac3", "AC3")])
def test_codecs_in_wav(tmp_path: Path, make_music, codec: str, subtype: str) -> None:
    music = make_music(66_150, 2)
    path = encode(tmp_path / "song.wav", music, codec)
    samples, info = read_all(path)
    assert (info.container, info.subtype, info.sample_rate) == ("WAV", subtype, 44_100)
    assert abs(samples.shape[1] - music.shape[1]) < 2 * 1536
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(AudioReadError, match=r"ends too early|breaks off|damaged"):
        read_all(path)


def test_a_codec_in_wav_that_nobody_knows_is_named(tmp_path: Path) -> None:
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 0xABCD, 2, 44_100, 176_400, 4, 16)
    body += b"data" + struct.pack("<I", 4000) + bytes(4000)
    path = tmp_path / "odd.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(AudioReadError, match=r"odd.wav: .*codec that is not known \(number 0xabcd"):
        read_all(path)


def test_the_index_at_the_end_of_a_piped_mp4_is_told(m4a: Path) -> None:
    with pytest.raises(AudioReadError, match=r"index at the end.*give the file by its name"):
        list(PipeReader(io.BytesIO(m4a.read_bytes())).blocks(44_100))


def test_an_index_that_counts_part_of_a_frame_too_much(tmp_path: Path, make_music) -> None:
    """Stems of MUSDB18 end up to 433 samples before what their times say."""
    song = encode(tmp_path / "song.m4a", make_music(44_100, 2), "aac")
    whole = read_audio(song).samples
    data = bytearray(song.read_bytes())
    for tag, offset in ((b"mdhd", 20), (b"stts", -4)):
        start = data.index(tag) - 4
        place = (
            start + offset if offset > 0 else start + int.from_bytes(data[start : start + 4], "big") + offset
        )
        data[place : place + 4] = (int.from_bytes(data[place : place + 4], "big") + 433).to_bytes(4, "big")
    stem = tmp_path / "song.stem.mp4"
    stem.write_bytes(data)
    assert np.array_equal(read_audio(stem).samples[:, : whole.shape[1]], whole)
    assert probe(stem).notes == ()
