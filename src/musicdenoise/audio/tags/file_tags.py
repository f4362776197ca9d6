"""Tags and cover art: all of them between files of one kind, the common ones between kinds.

Between two files with the same tag format everything is copied as it is: every ID3 frame (chapters and
pictures among them), every Vorbis comment, every MP4 atom. From one format to another go the text tags that
both have names for, the most common of which the encoder stores itself, and the pictures.

References: ID3v2.4 (APIC), FLAC (METADATA_BLOCK_PICTURE, RFC 9639 section 8.8; in Ogg as a base64
comment), MP4 (covr).
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mutagen
from mutagen.aiff import AIFF
from mutagen.flac import FLAC, Picture
from mutagen.flac import error as FlacError
from mutagen.id3 import (
    APIC,
    ID3,
    PictureType,
)
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from musicdenoise.audio.tags.text import read_text_tags, set_text_tags
from musicdenoise.errors import AudioWriteError

__all__ = ["NOT_FORESEEN", "Tags", "read_tags", "write_id3_tags"]

_UTF_8 = 3
_OGG_PICTURE = "metadata_block_picture"
# What describes the encoding, not the music, and would be wrong in the new file.
_ENCODER_KEYS = {"TSSE", "TLEN", "TSIZ", "\xa9too", "encoder", "encoded_by", "----:com.apple.iTunes:iTunSMPB"}
NOT_FORESEEN = (ValueError, LookupError, TypeError, struct.error)
"""What mutagen raises for odd tags, beside its own errors."""

_MIME_OF_COVER = {MP4Cover.FORMAT_JPEG: "image/jpeg", MP4Cover.FORMAT_PNG: "image/png"}


class Tags:
    """Tags and pictures of an audio file, made by `read_tags`; the file is no longer needed.

    Attributes
    ----------
    text : dict
        Text tags by the names that formats share, each with its values; see
        `musicdenoise.audio.tags.text`.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.text = read_text_tags(file)

    def write(self, target: Path, *, chapters: bool = True) -> None:
        """Copy them into another file, which holds its audio already.

        A file that can have no tags stays as it is.

        Parameters
        ----------
        target
            The file to copy into; changed in place.
        chapters
            Whether chapters are copied; where the target holds a stretch only they would be at wrong times.

        Raises
        ------
        AudioWriteError
            If the target cannot be written.
        """
        try:
            new = mutagen.File(target)
        except mutagen.MutagenError:
            return
        if new is None:
            return
        if _family(self._file) == _family(new):
            _copy_all(self._file, new, chapters=chapters)
        else:
            set_text_tags(new, self.text)
        _set_pictures(new, _pictures(self._file))
        try:
            new.save()
        except (mutagen.MutagenError, OSError) as error:
            raise AudioWriteError(f"{target}: its tags cannot be written: {error}") from error


def read_tags(source: Path) -> Tags | None:
    """Tags and pictures of an audio file; None if it has none, damaged ones, or is of a kind without."""
    try:
        file = mutagen.File(source)
        return Tags(file) if file is not None and (file.tags or _pictures(file)) else None
    except (mutagen.MutagenError, *NOT_FORESEEN):
        return None


def write_id3_tags(path: Path, tags: Mapping[str, str]) -> None:
    """Write text tags into an MP3 file, by the names of `musicdenoise.audio.TAG_NAMES`.

    (libsndfile writes UTF-8 and calls it Latin-1.)

    Raises
    ------
    AudioWriteError
        If the file cannot be written.
    """
    try:
        file = MP3(path)
        set_text_tags(file, {name: [text] for name, text in tags.items() if text})
        file.save()
    except (mutagen.MutagenError, OSError) as error:
        raise AudioWriteError(f"{path}: its tags cannot be written: {error}") from error


def _family(file: Any) -> str:
    """Tag format: files of one family share their tag names."""
    if isinstance(file, MP3 | WAVE | AIFF):
        return "ID3"
    if isinstance(file, FLAC | OggVorbis | OggOpus):
        return "Vorbis"
    return type(file).__name__


def _copy_all(old: Any, new: Any, *, chapters: bool) -> None:
    if not old.tags:
        return
    if new.tags is None:
        new.add_tags()

    def is_kept(key: str) -> bool:
        is_chapter = key in ("CHAP", "CTOC") or key.lower().startswith("chapter")
        return key not in _ENCODER_KEYS and key.lower() != _OGG_PICTURE and (chapters or not is_chapter)

    if isinstance(new.tags, ID3):
        frames = [frame for frame in old.tags.values() if is_kept(frame.FrameID) and _is_writable(frame)]
        for frame in frames:  # comments have a language, so that another would stand beside the one written
            new.tags.delall(frame.FrameID)
        for frame in frames:
            new.tags.add(frame)
        return
    for key, value in dict(old.tags).items():
        if is_kept(key):
            new.tags[key] = value


def _is_writable(frame: Any) -> bool:
    """Whether mutagen can write what it has read, which it cannot with all that is out of range."""
    tag = ID3()
    tag.add(frame)
    try:
        tag.save(io.BytesIO())
    except (mutagen.MutagenError, *NOT_FORESEEN):
        return False
    return True


def _pictures(file: Any) -> list[Picture]:
    """Pictures of a file, whatever its tag format."""
    if isinstance(file, FLAC):
        return list(file.pictures)
    if not file.tags:
        return []
    if isinstance(file.tags, ID3):
        return [
            _picture(frame.data, frame.mime, frame.desc, frame.type) for frame in file.tags.getall("APIC")
        ]
    if isinstance(file, MP4):
        return [
            _picture(bytes(cover), _MIME_OF_COVER.get(cover.imageformat, "image/jpeg"))
            for cover in file.tags.get("covr", [])
        ]
    return [
        picture for text in file.tags.get(_OGG_PICTURE, []) if (picture := _decode_picture(text)) is not None
    ]


def _set_pictures(file: Any, pictures: list[Picture]) -> None:
    if not pictures:
        return
    if file.tags is None:
        file.add_tags()
    if isinstance(file, FLAC):
        file.clear_pictures()
        for picture in pictures:
            file.add_picture(picture)
    elif isinstance(file.tags, ID3):
        file.tags.delall("APIC")
        for picture in pictures:
            file.tags.add(
                APIC(
                    encoding=_UTF_8,
                    mime=picture.mime,
                    type=picture.type,
                    desc=picture.desc,
                    data=picture.data,
                )
            )
    elif isinstance(file, MP4):
        file.tags["covr"] = [
            MP4Cover(
                picture.data,
                MP4Cover.FORMAT_PNG if picture.mime == "image/png" else MP4Cover.FORMAT_JPEG,
            )
            for picture in pictures
        ]
    elif isinstance(file, OggVorbis | OggOpus):
        file.tags[_OGG_PICTURE] = [base64.b64encode(picture.write()).decode() for picture in pictures]


def _picture(data: bytes, mime: str, description: str = "", kind: int = PictureType.COVER_FRONT) -> Picture:
    picture = Picture()
    picture.data, picture.mime, picture.desc, picture.type = data, mime, description, kind
    return picture


def _decode_picture(text: str) -> Picture | None:
    try:
        return Picture(base64.b64decode(text))
    except (ValueError, FlacError):
        return None  # damaged: there is nothing to copy
