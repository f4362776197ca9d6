"""An open song: a file, or standard input in any format that can be read from a pipe (the path ``-``)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicdenoise.audio import AudioReader, PipeReader, open_reader
from musicdenoise.core.resample import check_rate
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.song_source import SongFile
from musicdenoise.errors import AudioReadError, UnsupportedAudioError, UsageError
from musicdenoise.runtime.digest import FileState

PIPE = Path("-")

_BLOCK_SECONDS = 2.0  # chosen, not measured: a few hundred kB

Samples = NDArray[np.float32]
Gaps = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Song:
    """An open song.

    Parameters
    ----------
    name
        Its name in messages.
    sample_rate, channels
        Rate in Hz and number of channels.
    length
        Samples to come, per channel; None if not known.
    container, subtype, suffix, tags
        Those of its file. Standard input counts as a WAV file.
    path
        Its file, or None.
    blocks
        Its samples, float32 ``(channels, n)``, n up to two seconds.
    gaps_seconds
        Gives the beginning and length of stretches that are damaged in the file, and silent here. Call it
        when the blocks are read: a gap at the end of a song is not known before.
    num_tracks
        Audio tracks of its file; this is the first.
    is_repaired
        Whether its file is damaged or declares less than it holds.
    notes
        Odd things about its file, for warnings.
    state
        State of its file before it was opened; None for standard input.
    whole
        The whole file, even if only a stretch is denoised; None for standard input.
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
    gaps_seconds: Callable[[], Gaps] = tuple
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
        raise UsageError("standard input cannot be denoised in part: cut the song before you send it")
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
        num_tracks=pipe.num_tracks,
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
        gaps_seconds=lambda: _within(
            reader.info.gaps_seconds, start / info.sample_rate, length / info.sample_rate
        ),
        num_tracks=info.num_tracks,
        is_repaired=info.is_repaired,
        notes=info.notes,
        state=state,
        whole=SongFile(info),
    )


def _within(gaps: Gaps, start: float, length: float) -> Gaps:
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
