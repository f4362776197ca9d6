"""Tags that a result does not have are named in one sentence."""

from pathlib import Path

import pytest
from audio_signals import synthesize
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, CueSheet
from mutagen.id3 import APIC, CHAP, COMM, ID3, POPM, TCOM, TIT2, TSSE, TXXX
from mutagen.mp4 import MP4

from musicdenoise.audio import open_writer
from musicdenoise.audio.containers.riff import WAV, form_of
from musicdenoise.audio.tags.left_out import left_out


def notes(source: Path, container: str, subtype: str, *, chapters: bool = True) -> tuple[str, ...]:
    suffixes = {"FLAC": ".flac", "MP3": ".mp3", "MP4": ".m4a", "OGG": ".ogg", "WAV": ".wav"}
    target = source.with_name(f"result{suffixes[container]}")
    with open_writer(
        target,
        sample_rate=44_100,
        channels=1,
        container=container,
        subtype=subtype,
        tags_from=source,
        chapters=chapters,
        overwrite=True,
    ) as writer:
        writer.write(synthesize(20_000, 1))
    return writer.notes


@pytest.fixture
def mp3(save) -> Path:
    path = save("song.mp3", synthesize(20_000, 1), "MP3", "MPEG_LAYER_III")
    tags = ID3()
    tags.add(TIT2(encoding=3, text="Title"))
    tags.add(TCOM(encoding=3, text="Composer"))
    tags.add(TSSE(encoding=3, text="an encoder"))
    tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=b"\x89PNG\r\n\x1a\n"))
    tags.add(POPM(email="a@b", rating=3))
    tags.add(TXXX(encoding=3, desc="BARCODE", text="1"))
    tags.add(TXXX(encoding=3, desc="Mine", text="x"))
    tags.add(COMM(encoding=3, lang="eng", desc="diary", text="x"))
    tags.add(CHAP(element_id="a", start_time=0, end_time=100))
    tags.save(path)
    return path


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("MP4", "AAC"), ("OGG", "VORBIS")])
def test_what_another_tag_format_does_not_get_is_named(mp3: Path, container: str, subtype: str) -> None:
    (note,) = notes(mp3, container, subtype)
    assert note == (
        f"these tags could not be carried over to {container}, and were left out: POPM, chapters, "
        "comment (diary) and mine"
    )


@pytest.mark.parametrize(("container", "subtype"), [("MP3", "MPEG_LAYER_III"), ("WAV", "PCM_16")])
def test_nothing_is_said_if_nothing_is_lost(mp3: Path, container: str, subtype: str) -> None:
    assert notes(mp3, container, subtype) == ()


def test_chapters_of_a_stretch_are_not_missed(mp3: Path) -> None:
    (note,) = notes(mp3, "FLAC", "PCM_16", chapters=False)
    assert "chapters" not in note and "POPM" in note


def test_ape_tags_and_cue_sheets_and_atoms(save, tmp_path: Path) -> None:
    music = synthesize(20_000, 1)
    ape = save("a.mp3", music, "MP3", "MPEG_LAYER_III")
    tags = APEv2()
    tags["Title"], tags["Year"], tags["Mp3gain_minmax"] = "T", "2001", "1,2"
    tags.save(ape)
    assert notes(ape, "FLAC", "PCM_16")[0].endswith("left out: mp3gain_minmax")
    flac = save("b.flac", music, "FLAC", "PCM_16")
    file = FLAC(flac)
    file["chapter001"] = "00:00:00"
    file.metadata_blocks.append(CueSheet(None))
    file.save()
    assert notes(flac, "MP4", "AAC")[0].endswith("left out: chapters and cue sheet")
    m4a = save("c.m4a", music, "MP4", "AAC")
    atoms = MP4(m4a)
    atoms["\xa9xyz"], atoms["\xa9nam"] = ["+48+002/"], ["T"]
    atoms.save()
    assert notes(m4a, "FLAC", "PCM_16")[0].endswith("left out: location")


def test_chunks_of_wav(save) -> None:
    path = save("a.wav", synthesize(20_000, 1), "WAV", "PCM_16")
    chunks = (
        b"bext" + (602).to_bytes(4, "little") + bytes(602) + b"cue " + (4).to_bytes(4, "little") + bytes(4)
    )
    info = b"INFO" + b"".join(
        name + (4).to_bytes(4, "little") + b"abc\0" for name in (b"INAM", b"IENG", b"ISFT")
    )
    data = path.read_bytes() + chunks + b"LIST" + len(info).to_bytes(4, "little") + info
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    with path.open("rb") as file:
        assert form_of(file) == WAV
    assert notes(path, "WAV", "PCM_24") == ()
    named = notes(path, "MP3", "MPEG_LAYER_III")[0]
    assert named.endswith("left out: IENG, broadcast data (bext), markers and loops and title")


def test_long_lists_are_short() -> None:
    said = left_out(
        [f"tag{number:02}" for number in range(20)], ["tag00"], "FLAC", ["the tag tag01 of 20 MB"]
    )
    assert said is not None
    assert said.endswith("tag02, tag03, tag04, tag05, tag06, tag07, tag08, tag09 and 10 more")
    assert left_out(["title"], ["title"], "FLAC", []) is None
