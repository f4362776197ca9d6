"""Ogg files and streams with damage on the way, missing pages, or another stream behind."""

import numpy as np
import pytest
import soundfile
from audio_signals import synthesize

from musicdenoise.audio import open_reader, probe, read_audio
from musicdenoise.audio.containers.ogg import OggPages, check_junk, page_checksum
from musicdenoise.errors import AudioReadError, UnsupportedAudioError

RATE = 48_000


@pytest.fixture(params=["VORBIS", "OPUS"])
def song(request, make_music, save):
    return save("song.ogg", make_music(6 * RATE, 2, RATE), "OGG", request.param, RATE)


def page_starts(data):
    """Where pages begin; the capture pattern stands nowhere else in these files."""
    starts = [0]
    while (start := data.find(b"OggS", starts[-1] + 1)) != -1:
        starts.append(start)
    return starts


def feed(data, size):
    pages = OggPages()
    for begin in range(0, len(data), size):
        pages.feed(data[begin : begin + size])
    return pages


@pytest.mark.parametrize("size", [1, 3, 1000, 10**7])
def test_sound_streams(song, size):
    pages = feed(song.read_bytes(), size)
    assert (pages.is_damaged, pages.is_chained) == (False, False)
    assert (pages.has_end, pages.is_inside_page) == (True, False)
    assert 6 * RATE <= pages.position < 6 * RATE + 1000  # Opus counts what its decoder drops at the start


def test_tags_at_both_ends_are_no_damage(song):
    data = song.read_bytes()
    pages = feed(b"ID3\x03\x00\x00\x00\x00\x00\x04abcd" + data + b"TAG" + bytes(125), 777)
    assert (pages.is_damaged, pages.has_end, pages.is_inside_page) == (False, True, False)


def test_ends(song):
    data = song.read_bytes()
    starts = page_starts(data)
    for end, is_inside in (
        (starts[-1], False),
        (starts[-1] + 2, True),
        (starts[-1] + 20, True),
        (len(data) - 1, True),
    ):
        pages = feed(data[:end], 4096)
        assert (pages.is_damaged, pages.has_end, pages.is_inside_page) == (False, False, is_inside), end


def _flip(data, starts):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _overwrite(data, starts):
    middle = len(data) // 2
    return data[:middle] + np.random.default_rng(0).bytes(3000) + data[middle + 3000 :]


def _leave_out_a_page(data, starts):
    return data[: starts[-3]] + data[starts[-2] :]


def _insert(data, starts):
    return data[: starts[-2]] + b"something else" + data[starts[-2] :]


@pytest.mark.parametrize("damage", [_flip, _overwrite, _leave_out_a_page, _insert])
def test_damage_is_an_error(song, damage):
    data = song.read_bytes()
    song.write_bytes(damage(data, page_starts(data)))
    with (
        pytest.raises(AudioReadError, match=r"song\.ogg: .*missing from [2-5]\.\d\d s on; 0 of") as caught,
        open_reader(song) as reader,
    ):
        reader.seek(0)
        reader.read(1000)
    assert "\n" not in str(caught.value)


def test_a_recording_that_begins_on_the_way(song):
    data = song.read_bytes()
    starts = page_starts(data)
    headers = next(k for k, start in enumerate(starts) if data[start + 6 : start + 14] != bytes(8))
    recording = data[: starts[headers]] + data[starts[headers + 2] :]
    assert not feed(recording, 4096).is_damaged


def test_chains_are_refused_and_not_cut(song, make_music):
    other = song.with_name("other.ogg")
    soundfile.write(other, make_music(RATE, 2, RATE, seed=1).T, RATE)
    assert read_audio(other).samples.shape == (2, RATE)
    for second in (song, other):
        chain = song.with_name("chain.ogg")
        chain.write_bytes(song.read_bytes() + second.read_bytes())
        with pytest.raises(UnsupportedAudioError, match=r"chain\.ogg: is a chain of several songs"):
            read_audio(chain)


@pytest.mark.parametrize(
    ("first", "kind"),
    [(b"\x7fFLAC\x01\x00", "FLAC-in-Ogg"), (b"Speex   1.2", "Speex"), (b"\x80theora", "film")],
)
def test_other_codecs_are_named(tmp_path, first, kind):
    path = tmp_path / "x.ogg"
    path.write_bytes(b"OggS" + bytes([0, 2]) + bytes(20) + bytes([1, len(first)]) + first)
    with pytest.raises(UnsupportedAudioError, match=rf"is a {kind}.* file, which is not read; convert it"):
        read_audio(path)


@pytest.mark.parametrize("place", ["inside", "behind"])
def test_many_beginnings_of_pages_are_not_searched_for_minutes(save, place: str) -> None:
    path = save("a.ogg", synthesize(100_000, 1), "OGG", "VORBIS")
    data, junk = path.read_bytes(), b"OggS" * (1 << 19)
    half = len(data) // 2 if place == "inside" else len(data)
    path.write_bytes(data[:half] + junk + data[half:])
    with pytest.raises(AudioReadError, match=r"a.ogg: its pages are damaged; get a complete copy"):
        probe(path)


def test_many_small_pages_are_no_damage(save) -> None:
    path = save("a.opus", synthesize(1000, 1, 48_000), "OGG", "OPUS", 48_000)
    data = path.read_bytes()
    begin = data.rindex(b"OggS")
    empty = bytearray(data[begin : begin + 27])
    empty[5], empty[26] = 0, 0
    pages = []
    for number in range(int.from_bytes(data[begin + 18 : begin + 22], "little"), 9_000):
        empty[18:22] = number.to_bytes(4, "little")
        empty[22:26] = page_checksum(bytes(empty)).to_bytes(4, "little")
        pages.append(bytes(empty))
    last = bytearray(data[begin:])
    last[18:22] = (9_000).to_bytes(4, "little")
    last[22:26] = page_checksum(bytes(last)).to_bytes(4, "little")
    path.write_bytes(data[:begin] + b"".join(pages) + bytes(last))
    check_junk(path)
