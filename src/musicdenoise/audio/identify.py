"""What a file is, by its content alone.

The first bytes decide the container and, with it, who decodes it: libsndfile, or FFmpeg for MP4 and
ADTS. Three more go to FFmpeg because libsndfile would guess or refuse their length: MP3 without a
Xing header (libsndfile estimates the length from the first frame and drops what lies beyond), FLAC
whose header leaves the length open, and WAV whose header says 0 although samples follow.

References: RIFF/WAVE (Microsoft 1991), RF64 (EBU Tech 3306), AIFF-C (Apple 1991), FLAC (RFC 9639),
Ogg (RFC 3533), MP4 (ISO/IEC 14496-12), ADTS (ISO/IEC 13818-7), ID3v2 (https://id3.org).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from musicdenoise.audio.containers import mpeg
from musicdenoise.audio.containers.riff_length import lacks_data_size
from musicdenoise.audio.formats import FORMATS
from musicdenoise.errors import AudioReadError, UnsupportedAudioError

__all__ = ["Content", "identify"]

_WINDOW_BYTES = 65_536
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_NOT_READ = {
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"\x30\x26\xb2\x75": "Windows Media",
    b"MAC ": "Monkey's Audio",
    b"wvpk": "WavPack",
    b"caff": "CAF",
    b".snd": "AU",
    b"riff": "Wave64",
    b"RIFX": "big-endian WAV",
    b"BW64": "BW64",
    b"MThd": "MIDI",
}
# First bytes of what Ogg holds beside Vorbis and Opus.
_OGG_NOT_READ = {b"\x7fFLAC": "FLAC-in-Ogg", b"Speex": "Speex", b"\x80theora": "film (Theora)"}
_OGG_SEGMENTS = 26  # where a page says how many bytes of sizes stand before its content


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file is and who decodes it.

    Parameters
    ----------
    container
        A key of `musicdenoise.audio.FORMATS`.
    backend
        "soundfile" or "pyav".
    """

    container: str
    backend: Literal["soundfile", "pyav"]


def identify(path: Path) -> Content:
    """Tell the container of an audio file from its first bytes.

    Parameters
    ----------
    path
        The file. Its name plays no part.

    Returns
    -------
    Content
        Container and backend.

    Raises
    ------
    AudioReadError
        The file cannot be opened, is empty, or is not an audio file.
    UnsupportedAudioError
        It is audio of a kind that is not read.
    """
    try:
        if not path.is_file() and path.exists() and not path.is_dir():  # opening it might wait for ever
            raise AudioReadError(
                f"{path}: is a pipe or a device and no file; give - and send it to standard input"
            )
        with path.open("rb") as file:
            offset = _skip_id3(file)
            head = file.read(_WINDOW_BYTES)
            is_whole = not file.read(1)
        content = _by_magic(head) or _by_frames(head, is_whole=is_whole)
        if content is not None and content.container == "WAV" and lacks_data_size(path):
            content = Content(container="WAV", backend="pyav")
    except OSError as error:
        raise AudioReadError(f"{path}: cannot be opened: {error.strerror}") from error
    if not head and offset == 0:
        raise AudioReadError(f"{path}: is not an audio file: it is empty (0 bytes)")
    if content is not None:
        return content
    if kind := _NOT_READ.get(head[:4]) or _unread_ogg(head):
        raise UnsupportedAudioError(
            f"{path}: is a {kind} file, which is not read; convert it to one of {', '.join(FORMATS)}"
        )
    raise AudioReadError(
        f"{path}: is not an audio file, whatever its name says: its content is none of {', '.join(FORMATS)}"
    )


def _skip_id3(file: BinaryIO) -> int:
    """Move behind any ID3v2 tags and return the offset reached."""
    offset = 0
    while size := mpeg.id3_bytes(file.read(mpeg.ID3_HEADER_BYTES)):
        offset += size
        file.seek(offset)
    file.seek(offset)
    return offset


def _by_magic(head: bytes) -> Content | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Content(container="WAV", backend="soundfile")
    if head[:4] == b"RF64" and head[8:12] == b"WAVE":
        return Content(container="RF64", backend="soundfile")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Content(container="AIFF", backend="soundfile")
    if head[:4] == b"OggS" and _unread_ogg(head) is None:
        return Content(container="OGG", backend="soundfile")
    if head[:4] == b"fLaC":
        # STREAMINFO begins at byte 8; its last 36 bits before the MD5 count the samples.
        total = int.from_bytes(head[21:26], "big") & (2**36 - 1)
        return Content(container="FLAC", backend="soundfile" if total else "pyav")
    if head[4:8] in _MP4_BOXES:
        return Content(container="MP4", backend="pyav")
    return None


def _unread_ogg(head: bytes) -> str | None:
    """What an Ogg file holds by its first page, if it is not read."""
    if head[:4] != b"OggS" or len(head) <= _OGG_SEGMENTS:
        return None
    packet = head[_OGG_SEGMENTS + 1 + head[_OGG_SEGMENTS] :]
    return next((kind for start, kind in _OGG_NOT_READ.items() if packet.startswith(start)), None)


def _by_frames(head: bytes, *, is_whole: bool) -> Content | None:
    if _is_adts(head):
        return Content(container="ADTS", backend="pyav")
    first = mpeg.find_first_frame(head, is_whole=is_whole)
    if first is None:
        return None
    size = mpeg.frame_bytes(head[first : first + mpeg.HEADER_BYTES]) or 0
    has_length = mpeg.declares_length(head[first : first + size])
    return Content(container="MP3", backend="soundfile" if has_length else "pyav")


def _is_adts(head: bytes) -> bool:
    """Return whether two ADTS frames follow each other (or one ends the data)."""
    position = 0
    for _ in range(2):
        header = head[position : position + 6]
        if len(header) < 6:
            return position > 0 and position == len(head)
        if header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
            return False
        size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        if size < 7:
            return False
        position += size
    return True
