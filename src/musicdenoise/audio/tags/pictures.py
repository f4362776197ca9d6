"""Cover art, from one format to the next.

References: ID3v2.4 (APIC), FLAC (METADATA_BLOCK_PICTURE, RFC 9639 section 8.8; in Ogg as a base64
comment), MP4 (covr).
"""

from __future__ import annotations

import base64
from typing import Any

from mutagen.flac import FLAC, Picture
from mutagen.flac import error as FlacError
from mutagen.id3 import APIC, ID3, PictureType
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

OGG_PICTURE = "metadata_block_picture"
"""Name of the Vorbis comment that holds a picture."""

_UTF_8 = 3
_FLAC_BLOCK_BYTES = (1 << 24) - 1  # RFC 9639 section 8: a length has 24 bits
_MIME_OF_COVER = {MP4Cover.FORMAT_JPEG: "image/jpeg", MP4Cover.FORMAT_PNG: "image/png"}


def read_pictures(file: Any) -> list[Picture]:
    """Pictures of a file that mutagen has opened, in any tag format."""
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
        picture for text in file.tags.get(OGG_PICTURE, []) if (picture := _decode_picture(text)) is not None
    ]


def set_pictures(file: Any, pictures: list[Picture]) -> tuple[str, ...]:
    """Set the pictures of a file that mutagen has opened; say which it cannot hold, a sentence each."""
    if not pictures:
        return ()
    if file.tags is None:
        file.add_tags()
    notes = []
    if isinstance(file, FLAC):
        fitting = [picture for picture in pictures if len(picture.write()) <= _FLAC_BLOCK_BYTES]
        if len(fitting) < len(pictures):
            size = max(len(picture.data) for picture in pictures) / 1e6
            notes.append(f"a picture of {size:.0f} MB was left out: FLAC holds up to 16 MB")
        file.clear_pictures()
        for picture in fitting:
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
        file.tags[OGG_PICTURE] = [base64.b64encode(picture.write()).decode() for picture in pictures]
    return tuple(notes)


def _picture(data: bytes, mime: str, description: str = "", kind: int = PictureType.COVER_FRONT) -> Picture:
    picture = Picture()
    picture.data, picture.mime, picture.desc, picture.type = data, mime, description, kind
    return picture


def _decode_picture(text: str) -> Picture | None:
    try:
        return Picture(base64.b64decode(text))
    except (ValueError, FlacError):
        return None  # damaged: there is nothing to copy
