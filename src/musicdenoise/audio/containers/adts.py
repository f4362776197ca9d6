"""ADTS frames, as far as needed to recognise raw AAC.

Reference: ISO/IEC 13818-7, section 6.2.
"""

from __future__ import annotations

import re

__all__ = ["find_first_frame"]

_HEADER = re.compile(rb"(?=\xff[\xf0\xf1\xf8\xf9])", re.DOTALL)
_HEADER_BYTES = 7
_FIELDS = slice(1, 3)  # what all frames of a stream have in common: version, layer, profile, rate
_CHAIN = 4  # frames in a row that make it certain, if they do not begin the data


def find_first_frame(data: bytes, *, is_whole: bool) -> int | None:
    """Offset of the first frame, or None.

    Parameters
    ----------
    data
        The beginning of the file, after any tag.
    is_whole
        Whether this is the whole file. Then a single frame is enough.
    """
    for found in _HEADER.finditer(data):
        begin = position = found.start()
        count = 0
        while count < _CHAIN and (size := _frame_bytes(data, position, begin)) is not None:
            position += size
            count += 1
        at_start = begin == 0 and (count >= 2 or (count and is_whole and position == len(data)))
        if count == _CHAIN or at_start:
            return begin
    return None


def _frame_bytes(data: bytes, position: int, first: int) -> int | None:
    header = data[position : position + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    if data[first : first + 3][_FIELDS] != header[_FIELDS]:
        return None
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size >= _HEADER_BYTES else None
