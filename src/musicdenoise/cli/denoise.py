"""``musicdenoise denoise``: checks the options, and turns them into the settings of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from musicdenoise.cli import options
from musicdenoise.cli.common import (
    FAILED,
    choose_device,
    note,
    print_error,
    takes,
    tell_failure,
)
from musicdenoise.cli.denoiser_settings import (
    check_choices,
    check_denoiser,
    denoiser_settings,
    file_options,
    tell_network,
)
from musicdenoise.errors import UsageError
from musicdenoise.runtime.remote import RemotePath

if TYPE_CHECKING:
    from musicdenoise.cli.denoise_run import Run
    from musicdenoise.denoising.plan import Job
    from musicdenoise.runtime.shard import Shard

_PIPE = Path("-")


@takes(options.Request, options.PANELS)
def denoise(request: options.Request) -> None:
    """Remove noise from songs.

    Sample rate, channels, length, format and level of each song are kept. Songs may be WAV, FLAC, AIFF,
    OGG, Opus, MP3, M4A or MP4, of any length.
    """
    if request.inputs == [_PIPE] and request.output is None:
        request = replace(request, output=_PIPE)
    _check_usage(request)
    from musicdenoise.denoising.plan import plan_jobs
    from musicdenoise.runtime.shard import Shard

    shard = None if request.shard is None else Shard.parse(request.shard)
    settings = _settings(request, shard)
    tell_network(request, settings.denoiser.weights)
    planned, failures = plan_jobs(
        request.inputs,
        request.output,
        f".{request.output_format.value}" if request.output_format else None,
        residuals=request.residual,
        pictures=request.report,
        previews=settings.options.is_cut,
    )
    if shard is not None:  # before songs are skipped, so that all shards divide the same list
        planned = shard.part(planned, lambda job: str(job.source))
        failures = shard.part(failures, lambda failure: str(failure[0]))
    for source, error in failures:
        tell_failure(source, error, as_json=request.as_json)
    rest = _without_finished(planned) if request.skip_existing else planned
    _run(rest, len(failures), len(planned) - len(rest), settings, dry_run=request.dry_run)


def _check_usage(request: options.Request) -> None:
    check_denoiser(request)
    addresses = any(isinstance(path, RemotePath) for path in (*request.inputs, request.output))
    contradict = "contradict each other"
    check_choices(
        ("--force", request.force, "--skip-existing", request.skip_existing, contradict),
        ("--offline", request.offline, "an address such as s3://", addresses, contradict),
        ("--jobs", request.jobs > 1, "--threads", request.threads, "both share out the processors"),
    )
    duration = request.duration
    if duration is not None and not 0.0 < duration < math.inf:
        raise UsageError(f"--duration is {duration:g}; it must be a positive number of seconds")
    if not request.start < math.inf:
        raise UsageError(f"--start is {request.start:g}; it must be a number of seconds")
    if isinstance(request.report, RemotePath):
        raise UsageError(f"--report is {request.report}; give a folder on this machine")
    if request.output == _PIPE and (request.as_json or request.residual):
        raise UsageError("standard output holds the song already: leave --json and --residual out")
    if request.output == _PIPE and request.bitrate is not None:
        raise UsageError("standard output is a WAV stream, which has no bit rate: leave --bitrate out")


def _settings(request: options.Request, shard: Shard | None) -> Run:
    """The options as the settings of a run."""
    from musicdenoise.cli.denoise_run import Run

    return Run(
        denoiser=denoiser_settings(request, choose_device(request.device, cuda=request.cuda)),
        options=replace(
            file_options(request),
            overwrite_extras=request.skip_existing,
            start_seconds=request.start,
            duration_seconds=request.duration,
        ),
        skip_existing=request.skip_existing,
        pages=request.report,
        shard=shard,
        processes=request.jobs,
        threads=request.threads,
        as_json=request.as_json,
        verbose=request.verbose,
    )


def _run(planned: Sequence[Job], failed: int, skipped: int, settings: Run, *, dry_run: bool) -> None:
    """Denoise or list all songs; exit with the code for failures if any song failed, here or before."""
    from musicdenoise.cli.denoise_run import list_outputs, run

    total = len(planned) + failed + skipped
    if planned:
        outcome = (list_outputs if dry_run else run)(planned, settings)
        failed += outcome.failed
        skipped += outcome.passed_over
    if total > 1 and not dry_run:
        note(f"{total - failed - skipped} songs done, {skipped} there already, {failed} failed")
    if failed:
        if total > 1:
            print_error(f"{failed} of {total} inputs failed")
        raise typer.Exit(FAILED)


def _without_finished(jobs: Sequence[Job]) -> list[Job]:
    from musicdenoise.denoising.find import exists

    rest = [job for job in jobs if not exists(job.target)]
    if len(rest) < len(jobs):
        note(f"{len(jobs) - len(rest)} outputs are there already")
    return rest
