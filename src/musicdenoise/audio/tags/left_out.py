"""Which tags of a song are missing in its result, by names for people.

The result itself is asked, so that whatever could not be written is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mutagen.apev2 import APEv2
from mutagen.flac import FLAC
from mutagen.id3 import ID3
from mutagen.mp4 import MP4

from musicdenoise.audio.containers.riff_extras import INFO_NAMES, Chunks, read_chunks
from musicdenoise.audio.tags.open_file import open_tagged, read_ape
from musicdenoise.audio.tags.pictures import OGG_PICTURE
from musicdenoise.audio.tags.text import FREEFORM, ape_name, shared_names

_CHAPTERS, _CUE_SHEET, _MARKERS = "chapters", "cue sheet", "markers and loops"
TIMED = frozenset({_CHAPTERS, _CUE_SHEET, _MARKERS})
"""Names of what belongs to places in a whole song."""
_PICTURE = "picture"
_MOST_NAMED = 8  # chosen: one line of a terminal or two

# What describes the file or its encoder, not the song: no loss.
_ABOUT_FILE = {
    *("TSSE", "TLEN", "TSIZ", "TENC", "TFLT", "encoder", "encoded_by", "encoding", "ISFT"),
    *("\xa9too", "\xa9enc", "pgap", "cpil", "----:com.apple.iTunes:iTunSMPB"),
    *("vendor", "major_brand", "minor_version", "compatible_brands"),
}
_CHAPTER = re.compile(r"chapter\d+")
_COVER = re.compile(r"cover art", re.IGNORECASE)
_TOTALS = {"tracktotal": "tracknumber", "totaltracks": "tracknumber"}
_TOTALS |= {"disctotal": "discnumber", "totaldiscs": "discnumber"}
_ATOMS = {"\xa9xyz": "location", "\xa9day": "date"}
_CHUNKS = {
    b"bext": "broadcast data (bext)",
    b"iXML": "production data (iXML)",
    b"axml": "audio definition (axml)",
    b"cart": "cart data",
    b"acid": "loop data (acid)",
    b"_PMX": "XMP data",
    b"INST": _MARKERS,
    b"cue ": _MARKERS,
    b"adtl": _MARKERS,
    b"smpl": _MARKERS,
    b"inst": _MARKERS,
    b"plst": _MARKERS,
    b"MARK": _MARKERS,
    b"NAME": "title",
    b"AUTH": "artist",
    b"(c) ": "copyright",
    b"ANNO": "comment",
    b"COMT": "comment",
}


def names_in(path: Path) -> set[str]:
    """Names of all tags in a file."""
    file, chunks = open_tagged(path), read_chunks(path)
    names = set() if file is None else names_of_tags(file, read_ape(path, file))
    return names if chunks is None else names | names_of_chunks(chunks)


def names_of_tags(file: Any, ape: APEv2 | None = None) -> set[str]:
    """Names of the tags of a file that mutagen has opened, and of those in its APEv2 tag."""
    apes = set() if ape is None else {_PICTURE if _COVER.match(key) else ape_name(key) for key in ape}
    return {name for name in _of_file(file) | apes if name and name not in _ABOUT_FILE}


def names_of_chunks(chunks: Chunks) -> set[str]:
    """Names of what a WAV or AIFF file holds beside samples."""
    known = _CHUNKS | INFO_NAMES
    names = {known.get(kind, kind.decode("latin-1").strip()) for kind in chunks.kinds()}
    return names - _ABOUT_FILE


def left_out(before: Iterable[str], after: Iterable[str], container: str, told: Iterable[str]) -> str | None:
    """One sentence about tags that are missing; None if there are none.

    Parameters
    ----------
    before, after
        Names of the tags of the song and of the result.
    container
        Of the result.
    told
        Sentences that name some of them already.
    """
    lost = sorted(set(before) - set(after))
    lost = [name for name in lost if not any(name.lower() in sentence.lower() for sentence in told)]
    if not lost:
        return None
    more = [f"{len(lost) - _MOST_NAMED} more"] if len(lost) > _MOST_NAMED else []
    named = [*lost[:_MOST_NAMED], *more]
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"these tags could not be carried over to {container}, and were left out: {listed}"


def _of_file(file: Any) -> set[str]:
    names: set[str] = set()
    if isinstance(file, FLAC):
        names |= {_PICTURE} if file.pictures else set()
        names |= {_CUE_SHEET} if file.cuesheet is not None else set()
    if isinstance(file, MP4) and getattr(file, "chapters", None):
        names.add(_CHAPTERS)
    if not file.tags:
        return names
    if isinstance(file.tags, ID3):
        return names | {_of_frame(frame) for frame in file.tags.values()}
    if isinstance(file, MP4):
        return names | {_of_atom(key) for key in file.tags if key not in _ABOUT_FILE}
    return names | {_of_comment(key) for key in dict(file.tags)}


def _of_frame(frame: Any) -> str:
    kind, shared = str(frame.FrameID), shared_names()
    if kind in ("CHAP", "CTOC"):
        return _CHAPTERS
    if kind == "APIC":
        return _PICTURE
    description = str(getattr(frame, "desc", ""))
    if kind == "TXXX":
        return shared.get(description, description.lower())
    if kind == "COMM" and description and description != "ID3v1 Comment":
        return f"comment ({description})"
    return shared.get(kind, kind)


def _of_atom(key: str) -> str:
    if key == "covr":
        return _PICTURE
    name = key.removeprefix(FREEFORM)
    return shared_names().get(name) or _ATOMS.get(key) or name.rpartition(":")[2].lower()


def _of_comment(key: str) -> str:
    name = key.lower()
    if name == OGG_PICTURE:
        return _PICTURE
    return _CHAPTERS if _CHAPTER.match(name) else _TOTALS.get(name, name)
