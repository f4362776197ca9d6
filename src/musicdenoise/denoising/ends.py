"""The two ends of a denoising: an open song, and the file or pipe that its result goes into.

The path ``-`` stands for standard input, in any format that can be read from a pipe, or for standard
output, as WAV.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicdenoise.audio import (
    AUDIO_SUFFIXES,
    FORMATS,
    AudioReader,
    AudioWriter,
    PipeReader,
    WavPipeWriter,
    container_for_suffix,
    has_other_streams,
    nearest_bitrate,
    nearest_rate,
    open_reader,
    open_writer,
    source_bitrate,
    subtype_for,
)
from musicdenoise.core.resample import check_rate
from musicdenoise.denoising.file_options import BIT_DEPTHS, FileOptions
from musicdenoise.denoising.song_source import SongFile
from musicdenoise.errors import (
    AudioReadError,
    AudioWriteError,
    UnsupportedAudioError,
    UsageError,
)
from musicdenoise.runtime.digest import FileState

__all__ = [
    "PIPE",
    "Song",
    "copy_untouched",
    "make_folder",
    "open_sink",
    "open_song",
]

PIPE = Path("-")

_BLOCK_SECONDS = 2.0

# One family: files of all three are named .wav.
_RIFF = frozenset({"WAV", "WAVEX", "RF64"})
_VIDEO_SUFFIXES = frozenset({".mp4", ".mov"})
_SOUND_SUFFIXES = frozenset({".m4a", ".m4b"})
# What MP4 and QuickTime files hold without losses is written as ALAC there.
_MP4_LOSSLESS = {
    **dict.fromkeys(("PCM_U8", "PCM_S8", "PCM_16", "ULAW", "ALAW"), "ALAC_16"),
    **dict.fromkeys(("PCM_24", "PCM_32", "FLOAT", "DOUBLE"), "ALAC_24"),
}

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Song:
    """An open song.

    Parameters
    ----------
    name
        What it is called in messages.
    sample_rate, channels
        Rate in Hz and number of channels.
    length
        Samples to come, per channel; None where that is not known.
    container, subtype, suffix, tags
        Of its file; of a WAV file for standard input.
    path
        Its file, or None.
    blocks
        Its samples, float32 ``(channels, n)``, n up to two seconds.
    gaps_seconds
        Beginning and length of stretches that are damaged in the file, and silent here.
    num_tracks
        Audio tracks of its file, of which this is the first.
    is_repaired
        Whether its file is damaged or says less than it holds.
    notes
        What is odd about its file, for warnings.
    state
        What its file was before it was opened; None for what is no file.
    whole
        All of its file, where only a stretch of it is denoised, too; None for what is no file.
    """

    name: str
    sample_rate: int
    channels: int
    length: int | None
    container: str
    subtype: str
    suffix: str
    tags: Mapping[str, str]
    path: Path | None
    blocks: Iterator[Samples]
    gaps_seconds: tuple[tuple[float, float], ...] = ()
    num_tracks: int = 1
    is_repaired: bool = False
    notes: tuple[str, ...] = ()
    state: FileState | None = None
    whole: SongFile | None = None


def open_song(source: Path, options: FileOptions, stack: ExitStack) -> Song:
    """Open a file or standard input; it is closed with ``stack``.

    Raises
    ------
    AudioError
        If it cannot be read, or not at this rate.
    UsageError
        If a stretch of standard input is asked for.
    """
    song = _open_pipe(options) if source == PIPE else _open_file(source, options, stack)
    try:
        check_rate(song.sample_rate)
    except UnsupportedAudioError as error:
        raise UnsupportedAudioError(f"{song.name}: {error}") from error
    return song


def _open_pipe(options: FileOptions) -> Song:
    if options.is_cut:
        raise UsageError("a stretch of standard input cannot be chosen: cut it before it is sent")
    if sys.stdin is None:
        raise AudioReadError("standard input: is closed; send a song into it, or name a file")
    pipe = PipeReader(sys.stdin.buffer)
    return Song(
        name="standard input",
        sample_rate=pipe.sample_rate,
        channels=pipe.channels,
        length=None,
        container="WAV",
        subtype=pipe.subtype,
        suffix=".wav",
        tags={},
        path=None,
        blocks=pipe.blocks(max(1, round(_BLOCK_SECONDS * pipe.sample_rate))),
    )


def _open_file(source: Path, options: FileOptions, stack: ExitStack) -> Song:
    state = _state(source)
    reader = stack.enter_context(open_reader(source))
    info = reader.info
    start, length = options.stretch(info)
    reader.seek(start)
    return Song(
        name=str(source),
        sample_rate=info.sample_rate,
        channels=info.channels,
        length=length,
        container=info.container,
        subtype=info.subtype,
        suffix=source.suffix.lower(),
        tags=info.tags,
        path=source,
        blocks=_read_blocks(reader, length),
        gaps_seconds=_within(info.gaps_seconds, start / info.sample_rate, length / info.sample_rate),
        num_tracks=info.num_tracks,
        is_repaired=info.is_repaired,
        notes=info.notes,
        state=state,
        whole=SongFile(info),
    )


def _within(
    gaps: Sequence[tuple[float, float]], start: float, length: float
) -> tuple[tuple[float, float], ...]:
    """Parts of damaged stretches (beginning, length) inside a stretch, from where it begins; in s."""
    parts = ((max(begin - start, 0.0), min(begin + lasting - start, length)) for begin, lasting in gaps)
    return tuple((begin, end - begin) for begin, end in parts if end > begin)


def _state(source: Path) -> FileState | None:
    try:
        return FileState.of(source.stat())
    except OSError:
        return None  # opening it says why


def _read_blocks(reader: AudioReader, length: int) -> Iterator[Samples]:
    block_samples = max(1, round(_BLOCK_SECONDS * reader.info.sample_rate))
    for done in range(0, length, block_samples):
        block = reader.read(min(block_samples, length - done))
        if block.shape[1] == 0:  # the length was an estimate
            return
        yield block


def open_sink(
    song: Song, target: Path, options: FileOptions, stack: ExitStack, *, is_result: bool = True
) -> AudioWriter | WavPipeWriter:
    """Open a writer of the target's format, with the song's rate, channels, subtype and tags.

    A format that has not that rate gets the next that it has: Opus 48 kHz for the 44.1 kHz of a CD.

    From MP4 to MP4 video, subtitles and chapters are copied, too, unless the song is cut or goes from a
    film into a file for sound (``.m4a``).

    Samples are dithered where they are rounded to 16 bits or less.

    Parameters
    ----------
    song
        The song.
    target
        The file; missing folders are made. Its suffix decides the format.
    options
        Whether an existing file is replaced; whether the song's format is kept; bit depth and bit rate.
    stack
        What completes the file, or removes its traces, when it is closed.
    is_result
        Whether this is the song, or only what was removed from it, which gets no video.

    Raises
    ------
    AudioError
        If the file cannot be written, or not in this format.
    UsageError
        If standard output is a terminal.
    """
    if target == PIPE:
        if sys.stdout is None:
            raise AudioWriteError("standard output: is closed; send it into a file or a program")
        if sys.stdout.isatty():
            raise UsageError("standard output is a terminal: send it into a file or a program")
        return WavPipeWriter(
            sys.stdout.buffer,
            sample_rate=song.sample_rate,
            channels=song.channels,
            subtype=_subtype("WAV", song, target, options),
            dither=True,
        )
    container = _container(song, target, options)
    subtype = _subtype(container, song, target, options)
    make_folder(target.parent)
    streams_from = None
    if is_result and container == "MP4" and _keeps_streams(song, target, options):
        streams_from = song.path
    writer = open_writer(
        target,
        sample_rate=nearest_rate(subtype, song.sample_rate),
        channels=song.channels,
        container=container,
        subtype=subtype,
        overwrite=options.overwrite or (options.overwrite_extras and not is_result),
        tags=song.tags,
        tags_from=song.path,
        chapters=not options.is_cut,
        streams_from=streams_from,
        bitrate=_bitrate(subtype, song, options),
        dither=True,
    )
    stack.push(writer)  # before it is entered: an interrupt between the two would leave its file
    return writer.__enter__()


def copy_untouched(song: Song, writer: AudioWriter | WavPipeWriter, options: FileOptions) -> None:
    """Where nothing was removed, let the result be the song's file byte for byte, if its format is the same.

    So that a lossy song does not lose more, and one finer than 32-bit floating point nothing.
    """
    if song.path is None or song.state is None or not isinstance(writer, AudioWriter):
        return
    is_whole = not options.is_cut and not song.is_repaired and song.num_tracks == 1
    # ALAC in place of PCM is not what anybody asked for: MP4 files with PCM are only read.
    kept = _MP4_LOSSLESS.get(song.subtype) if song.container == "MP4" and options.bit_depth is None else None
    is_same = writer.container == song.container and writer.subtype in (song.subtype, kept)
    if is_whole and is_same and writer.path.suffix.lower() == song.suffix and options.bitrate is None:
        writer.become_copy_of(song.path, song.state)


def _container(song: Song, target: Path, options: FileOptions) -> str:
    """What the target's suffix says, or where nothing else was asked for, what the song is."""
    suffix = target.suffix.lower()
    if suffix == song.suffix and FORMATS[song.container].subtypes:
        if options.keep_format or suffix not in AUDIO_SUFFIXES:
            return song.container
        if {song.container, container_for_suffix(suffix)} <= _RIFF:
            return song.container
    return container_for_suffix(suffix)


def _keeps_streams(song: Song, target: Path, options: FileOptions) -> bool:
    if options.is_cut or song.path is None or song.container != "MP4":
        return False
    if song.suffix in _VIDEO_SUFFIXES and target.suffix.lower() in _SOUND_SUFFIXES:
        return False
    return has_other_streams(song.path)


def _subtype(container: str, song: Song, target: Path, options: FileOptions) -> str:
    held = FORMATS[container].subtypes
    if options.bit_depth is None:
        if container == song.container == "MP4" and song.subtype in _MP4_LOSSLESS:
            return _MP4_LOSSLESS[song.subtype]
        is_kept = options.keep_format and target.suffix.lower() == song.suffix
        return subtype_for(container, song.subtype, suffix=None if is_kept else target.suffix)
    allowed = {depth: name for depth, names in BIT_DEPTHS.items() for name in names if name in held}
    if options.bit_depth not in allowed:
        hint = f"use {' or '.join(allowed)}" if allowed else "it is lossy: leave the bit depth out"
        raise UnsupportedAudioError(f"{target}: {container} has no bit depth {options.bit_depth}; {hint}")
    return allowed[options.bit_depth]


def _bitrate(subtype: str, song: Song, options: FileOptions) -> int | None:
    if options.bitrate is not None or song.path is None or subtype != song.subtype:
        return options.bitrate
    bitrate = source_bitrate(song.path, subtype)
    if bitrate is None:
        return None
    return nearest_bitrate(subtype, bitrate, sample_rate=song.sample_rate, channels=song.channels)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises
    ------
    AudioWriteError
        If that is impossible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioWriteError(f"{folder}: cannot be made: {error.strerror}; choose another folder") from error
