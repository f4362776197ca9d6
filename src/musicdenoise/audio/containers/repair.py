"""A copy of a damaged file that decoders read to its end: what is changed in it, and how it is written."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from musicdenoise.audio.containers import mpeg


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A stretch of a file that is replaced.

    Parameters
    ----------
    begin, end
        Bytes. If frames are lost, ``begin`` is the last frame before the break, because its data cannot be
        trusted.
    first_frame
        Number of the first lost frame, counted from the first audible one.
    num_frames
        How many frames are lost; 0 if only tags or headers are left out.
    silent_frame
        What the copy has in place of each of them.
    content
        What the copy has there, apart from silent frames.
    """

    begin: int
    end: int
    first_frame: int = 0
    num_frames: int = 0
    silent_frame: bytes = b""
    content: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What is changed in a copy of a file.

    Parameters
    ----------
    gaps
        In the order of the file; empty if it is sound.
    frame_seconds
        How long a frame lasts.
    notes
        See `musicdenoise.audio.AudioInfo`.
    """

    gaps: tuple[Gap, ...] = ()
    frame_seconds: float = 0.0
    notes: tuple[str, ...] = ()


def write_repaired(path: Path, gaps: tuple[Gap, ...], target: BinaryIO) -> None:
    """Write a copy of a file with silent frames in its gaps."""
    with path.open("rb") as file:
        for gap in gaps:
            _copy(file, target, gap.begin)
            target.write(gap.content)
            target.write(gap.silent_frame * gap.num_frames)
            file.seek(gap.end)
        _copy(file, target, path.stat().st_size)


def after_tags(data: bytes | mmap.mmap, position: int) -> int:
    """Where the tags at this place end, whether of the file before or the one after."""
    while size := mpeg.tag_bytes(data[position : position + mpeg.TAG_LOOK_BYTES]):
        position += size
    return position


def _copy(file: BinaryIO, target: BinaryIO, end: int) -> None:
    while (rest := end - file.tell()) > 0 and (block := file.read(min(rest, 1 << 20))):
        target.write(block)
