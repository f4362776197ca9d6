"""Progress bars on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from musicdenoise.cli.quoting import quoted

if TYPE_CHECKING:
    from musicdenoise.training.loop import Progress as TrainingProgress

__all__ = ["byte_progress", "count_progress", "song_progress", "training_progress"]


@contextlib.contextmanager
def song_progress(label: str, *, quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Bar with the time left; gives the function to call with samples done and all samples.

    Nothing is drawn where stderr is no terminal or ``quiet`` is true. The bar disappears at the end.
    """
    with _bar(label, None, TaskProgressColumn(), quiet=quiet) as (progress, task):
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def count_progress(label: str, total: int, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Bar over many songs; gives the function to call when one is done."""
    with _bar(label, total, MofNCompleteColumn(), quiet=quiet) as (progress, task):
        yield lambda: progress.advance(task)


@contextlib.contextmanager
def byte_progress(label: str, *, quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Bar for a download; gives the function to call with bytes done and all bytes."""
    with _bar(label, None, DownloadColumn(), quiet=quiet) as (progress, task):
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def _bar(
    label: str, total: int | None, column: ProgressColumn, *, quiet: bool
) -> Iterator[tuple[Progress, TaskID]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), column, TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    ) as progress:
        yield progress, progress.add_task(quoted(label), total=total)


@contextlib.contextmanager
def training_progress(*, quiet: bool) -> Iterator[Callable[[TrainingProgress], None]]:
    """Bar with step, loss, improvement (last and best), speed and time left; gives the function to call."""
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
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
