"""Ogg pages: whether they are whole, follow each other, and come to their end; the order of channels in them.

Decoders leave out damaged pages. Then what follows comes too soon, or, in libsndfile, twice.

References: Ogg (RFC 3533, section 6); Vorbis I, section 4.3.9, whose order of channels Opus has, too
(RFC 7845, section 5.1.1.2).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.errors import AudioReadError, UnsupportedAudioError

OPUS_RATE = 48_000
"""Hz, the rate of Opus. Its header says what the song had before (RFC 7845, sections 4 and 5.1)."""

VORBIS_ORDERED = frozenset({"VORBIS", "OPUS"})
"""Subtypes whose channels have an order of their own."""

VORBIS_CHANNELS: dict[int, tuple[int, ...]] = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}
"""By the number of channels: for each channel in WAV order (left, right, centre, LFE, back, side), its
place in Vorbis. For other numbers both orders are the same."""

_CAPTURE = b"OggS"
_HEADER_BYTES = 27
_MAX_PAGE_BYTES = _HEADER_BYTES + 255 + 255 * 255
_FIRST_OF_STREAM, _LAST_OF_STREAM = 2, 4  # flags of a page
_CHECKSUM = slice(22, 26)
_BLOCK_BYTES = 1 << 20
_USUAL_PAGE_BYTES = 1000  # chosen: encoders fill 4 KiB, and live streams send a tenth of a second
_MOST_EMPTY_PAGES = 10_000  # in a row: nobody writes them, and they take longer than pages that hold sound
_OPUS_HEAD = b"OpusHead"
_AUDIO_HEADS = (b"\x01vorbis", _OPUS_HEAD, b"\x7fFLAC", b"Speex   ")
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggPages:
    """Checks the pages of an Ogg stream while its bytes pass by.

    Attributes
    ----------
    is_damaged : bool
        Whether a page is missing, has a wrong checksum, or comes after something else. The rest is not
        checked.
    is_chained : bool
        Whether another stream begins after the first.
    has_end : bool
        Whether the last whole page has the mark that ends its stream.
    position : int
        Position of the last whole page in samples from the beginning of its stream; Opus counts at 48 kHz.
    """

    def __init__(self) -> None:
        self.is_damaged = self.is_chained = self.has_end = False
        self.position = 0
        self._rest = b""
        self._is_behind_junk = False
        self._empty_pages = 0
        self._last_number: dict[int, tuple[int, bool]] = {}  # by stream; and if that page held audio

    @property
    def is_inside_page(self) -> bool:
        """Whether the bytes so far end inside a page."""
        return bool(self._rest) and (self._rest.startswith(_CAPTURE) or _CAPTURE.startswith(self._rest))

    def feed(self, data: bytes) -> None:
        """Look at the next bytes of the stream."""
        data = self._rest + data
        begin = 0
        while not self.is_damaged and len(data) - begin >= len(_CAPTURE):
            if not data.startswith(_CAPTURE, begin):
                found = data.find(_CAPTURE, begin)
                self._is_behind_junk = bool(self._last_number)  # a tag before the first page is not junk
                begin = len(data) - len(_CAPTURE) + 1 if found == -1 else found
                continue
            end = page_end(data, begin)
            if end is None or end > len(data):
                break
            self._take(data[begin:end])
            begin = end
        self._rest = data[begin:]

    def _take(self, page: bytes) -> None:
        flags, position, stream, number = struct.unpack_from("<BqII", page, 5)
        is_first = bool(flags & _FIRST_OF_STREAM)
        before = None if is_first else self._last_number.get(stream)
        # After its headers, a recording of web radio goes on with the current page.
        is_gap = before is not None and before[1] and number != before[0] + 1
        self._empty_pages = 0 if len(page) > _HEADER_BYTES else self._empty_pages + 1
        is_gap |= self._empty_pages > _MOST_EMPTY_PAGES
        if self._is_behind_junk or is_gap or page_checksum(page) != int.from_bytes(page[_CHECKSUM], "little"):
            self.is_damaged = True
            return
        self.is_chained |= is_first and any(held_audio for _, held_audio in self._last_number.values())
        self.has_end = bool(flags & _LAST_OF_STREAM)
        self._last_number[stream] = number, position != 0
        if position > 0:  # -1: no packet ends on this page
            self.position = position


def check_pages(path: Path) -> OggPages:
    """Read an Ogg file and check its pages.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    pages = OggPages()
    with path.open("rb") as file:
        while not pages.is_damaged and (block := file.read(_BLOCK_BYTES)):
            pages.feed(block)
    return pages


def check_junk(path: Path) -> None:
    """Refuse a damaged file with so many beginnings of pages that decoders would search in it for minutes.

    libsndfile takes the square of the time for each. Pages of songs are longer than `_USUAL_PAGE_BYTES` on
    average; where they are not, all are checked.

    Raises
    ------
    AudioReadError
        It has too many, and is damaged.
    OSError
        If it cannot be read.
    """
    count = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            count += block.count(_CAPTURE)
        size = file.tell()
    if count * _USUAL_PAGE_BYTES > size + _BLOCK_BYTES and check_pages(path).is_damaged:
        raise AudioReadError(f"{path}: its pages are damaged; get a complete copy of the file")


def check_ogg(path: Path, rate: int) -> None:
    """Refuse what decoders ignore: damaged pages, and a second song after the first.

    Parameters
    ----------
    path
        The file.
    rate
        Rate in Hz that positions count at.

    Raises
    ------
    AudioReadError
        It is damaged, or cannot be read.
    UnsupportedAudioError
        It is a chain of Ogg streams.
    """
    try:
        pages = check_pages(path)
    except OSError as error:
        raise AudioReadError(f"cannot be read: {error.strerror}") from error
    if pages.is_damaged:
        raise AudioReadError(f"the data is damaged or missing from {pages.position / rate:.2f} s on")
    if pages.is_chained:
        raise UnsupportedAudioError(
            f"{path}: is a chain of several songs in one Ogg file, and only the first could be "
            "read; cut it into single songs"
        )


@dataclass(frozen=True, kw_only=True)
class OpusHead:
    """What the first page of an Opus stream says.

    Parameters
    ----------
    skipped
        Samples at 48 kHz that are decoded but not heard.
    input_rate
        Rate in Hz of the song before it was encoded, for information; 0 if unknown.
    """

    skipped: int
    input_rate: int


def read_opus_head(head: bytes) -> OpusHead | None:
    """What the head of an Ogg file says about its Opus stream; None if there is none."""
    at = head.find(_OPUS_HEAD, _HEADER_BYTES, _HEADER_BYTES + 255 + len(_OPUS_HEAD))
    if head[:4] != _CAPTURE or at == -1 or len(head) < at + 16:
        return None
    skipped, rate = struct.unpack_from("<HI", head, at + 10)
    return OpusHead(skipped=skipped, input_rate=rate)


def count_tracks(path: Path) -> int:
    """How many audio streams lie side by side in an Ogg file; at least 1.

    Each begins with a page that is marked as its first, before any other page (RFC 3533, section 4).

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_BLOCK_BYTES)
    count, begin = 0, max(head.find(_CAPTURE), 0)
    while (end := page_end(head, begin)) and head.startswith(_CAPTURE, begin):
        if not head[begin + 5] & _FIRST_OF_STREAM:
            break
        content = head[begin + _HEADER_BYTES + head[begin + _HEADER_BYTES - 1] : end]
        count += content.startswith(_AUDIO_HEADS)
        begin = end
    return max(count, 1)


def ends_inside_ogg_page(path: Path) -> bool:
    """Return whether an Ogg file breaks off inside its last page.

    A last page without the end-of-stream mark does not prove a cut: recordings of web radio lack it.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2 * _MAX_PAGE_BYTES))
        tail = file.read()
    start = tail.rfind(_CAPTURE)
    end = None if start == -1 else page_end(tail, start)
    if end is None or end > len(tail):
        return True
    # A cut may leave a piece of the next page's capture pattern, too.
    leftover = tail[end : end + len(_CAPTURE)]
    return bool(leftover) and _CAPTURE.startswith(leftover)


def page_end(data: bytes, begin: int) -> int | None:
    """Where a page ends; None if its header is not complete."""
    if len(data) - begin < _HEADER_BYTES:
        return None
    table_begin = begin + _HEADER_BYTES
    table = data[table_begin : table_begin + data[table_begin - 1]]
    return None if len(table) < data[table_begin - 1] else table_begin + len(table) + sum(table)


def page_checksum(page: bytes) -> int:
    """Checksum of a page. The field for it may hold anything."""
    # Ogg's CRC-32 takes each byte from its highest bit on, starts at 0 and is not inverted; zlib's takes it
    # from the lowest, and inverts at both ends.
    blank = page[: _CHECKSUM.start] + bytes(4) + page[_CHECKSUM.stop :]
    reversed_crc = zlib.crc32(blank.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reversed_crc:032b}"[::-1], 2)
