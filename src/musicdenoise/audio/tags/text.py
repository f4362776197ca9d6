"""Text tags by names that all tag formats share: title, composer, disc number and so on.

The names are those of Vorbis comments, in lower case. ID3 frames and MP4 atoms for them are those of
MusicBrainz Picard (https://picard-docs.musicbrainz.org/en/appendices/tag_mapping.html). What a format cannot
hold is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mutagen.apev2 import APETextValue
from mutagen.id3 import COMM, ID3, TXXX, USLT, Frames
from mutagen.mp4 import MP4

TextTags = Mapping[str, list[str]]

_UTF_8 = 3
# name: ID3 frame (or description of a TXXX frame), MP4 atom (or name of a freeform atom).
_NAMES = {
    "title": ("TIT2", "\xa9nam"),
    "artist": ("TPE1", "\xa9ART"),
    "album": ("TALB", "\xa9alb"),
    "albumartist": ("TPE2", "aART"),
    "date": ("TDRC", "\xa9day"),
    "originaldate": ("TDOR", "ORIGINALDATE"),
    "genre": ("TCON", "\xa9gen"),
    "comment": ("COMM", "\xa9cmt"),
    "lyrics": ("USLT", "\xa9lyr"),
    "tracknumber": ("TRCK", "trkn"),
    "discnumber": ("TPOS", "disk"),
    "compilation": ("TCMP", "cpil"),
    "bpm": ("TBPM", "tmpo"),
    "composer": ("TCOM", "\xa9wrt"),
    "conductor": ("TPE3", "CONDUCTOR"),
    "lyricist": ("TEXT", "LYRICIST"),
    "remixer": ("TPE4", "REMIXER"),
    "label": ("TPUB", "LABEL"),
    "copyright": ("TCOP", "cprt"),
    "grouping": ("TIT1", "\xa9grp"),
    "subtitle": ("TIT3", "SUBTITLE"),
    "discsubtitle": ("TSST", "DISCSUBTITLE"),
    "mood": ("TMOO", "MOOD"),
    "language": ("TLAN", "LANGUAGE"),
    "media": ("TMED", "MEDIA"),
    "license": ("LICENSE", "LICENSE"),
    "isrc": ("TSRC", "ISRC"),
    "barcode": ("BARCODE", "BARCODE"),
    "catalognumber": ("CATALOGNUMBER", "CATALOGNUMBER"),
    "titlesort": ("TSOT", "sonm"),
    "artistsort": ("TSOP", "soar"),
    "albumsort": ("TSOA", "soal"),
    "albumartistsort": ("TSO2", "soaa"),
    "composersort": ("TSOC", "soco"),
    "musicbrainz_albumid": ("MusicBrainz Album Id", "MusicBrainz Album Id"),
    "musicbrainz_artistid": ("MusicBrainz Artist Id", "MusicBrainz Artist Id"),
    "musicbrainz_albumartistid": ("MusicBrainz Album Artist Id", "MusicBrainz Album Artist Id"),
    "musicbrainz_releasegroupid": ("MusicBrainz Release Group Id", "MusicBrainz Release Group Id"),
}
_TOTALS = {"tracknumber": ("tracktotal", "totaltracks"), "discnumber": ("disctotal", "totaldiscs")}
_DATES = frozenset({"date", "originaldate"})
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
_PAIR = re.compile(r"(\d{1,4})(?:/(\d{1,4}))?")
# https://wiki.hydrogenaud.io/index.php?title=APE_key
_APE_NAMES = {
    "year": "date",
    "track": "tracknumber",
    "disc": "discnumber",
    "album artist": "albumartist",
    "publisher": "label",
    "debut album": "originaldate",
}
_ATOM_BYTES = 4
_WORDS = frozenset({"MOOD", "ISRC"})  # names as long as those of atoms
FREEFORM = "----:com.apple.iTunes:"
"""How the names of MP4 atoms begin that are words."""
_HIGHEST_TEMPO = 65_535


def shared_names() -> dict[str, str]:
    """The names that all formats share, by ID3 frame or its description, and by MP4 atom or its word."""
    return {own: name for name, (frame, atom) in _NAMES.items() for own in (frame, atom)}


def ape_name(key: str) -> str:
    """The name that all formats share for an item of an APEv2 tag; its own in lower case if there is none."""
    return _APE_NAMES.get(key.lower(), key.lower())


def read_ape_tags(tags: Mapping[str, Any]) -> dict[str, list[str]]:
    """Text tags of an APEv2 tag. Most of its names are those of Vorbis comments."""
    named = {ape_name(key): value for key, value in tags.items()}
    texts = {name: named[name] for name in _NAMES if isinstance(named.get(name), APETextValue)}
    return {name: values for name, value in texts.items() if (values := [text for text in value if text])}


def read_text_tags(file: Any) -> dict[str, list[str]]:
    """Text tags of a file that mutagen has opened."""
    if not file.tags:
        return {}
    if isinstance(file.tags, ID3):
        found = {name: _of_id3(file.tags, frame) for name, (frame, _) in _NAMES.items()}
    elif isinstance(file, MP4):
        found = {name: _of_mp4(file.tags.get(_mp4_key(atom), [])) for name, (_, atom) in _NAMES.items()}
    else:
        found = _of_vorbis({name.lower(): values for name, values in dict(file.tags).items()})
    return {name: values for name, texts in found.items() if (values := [text for text in texts if text])}


def set_text_tags(file: Any, tags: TextTags) -> None:
    """Set text tags of a file that mutagen has opened, and that can have tags; it is not saved."""
    if file.tags is None:
        file.add_tags()
    for name, texts in tags.items():
        if name not in _NAMES:
            continue
        frame, atom = _NAMES[name]
        values = [text.encode("utf-8", "replace").decode() for text in texts]
        if isinstance(file.tags, ID3):
            _set_id3(file.tags, name, frame, values)
        elif isinstance(file, MP4):
            _set_mp4(file.tags, name, _mp4_key(atom), values)
        else:
            _set_vorbis(file.tags, name, values)


def _of_id3(tags: Any, frame: str) -> list[str]:
    if frame == "USLT":
        return [str(lyrics.text) for lyrics in tags.getall(frame)]
    if frame == "TCON":  # numbers of the old list of genres among them
        return [str(text) for genre in tags.getall(frame) for text in genre.genres]
    found = tags.getall(frame if frame in Frames else f"TXXX:{frame}")
    return [str(text) for one in found if frame != "COMM" or not one.desc for text in one.text]


def _set_id3(tags: Any, name: str, frame: str, values: list[str]) -> None:
    if name in _DATES:
        values = [value for value in values if _DATE.match(value)]
    if not values:
        return
    if frame == "COMM":
        tags.setall(frame, [COMM(encoding=_UTF_8, lang="eng", desc="", text=values)])
    elif frame == "USLT":
        tags.setall(frame, [USLT(encoding=_UTF_8, lang="eng", desc="", text="\n\n".join(values))])
    elif frame in Frames:
        tags.setall(frame, [Frames[frame](encoding=_UTF_8, text=values)])
    else:
        tags.add(TXXX(encoding=_UTF_8, desc=frame, text=values))


def _mp4_key(atom: str) -> str:
    return atom if len(atom) == _ATOM_BYTES and atom not in _WORDS else f"{FREEFORM}{atom}"


def _of_mp4(values: Any) -> list[str]:
    if isinstance(values, bool):  # a compilation
        return ["1"] if values else []
    return [_mp4_text(value) for value in values]


def _mp4_text(value: Any) -> str:
    if isinstance(value, tuple):  # a number, and of how many
        number, total = value
        return f"{number}/{total}" if total else str(number or "")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _set_mp4(tags: Any, name: str, key: str, values: list[str]) -> None:
    if name in _TOTALS:
        if pair := _PAIR.fullmatch(values[0].strip()):
            tags[key] = [(int(pair[1]), int(pair[2] or 0))]
    elif name == "compilation":
        tags[key] = values[0].strip().lower() in ("1", "true", "yes")
    elif name == "bpm":
        if re.fullmatch(r"\d+(\.\d*)?", values[0].strip()) and float(values[0]) <= _HIGHEST_TEMPO:
            tags[key] = [round(float(values[0]))]
    else:
        tags[key] = [value.encode() for value in values] if key.startswith(FREEFORM) else values


def _of_vorbis(tags: TextTags) -> dict[str, list[str]]:
    found = {name: list(tags.get(name, [])) for name in _NAMES}
    for name, totals in _TOTALS.items():
        total = next((tags[key][0] for key in totals if tags.get(key)), "")
        if total and found[name] and "/" not in found[name][0]:
            found[name] = [f"{found[name][0]}/{total}"]
    return found


def _set_vorbis(tags: Any, name: str, values: Iterable[str]) -> None:
    values = list(values)
    if name in _TOTALS and "/" in values[0]:
        number, total = values[0].split("/", 1)
        tags[_TOTALS[name][0]] = [total]
        values = [number]
    tags[name] = values
