"""Progress bars on stderr."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from musicdenoise.cli.log import is_quiet
from musicdenoise.cli.quoting import quoted

if TYPE_CHECKING:
    from musicdenoise.training.loop import Progress as TrainingProgress


class Album:
    """How long several songs still take, by the sizes of their files.

    Parameters
    ----------
    songs
        The files, in the order in which they are done.
    """

    def __init__(self, songs: Sequence[Path]) -> None:
        self._bytes = [_size(song) for song in songs]
        self._done = 0
        self._began = time.monotonic()

    def advance(self) -> None:
        """The next song begins."""
        self._done += 1

    def left(self, share: float) -> str:
        """Time left for all songs when a share of the present one is done; empty if it is unknown."""
        done = sum(self._bytes[: self._done]) + share * sum(self._bytes[self._done : self._done + 1])
        if len(self._bytes) == 1 or done <= 0:
            return ""
        seconds = (time.monotonic() - self._began) * (sum(self._bytes) - done) / done
        return f"all in {timedelta(seconds=round(seconds))}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


@contextlib.contextmanager
def song_progress(
    label: str, *, left: Callable[[float], str] | None = None
) -> Iterator[Callable[[int, int | None], None]]:
    """Bar with the time left; gives a function that takes the samples done and all samples.

    Nothing is drawn if stderr is not a terminal, or only warnings are asked for. The bar disappears at the
    end. ``left`` turns the share that is done into the time that all songs still take.
    """
    with _bar(label, None, TaskProgressColumn()) as (progress, task):

        def show(done: int, total: int | None) -> None:
            rest = left(done / total) if left and total else ""
            progress.update(task, completed=done, total=total, rest=rest)

        yield show


@contextlib.contextmanager
def count_progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Bar over many songs; gives the function to call when one is done."""
    with _bar(label, total, MofNCompleteColumn()) as (progress, task):
        yield lambda: progress.advance(task)


@contextlib.contextmanager
def byte_progress(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """Bar for a download; gives a function that takes the bytes done and all bytes."""
    with _bar(label, None, DownloadColumn()) as (progress, task):
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def _bar(label: str, total: int | None, column: ProgressColumn) -> Iterator[tuple[Progress, TaskID]]:
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),  # moves while a long segment is computed
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        column,
        TimeRemainingColumn(),
        TextColumn("{task.fields[rest]}", markup=False),
    )
    with Progress(
        *columns, console=console, transient=True, disable=is_quiet() or not console.is_terminal
    ) as progress:
        yield progress, progress.add_task(quoted(label), total=total, rest="")


@contextlib.contextmanager
def training_progress(*, is_first: bool) -> Iterator[Callable[[TrainingProgress], None]]:
    """Bar with step, loss, improvement, speed and time left; gives a function that takes the progress.

    Of several processes, the first one draws it.
    """
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, disable=is_quiet() or not (is_first and console.is_terminal)
    ) as progress:
        task = progress.add_task("starting", total=1.0)

        last = "not yet"

        def show(state: TrainingProgress) -> None:
            nonlocal last
            if state.record is not None:
                last = f"{state.record['snr_improvement_db']:+.2f} dB (best {state.best_db:+.2f} dB)"
            text = (
                f"step {state.step}  loss {state.loss_db:.2f} dB  measured {last}  {state.audio_rate:.1f} s/s"
            )
            progress.update(task, completed=state.share, description=text)

        yield show
