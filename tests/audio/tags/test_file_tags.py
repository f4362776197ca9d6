"""Tags and cover art of every format into every format."""

from pathlib import Path

import mutagen
import numpy as np
import pytest
from mutagen.flac import FLAC, Picture
from mutagen.id3 import CHAP, COMM, TIT2, TXXX, UFID
from mutagen.mp4 import MP4
from mutagen.oggvorbis import OggVorbis

from musicdenoise.audio import open_writer, probe
from musicdenoise.audio.tags.file_tags import read_tags
from musicdenoise.errors import AudioWriteError

# The smallest PNG there is: one pixel.
COVER = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
FORMATS = {
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "m4a": ("MP4", "AAC"),
    "wav": ("WAV", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
}

TEXT = {
    "title": ["Ärger"],
    "artist": ["Ö", "Õ"],
    "composer": ["Somebody", "Ç"],
    "albumartist": ["Ü"],
    "date": ["1999-05-03"],
    "genre": ["Jazz", "Latin"],
    "tracknumber": ["3/12"],
    "discnumber": ["2"],
    "compilation": ["1"],
    "bpm": ["120"],
    "isrc": ["XX0001"],
    "lyrics": ["la la"],
    "musicbrainz_albumid": ["0000-1111"],
}


def write(path: Path, **options) -> Path:
    container, subtype = FORMATS[path.suffix[1:]]
    rng = np.random.default_rng(0)
    with open_writer(
        path, sample_rate=48_000, channels=2, container=container, subtype=subtype, **options
    ) as writer:
        writer.write((0.1 * rng.standard_normal((2, 9_600))).astype(np.float32))
    return path


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    path = write(tmp_path / "source.flac", tags={"title": "Ärger", "artist": "Ö"})
    file = FLAC(path)
    file.update(TEXT)
    picture = Picture()
    picture.data, picture.mime, picture.type, picture.desc = COVER, "image/png", 3, "front"
    file.add_picture(picture)
    file.save()
    return path


def covers(path: Path) -> list[bytes]:
    from musicdenoise.audio.tags.pictures import read_pictures

    return [picture.data for picture in read_pictures(mutagen.File(path))]


@pytest.mark.parametrize("first", sorted(FORMATS))
@pytest.mark.parametrize("second", sorted(FORMATS))
def test_pictures_and_common_tags_go_everywhere(
    tagged: Path, tmp_path: Path, first: str, second: str
) -> None:
    one = write(tmp_path / f"one.{first}", tags=probe(tagged).tags, tags_from=tagged)
    two = write(tmp_path / f"two.{second}", tags=probe(one).tags, tags_from=one)
    assert covers(one) == covers(two) == [COVER]
    assert probe(two).tags["title"] == "Ärger"
    assert probe(two).tags["artist"] in ("Ö", "Õ")  # one of them
    tags = read_tags(two)
    assert tags is not None
    assert tags.text == TEXT


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "wav", "ogg"])
def test_what_a_format_cannot_hold_is_left_out_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path / "source.flac")
    file = FLAC(source)
    file.update(
        {
            "title": "T",
            "website": "https://лейбл.рф",
            "bpm": "-5",
            "discnumber": "99999/-4",
            "tracknumber": "A1",
            "date": "1/2",
            "originaldate": "12:30",
            "tracktotal": "9",
        }
    )
    file.save()
    tags = read_tags(write(tmp_path / f"target.{suffix}", tags=probe(source).tags, tags_from=source))
    assert tags is not None
    assert tags.text["title"] == ["T"]
    is_free = suffix == "ogg"
    assert ("date" in tags.text) == (suffix in ("m4a", "ogg"))
    assert ("originaldate" in tags.text) == (suffix in ("m4a", "ogg"))
    if suffix == "m4a":
        assert not {"bpm", "discnumber", "tracknumber"} & tags.text.keys()
    elif is_free:
        assert FLAC(source)["website"] == OggVorbis(tmp_path / "target.ogg")["website"]


def test_totals_have_names_of_their_own_in_vorbis_comments(tmp_path: Path) -> None:
    source = write(tmp_path / "source.ogg")
    file = OggVorbis(source)
    file.update({"DISCNUMBER": "3", "DISCTOTAL": "12", "TRACKNUMBER": "4", "TOTALTRACKS": "9"})
    file.save()
    middle = write(tmp_path / "middle.m4a", tags=probe(source).tags, tags_from=source)
    assert (MP4(middle)["disk"], MP4(middle)["trkn"]) == ([(3, 12)], [(4, 9)])
    last = FLAC(write(tmp_path / "last.flac", tags=probe(middle).tags, tags_from=middle))
    assert (last["discnumber"], last["disctotal"]) == (["3"], ["12"])
    assert (last["tracknumber"], last["tracktotal"]) == (["4"], ["9"])


@pytest.mark.parametrize("suffix", ["mp3", "flac", "m4a"])
def test_frames_that_cannot_be_read_or_written(tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path / "source.mp3", tags={"title": "T", "genre": "(17)"})
    file = mutagen.File(source)
    file.tags.add(UFID(owner="http://musicbrainz.org", data="é".encode()))
    file.save()
    raw = bytearray(source.read_bytes())
    peak = b"master\0\x01\0\0\x20\xff\xff\xff\xff"
    frame = b"RVA2" + bytes([0, 0, 0, len(peak), 0, 0]) + peak
    raw[10:10] = frame
    size = int.from_bytes(raw[6:10], "big") + len(frame)
    raw[6:10] = size.to_bytes(4, "big")
    source.write_bytes(raw)
    assert "RVA2:master" in mutagen.File(source).tags
    target = write(tmp_path / f"target.{suffix}", tags=probe(source).tags, tags_from=source)
    tags = read_tags(target)
    assert tags is not None
    assert tags.text == {"title": ["T"], "genre": ["Rock"]}
    assert ("UFID:http://musicbrainz.org" in mutagen.File(target).tags) == (suffix == "mp3")


def test_a_comment_stays_one(tmp_path: Path) -> None:
    one = write(tmp_path / "one.mp3", tags={"title": "T", "comment": "old"})
    file = mutagen.File(one)
    file.tags.delall("COMM")
    for description, text in (("", "hello"), ("mood", "calm")):
        file.tags.add(COMM(encoding=3, lang="eng", desc=description, text=[text]))
    file.save()
    two = write(tmp_path / "two.mp3", tags=probe(one).tags | {"comment": "hello"}, tags_from=one)
    comments = mutagen.File(two).tags.getall("COMM")
    assert sorted((c.lang, c.desc, c.text) for c in comments) == [
        ("eng", "", ["hello"]),
        ("eng", "mood", ["calm"]),
    ]
    assert probe(two).tags["title"] == "T"


def test_files_of_one_kind_keep_everything(tagged: Path, tmp_path: Path) -> None:
    copy = write(tmp_path / "copy.flac", tags_from=tagged)
    assert FLAC(copy)["composer"] == TEXT["composer"]
    assert FLAC(copy).pictures == FLAC(tagged).pictures
    song = write(tmp_path / "song.mp3")
    file = mutagen.File(song)
    file.add_tags()
    file.tags.add(TXXX(encoding=3, desc="mood", text=["calm"]))
    file.tags.add(
        CHAP(element_id="c1", start_time=0, end_time=100, sub_frames=[TIT2(encoding=3, text=["Intro"])])
    )
    file.save()
    copied = mutagen.File(write(tmp_path / "copy.mp3", tags_from=song)).tags
    assert copied.getall("TXXX:mood")[0].text == ["calm"]
    assert copied.getall("CHAP")[0].sub_frames["TIT2"].text == ["Intro"]
    stretch = write(tmp_path / "stretch.mp3", tags_from=song, chapters=False)
    assert not mutagen.File(stretch).tags.getall("CHAP")
    assert mutagen.File(stretch).tags.getall("TXXX")


def test_files_without_tags_and_no_audio_at_all(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.flac")
    text = tmp_path / "text.mp3"
    text.write_text("no music")
    for source in (plain, text):
        target = write(tmp_path / "target.flac", tags={"title": "kept"}, tags_from=source, overwrite=True)
        assert FLAC(target)["title"] == ["kept"]


def test_a_target_that_cannot_be_written(
    tagged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise mutagen.MutagenError("No space left on device")

    monkeypatch.setattr(FLAC, "save", fail)
    with pytest.raises(AudioWriteError, match="No space left"):
        write(tmp_path / "x.flac", tags_from=tagged)
    assert {path.name for path in tmp_path.iterdir()} == {"source.flac"}
    tags = read_tags(tagged)
    assert tags is not None
    with pytest.raises(AudioWriteError, match="tags cannot be written"):
        tags.write(tagged)
