"""What WAV and AIFF files hold besides samples: texts, broadcast data, markers, loops, speaker positions.

References: RIFF/WAVE (Microsoft 1991; WAVE_FORMAT_EXTENSIBLE, 2001), EBU Tech 3285 (``bext``) and 3306
(RF64), AIFF 1.3 (Apple 1989).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from musicdenoise.audio.containers.riff import ELSEWHERE, EXTENSIBLE, WAV, Chunk, byte_order, form_of, walk
from musicdenoise.errors import AudioWriteError

# Those that count in samples hold for whole songs only.
_TEXTS = frozenset({b"INFO", b"NAME", b"AUTH", b"(c) ", b"ANNO", b"COMT"})
_ABOUT_ALL = _TEXTS | {b"bext", b"iXML", b"axml", b"cart", b"acid", b"_PMX", b"INST"}
_IN_SAMPLES = frozenset({b"cue ", b"adtl", b"smpl", b"inst", b"plst", b"MARK"})
INFO_NAMES = {
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"ICRD": "date",
    b"ICMT": "comment",
    b"IGNR": "genre",
    b"ITRK": "tracknumber",
    b"IPRT": "tracknumber",
    b"ICOP": "copyright",
}
"""Names that all formats share, by texts in the chunk ``INFO``."""
_MOST_BYTES = 1 << 24
"""All chunks together: ten times the history of any broadcast. A file may declare 4 GB."""
_RIFF = ("WAV", "WAVEX", "RF64")
_MASK_OFFSET = 20  # of the speaker positions, in the chunk ``fmt ``


@dataclass(frozen=True)
class Chunks:
    """Chunks of a WAV or AIFF file, made by `read_chunks`.

    Parameters
    ----------
    form
        ``RIFF`` or ``FORM``.
    chunks
        Names and contents.
    speakers
        Bit mask of the speaker positions of the channels; None if not given.
    """

    form: bytes
    chunks: tuple[tuple[bytes, bytes], ...]
    speakers: int | None

    def fits(self, container: str) -> bool:
        """Whether there are texts among them that a container can hold as they are."""
        form = b"FORM" if container == "AIFF" else b"RIFF" if container in _RIFF else b""
        return form == self.form and any(_kind(name, content) in _TEXTS for name, content in self.chunks)

    def kinds(self) -> set[bytes]:
        """Names of the chunks; in place of ``INFO``, the names of the texts in it."""
        kinds = {_kind(name, content) for name, content in self.chunks} - {b"INFO"}
        infos = [content for name, content in self.chunks if _kind(name, content) == b"INFO"]
        return kinds.union(*({tag.name for tag in walk(BytesIO(text), WAV, start=4)} for text in infos))

    def write(self, target: Path, *, is_cut: bool) -> None:
        """Append them to a file of the same form; do nothing with another.

        Parameters
        ----------
        target
            The file, complete except for its tags; changed in place.
        is_cut
            Whether it holds only a stretch of the song. Then positions in samples would be wrong.

        Raises
        ------
        AudioWriteError
            If it cannot be written.
        """
        try:
            with target.open("r+b") as file:
                if form_of(file) == self.form:
                    self._append(file, is_cut=is_cut)
        except OSError as error:
            raise AudioWriteError(f"{target}: cannot be written: {error.strerror}") from error

    def _append(self, file: BinaryIO, *, is_cut: bool) -> None:
        for chunk in _whole(file, self.form):
            if chunk.name == b"fmt " and self.speakers is not None and _speakers(file, chunk) is not None:
                file.seek(chunk.offset + _MASK_OFFSET)
                file.write(struct.pack("<I", self.speakers))
        order = byte_order(self.form)
        kept = [(n, c) for n, c in self.chunks if not (is_cut and _kind(n, c) in _IN_SAMPLES)]
        data = b"".join(n + struct.pack(f"{order}I", len(c)) + c + bytes(len(c) % 2) for n, c in kept)
        end = file.seek(0, os.SEEK_END)
        data = bytes(end % 2) + data
        size = end + len(data) - 8
        file.seek(0)
        is_long = file.read(4) == b"RF64"
        if size >= ELSEWHERE and not is_long:
            return  # no room for them
        file.seek(end)
        file.write(data)
        if is_long:
            file.seek(20)  # the chunk ``ds64`` comes first and begins with the size
            file.write(struct.pack("<Q", size))
        else:
            file.seek(4)
            file.write(struct.pack(f"{order}I", size))


def read_chunks(source: Path) -> Chunks | None:
    """The chunks of a file; None if it has none, or another format."""
    try:
        with source.open("rb") as file:
            form = form_of(file)
            if form is None:
                return None
            found, speakers, room = [], None, _MOST_BYTES
            for chunk in _whole(file, form):
                if chunk.name == b"fmt ":
                    speakers = _speakers(file, chunk)
                elif chunk.size <= room and chunk.name in _ABOUT_ALL | _IN_SAMPLES | {b"LIST"}:
                    file.seek(chunk.offset)
                    content = file.read(chunk.size)
                    if _kind(chunk.name, content) in _ABOUT_ALL | _IN_SAMPLES:
                        found.append((chunk.name, content))
                        room -= chunk.size
    except OSError:
        return None
    return Chunks(form, tuple(found), speakers) if found or speakers is not None else None


def read_info(source: Path) -> dict[str, str]:
    """Tags in the chunk ``INFO`` of a WAV file, as UTF-8 or else Windows-1252; empty for other files."""
    found: dict[str, str] = {}
    try:
        with source.open("rb") as file:
            for chunk in _whole(file, WAV) if form_of(file) == WAV else ():
                if chunk.name != b"LIST" or chunk.size > _MOST_BYTES:
                    continue
                file.seek(chunk.offset)
                content = file.read(chunk.size)
                for tag in walk(BytesIO(content), WAV, start=4) if content[:4] == b"INFO" else ():
                    if tag.name in INFO_NAMES:
                        found[INFO_NAMES[tag.name]] = _text(content[tag.offset : tag.offset + tag.size])
    except OSError:
        return {}
    return found


def _text(data: bytes) -> str:
    data = data.split(b"\0")[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _whole(file: BinaryIO, form: bytes) -> Iterator[Chunk]:
    """The chunks of a file, as far as they are whole."""
    for chunk in walk(file, form):
        if chunk.size > chunk.available:
            return
        yield chunk


def _kind(name: bytes, content: bytes) -> bytes:
    return content[:4] if name == b"LIST" else name


def _speakers(file: BinaryIO, chunk: Chunk) -> int | None:
    file.seek(chunk.offset)
    content = file.read(min(chunk.size, _MASK_OFFSET + 4))
    if len(content) < _MASK_OFFSET + 4 or struct.unpack_from("<H", content)[0] != EXTENSIBLE:
        return None
    speakers: int = struct.unpack_from("<I", content, _MASK_OFFSET)[0]
    return speakers
