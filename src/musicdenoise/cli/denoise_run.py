"""Denoise the planned songs, and say what was done with each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from musicdenoise.cli.common import note, print_data, print_error, print_json, tell_failure, warn
from musicdenoise.cli.denoise_words import details, sample_line, summary
from musicdenoise.cli.progress import Album, byte_progress, count_progress, song_progress
from musicdenoise.cli.quoting import quoted
from musicdenoise.denoising.batch import (
    DenoiserSettings,
    PassedOver,
    Result,
    Task,
    denoise_in_parallel,
    make_denoiser,
    try_to_denoise,
)
from musicdenoise.denoising.denoise_report import DenoiseReport
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.plan import Job
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.denoising.song_input import PIPE
from musicdenoise.errors import AudioError
from musicdenoise.runtime.parallel import default_jobs
from musicdenoise.runtime.remote import RemotePath
from musicdenoise.runtime.shard import Shard


@dataclass(frozen=True, kw_only=True)
class Run:
    """What to do with every song, and what to print.

    Parameters
    ----------
    denoiser
        How songs are denoised.
    options
        How files are treated.
    skip_existing
        Whether to pass over songs that are done, or that another run is denoising.
    pages
        Folder for the page to listen; None for none.
    shard
        The part of the songs that is done, which has a page of its own; None for all.
    processes, threads
        Songs at a time, and processor threads (None for one for each processor).
    as_json, verbose
        What is printed.
    """

    denoiser: DenoiserSettings
    options: FileOptions
    skip_existing: bool
    pages: Path | None
    shard: Shard | None
    processes: int
    threads: int | None
    as_json: bool
    verbose: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How many songs failed, and how many were passed over."""

    failed: int = 0
    passed_over: int = 0


def run(jobs: Sequence[Job], settings: Run) -> Outcome:
    """Denoise all songs."""
    tasks = [Task.of(job, settings.options, skip_existing=settings.skip_existing) for job in jobs]
    if settings.threads is not None:
        torch.set_num_threads(min(settings.threads, default_jobs()))
    with byte_progress("fetching the network") as on_fetch:
        denoiser = make_denoiser(settings.denoiser, on_fetch)
    failed = passed_over = 0
    done: dict[int, DenoiseReport] = {}
    results = _one_by_one if settings.processes == 1 or len(tasks) == 1 else _side_by_side
    for index, result in results(tasks, denoiser, settings):
        if isinstance(result, AudioError):
            failed += 1
            tell_failure(tasks[index].job.source, result, as_json=settings.as_json)
        elif isinstance(result, PassedOver):
            passed_over += 1
            note(f"{result.reason}; passed over")
        else:
            _tell(result, settings)
            done[index] = result
            if result.picture_error is not None:
                failed += 1
                print_error(result.picture_error)
    if settings.pages is not None:
        is_written = _write_page(settings.pages, [done[index] for index in sorted(done)], settings)
        failed = failed or int(not is_written)
    return Outcome(failed=failed, passed_over=passed_over)


def _write_page(folder: Path, reports: Sequence[DenoiseReport], settings: Run) -> bool:
    """Write the page to listen to all songs of the run; False, and an error, if that fails."""
    from musicdenoise.denoising.listening_page import PAGE, Listening, write_listening_page

    songs = [
        Listening(
            source=report.source,
            target=report.target,
            words=summary(report, settings.denoiser.config.removed_share),
            start_seconds=settings.options.start_seconds,
        )
        for report in reports
        if not any(path == PIPE or isinstance(path, RemotePath) for path in (report.source, report.target))
    ]
    if not songs:
        return True
    shard = settings.shard
    try:
        page = write_listening_page(folder, songs, name=PAGE if shard is None else f"index_{shard.name}.html")
    except AudioError as error:
        print_error(error)
        return False
    note(f"Listen: {page}")
    return True


def list_outputs(jobs: Sequence[Job], settings: Run) -> Outcome:
    """Print what would be written, a line for each file. Songs that would fail count as failed."""
    failed = 0
    for job in jobs:
        try:
            Task.of(job, settings.options).check_outputs()
        except AudioError as error:
            failed += 1
            print_error(error)
            continue
        for output in job.outputs or (PIPE,):
            # In full: `fleet denoise` takes this list.
            source = job.source.address if isinstance(job.source, RemotePath) else job.source
            print_data(f"{quoted(source)}\t{quoted(output)}")
    return Outcome(failed=failed)


def _one_by_one(tasks: Sequence[Task], denoiser: SongDenoiser, settings: Run) -> Iterator[tuple[int, Result]]:
    album = Album([task.job.source for task in tasks])
    for index, task in enumerate(tasks):
        counter = f"[{index + 1}/{len(tasks)}] " if len(tasks) > 1 else ""
        label = f"{counter}{task.job.source.name}"
        with song_progress(label, left=album.left) as on_progress:
            result = try_to_denoise(denoiser, task, on_progress=on_progress)
        album.advance()
        yield index, result


def _side_by_side(
    tasks: Sequence[Task], _denoiser: SongDenoiser, settings: Run
) -> Iterator[tuple[int, Result]]:
    with count_progress("denoising", len(tasks)) as advance:
        for item in denoise_in_parallel(tasks, settings.denoiser, processes=settings.processes):
            advance()
            yield item


def _tell(report: DenoiseReport, settings: Run) -> None:
    if settings.as_json:
        print_json(_document(report))
    name = "standard input" if report.source == PIPE else report.target
    told = summary(report, settings.denoiser.config.removed_share)
    note(f"{name}: {told} in {report.seconds:.1f} s ({report.speed:.1f} times real time)")
    if report.noise_sample is not None:
        note(f"  {sample_line(report.noise_sample)}")
        for line in report.noise_sample.warnings:
            warn(line)
    if settings.verbose:
        for line in details(report):
            note(line)
    for remark in report.remarks:
        warn(f"{'standard input' if report.source == PIPE else report.source}: {remark}")


def _document(report: DenoiseReport) -> dict[str, Any]:
    """The report as JSON values: paths as strings, infinite levels as null."""

    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    fields = {name: plain(value) for name, value in asdict(report).items()}
    return {**fields, "audio_seconds": report.audio_seconds, "speed": report.speed}
