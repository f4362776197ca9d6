"""Checks that MPEG or AAC frames follow each other while their bytes pass by.

Decoders leave out what is between two frames without a word, so that the rest comes too soon.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from musicdenoise.audio.containers import adts, mpeg

_LOOK_BYTES = mpeg.TAG_LOOK_BYTES  # also enough for the headers of frames
_CHAIN = 4  # frames in a row that make it certain


class FrameChain:
    """Looks at a stream of frames.

    Parameters
    ----------
    header
        Finds where a frame may begin.
    frame_bytes
        Length of a frame by its header, and the header of a frame before it; None if it is no frame.

    Attributes
    ----------
    is_damaged : bool
        Whether the frames go on after something that is neither a frame nor a tag.
    """

    def __init__(
        self, header: re.Pattern[bytes], frame_bytes: Callable[[bytes, bytes | None], int | None]
    ) -> None:
        self.is_damaged = False
        self._header, self._frame_bytes = header, frame_bytes
        self._rest, self._skip = b"", 0
        self._like: bytes | None = None
        self._in_a_row = 0
        self._has_begun = self._is_broken = False

    def feed(self, data: bytes) -> None:
        """Look at the next bytes."""
        data = self._rest + data
        position = self._skip
        while not self.is_damaged and position + _LOOK_BYTES <= len(data):
            look = data[position : position + _LOOK_BYTES]
            if (size := self._frame_bytes(look, self._like)) is not None:
                self._count(look)
            elif (size := mpeg.tag_bytes(look)) == 0:
                self._break()
                found = self._header.search(data, position + 1)
                size = (len(data) - _LOOK_BYTES + 1 if found is None else found.start()) - position
                size = max(size, 1)
            position += size
        self._rest, self._skip = data[position:], max(0, position - len(data))

    def _count(self, header: bytes) -> None:
        self._like = self._like or header
        self._in_a_row += 1
        if self._in_a_row >= _CHAIN:
            self.is_damaged = self._is_broken
            self._has_begun = True

    def _break(self) -> None:
        self._in_a_row = 0
        self._is_broken = self._has_begun
        if not self._has_begun:
            self._like = None  # what looked like a frame in the junk before the first


def mpeg_chain() -> FrameChain:
    """For MP1, MP2 and MP3."""
    return FrameChain(mpeg.HEADER, _mpeg_frame)


def adts_chain() -> FrameChain:
    """For raw AAC."""
    return FrameChain(adts.HEADER, lambda header, like: adts.frame_bytes(header, like or header))


def _mpeg_frame(header: bytes, like: bytes | None) -> int | None:
    return None if like is not None and not mpeg.is_alike(header, like) else mpeg.frame_bytes(header)
