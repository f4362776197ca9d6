"""``musicdenoise denoise``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from musicdenoise.cli import options
from musicdenoise.cli.common import FAILED, choose_device, note, print_error, reports_errors, warn
from musicdenoise.errors import AudioError, UsageError

if TYPE_CHECKING:
    from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
    from musicdenoise.denoising.ends import FileOptions
    from musicdenoise.denoising.files import DenoiseReport
    from musicdenoise.denoising.plan import Job
    from musicdenoise.weights.store import WeightsStore

__all__ = ["denoise"]


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What is to be done with every song."""

    residual: bool
    start: float
    duration: float | None
    force: bool
    as_json: bool
    quiet: bool

    def file_options(self, job: Job) -> FileOptions:
        from musicdenoise.denoising.ends import FileOptions

        return FileOptions(
            overwrite=self.force,
            residual=job.residual if self.residual else None,
            start_seconds=self.start,
            duration_seconds=self.duration,
        )


@reports_errors
def denoise(
    inputs: options.Inputs,
    output: options.Output = None,
    noise: options.NoiseKind = None,
    weights: options.Weights = None,
    strength: options.Strength = 1.0,
    atten_limit: options.AttenLimit = None,
    residual: options.Residual = False,
    start: options.Start = 0.0,
    duration: options.Duration = None,
    channels: options.Channels = options.ChannelMode.LINKED,
    segment_seconds: options.SegmentSeconds = 6.0,
    weights_url: options.WeightsUrl = None,
    offline: options.Offline = False,
    device: options.Device = None,
    cuda: options.Cuda = False,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Remove noise from songs.

    Sample rate, channels, length, format and level of each song are kept. Songs may be WAV, FLAC, AIFF,
    OGG, Opus, MP3, M4A or MP4, of any length.
    """
    if inputs == [Path("-")] and output is None:
        output = Path("-")
    _check_usage(noise, weights, duration, force=force, skip_existing=skip_existing)
    if output == Path("-") and (as_json or residual):
        raise UsageError("standard output holds the song already: leave --json and --residual out")
    from musicdenoise.denoising.denoiser import DenoiseConfig
    from musicdenoise.denoising.plan import plan_jobs
    from musicdenoise.weights.store import WeightsStore

    config = DenoiseConfig(
        segment_seconds=segment_seconds,
        strength=strength,
        atten_limit_db=atten_limit,
        linked=channels is options.ChannelMode.LINKED,
    )
    jobs, failures = plan_jobs(inputs, output)
    for failure in failures:
        print_error(failure)
    if skip_existing:
        jobs = _without_finished(jobs, quiet=quiet)
    if dry_run:
        for job in jobs:
            typer.echo(f"{job.source}\t{job.target}")
        jobs = []
    total, failed = len(jobs) + len(failures), len(failures)
    if jobs:
        request = _Request(
            residual=residual, start=start, duration=duration, force=force, as_json=as_json, quiet=quiet
        )
        chosen = choose_device(device, cuda=cuda)
        store = WeightsStore.of_user(mirror=weights_url, offline=offline)
        failed += _run(jobs, _load(noise, weights, chosen, config, store, quiet=quiet), request)
    if failed:
        if total > 1:
            print_error(f"{failed} of {total} inputs failed")
        raise typer.Exit(FAILED)


def _check_usage(
    noise: str | None, weights: str | None, duration: float | None, *, force: bool, skip_existing: bool
) -> None:
    if noise is not None and weights is not None:
        raise UsageError("--noise and --weights both choose a network: give one of them")
    if force and skip_existing:
        raise UsageError("--force replaces existing outputs, --skip-existing keeps them: give one of them")
    if duration is not None and not 0.0 < duration < math.inf:
        raise UsageError(f"--duration is {duration:g}; it must be a positive number of seconds")


def _without_finished(jobs: Sequence[Job], *, quiet: bool) -> list[Job]:
    rest = [job for job in jobs if not job.target.exists()]
    if len(rest) < len(jobs):
        note(f"{len(jobs) - len(rest)} outputs are there already", quiet=quiet)
    return rest


def _load(
    noise: str | None,
    weights: str | None,
    device: str,
    config: DenoiseConfig,
    store: WeightsStore,
    *,
    quiet: bool,
) -> Denoiser:
    from musicdenoise.cli.progress import byte_progress
    from musicdenoise.data.kinds import parse_kind
    from musicdenoise.denoising.denoiser import Denoiser

    if noise is not None:
        weights = parse_kind(noise)
    with byte_progress("fetching the network", quiet=quiet) as on_fetch:
        return Denoiser(weights, device=device, config=config, store=store, on_fetch=on_fetch)


def _run(jobs: Sequence[Job], denoiser: Denoiser, request: _Request) -> int:
    """Denoise all; return the number of failures."""
    from musicdenoise.cli.progress import song_progress
    from musicdenoise.denoising.files import denoise_file

    failed = 0
    for number, job in enumerate(jobs, start=1):
        counter = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
        try:
            with song_progress(f"{counter}{job.source.name}", quiet=request.quiet) as on_progress:
                report = denoise_file(
                    denoiser,
                    job.source,
                    job.target,
                    options=request.file_options(job),
                    on_progress=on_progress,
                )
        except AudioError as error:
            failed += 1
            print_error(error)
            if request.as_json:
                typer.echo(json.dumps({"source": str(job.source), "error": str(error)}, ensure_ascii=False))
        else:
            _tell(report, request)
    return failed


def _tell(report: DenoiseReport, request: _Request) -> None:
    if request.as_json:
        typer.echo(json.dumps(_document(report), ensure_ascii=False))
    speed = report.audio_seconds / max(report.seconds, 1e-9)
    note(
        f"{report.target}: removed noise at {report.removed_db:.1f} dB relative to the song with the "
        f"network {report.weights!r} in {report.seconds:.1f} s ({speed:.1f} times real time)",
        quiet=request.quiet,
    )
    if report.clipped_samples:
        warn(f"{report.target}: {report.clipped_samples} samples beyond full scale were limited to it")


def _document(report: DenoiseReport) -> dict[str, Any]:
    """The report as JSON values: paths as strings, nothing removed as null."""
    fields = {
        name: str(value) if isinstance(value, Path) else value for name, value in asdict(report).items()
    }
    if not math.isfinite(report.removed_db):
        fields["removed_db"] = None
    return {**fields, "audio_seconds": report.audio_seconds}
