"""Where the result of a song goes: a file, or standard output as WAV (the path ``-``)."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from musicdenoise.audio import (
    AUDIO_SUFFIXES,
    FORMATS,
    AudioWriter,
    WavPipeWriter,
    container_for_suffix,
    has_other_streams,
    nearest_bitrate,
    nearest_rate,
    open_writer,
    source_bitrate,
    subtype_for,
)
from musicdenoise.denoising.file_options import BIT_DEPTHS, FileOptions
from musicdenoise.denoising.song_input import PIPE, Song
from musicdenoise.errors import AudioWriteError, UnsupportedAudioError, UsageError
from musicdenoise.runtime.atomic import make_folder

# One family: files of all three are named .wav.
_RIFF = frozenset({"WAV", "WAVEX", "RF64"})
_VIDEO_SUFFIXES = frozenset({".mp4", ".mov"})
_SOUND_SUFFIXES = frozenset({".m4a", ".m4b"})
# What MP4 and QuickTime files hold without losses is written as ALAC there.
_MP4_LOSSLESS = {
    **dict.fromkeys(("PCM_U8", "PCM_S8", "PCM_16", "ULAW", "ALAW"), "ALAC_16"),
    **dict.fromkeys(("PCM_24", "PCM_32", "FLOAT", "DOUBLE"), "ALAC_24"),
}


def open_sink(
    song: Song, target: Path, options: FileOptions, stack: ExitStack, *, is_result: bool = True
) -> AudioWriter | WavPipeWriter:
    """Open a writer of the target's format, with the song's rate, channels, subtype and tags.

    If the format does not have the song's rate, the nearest one is used: 48 kHz in Opus for the 44.1 kHz of
    a CD. Video, subtitles and chapters are copied from MP4 to MP4, unless the song is cut or a film becomes
    a sound file (``.m4a``). Samples are dithered when they are rounded to 16 bits or less.

    Parameters
    ----------
    song
        The song.
    target
        The file; missing folders are made. Its suffix decides the format.
    options
        Whether an existing file is replaced; whether the song's format is kept; bit depth and bit rate.
    stack
        Completes the file, or removes its traces, when it is closed.
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
        return _open_pipe(song, options)
    container = _container(song, target, options)
    subtype = _subtype(container, song, target, options)
    make_folder(target.parent, AudioWriteError)
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


def _open_pipe(song: Song, options: FileOptions) -> WavPipeWriter:
    if sys.stdout is None:
        raise AudioWriteError("standard output: is closed; send it into a file or a program")
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal: send it into a file or a program")
    return WavPipeWriter(
        sys.stdout.buffer,
        sample_rate=song.sample_rate,
        channels=song.channels,
        subtype=_subtype("WAV", song, PIPE, options),
        dither=True,
    )


def copy_untouched(song: Song, writer: AudioWriter | WavPipeWriter, options: FileOptions) -> None:
    """If nothing was removed and the format is the same, make the result the song's file, byte for byte.

    So a lossy song is not encoded again, and a song finer than 32-bit floating point loses nothing.
    """
    if song.path is None or song.state is None or not isinstance(writer, AudioWriter):
        return
    is_whole = not options.is_cut and not song.is_repaired and song.num_tracks == 1
    # Nobody asked for ALAC instead of PCM; but MP4 files with PCM are only read.
    kept = _MP4_LOSSLESS.get(song.subtype) if song.container == "MP4" and options.bit_depth is None else None
    is_same = writer.container == song.container and writer.subtype in (song.subtype, kept)
    if is_whole and is_same and writer.path.suffix.lower() == song.suffix and options.bitrate is None:
        writer.become_copy_of(song.path, song.state)


def _container(song: Song, target: Path, options: FileOptions) -> str:
    """The container of the target's suffix; the song's own if no other was asked for."""
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
