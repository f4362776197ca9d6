"""The boxes of an MP4 file: whether the file breaks off, and where its index is.

Reference: ISO/IEC 14496-12, section 4.2.
"""

from __future__ import annotations

from pathlib import Path

_MOST_BOXES = 1 << 20  # a film in fragments of a second for three days


def ends_inside_box(path: Path) -> bool:
    """Whether the file ends inside its last box.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        end = file.seek(0, 2)
        offset = 0
        for _ in range(_MOST_BOXES):
            if offset >= end:
                break
            file.seek(offset)
            header = file.read(16)
            size = int.from_bytes(header[:4], "big")
            if size == 1:
                size = int.from_bytes(header[8:16], "big")
            if size == 0:  # up to the end
                return False
            if size < 8:
                return False  # no box: something that players pass over
            offset += size
    return offset > end


def index_is_behind(head: bytes) -> bool:
    """Whether the samples come before the index, by the first bytes of an MP4 file."""
    offset = 0
    while offset + 8 <= len(head):
        size, name = int.from_bytes(head[offset : offset + 4], "big"), head[offset + 4 : offset + 8]
        if offset == 0 and name != b"ftyp":
            return False
        if name in (b"mdat", b"moov"):
            return name == b"mdat"
        if size < 8:
            return False
        offset += size
    return False
