"""Open files with mutagen, within limits that it does not have.

A compressed ID3 frame of 280 kB can unpack to gigabytes. The frames of one file together may unpack to
`MOST_UNPACKED_BYTES`. Frames beyond that are left out, as damaged ones are.
"""

from __future__ import annotations

import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import mutagen
from mutagen.apev2 import APEv2
from mutagen.id3 import _frames
from mutagen.mp3 import MP3

NOT_FORESEEN = (ValueError, LookupError, TypeError, struct.error)
"""What mutagen raises for odd tags, beside its own errors."""

MOST_UNPACKED_BYTES = 1 << 26
"""What all compressed frames of a file may unpack to: four covers as large as FLAC holds them."""


class _LimitedZlib:
    """The part of `zlib` that mutagen uses, with a limit for each file."""

    error = zlib.error

    def __init__(self) -> None:
        self._left = threading.local()

    def begin_file(self) -> None:
        """From here on frames belong to another file."""
        self._left.num_bytes = MOST_UNPACKED_BYTES

    def decompress(self, data: bytes) -> bytes:
        """As `zlib.decompress`, which has no limit."""
        left: int = getattr(self._left, "num_bytes", MOST_UNPACKED_BYTES)
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(data, left + 1)
        self._left.num_bytes = max(0, left - len(unpacked))
        if len(unpacked) > left or not unpacker.eof:
            raise zlib.error("cut off, or too large")
        return unpacked


_limited = _LimitedZlib()
vars(_frames)["zlib"] = _limited


def open_tagged(path: Path) -> Any:
    """A file opened with mutagen; None if it cannot have tags, or they cannot be read."""
    _limited.begin_file()
    try:
        return mutagen.File(path)
    except (mutagen.MutagenError, *NOT_FORESEEN):
        return None


def read_ape(path: Path, file: Any) -> APEv2 | None:
    """The APEv2 tag of a file that was opened as MP3; None if it has none, or is another."""
    try:
        return APEv2(path) if isinstance(file, MP3) else None
    except (mutagen.MutagenError, *NOT_FORESEEN):
        return None
