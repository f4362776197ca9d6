"""A copy that decoders read to the end, of raw AAC that is damaged inside.

Like MP3, an ADTS file is a chain of frames that say how long they are. FFmpeg leaves out what breaks the
chain without a word, so that the rest comes too soon. The copy has silent frames there, as many as fit.

References: ISO/IEC 14496-3, tables 1.19 (channel configurations), 4.3 to 4.6 (a channel without bands is
silent); ISO/IEC 13818-7, section 6.2 (ADTS).
"""

from __future__ import annotations

import mmap
from pathlib import Path

from musicdenoise.audio.containers import adts, mpeg
from musicdenoise.audio.containers.repair import Gap, Repair, after_tags

_SINGLE, _PAIR, _BASS = "000", "001", "011"  # numbers of elements: one channel, two, the one for bass
_ELEMENTS = {
    1: (_SINGLE,),
    2: (_PAIR,),
    3: (_SINGLE, _PAIR),
    4: (_SINGLE, _PAIR, _SINGLE),
    5: (_SINGLE, _PAIR, _PAIR),
    6: (_SINGLE, _PAIR, _PAIR, _BASS),
    7: (_SINGLE, _PAIR, _PAIR, _PAIR, _BASS),
}
_INFO = "0" * 11  # of a window: long, and no bands
_CHANNEL = "0" * 8 + "{info}" + "000"  # gain; no pulses, no noise shaping, no gain control
_END = "111"


def find_repair(path: Path) -> Repair:
    """What breaks the chain of frames in a file that is known to be ADTS."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return Repair()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            tag = mpeg.id3_bytes(data[: mpeg.ID3_HEADER_BYTES])
            first = adts.find_chain(data, tag)
            if first is None:
                return Repair()
            gaps = _gaps(data, first)
            seconds = adts.frame_seconds(data[first : first + adts.HEADER_BYTES])
            return Repair(gaps=tuple(gaps), frame_seconds=seconds, notes=_notes(gaps, seconds))


def _gaps(data: mmap.mmap, first: int) -> list[Gap]:
    gaps: list[Gap] = []
    like = data[first : first + adts.HEADER_BYTES]
    position, last, count, whole_bytes, filled = first, None, 0, 0, 0
    while position < len(data):
        size = adts.frame_bytes(data[position : position + adts.HEADER_BYTES], like)
        if size is not None:
            last, position = position, position + size
            count, whole_bytes = count + 1, whole_bytes + size
            continue
        behind = after_tags(data, position)
        if adts.frame_bytes(data[behind : behind + adts.HEADER_BYTES], like) is not None:
            position = behind  # FFmpeg passes over tags
            continue
        assert last is not None  # the first frame was found
        following = adts.find_chain(data, last + 1, like)
        if following is None:
            break  # a tag at the end, or the file is cut
        lost = max(1, round((following - last) * (count - filled) / whole_bytes))
        silent = silent_frame(data[last : last + adts.HEADER_BYTES])
        lost = lost if silent else 0
        gaps.append(
            Gap(begin=last, end=following, first_frame=count - 1, num_frames=lost, silent_frame=silent)
        )
        count, filled, position = count - 1 + lost, filled + lost - 1, following
    return gaps


def _notes(gaps: list[Gap], seconds: float) -> tuple[str, ...]:
    """What could not be filled with silence."""
    return tuple(
        f"is damaged at {gap.first_frame * seconds:.2f} s; what follows comes too soon"
        for gap in gaps
        if not gap.num_frames
    )


def silent_frame(header: bytes) -> bytes:
    """A frame of silence with the rate and channels of another; empty if its channels are not numbered."""
    elements = _ELEMENTS.get((header[2] & 1) << 2 | header[3] >> 6)
    if elements is None:
        return b""
    bits = "".join(_element(kind, f"{number:04b}") for number, kind in enumerate(elements)) + _END
    bits += "0" * (-len(bits) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big")
    size = adts.HEADER_BYTES + len(content)
    fields = bytes(
        [
            *(header[0], header[1] | 1, header[2], header[3] & 0xFC | size >> 11, size >> 3 & 0xFF),
            *((size & 7) << 5 | 0x1F, 0xFC),  # the bit rate varies; one block
        ]
    )
    return fields + content


def _element(kind: str, tag: str) -> str:
    if kind == _PAIR:
        return kind + tag + "1" + _INFO + "00" + 2 * _CHANNEL.format(info="")
    return kind + tag + _CHANNEL.format(info=_INFO)
