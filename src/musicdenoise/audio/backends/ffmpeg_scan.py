"""What the packets of a file say before they are decoded: its length, its gaps, and whether it is cut.

Times in a container are a hint; what decodes is the truth. If an MP4 file has no sound for a while (a lost
packet, a pause), silence is put there, so that sound and picture stay together.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av

from musicdenoise.audio.containers import flac, mpeg
from musicdenoise.errors import AudioReadError

# Codecs whose packets last equally long, so that a jump in their times is a gap.
_EVEN_CODECS = frozenset({"aac", "mp3", "mp3float", "alac", "ac3", "eac3"})
# Edit lists are often kept in ticks of 1/600 s or 1 ms, which says less about the end than the last
# packet does; only an end that is earlier by more than such a tick is meant.
_EDIT_TICK = Fraction(1, 600)
_LONGEST_GAP = Fraction(3600)
"""Seconds of silence that fill all gaps together. If there were more, a clock was set, the times are damaged,
or a file was made to fill the disk with silence. Chosen."""
_LEAST_LACK = Fraction(1, 4)  # seconds that a header may declare too much: encoders round up; chosen
_CUT_FRAME = "breaks off inside its last frame; if the song goes on, get a complete copy of the file"


@dataclass(frozen=True, kw_only=True)
class PacketScan:
    """What the packets of a stream say.

    Parameters
    ----------
    end
        Where the last one ends, in s.
    total
        How long they last together, in s.
    spacing
        Mean time from one to the next, without gaps, in s; 0 if not known.
    count
        How many there are.
    gaps
        Where packets are missing: time of the next packet, and length, in s.
    is_cut
        Whether the last one is not whole.
    notes
        What its times or its header say that is not so, a sentence each.
    """

    end: Fraction
    total: Fraction
    spacing: Fraction
    count: int
    gaps: Mapping[Fraction, Fraction] = field(default_factory=dict)
    is_cut: bool = False
    notes: tuple[str, ...] = ()


class FlacChain:
    """Checks that FLAC packets follow each other. FFmpeg leaves damaged ones out without a word.

    Attributes
    ----------
    num_samples : int
        Samples in the packets so far.
    last : bytes
        The last packet.
    """

    def __init__(self) -> None:
        self.num_samples = 0
        self.last = b""
        self._next: int | None = None

    def add(self, packet: Any) -> None:
        """Look at the next packet.

        Raises
        ------
        AudioReadError
            If it does not follow the one before.
        """
        if packet.pts is None or not packet.duration or self._next not in (None, packet.pts):
            seconds = self.num_samples * float(packet.time_base)
            raise AudioReadError(f"the data is damaged or missing from {seconds:.2f} s on")
        self._next = packet.pts + packet.duration
        self.num_samples += packet.duration
        self.last = bytes(packet)

    @property
    def is_cut(self) -> bool:
        """Whether the last packet is more or less than one frame."""
        return not flac.frame_is_whole(self.last)


def scan_packets(source: Any, stream: Any, container: str) -> PacketScan:
    """Read the times of a stream's packets.

    Parameters
    ----------
    source, stream
        An open container of PyAV, and one of its audio streams.
    container
        What the file is, a key of `musicdenoise.audio.FORMATS`.

    Raises
    ------
    AudioReadError
        If the packets cannot be read, those of a FLAC file do not follow each other, or less than half of
        what an MP4 file declares is there.
    """
    tick = stream.time_base or Fraction(1)
    total, latest, seen, header = 0, 0, 0, (b"", 0)
    times: list[tuple[int, int]] = []
    chain = FlacChain() if container == "FLAC" else None
    try:
        for packet in source.demux(stream):
            seen += packet.size > 0
            if packet.size == 0 or packet.is_discard:
                continue
            if chain is not None:
                chain.add(packet)
            duration = packet.duration or 0
            total += duration
            latest = max(latest, (packet.pts or 0) + duration)
            if packet.pts is not None:
                times.append((packet.pts, duration))
            header = bytes(memoryview(packet)[: mpeg.HEADER_BYTES]), packet.size
    except av.FFmpegError as error:
        raise AudioReadError(f"cannot be read to its end: {error.strerror}") from error
    end = latest * tick
    if stream.duration is not None and container != "FLAC":
        edited = ((stream.start_time or 0) + stream.duration) * tick
        end = edited if container == "OGG" or end - edited > _EDIT_TICK else end
    # Some encoders leave out what their last frame does not need, so this is no error.
    ends_inside_frame = container == "MP3" and header[1] < (mpeg.frame_bytes(header[0]) or 0)
    usual = Counter(duration for _, duration in times).most_common(1)[0][0] if times else 0
    is_even = container == "MP4" and stream.codec_context.name in _EVEN_CODECS
    gaps = _find_gaps(times, usual) if is_even else {}
    notes = _mp4_notes(stream, end, seen) if container == "MP4" else (_CUT_FRAME,) * ends_inside_frame
    spacing = _spacing(times, gaps) * tick if is_even else Fraction(0)
    silence = sum(gaps.values()) * tick
    if silence > _LONGEST_GAP:
        notes = (f"its times leave {float(silence):.0f} s without sound, which was not believed",)
        gaps, total = {}, usual * len(times)
        end = (times[0][0] + total) * tick
    return PacketScan(
        end=end,
        total=total * tick,
        spacing=spacing,
        count=len(times),
        gaps={at * tick: lasting * tick for at, lasting in gaps.items()},
        is_cut=chain is not None and chain.is_cut,
        notes=notes,
    )


def _mp4_notes(stream: Any, end: Fraction, seen: int) -> tuple[str, ...]:
    """What is said if an MP4 file holds less than its index declares."""
    if stream.duration:
        declared = ((stream.start_time or 0) + stream.duration) * (stream.time_base or Fraction(1))
        if notes := _missing(end, declared):
            return notes
    if seen < stream.frames:
        return (f"its index counts {stream.frames} packets of sound, and {seen} could be read",)
    return ()


def _missing(end: Fraction, declared: Fraction) -> tuple[str, ...]:
    """What is said if packets end earlier than a header declares; times in s."""
    if declared - end <= _LEAST_LACK:
        return ()
    if 2 * end < declared:
        raise AudioReadError(
            f"ends too early: {float(end):.2f} of {float(declared):.2f} declared seconds are there"
        )
    is_there = f"{float(end):.2f} s are there; all of them were read"
    return (f"its header declares {float(declared):.2f} s, and {is_there}",)


def _find_gaps(times: list[tuple[int, int]], usual: int) -> dict[int, int]:
    """Jumps by more than half a packet, by the time of the next packet; in ticks.

    A packet before a gap may claim to last until the end of the gap.
    """
    gaps = {}
    for (before, duration), (at, _) in itertools.pairwise(times):
        jump = at - before - min(duration, usual)
        if 2 * jump >= usual > 0:
            gaps[at] = jump
    return gaps


def _spacing(times: list[tuple[int, int]], gaps: Mapping[int, int]) -> Fraction:
    """Mean ticks from one packet to the next, without gaps."""
    if len(times) < 2:
        return Fraction(0)
    return Fraction(times[-1][0] - times[0][0] - sum(gaps.values()), len(times) - 1)
