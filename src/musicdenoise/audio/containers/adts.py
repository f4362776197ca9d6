"""ADTS frames, as far as needed to recognise raw AAC and to check that its frames follow each other.

Reference: ISO/IEC 13818-7, section 6.2.
"""

from __future__ import annotations

import mmap
import re

HEADER = re.compile(rb"(?=\xff[\xf0\xf1\xf8\xf9])", re.DOTALL)
"""Finds where a frame may begin."""
HEADER_BYTES = 7
_FIELDS = slice(1, 3)  # what all frames of a stream have in common: version, layer, profile, rate
_CHAIN = 4  # frames in a row that make it certain, if they do not begin the data
_FRAME_SAMPLES = 1024
_RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def find_first_frame(data: bytes, *, is_whole: bool) -> int | None:
    """Offset of the first frame, or None.

    Parameters
    ----------
    data
        The beginning of the file, after any tag.
    is_whole
        Whether this is the whole file. Then a single frame is enough.
    """
    found = find_chain(data)
    count, end = _walk(data, 0, None)
    at_start = count >= 2 or (count > 0 and is_whole and end == len(data))
    return 0 if at_start else found


def find_chain(data: bytes | mmap.mmap, start: int = 0, like: bytes | None = None) -> int | None:
    """Offset of the first of four frames in a row, or None.

    Parameters
    ----------
    data
        Where to look.
    start
        From where on.
    like
        Header of a frame whose version, profile and rate they have; None for any.
    """
    for found in HEADER.finditer(data, start):
        if _walk(data, found.start(), like)[0] == _CHAIN:
            return found.start()
    return None


def frame_bytes(header: bytes, like: bytes) -> int | None:
    """Length of a frame in bytes, header included; None if this is no header like that of other frames."""
    if len(header) < HEADER_BYTES or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    if like[_FIELDS] != header[_FIELDS]:
        return None
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size >= HEADER_BYTES else None


def frame_seconds(header: bytes) -> float:
    """How long a frame lasts; 0 if its header gives no rate."""
    rate = header[2] >> 2 & 15
    return _FRAME_SAMPLES / _RATES_HZ[rate] if rate < len(_RATES_HZ) else 0.0


def _walk(data: bytes | mmap.mmap, start: int, like: bytes | None) -> tuple[int, int]:
    """Frames in a row from a place on, up to four, and where they end."""
    like = data[start : start + HEADER_BYTES] if like is None else like
    position, count = start, 0
    while count < _CHAIN:
        size = frame_bytes(data[position : position + HEADER_BYTES], like)
        if size is None:
            break
        position, count = position + size, count + 1
    return count, position
