"""MP3 files with damage in the middle: where it is, and a copy in which silence stands there.

An MP3 file is a chain of frames, each of which says how long it is. Where the chain breaks and goes on
later, what lies between is damaged; decoders then stop, or leave it out so that all after it comes too soon.
In the copy as many silent frames fill the gap as were lost: those that the header of the file counts more
than there are, or else as many as fit.

Reference: ISO/IEC 11172-3 section 2.4.1 (a frame whose side information is zero decodes to silence).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from musicdenoise.audio import mpeg

__all__ = ["Gap", "find_gaps", "write_repaired"]

_CHAIN = 4
_XING_BYTES = 512  # of the first frame, enough for its header
_UNHEARD_FRAMES = 2  # that frame, and about one that decoders drop: the delay of the encoder


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A stretch of a file that holds no frames.

    Parameters
    ----------
    begin, end
        Bytes; at ``begin`` the last frame before the break, whose data cannot be trusted.
    first_frame
        Number of the first frame that is lost, counted from the first that is heard.
    num_frames
        How many are lost.
    """

    begin: int
    end: int
    first_frame: int
    num_frames: int


def find_gaps(path: Path) -> tuple[Gap, ...]:
    """Damaged stretches of an MP3 file; none in a sound one.

    Parameters
    ----------
    path
        The file, known to be MP3. Files of other layers have no gaps that are looked for.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return ()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _scan(data)


def write_repaired(path: Path, gaps: tuple[Gap, ...], target: BinaryIO) -> int:
    """Write a copy of a file with silent frames in its gaps; return the samples of a frame."""
    samples = 0
    with path.open("rb") as file:
        for gap in gaps:
            _copy(file, target, gap.begin)
            file.seek(gap.begin)
            header = file.read(mpeg.HEADER_BYTES)
            samples = mpeg.frame_samples(header)
            target.write(_silent_frame(header) * gap.num_frames)
            file.seek(gap.end)
        _copy(file, target, path.stat().st_size)
    return samples


def _scan(data: mmap.mmap) -> tuple[Gap, ...]:
    position = _next_chain(data, mpeg.id3_bytes(data[: mpeg.ID3_HEADER_BYTES]))
    if position is None or not _is_layer_3(data[position : position + mpeg.HEADER_BYTES]):
        return ()
    declared = mpeg.declared_frames(data[position : position + _XING_BYTES])
    gaps: list[Gap] = []
    count, last, size_sum = 0, position, 0
    while True:
        size = mpeg.frame_bytes(data[position : position + mpeg.HEADER_BYTES])
        if size is not None:
            last, position, count, size_sum = position, position + size, count + 1, size_sum + size
            continue
        if position >= len(data):
            break
        following = _next_chain(data, last + 1, like=data[last : last + mpeg.HEADER_BYTES])
        if following is None:
            break  # a tag at the end
        count -= 1  # the frame at `last` goes with the gap
        lost = max(1, round((following - last) / (size_sum / max(count + 1, 1))))
        first = max(0, count - (0 if declared is None else _UNHEARD_FRAMES))
        gaps.append(Gap(begin=last, end=following, first_frame=first, num_frames=lost))
        count, position = count + lost, following
    if len(gaps) == 1 and declared is not None:
        lost = gaps[0].num_frames + declared + 1 - count  # the header's own frame is not among them
        if lost > 0:
            gaps[0] = Gap(
                begin=gaps[0].begin, end=gaps[0].end, first_frame=gaps[0].first_frame, num_frames=lost
            )
    return tuple(gaps)


def _next_chain(data: mmap.mmap, start: int, like: bytes | None = None) -> int | None:
    """First of several frames in a row, with the version, layer and rate of a header, if that is given."""
    offset = data.find(b"\xff", start)
    while offset != -1:
        position, count = offset, 0
        while count < _CHAIN:
            header = data[position : position + mpeg.HEADER_BYTES]
            size = mpeg.frame_bytes(header)
            if size is None or (like is not None and not _is_alike(header, like)):
                break
            position, count = position + size, count + 1
        if count == _CHAIN:
            return offset
        offset = data.find(b"\xff", offset + 1)
    return None


def _is_alike(header: bytes, other: bytes) -> bool:
    return header[1] | 1 == other[1] | 1 and header[2] & 0x0C == other[2] & 0x0C


def _is_layer_3(header: bytes) -> bool:
    return header[1] >> 1 & 3 == 1


def _silent_frame(header: bytes) -> bytes:
    size = mpeg.frame_bytes(header) or mpeg.HEADER_BYTES
    without_checksum = bytes([header[0], header[1] | 1, *header[2:]])
    return without_checksum + bytes(size - mpeg.HEADER_BYTES)


def _copy(file: BinaryIO, target: BinaryIO, end: int) -> None:
    while (rest := end - file.tell()) > 0 and (block := file.read(min(rest, 1 << 20))):
        target.write(block)
