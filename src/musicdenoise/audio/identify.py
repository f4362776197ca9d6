"""What a file is, by its content alone.

The first bytes decide the container, and the container decides who decodes it: libsndfile, or FFmpeg for
MP4 and ADTS. FFmpeg also gets three kinds of files whose length libsndfile would guess or refuse: MP3
without a Xing header (libsndfile estimates the length from the first frame and drops the rest), FLAC whose
header leaves the length open, and WAV whose header says 0 although samples follow.

References: RIFF/WAVE (Microsoft 1991), RF64 (EBU Tech 3306), AIFF-C (Apple 1991), FLAC (RFC 9639),
Ogg (RFC 3533), MP4 (ISO/IEC 14496-12), ADTS (ISO/IEC 13818-7), ID3v2 (https://id3.org).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from musicdenoise.audio.containers import adts, mpeg
from musicdenoise.audio.containers.flac import read_layout
from musicdenoise.audio.containers.ogg import read_opus_head
from musicdenoise.audio.containers.riff_length import has_wide_samples, lacks_data_size, read_wav_codec
from musicdenoise.audio.formats import FORMATS
from musicdenoise.errors import AudioReadError, UnsupportedAudioError

_WINDOW_BYTES = 65_536  # read from the beginning of a file to identify it
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
_LIBSNDFILE_CODECS = (1, 2, 3, 6, 7, 0x11, 0x31)  # of WAV: PCM, ADPCM, float, A-law, mu-law, IMA, GSM 6.10
_OPUS_HALF_RATE = 24_000  # Hz, up to which libsndfile decodes at a rate below 48 kHz
_MOST_JUNK_BYTES = 1 << 22  # in front of audio: more than a removed tag with a cover leaves
_LIBSNDFILE_BITS = (8, 16, 24)  # of FLAC, which may have 4 to 32
_OGG_SEGMENTS = 26  # here a page says how many bytes of sizes come before its content


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file is and who decodes it.

    Parameters
    ----------
    container
        A key of `musicdenoise.audio.FORMATS`.
    backend
        "soundfile" or "pyav".
    num_samples
        Samples per channel, if counting frames is more reliable than the backend; None otherwise.
    is_odd
        Whether its header declares less than it holds. Then its bytes must not become the result.
    notes
        See `musicdenoise.audio.AudioInfo`.
    """

    container: str
    backend: Literal["soundfile", "pyav"]
    num_samples: int | None = None
    is_odd: bool = False
    notes: tuple[str, ...] = ()


def identify(path: Path) -> Content:
    """Tell the container of an audio file from its first bytes.

    Parameters
    ----------
    path
        The file. Its name does not matter.

    Returns
    -------
    Content
        Container and backend.

    Raises
    ------
    AudioReadError
        The file cannot be opened, is empty, or is not an audio file.
    UnsupportedAudioError
        It is audio in a format that is not read.
    """
    try:
        if not path.is_file() and path.exists() and not path.is_dir():  # opening it might wait for ever
            raise AudioReadError(
                f"{path}: is a pipe or a device, not a file; give - and send it to standard input"
            )
        with path.open("rb") as file:
            offset = _skip_id3(file)
            head = file.read(_WINDOW_BYTES)
            is_whole = not file.read(1)
        content = _by_magic(head) or _by_frames(head, is_whole=is_whole)
        if content is None and not is_whole and not (_NOT_READ.get(head[:4]) or _unread_ogg(head)):
            content = _behind_junk(path, offset)
        if content is not None:
            content = _looked_into(path, content, offset)
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
        f"{path}: is not an audio file, whatever its name says: its content is not one of "
        f"{', '.join(FORMATS)}"
    )


def _looked_into(path: Path, content: Content, offset: int) -> Content:
    """Who decodes a file, judged by more than its first bytes, so that nothing is lost."""
    if content.container == "WAV":
        if lacks_data_size(path):
            return replace(content, backend="pyav", is_odd=True)
        codec = read_wav_codec(path)
        is_known = codec in (None, *_LIBSNDFILE_CODECS) and not has_wide_samples(path)
        return content if is_known else replace(content, backend="pyav")
    if content.container == "OGG":
        return _of_ogg(path, content, offset)
    if content.container == "FLAC":
        return _of_flac(path, offset)
    return content


def _of_ogg(path: Path, content: Content, offset: int) -> Content:
    """Opus is decoded at 48 kHz. libsndfile would use the rate that the song had before it was encoded."""
    with path.open("rb") as file:
        file.seek(offset)
        opus = read_opus_head(file.read(_WINDOW_BYTES))
    is_lowered = opus is not None and opus.input_rate <= _OPUS_HALF_RATE
    return replace(content, backend="pyav") if offset or is_lowered else content


def _of_flac(path: Path, offset: int) -> Content:
    layout = read_layout(path, offset)
    if layout is None:
        return Content(container="FLAC", backend="soundfile")  # which says what is wrong
    if layout.bits in _LIBSNDFILE_BITS and layout.is_as_declared:
        return Content(container="FLAC", backend="soundfile")
    if layout.begin is None or layout.end is None:
        cut = layout.bits in _LIBSNDFILE_BITS and layout.declared > 0
        return Content(container="FLAC", backend="soundfile" if cut else "pyav")
    count = layout.end - layout.begin
    notes: tuple[str, ...] = ()
    if layout.declared not in (0, count):
        notes = (
            f"its header counts {layout.declared} samples, and {count} are there, whole to the end; all of "
            "them were read",
        )
    return Content(
        container="FLAC", backend="pyav", num_samples=count, is_odd=layout.declared != count, notes=notes
    )


def _skip_id3(file: BinaryIO) -> int:
    """Skip any ID3v2 tags and return the offset after them."""
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
        return Content(container="FLAC", backend="soundfile")
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
    if adts.find_first_frame(head, is_whole=is_whole) == 0:
        return Content(container="ADTS", backend="pyav")
    first = mpeg.find_first_frame(head, is_whole=is_whole)
    if first is not None:
        size = mpeg.frame_bytes(head[first : first + mpeg.HEADER_BYTES]) or 0
        has_length = mpeg.declares_length(head[first : first + size])
        return Content(container="MP3", backend="soundfile" if has_length else "pyav")
    is_adts = adts.find_first_frame(head, is_whole=is_whole) is not None
    return Content(container="ADTS", backend="pyav") if is_adts else None


def _behind_junk(path: Path, offset: int) -> Content | None:
    """MPEG audio after a long stretch of junk, as a removed tag leaves it. The junk is left out later."""
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(_MOST_JUNK_BYTES)
    return Content(container="MP3", backend="pyav") if mpeg.find_first_frame(head, is_whole=False) else None
