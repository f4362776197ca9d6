"""Tags and cover art: all of them between files with the same tag format, the common ones otherwise.

Between two files with the same tag format everything is copied as it is: every ID3 frame (chapters and
pictures among them) in its version and order, every Vorbis comment in its order and case, every MP4 atom,
the cue sheet of FLAC, the APEv2 and ID3v1 tags of MP3. Between formats, the pictures are copied, and the
text tags that both have names for. The encoder stores the most common of these itself.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mutagen
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC
from mutagen.id3 import ID3
from mutagen.id3._tags import save_frame
from mutagen.mp3 import MP3
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from musicdenoise.audio.containers import mpeg
from musicdenoise.audio.tags.left_out import names_of_tags
from musicdenoise.audio.tags.open_file import NOT_FORESEEN, open_tagged, read_ape
from musicdenoise.audio.tags.pictures import OGG_PICTURE, read_pictures, set_pictures
from musicdenoise.audio.tags.text import read_ape_tags, read_text_tags, set_text_tags
from musicdenoise.errors import AudioWriteError

# What describes the encoding, not the music, and would be wrong in the new file.
_ENCODER_KEYS = {"TSSE", "TLEN", "TSIZ", "\xa9too", "encoder", "encoded_by", "----:com.apple.iTunes:iTunSMPB"}
_ID3V1_COMMENT = "ID3v1 Comment"  # as mutagen describes it
_KEEP_ID3V1, _NO_ID3V1 = 2, 0  # arguments of mutagen: make one, or remove it
_LONGEST_COMMENTS = (1 << 24) - 1  # of a FLAC file in all (RFC 9639 section 8)


class Tags:
    """Tags and pictures of an audio file, made by `read_tags`; the file is no longer needed.

    Attributes
    ----------
    text : dict
        Text tags by the names that formats share, each with its values; see
        `musicdenoise.audio.tags.text`.
    names : set of str
        Names of all of them; see `musicdenoise.audio.tags.left_out`.
    """

    def __init__(self, file: Any, ape: APEv2 | None = None, *, has_id3v1: bool = False) -> None:
        self._file, self._ape, self._has_id3v1 = file, ape, has_id3v1
        self.text = {**read_ape_tags({} if ape is None else dict(ape)), **read_text_tags(file)}
        self.names = names_of_tags(file, ape)

    def write(self, target: Path, *, chapters: bool = True) -> tuple[str, ...]:
        """Copy them into another file, which holds its audio already.

        A file that can have no tags stays as it is.

        Parameters
        ----------
        target
            The file to copy into; changed in place.
        chapters
            Whether chapters are copied. In a preview they would be at wrong times.

        Returns
        -------
        tuple of str
            What the target's format cannot hold, a sentence each.

        Raises
        ------
        AudioWriteError
            If the target cannot be written.
        """
        new = open_tagged(target)
        if new is None:
            return ()
        if _family(self._file) == _family(new):
            _copy_all(self._file, new, chapters=chapters)
        else:
            set_text_tags(new, self.text)
        notes = (*set_pictures(new, read_pictures(self._file)), *_shorten(new))
        try:
            self._save(new, target)
            if self._ape is not None and isinstance(new, MP3):
                self._ape.save(target)
        except (mutagen.MutagenError, OSError) as error:
            raise AudioWriteError(f"{target}: its tags cannot be written: {error}") from error
        return notes

    def _save(self, new: Any, target: Path) -> None:
        if not isinstance(new.tags, ID3):
            new.save()
            return
        old = self._file.tags
        is_old_version = isinstance(old, ID3) and old.version[:2] != (2, 4)
        version = 3 if is_old_version else 4
        if is_old_version:
            new.tags.update_to_v23()
        if not isinstance(new, MP3):
            new.save(v2_version=version)
            return
        ordered: Any = _OrderedId3()
        for frame in new.tags.values():
            ordered.add(frame)
        ordered.unknown_frames, ordered._unknown_v2_version = _unknown_frames(old, version)
        if ordered or ordered.unknown_frames:
            ordered.save(target, v1=_KEEP_ID3V1 if self._has_id3v1 else _NO_ID3V1, v2_version=version)


class _OrderedId3(ID3):
    """ID3 frames in the order in which they were added; mutagen sorts chapters by their size."""

    def _write(self, config: Any) -> bytes:
        frames = [save_frame(frame, config=config) for frame in self.values()]
        return b"".join([*frames, *self.unknown_frames])


def read_tags(source: Path) -> Tags | None:
    """Tags and pictures of an audio file; None if it has none, or damaged ones, or cannot have any."""
    file = open_tagged(source)
    if file is None:
        return None
    ape = read_ape(source, file)
    try:
        pictures = read_pictures(file)
        cue_sheet = isinstance(file, FLAC) and file.cuesheet is not None
        if not (file.tags or pictures or ape or cue_sheet):
            return None
        return Tags(file, ape, has_id3v1=isinstance(file, MP3) and _has_id3v1(source))
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
    if chapters and isinstance(old, FLAC) and isinstance(new, FLAC) and old.cuesheet is not None:
        new.metadata_blocks.append(old.cuesheet)
    if not old.tags:
        return
    if new.tags is None:
        new.add_tags()

    def is_kept(key: str) -> bool:
        is_chapter = key in ("CHAP", "CTOC") or key.lower().startswith("chapter")
        is_encoder = key in _ENCODER_KEYS or key.lower() in _ENCODER_KEYS
        return not is_encoder and key.lower() != OGG_PICTURE and (chapters or not is_chapter)

    if isinstance(new.tags, ID3):
        _copy_frames(old, new, is_kept)
    elif _family(new) == "Vorbis":
        # Vorbis comments are a list: chapters come before their names, and nobody lower-cased them.
        own = [(key, value) for key, value in new.tags if key.lower() in _ENCODER_KEYS]
        new.tags[:] = [(key, value) for key, value in old.tags if is_kept(key)]
        new.tags.extend(own)
    else:
        for key, value in dict(old.tags).items():
            if is_kept(key):
                new.tags[key] = value


def _copy_frames(old: Any, new: Any, is_kept: Any) -> None:
    frames = [frame for frame in old.tags.values() if is_kept(frame.FrameID) and _is_writable(frame)]
    # Those that the encoder's tags made stand elsewhere, and comments have a language, so that another would
    # stand beside the one written.
    for frame in frames:
        new.tags.delall(frame.FrameID)
    for frame in frames:
        if frame.FrameID == "COMM" and frame.desc == _ID3V1_COMMENT:
            frame.desc = ""
        new.tags.add(frame)


def _is_writable(frame: Any) -> bool:
    """Whether mutagen can write what it has read. It cannot if a value is out of range."""
    tag = ID3()
    tag.add(frame)
    try:
        tag.save(io.BytesIO())
    except (mutagen.MutagenError, *NOT_FORESEEN):
        return False
    return True


def _unknown_frames(old: Any, version: int) -> tuple[list[bytes], tuple[int, int, int]]:
    """Frames that mutagen does not know, if they have the version that is written."""
    if not isinstance(old, ID3) or old.version[:2] != (2, version):
        return [], (2, version, 0)
    return [bytes(data) for data in old.unknown_frames], (2, version, 0)


def _has_id3v1(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - mpeg.ID3V1_BYTES))
        return file.read(3) == b"TAG"


def _shorten(new: Any) -> tuple[str, ...]:
    """Remove the longest comments of a FLAC file until all have room; say which."""
    notes = []
    tags: Any = new.tags if isinstance(new, FLAC) else None
    while tags and len(tags.write()) > _LONGEST_COMMENTS:
        key, value = max(tags, key=lambda item: len(item[1]))
        tags.remove((key, value))
        notes.append(f"the tag {key} of {len(value) / 1e6:.0f} MB was left out: FLAC holds up to 16 MB")
    return tuple(notes)
