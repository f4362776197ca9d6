"""Copying the video, subtitles and chapters of an MP4 file as they are.

Reference: ISO 14496-12 (tracks, edit lists); chapters as FFmpeg reads and writes them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from musicdenoise.audio.types import ffmpeg_url
from musicdenoise.errors import AudioWriteError

_COPIED = ("video", "subtitle")
_ABOUT_FILE = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
_QUICKTIME = "com.apple.quicktime."  # how the tags of phones begin; MP4 has no place for them


def has_other_streams(source: Path) -> bool:
    """Whether a file holds video, subtitles or chapters besides audio. Covers do not count."""
    import av  # takes a while to load, and most files do not need it

    try:
        with av.open(ffmpeg_url(source), metadata_errors="replace") as container:
            return bool(_others(container) or container.chapters())
    except (av.FFmpegError, OSError):
        return False


def add_other_streams(source: Path, audio: Path, *, sample_rate: int) -> bool:
    """Copy everything but the audio from one file into another, without decoding.

    Parameters
    ----------
    source
        Where video, subtitles and chapters come from. ``.mov`` makes a QuickTime file of the other, any
        other suffix MP4.
    audio
        An MP4 file with one audio stream; replaced when all is written.
    sample_rate
        Rate of the audio in Hz. The file gets it as its time scale, so the audio keeps its exact length.

    Returns
    -------
    bool
        Whether all tags are in it already, as phones write them. Then they must not be changed.

    Raises
    ------
    AudioWriteError
        If a stream cannot be copied or the file cannot be written.
    """
    import av

    layout = "mov" if source.suffix.lower() == ".mov" else "mp4"
    whole = audio.with_name(f"{audio.name}.whole")
    options = {"movie_timescale": str(sample_rate)}
    try:
        with av.open(ffmpeg_url(source), metadata_errors="replace") as old:
            if layout == "mov" and any(name.startswith(_QUICKTIME) for name in old.metadata):
                options["movflags"] = "use_metadata_tags"
            with (
                av.open(ffmpeg_url(audio)) as new,
                av.open(ffmpeg_url(whole), "w", format=layout, options=options) as out,
            ):
                _mux(old, new, out, sample_rate)
        whole.replace(audio)
    except (av.FFmpegError, OSError) as error:
        raise AudioWriteError(
            f"its video, subtitles or chapters cannot be copied ({error.strerror}); write .m4a instead"
        ) from error
    finally:
        whole.unlink(missing_ok=True)
    return "movflags" in options


def _mux(old: Any, new: Any, out: Any, sample_rate: int) -> None:
    streams = {stream: _copy_stream(stream, stream, out) for stream in _others(old)}
    sound = new.streams.audio[0]
    out_sound = _copy_stream(sound, next(iter(old.streams.audio), sound), out)
    out_sound.time_base = Fraction(1, sample_rate)
    kept = {name: text for name, text in old.metadata.items() if name.lower() not in _ABOUT_FILE}
    out.metadata.update(kept | dict(new.metadata))
    out.set_chapters(old.chapters())
    delay = max((_start_seconds(stream) for stream in old.streams.audio[:1]), default=Fraction(0))
    packets = heapq.merge(
        _packets(old, streams, Fraction(0)),
        _packets(new, {sound: out_sound}, delay),
        key=lambda item: item[0],
    )
    for _, packet in packets:
        out.mux(packet)


def _copy_stream(stream: Any, described: Any, out: Any) -> Any:
    """A stream like one, with the language, title and flags (default, forced) of the other."""
    copy = out.add_stream_from_template(stream)
    copy.metadata.update(described.metadata)
    copy.disposition = described.disposition
    return copy


def _others(container: Any) -> list[Any]:
    return [
        stream
        for stream in container.streams
        if stream.type in _COPIED and not stream.disposition & stream.disposition.attached_pic
    ]


def _start_seconds(stream: Any) -> Fraction:
    start: Fraction = (stream.start_time or 0) * stream.time_base
    return max(Fraction(0), start)


def _packets(container: Any, streams: dict[Any, Any], delay: Fraction) -> Iterator[tuple[Fraction, Any]]:
    """Packets with their decoding times in seconds, for the streams they are mapped to."""
    if not streams:
        return
    for packet in container.demux(list(streams)):
        if packet.dts is None:  # the mark of the end
            continue
        shift = round(delay / packet.time_base)
        packet.dts += shift
        packet.pts += shift
        seconds = packet.dts * packet.time_base
        packet.stream = streams[packet.stream]
        yield seconds, packet
