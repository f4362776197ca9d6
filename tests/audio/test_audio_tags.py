"""Tags and cover art of every format into every format."""

from pathlib import Path

import mutagen
import numpy as np
import pytest
from mutagen.flac import FLAC, Picture
from mutagen.id3 import CHAP, COMM, TIT2, TXXX

from musicdenoise.audio import open_writer, probe, read_audio
from musicdenoise.audio.tags import read_tags
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
    file["composer"] = ["Somebody", "Ç"]
    file["albumartist"], file["discnumber"], file["isrc"] = "Ü", "2", "XX0001"
    file["discsubtitle"] = "live"  # MP4 has no name for it
    picture = Picture()
    picture.data, picture.mime, picture.type, picture.desc = COVER, "image/png", 3, "front"
    file.add_picture(picture)
    file.save()
    return path


def covers(path: Path) -> list[bytes]:
    from musicdenoise.audio.tags import _pictures

    return [picture.data for picture in _pictures(mutagen.File(path))]


@pytest.mark.parametrize("first", sorted(FORMATS))
@pytest.mark.parametrize("second", sorted(FORMATS))
def test_pictures_and_common_tags_go_everywhere(
    tagged: Path, tmp_path: Path, first: str, second: str
) -> None:
    one = write(tmp_path / f"one.{first}", tags=probe(tagged).tags, tags_from=tagged)
    two = write(tmp_path / f"two.{second}", tags=probe(one).tags, tags_from=one)
    assert covers(one) == covers(two) == [COVER]
    assert probe(two).tags["title"] == "Ärger"
    assert probe(two).tags["artist"] == "Ö"
    tags = read_tags(two)
    assert tags is not None
    assert {name: values for name, values in tags.text.items() if name != "discsubtitle"} == {
        "albumartist": ["Ü"],
        "composer": ["Somebody", "Ç"],
        "discnumber": ["2"],
        "isrc": ["XX0001"],
    }
    assert ("discsubtitle" in tags.text) == ("m4a" not in (first, second))
    assert read_audio(two).samples.shape == (2, 9_600)


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
    assert FLAC(copy)["composer"] == ["Somebody", "Ç"]
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
