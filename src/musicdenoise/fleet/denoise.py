"""Denoise a list of songs on a fleet."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from musicdenoise.denoising.batch import DenoiserSettings, PassedOver, Result, Task, denoise_here
from musicdenoise.denoising.denoise_report import DenoiseReport
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.plan import Job
from musicdenoise.errors import AudioError, MusicDenoiseError
from musicdenoise.fleet.song_list import ListedSong, SongResult
from musicdenoise.fleet.workers import Answer, is_closing, reason_of, spread
from musicdenoise.runtime.allocator import keep_freed_memory

# A worker may have several threads, but its process has one denoiser.
_BUSY = threading.Lock()


def denoise_on_fleet(
    client: Any,
    songs: Sequence[ListedSong],
    settings: DenoiserSettings,
    options: FileOptions,
    *,
    retries: int = 2,
) -> Iterator[SongResult]:
    """Denoise songs, each once; a result that is there already counts as done.

    Parameters
    ----------
    client
        From `connected`.
    songs
        Paths mean the same for all workers.
    settings
        How songs are denoised. Each worker makes the denoiser once, and keeps it.
    options
        How files are treated.
    retries
        How often a song that failed is tried again.

    Yields
    ------
    SongResult
        As they become ready.

    Raises
    ------
    DataError
        As `spread`.
    """
    work = partial(_denoise, settings=settings, options=options)
    # Workers may have been started in other folders.
    places = [ListedSong(source=song.source.absolute(), target=song.target.absolute()) for song in songs]
    for answer in spread(client, work, places, retries=retries, has_failed=_has_failed):
        yield _result(songs[answer.index], answer)


def _denoise(song: ListedSong, settings: DenoiserSettings, options: FileOptions) -> tuple[Result, float]:
    """On a worker: what came of a song, and the seconds that it took."""
    job = Job(source=song.source, target=song.target)
    # A lost worker may have finished the song: then it is not done again.
    task = Task.of(job, options, skip_existing=not options.overwrite)
    with _BUSY:
        keep_freed_memory()
        began = time.monotonic()
        return denoise_here(task, settings, on_progress=_stop_in_time), time.monotonic() - began


def _stop_in_time(*_: object) -> None:
    """Give a song up if the worker ends, so that nothing of it is left behind."""
    if is_closing():
        raise AudioError("the worker ended")


def _has_failed(value: tuple[Result, float]) -> bool:
    result, _ = value
    return not result.is_done if isinstance(result, PassedOver) else isinstance(result, AudioError)


def _result(song: ListedSong, answer: Answer[tuple[Result, float]]) -> SongResult:
    status, seconds, reason = "failed", 0.0, None
    remarks: tuple[str, ...] = ()
    if answer.value is None:
        assert answer.error is not None
        is_ours = isinstance(answer.error, MusicDenoiseError)
        told = str(answer.error) if is_ours else reason_of(answer.error)
        reason = told if told.startswith(f"{song.source}: ") else f"{song.source}: was not done: {told}"
    else:
        result, seconds = answer.value
        if _has_failed(answer.value):
            reason = result.reason if isinstance(result, PassedOver) else str(result)
        else:
            status = "there" if isinstance(result, PassedOver) else "done"
        if isinstance(result, DenoiseReport):
            remarks = result.remarks
    return SongResult(
        source=str(song.source),
        target=str(song.target),
        status=status,
        seconds=round(seconds, 3),
        error=reason,
        warnings=remarks,
        worker=answer.worker,
        tries=answer.tries,
    )
