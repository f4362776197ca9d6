"""Tags stay what they were: order, case, versions, several values, and nothing that fills the memory."""

import io
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from audio_signals import synthesize
from ffmpeg_files import encode
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, CueSheet, CueSheetTrack, CueSheetTrackIndex
from mutagen.id3 import APIC, CHAP, ID3, TDRC, TIT2
from mutagen.mp4 import MP4
from mutagen.oggopus import OggOpus

from musicdenoise.audio import PipeReader, open_reader, open_writer, read_audio
from musicdenoise.audio.containers.id3 import packed_tag_bytes
from musicdenoise.audio.containers.ogg import check_pages
from musicdenoise.audio.tags.file_tags import read_tags
from musicdenoise.audio.tags.open_file import MOST_UNPACKED_BYTES


def test_vorbis_comments_keep_their_order_and_case_and_equal_songs_are_equal_files(
    tmp_path: Path, save
) -> None:
    music = synthesize(30_000, 1, 48_000)
    comments = [("ARTIST", "B"), ("chapter001", "00:00:00"), ("CHAPTER001NAME", "One"), ("Artist", "A")]
    comments += [(f"Key{number}", str(number)) for number in range(20)]
    source = save("a.opus", music, "OGG", "OPUS", 48_000)
    file = OggOpus(source)
    file.tags[:] = comments
    file.save()
    results = [save(f"{name}.opus", music, "OGG", "OPUS", 48_000, tags_from=source) for name in "bc"]
    kept = [(key, value) for key, value in OggOpus(results[0]).tags if key.lower() != "encoder"]
    assert kept == comments
    assert results[0].read_bytes() == results[1].read_bytes()
    assert not check_pages(results[0]).is_damaged


def test_several_artists_go_from_flac_to_mp4_and_back(tmp_path: Path, save) -> None:
    music = synthesize(30_000, 1)
    flac = save("a.flac", music, "FLAC", "PCM_16")
    file = FLAC(flac)
    file["artist"] = ["Anna", "Ben"]
    file["isrc"] = "X"
    file.save()
    m4a = save("b.m4a", music, "MP4", "AAC", tags_from=flac)
    assert MP4(m4a)["\xa9ART"] == ["Anna", "Ben"]
    assert not any("ART" in key and key.startswith("----") for key in MP4(m4a))
    assert FLAC(save("c.flac", music, "FLAC", "PCM_16", tags_from=m4a))["artist"] == ["Anna", "Ben"]
    assert FLAC(tmp_path / "c.flac")["isrc"] == ["X"]


def test_the_cue_sheet_of_flac_is_kept_unless_the_song_is_cut(tmp_path: Path, save) -> None:
    music = synthesize(30_000, 1)
    source = save("a.flac", music, "FLAC", "PCM_16")
    file = FLAC(source)
    sheet = CueSheet(None)
    sheet.tracks = [CueSheetTrack(1, 0), CueSheetTrack(170, 30_000)]
    sheet.tracks[0].indexes.append(CueSheetTrackIndex(1, 0))
    file.metadata_blocks.append(sheet)
    file.save()
    whole = FLAC(save("b.flac", music, "FLAC", "PCM_16", tags_from=source))
    assert [track.start_offset for track in whole.cuesheet.tracks] == [0, 30_000]
    assert FLAC(save("c.flac", music, "FLAC", "PCM_16", tags_from=source, chapters=False)).cuesheet is None


def test_ape_tags_of_mp3_are_kept_and_read(tmp_path: Path, save) -> None:
    music = synthesize(30_000, 1)
    source = save("a.mp3", music, "MP3", "MPEG_LAYER_III")
    tags = APEv2()
    tags["Title"], tags["Year"], tags["REPLAYGAIN_TRACK_GAIN"] = "T", "1999", "-5.00 dB"
    tags.save(source)
    kept = APEv2(save("b.mp3", music, "MP3", "MPEG_LAYER_III", tags_from=source))
    assert {key: str(value) for key, value in kept.items()} == {
        "Title": "T",
        "Year": "1999",
        "REPLAYGAIN_TRACK_GAIN": "-5.00 dB",
    }
    flac = FLAC(save("c.flac", music, "FLAC", "PCM_16", tags_from=source))
    assert (flac["title"], flac["date"]) == (["T"], ["1999"])


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("v1", [0, 2])
def test_id3_keeps_its_version_and_the_order_of_chapters(tmp_path: Path, save, version: int, v1: int) -> None:
    music = synthesize(30_000, 1)
    source = save("a.mp3", music, "MP3", "MPEG_LAYER_III")
    tags = ID3()
    tags.add(TIT2(encoding=1, text="T"))
    tags.add(TDRC(encoding=1, text="1999"))
    for number, name in enumerate(("a much longer name", "B", "in between")):
        title = TIT2(encoding=1, text=name)
        tags.add(
            CHAP(
                element_id=f"ch{number}",
                start_time=number,
                end_time=9,
                start_offset=1,
                end_offset=1,
                sub_frames=[title],
            )
        )
    if version == 3:
        tags.update_to_v23()
    tags.save(source, v1=v1, v2_version=version)
    for name in ("b", "c"):
        target = save(f"{name}.mp3", music, "MP3", "MPEG_LAYER_III", tags_from=source)
        data = target.read_bytes()
        assert data[3] == version
        assert (data[-128:-125] == b"TAG") == (v1 == 2)
        assert ID3(target)["TIT2"] == "T"
        assert str(ID3(target)["TDRC"]) == "1999"
        source = target
    # mutagen sorts by size when it saves, so the first result has the order of the source's file.
    places = [data.index(f"ch{number}".encode()) for number in range(3)]
    first = (tmp_path / "a.mp3").read_bytes()
    assert (
        np.argsort(places).tolist()
        == np.argsort([first.index(f"ch{number}".encode()) for number in range(3)]).tolist()
    )


@pytest.mark.parametrize("route", ["file", "pipe"])
@pytest.mark.parametrize("version", [3, 4])
def test_ffmpeg_does_not_unpack_what_a_tag_declares(
    tmp_path: Path, make_music, route: str, version: int
) -> None:
    sound = encode(tmp_path / "a.mp3", make_music(30_000, 1), "libmp3lame", write_xing="0", id3v2_version="0")
    bomb = zlib.compress(b"\x03" + bytes(MOST_UNPACKED_BYTES), 9)
    size = (
        (MOST_UNPACKED_BYTES + 1).to_bytes(4, "big") if version == 3 else synchsafe(MOST_UNPACKED_BYTES + 1)
    )
    content = size + bomb
    length = len(content).to_bytes(4, "big") if version == 3 else synchsafe(len(content))
    body = b"TIT2" + length + (b"\x00\x80" if version == 3 else b"\x00\x09") + content
    tagged = tmp_path / "b.mp3"
    tag = b"ID3" + bytes([version, 0, 0]) + synchsafe(len(body)) + body
    tagged.write_bytes(tag + sound.read_bytes())
    with open_reader(tagged) as reader:
        assert "title" not in reader.info.tags
        whole = reader.read(reader.info.num_samples)
    if route == "pipe":
        whole = np.concatenate(list(PipeReader(io.BytesIO(tagged.read_bytes())).blocks(10_000)), axis=1)
    np.testing.assert_array_equal(whole, read_audio(sound).samples)
    assert packed_tag_bytes(tagged) == len(tag)
    assert packed_tag_bytes(sound) == 0


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def test_a_compressed_frame_cannot_fill_the_memory(tmp_path: Path, save) -> None:
    source = save("a.mp3", synthesize(30_000, 1), "MP3", "MPEG_LAYER_III")
    bomb = zlib.compress(b"\x03" + bytes(MOST_UNPACKED_BYTES + 1), 9)
    sound = zlib.compress(b"\x03small")

    def frame(name: bytes, data: bytes, size: int) -> bytes:
        return name + len(data + bytes(4)).to_bytes(4, "big") + b"\x00\x80" + size.to_bytes(4, "big") + data

    frames = frame(b"TIT2", sound, 6) + frame(b"TALB", bomb, len(bomb)) * 40 + frame(b"TPE1", sound, 6)
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    source.write_bytes(b"ID3\x03\x00\x00" + size + frames + source.read_bytes())
    tracemalloc.start()
    tags = read_tags(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tags is not None and tags.text["title"] == ["small"]
    assert "album" not in tags.text
    assert peak < 4 * MOST_UNPACKED_BYTES


def test_a_picture_too_large_for_flac_is_left_out_and_told(tmp_path: Path, save) -> None:
    music = synthesize(30_000, 1)
    source = save("a.mp3", music, "MP3", "MPEG_LAYER_III")
    tags = ID3()
    tags.add(TIT2(encoding=3, text="big"))
    tags.add(APIC(encoding=0, mime="image/png", type=3, desc="", data=bytes(18_000_000)))
    tags.save(source)
    target = tmp_path / "b.flac"
    writer = open_writer(
        target, sample_rate=44_100, channels=1, container="FLAC", subtype="PCM_16", tags_from=source
    )
    with writer:
        writer.write(music)
    assert writer.notes == ("a picture of 18 MB was left out: FLAC holds up to 16 MB",)
    assert FLAC(target)["title"] == ["big"]
