"""Many songs: one after the other, or several at a time in processes of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from musicdenoise.denoising.auto import AUTO, AutoDenoiser
from musicdenoise.denoising.denoise_config import DenoiseConfig
from musicdenoise.denoising.denoise_report import DenoiseReport
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.find import exists
from musicdenoise.denoising.noise_sample import NoiseSample
from musicdenoise.denoising.plan import Job
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.denoising.song_input import PIPE
from musicdenoise.denoising.staging import denoise_staged
from musicdenoise.errors import AudioError, AudioWriteError, DataError, MusicDenoiseError, UsageError
from musicdenoise.runtime.claim import claimed
from musicdenoise.runtime.parallel import default_jobs, map_jobs
from musicdenoise.runtime.remote import RemotePath
from musicdenoise.weights.store import WeightsStore


@dataclass(frozen=True, kw_only=True)
class Task:
    """One song and where everything about it goes.

    Parameters
    ----------
    job
        The song and its result.
    options
        How files are treated.
    skip_existing
        Whether to skip the song if its result exists or another run is writing it.
    """

    job: Job
    options: FileOptions
    skip_existing: bool = False

    @classmethod
    def of(cls, job: Job, options: FileOptions, *, skip_existing: bool = False) -> Task:
        """The task of a job."""
        own = replace(options, residual=job.residual, picture=job.picture, keep_format=job.keeps_format)
        return cls(job=job, options=own, skip_existing=skip_existing)

    def check_outputs(self) -> None:
        """Check that nothing is there that may not be replaced.

        Raises
        ------
        AudioWriteError
            If an output exists.
        """
        if self.options.overwrite:
            return
        for path in self.job.outputs:
            is_left_over = path == self.job.residual and self.options.overwrite_extras
            if not is_left_over and exists(path) and not path.is_dir():
                raise AudioWriteError(
                    f"{path}: already exists; {{overwrite}} replaces it, {{skip_existing}} passes over songs "
                    "that are done",
                    overwrite=False,
                    skip_existing=False,
                )


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A song that another run has done, or is doing, after this run planned it."""

    reason: str
    is_done: bool = True


Result = DenoiseReport | AudioError | PassedOver
"""What came of a song."""


@dataclass(frozen=True, kw_only=True)
class DenoiserSettings:
    """How to make a denoiser, in any process.

    Parameters
    ----------
    weights
        As for `Denoiser`, or ``"auto"``, which chooses a network for each song.
    noise_samples, device, config, store
        As for `Denoiser`.
    """

    weights: str | None
    noise_samples: tuple[NoiseSample, ...] = ()
    device: str
    config: DenoiseConfig
    store: WeightsStore


def make_denoiser(
    settings: DenoiserSettings, on_fetch: Callable[[int, int | None], None] | None = None
) -> SongDenoiser:
    """Denoiser of these settings; ``on_fetch`` as for `Denoiser`."""
    weights = settings.weights
    make: Callable[..., SongDenoiser] = AutoDenoiser if weights == AUTO else partial(Denoiser, weights)
    return make(
        noise_sample=settings.noise_samples,
        device=settings.device,
        config=settings.config,
        store=settings.store,
        on_fetch=on_fetch,
    )


def try_to_denoise(
    denoiser: SongDenoiser,
    task: Task,
    *,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> Result:
    """Denoise one song. If something goes wrong, the error is the result, and other songs go on.

    Parameters
    ----------
    denoiser, on_progress
        As for `denoise_file`.
    task
        The song.

    Raises
    ------
    UsageError
        If the request itself makes no sense.
    BrokenPipeError
        If nobody reads standard output any more.
    """
    source = task.job.source
    try:
        with _claimed(task) as passed_over:
            if passed_over is not None:
                return passed_over
            task.check_outputs()
            return denoise_staged(
                denoiser, source, task.job.target, options=task.options, on_progress=on_progress
            )
    except (UsageError, BrokenPipeError):
        raise
    except AudioError as error:
        target, was_beaten = task.job.target, isinstance(error.__cause__, FileExistsError)
        if task.skip_existing and was_beaten and isinstance(target, RemotePath):
            return PassedOver(reason=f"{target}: another run has written it")
        return _with_name(error, task)
    except MusicDenoiseError as error:
        return AudioError(f"{source}: {error.args[0]}", **error.fields)
    except MemoryError:
        return AudioError(
            f"{source}: needs more memory than there is; close other programs, or lower {{jobs}}", jobs=None
        )
    except Exception as error:  # noqa: BLE001 - the songs behind it have done nothing wrong
        reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        return AudioError(f"{source}: failed unexpectedly ({reason}); please report it with the file")


@contextlib.contextmanager
def _claimed(task: Task) -> Iterator[PassedOver | None]:
    """Keep other runs from the song until the block ends; give why it is passed over, or None."""
    target = task.job.target
    if target == PIPE:
        yield None
        return
    # Nothing can be locked in a store. What is stored second is refused there.
    with nullcontext(True) if isinstance(target, RemotePath) else claimed(target) as is_ours:
        if not is_ours and not task.skip_existing:
            raise AudioWriteError(
                f"{target}: another run is writing it; wait for it, or choose another output"
            )
        if not is_ours:
            yield PassedOver(reason=f"{target}: another run is writing it", is_done=False)
        elif task.skip_existing and exists(target):
            yield PassedOver(reason=f"{target}: another run has written it")
        else:
            yield None


def _with_name(error: AudioError, task: Task) -> AudioError:
    """The error, with a file of the task at the beginning of its message."""
    name = "standard input" if task.job.source == PIPE else str(task.job.source)
    files = (name, "standard output", *map(str, task.job.outputs))
    if str(error).startswith(tuple(f"{file}: " for file in files)):
        return error
    return type(error)(f"{name}: {error.args[0]}", **error.fields)


def denoise_in_parallel(
    tasks: Sequence[Task], settings: DenoiserSettings, *, processes: int
) -> Iterator[tuple[int, Result]]:
    """Denoise several songs at a time; the processors are shared among the processes.

    Parameters
    ----------
    tasks
        The songs.
    settings
        The denoiser; each process makes it once.
    processes
        How many at a time.

    Yields
    ------
    tuple of int and DenoiseReport, AudioError or PassedOver
        Index of the task, and its report or the error, as they become ready. If a
        process is killed, the songs in work are done again, each alone. A song that is killed again fails.
    """
    threads = max(1, default_jobs() // processes)
    waiting = list(range(len(tasks)))
    while waiting:
        batch = tuple(waiting)
        work = map_jobs(
            partial(denoise_here, settings=settings), [tasks[i] for i in batch], processes, threads=threads
        )
        try:
            for position, result in work:
                waiting.remove(batch[position])
                yield batch[position], result
        except DataError:
            # Songs are taken in order, so the first ones that are not ready are in work. Nobody knows whose
            # process was killed, and if memory ran out, it may be another song's fault.
            in_work, waiting = waiting[:processes], waiting[processes:]
            for index in in_work:
                yield index, _denoise_alone(tasks[index], settings)


def _denoise_alone(task: Task, settings: DenoiserSettings) -> Result:
    """One song in a process of its own, with nothing beside it."""
    try:
        here = partial(denoise_here, settings=settings)
        ((_, result),) = map_jobs(here, [task], 1, threads=default_jobs(), apart=True)
    except DataError as error:
        return AudioError(f"{task.job.source}: was not done: {error.args[0]}", **error.fields)
    return result


def denoise_here(
    task: Task, settings: DenoiserSettings, *, on_progress: Callable[[int, int | None], None] | None = None
) -> Result:
    """Denoise one song as `try_to_denoise`, with a denoiser that is kept for the next one in this process."""
    try:
        return try_to_denoise(_kept_denoiser(settings), task, on_progress=on_progress)
    except SystemExit:
        if multiprocessing.parent_process() is not None:
            # Terminated, and nothing is left behind. The pool would take it for a result, and the process
            # would begin the next song.
            os._exit(1)
        raise


_kept_denoiser = lru_cache(maxsize=1)(make_denoiser)
