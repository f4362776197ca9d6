"""MP3 files with damage in the middle, or of several files joined: a copy that decoders read to the end.

An MP3 file is a chain of frames, each of which says how long it is. Where the chain breaks and goes on
later, what lies between is damaged; decoders then stop, or leave it out so that all after it comes too soon.
In the copy as many silent frames fill the gap as were lost: those that the header of the file counts more
than there are, or else as many as fit.

Files that were joined keep the header of the first, after whose count decoders stop. The copy has no such
headers, and no tags between the songs.

References: ISO/IEC 11172-3 section 2.4.1 (a frame whose side information is zero decodes to silence);
APEv2 tags (https://wiki.hydrogenaud.io/index.php?title=APEv2_specification).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from musicdenoise.audio.containers import mpeg

__all__ = ["Gap", "find_gaps", "write_repaired"]

_CHAIN = 4
_XING_BYTES = 512  # of the first frame, enough for its header
_ID3V1_BYTES = 128
_APE_HEADER_BYTES = 32
_UNCOUNTED_FRAMES = 10  # more than a header counts: some encoders are not exact, no song is that short
_UNHEARD_FRAMES = 2  # that frame, and about one that decoders drop: the delay of the encoder


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A stretch of a file that is replaced.

    Parameters
    ----------
    begin, end
        Bytes; where frames are lost, ``begin`` is the last frame before the break, whose data cannot be
        trusted.
    first_frame
        Number of the first frame that is lost, counted from the first that is heard.
    num_frames
        How many are lost; none where tags or headers are left out.
    """

    begin: int
    end: int
    first_frame: int
    num_frames: int


def find_gaps(path: Path) -> tuple[Gap, ...]:
    """Stretches of an MP3 file that are damaged or keep decoders from its end; none in a sound one.

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
    """Write a copy of a file with silent frames in its gaps; return the samples of each."""
    samples = 0
    with path.open("rb") as file:
        for gap in gaps:
            _copy(file, target, gap.begin)
            file.seek(gap.begin)
            if gap.num_frames:
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
    headers: list[Gap] = []
    tags: list[Gap] = []
    count, last, size_sum = 0, position, 0
    while True:
        size = mpeg.frame_bytes(data[position : position + mpeg.HEADER_BYTES])
        if size is not None:
            # The first frame, and those of joined files behind the frames that the first header counts.
            if declared is not None and (count == 0 or count > declared) and _is_header(data, position):
                headers.append(_left_out(position, position + size))
            last, position, count, size_sum = position, position + size, count + 1, size_sum + size
            continue
        if position >= len(data):
            break
        behind = _after_tags(data, position)
        if behind > position and mpeg.frame_bytes(data[behind : behind + mpeg.HEADER_BYTES]) is not None:
            tags.append(_left_out(position, behind))
            position = behind
            continue
        following = _next_chain(data, last + 1, like=data[last : last + mpeg.HEADER_BYTES])
        if following is None:
            break  # a tag at the end
        count -= 1  # the frame at `last` goes with the gap
        lost = max(1, round((following - last) / (size_sum / max(count + 1, 1))))
        first = max(0, count - (0 if declared is None else _UNHEARD_FRAMES))
        gaps.append(Gap(begin=last, end=following, first_frame=first, num_frames=lost))
        count, position = count + lost, following
    if declared is not None and count - 1 > declared + _UNCOUNTED_FRAMES:
        return tuple(sorted(gaps + tags + headers, key=lambda gap: gap.begin))
    if len(gaps) == 1 and declared is not None:
        lost = gaps[0].num_frames + declared + 1 - count  # the header's own frame is not among them
        if lost > 0:
            gaps[0] = replace(gaps[0], num_frames=lost)
    return tuple(sorted(gaps + tags, key=lambda gap: gap.begin))


def _left_out(begin: int, end: int) -> Gap:
    return Gap(begin=begin, end=end, first_frame=0, num_frames=0)


def _is_header(data: mmap.mmap, position: int) -> bool:
    return mpeg.declares_length(data[position : position + _XING_BYTES])


def _after_tags(data: mmap.mmap, position: int) -> int:
    """Where tags end that stand at a place, be they of the file before or of the one after it."""
    while True:
        size = mpeg.id3_bytes(data[position : position + mpeg.ID3_HEADER_BYTES])
        if data[position : position + 3] == b"TAG":
            size = _ID3V1_BYTES
        elif data[position : position + 8] == b"APETAGEX":
            size = _APE_HEADER_BYTES + int.from_bytes(data[position + 12 : position + 16], "little")
        if size == 0:
            return position
        position += size


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
