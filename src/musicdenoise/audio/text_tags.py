"""Text tags by names that all tag formats share: composer, album artist, disc number and so on.

The names are those of Vorbis comments in lower case, as mutagen's "easy" interface gives them to ID3 frames
and MP4 atoms. Those of `musicdenoise.audio.TAG_NAMES` are not among them: encoders write these themselves.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mutagen.easyid3 import EasyID3
from mutagen.easymp4 import EasyMP4, EasyMP4Tags
from mutagen.id3 import ID3
from mutagen.mp4 import MP4

from musicdenoise.audio.formats import TAG_NAMES

__all__ = ["read_text_tags", "write_text_tags"]

_ABOUT_THE_FILE = {"length", "encodedby"}
_MORE_MP4_NAMES = ("arranger", "barcode", "catalognumber", "conductor", "isrc", "lyricist", "mood")

# mutagen has no easy names for these.
EasyMP4Tags.RegisterTextKey("composer", "\xa9wrt")
for _name in _MORE_MP4_NAMES:
    EasyMP4Tags.RegisterFreeformKey(_name, _name.upper())


def read_text_tags(file: Any) -> dict[str, list[str]]:
    """Text tags of a file that mutagen has opened."""
    if not file.tags:
        return {}
    found: Any
    if isinstance(file.tags, ID3):
        found = EasyID3(_id3_bytes(file.tags.values()))
    elif isinstance(file, MP4):
        found = EasyMP4(file.filename)
    else:
        found = {name.lower(): values for name, values in dict(file.tags).items()}
    names = set(found) & set(EasyID3.Set) - _ABOUT_THE_FILE - set(TAG_NAMES)
    return {name: list(found[name]) for name in sorted(names)}


def write_text_tags(target: Path, file: Any, tags: Mapping[str, list[str]]) -> None:
    """Write text tags into a file that mutagen has opened; what its format has no name for is left out.

    Raises
    ------
    mutagen.MutagenError, OSError
        If the file cannot be written.
    """
    if not tags:
        return
    if isinstance(file, MP4):
        file = EasyMP4(target)
        _set_all(file, tags)
        file.save()
        return
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        easy = EasyID3()
        _set_all(easy, tags)
        data = io.BytesIO()
        easy.save(data)
        data.seek(0)
        for frame in ID3(data).values():
            file.tags.add(frame)
    else:
        _set_all(file.tags, tags)
    file.save()


def _set_all(file: Any, tags: Mapping[str, list[str]]) -> None:
    for name, values in tags.items():
        with contextlib.suppress(KeyError, ValueError):  # no such name, or not a number where one is needed
            file[name] = values


def _id3_bytes(frames: Any) -> io.BytesIO:
    """A tag of its own, wherever the frames are from: those of WAV and AIFF are inside of a chunk."""
    tag, data = ID3(), io.BytesIO()
    for frame in frames:
        tag.add(frame)
    tag.save(data)
    data.seek(0)
    return data
