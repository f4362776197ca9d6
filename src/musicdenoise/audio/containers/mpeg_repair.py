"""A copy that decoders read to the end, of an MP3 file that is damaged inside or was joined from several.

An MP3 file is a chain of frames, and each frame says how long it is. If the chain breaks and goes on later,
the part between is damaged. Decoders stop there, or leave the part out, so that the rest comes too soon.
The copy fills the gap with silent frames: as many as the header promises and are missing, or else as many
as fit.

Joined files keep the header of the first file, and decoders stop after its count. The copy has no such
headers, and no tags between the songs. If the header counts wrongly although all frames are whole, the copy
counts right. Junk in front of the first frame is left out if it is longer than decoders look.

References: ISO/IEC 11172-3 section 2.4.1 (a frame whose side information is zero decodes to silence);
APEv2 tags (https://wiki.hydrogenaud.io/index.php?title=APEv2_specification).
"""

from __future__ import annotations

import mmap
from dataclasses import replace
from pathlib import Path

from musicdenoise.audio.containers import mpeg
from musicdenoise.audio.containers.repair import Gap, Repair, after_tags

_CHAIN = 4  # frames in a row that make it certain; chosen: one more than for a file that is whole
_XING_BYTES = 512  # of the first frame, enough for its header
_UNCOUNTED_FRAMES = 10  # by more than this a header counts less than there is only in joined files
_UNHEARD_FRAMES = 2  # that frame, and about one that decoders drop: the delay of the encoder
_MOST_JUNK_BYTES = 16_384  # in front of the first frame that all decoders pass over
_UNTOLD_FRAMES = 1  # encoders that count the frame of the header, too, and files cut at frames


def find_repair(path: Path) -> Repair:
    """What is damaged in an MP3 file, or keeps decoders from reading it to its end.

    Parameters
    ----------
    path
        The file, known to be MP3. Files of other layers are not looked into.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return Repair()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            tag = mpeg.id3_bytes(data[: mpeg.ID3_HEADER_BYTES])
            first = _next_chain(data, tag)
            if first is None or not _is_layer_3(data[first : first + mpeg.HEADER_BYTES]):
                return Repair()
            seconds = mpeg.frame_seconds(data[first : first + mpeg.HEADER_BYTES])
            repair = replace(_Walk(data, first).repair(), frame_seconds=seconds)
            if first - tag > _MOST_JUNK_BYTES:
                repair = replace(repair, gaps=(Gap(begin=tag, end=first), *repair.gaps))
            return repair


class _Walk:
    """A walk from frame to frame through a file, and what it finds."""

    def __init__(self, data: mmap.mmap, first: int) -> None:
        self._data, self._first = data, first
        self._declared = mpeg.declared_frames(data[first : first + _XING_BYTES])
        self._gaps: list[Gap] = []
        self._headers: list[Gap] = []
        self._tags: list[Gap] = []
        self._count, self._bytes = 0, 0  # of frames, and of the whole ones
        self._end = self._walk()

    def repair(self) -> Repair:
        """What has to be changed, if anything."""
        declared, heard = self._declared, self._count - 1
        if declared is None:
            return Repair(gaps=_sorted(self._gaps + self._tags))
        if heard > declared + _UNCOUNTED_FRAMES:
            return Repair(gaps=_sorted(self._gaps + self._tags + self._headers))
        if len(self._gaps) == 1:
            # What the header counts too many was lost in the gap, unless that would be most of the song.
            lost = self._gaps[0].num_frames + declared - heard
            if 0 < lost <= max(self._count, 1):
                self._gaps[0] = replace(self._gaps[0], num_frames=lost)
        if self._gaps:
            return self._counted(declared, heard, notes=())
        is_cut = self._end > len(self._data)
        whole = heard - is_cut
        if whole == declared or (is_cut and whole < declared) or 2 * whole < declared:
            return Repair(gaps=_sorted(self._tags))
        notes: tuple[str, ...] = ()
        if abs(whole - declared) > _UNTOLD_FRAMES:
            notes = (
                f"its header counts {declared} frames, and {whole} are there, whole to the end; all of them "
                "were read",
            )
        return self._counted(declared, whole, notes)

    def _counted(self, declared: int, frames: int, notes: tuple[str, ...]) -> Repair:
        """All that was found, and a header that counts as many frames as there will be."""
        changes = self._gaps + self._tags
        frames = max(frames, 1) if not self._gaps else self._heard_with_gaps()
        place = mpeg.count_offset(self._data[self._first : self._first + _XING_BYTES])
        if place is not None and frames != declared:
            at = self._first + place
            changes.append(Gap(begin=at, end=at + 4, content=frames.to_bytes(4, "big")))
        return Repair(gaps=_sorted(changes), notes=notes)

    def _heard_with_gaps(self) -> int:
        return self._count - 1 - self._filled + sum(gap.num_frames for gap in self._gaps)

    def _walk(self) -> int:
        """Walk to the end; return where the last frame ends by its header."""
        data = self._data
        position = last = self._first
        self._filled = 0
        while True:
            size = mpeg.frame_bytes(data[position : position + mpeg.HEADER_BYTES])
            if size is not None:
                self._note_header(position, size)
                last, position = position, position + size
                self._count, self._bytes = self._count + 1, self._bytes + size
                continue
            if position >= len(data):
                return position
            behind = after_tags(data, position)
            if behind > position and mpeg.frame_bytes(data[behind : behind + mpeg.HEADER_BYTES]) is not None:
                self._tags.append(Gap(begin=position, end=behind))
                position = behind
                continue
            following = _next_chain(data, last + 1, like=data[last : last + mpeg.HEADER_BYTES])
            if following is None:
                return position  # a tag at the end
            self._note_gap(last, following)
            position = following

    def _note_header(self, position: int, size: int) -> None:
        # The first frame, and in joined files the first frames of the other files.
        declared, count = self._declared, self._count
        if declared is not None and (count == 0 or count > declared) and _is_header(self._data, position):
            self._headers.append(Gap(begin=position, end=position + size))

    def _note_gap(self, last: int, following: int) -> None:
        usual = self._bytes / max(self._count, 1)
        self._count -= 1  # the frame at `last` goes with the gap
        lost = max(1, round((following - last) / usual))
        first = max(0, self._count - (0 if self._declared is None else _UNHEARD_FRAMES))
        silent = _silent_frame(self._data[last : last + mpeg.HEADER_BYTES])
        self._gaps.append(
            Gap(begin=last, end=following, first_frame=first, num_frames=lost, silent_frame=silent)
        )
        self._count, self._filled = self._count + lost, self._filled + lost


def _sorted(gaps: list[Gap]) -> tuple[Gap, ...]:
    return tuple(sorted(gaps, key=lambda gap: gap.begin))


def _is_header(data: mmap.mmap, position: int) -> bool:
    return mpeg.declares_length(data[position : position + _XING_BYTES])


def _next_chain(data: mmap.mmap, start: int, like: bytes | None = None) -> int | None:
    """The first of several frames in a row, with the version, layer and rate of ``like`` if that is given."""
    for found in mpeg.HEADER.finditer(data, start):
        position, count = found.start(), 0
        while count < _CHAIN:
            header = data[position : position + mpeg.HEADER_BYTES]
            size = mpeg.frame_bytes(header)
            if size is None or (like is not None and not mpeg.is_alike(header, like)):
                break
            position, count = position + size, count + 1
        if count == _CHAIN:
            return found.start()
    return None


def _is_layer_3(header: bytes) -> bool:
    return header[1] >> 1 & 3 == 1


def _silent_frame(header: bytes) -> bytes:
    size = mpeg.frame_bytes(header) or mpeg.HEADER_BYTES
    without_checksum = bytes([header[0], header[1] | 1, *header[2:]])
    return without_checksum + bytes(size - mpeg.HEADER_BYTES)
