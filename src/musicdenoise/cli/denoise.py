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
    reports_errors,
    takes,
    tell_failure,
)
from musicdenoise.errors import UsageError
from musicdenoise.runtime.remote import RemotePath

if TYPE_CHECKING:
    from musicdenoise.cli.denoise_run import Run
    from musicdenoise.denoising.plan import Job
    from musicdenoise.runtime.shard import Shard

__all__ = ["denoise"]

_PIPE = Path("-")


@reports_errors
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
    _tell_network(request, settings)
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
    rest = _without_finished(planned, quiet=request.quiet) if request.skip_existing else planned
    _run(rest, len(failures), len(planned) - len(rest), settings, dry_run=request.dry_run)


def _check_usage(request: options.Request) -> None:
    _check_choices(
        (
            "--noise",
            request.noise is not None,
            "--weights",
            request.weights is not None,
            "both choose a network",
        ),
        ("--no-network", request.no_network, "--noise", request.noise is not None, "contradict each other"),
        (
            "--no-network",
            request.no_network,
            "--weights",
            request.weights is not None,
            "contradict each other",
        ),
        ("--force", request.force, "--skip-existing", request.skip_existing, "contradict each other"),
        ("--verbose", request.verbose, "--quiet", request.quiet, "contradict each other"),
        ("--bit-depth", request.bit_depth, "--bitrate", request.bitrate is not None, "exclude each other"),
        (
            "--offline",
            request.offline,
            "an address such as s3://",
            any(isinstance(path, RemotePath) for path in (*request.inputs, request.output)),
            "contradict each other",
        ),
        ("--jobs", request.jobs > 1, "--threads", request.threads, "both share out the processors"),
    )
    if request.no_network and not request.noise_sample and not request.find_noise:
        raise UsageError(
            "--no-network needs to know the noise: give --noise-sample FILE or START-END, or leave "
            "--no-find-noise out"
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
    from musicdenoise.denoising.auto import AUTO
    from musicdenoise.denoising.denoise_config import DenoiseConfig
    from musicdenoise.denoising.file_options import FileOptions
    from musicdenoise.denoising.model import NO_NETWORK
    from musicdenoise.denoising.noise_sample import parse_noise_sample
    from musicdenoise.kinds import parse_noise_word
    from musicdenoise.weights.store import WeightsStore

    noise, weights = request.noise, request.weights
    if request.no_network:
        weights = NO_NETWORK
    elif noise is not None:
        weights = AUTO if noise.strip().lower() == AUTO else parse_noise_word(noise)
    return Run(
        weights=weights,
        noise_samples=tuple(parse_noise_sample(text) for text in request.noise_sample or ()),
        device=choose_device(request.device, cuda=request.cuda),
        config=DenoiseConfig(
            segment_seconds=request.segment_seconds,
            batch_size=_parse_batch_size(request.batch_size),
            precision=request.precision.value,
            compile=request.compile,
            strength=request.strength,
            atten_limit_db=request.atten_limit,
            gate=not request.always,
            find_noise=request.find_noise,
            match_level=request.noise_sample_level is options.SampleLevel.MATCH,
            channels=request.channels.value,
        ),
        store=WeightsStore.of_user(mirror=request.weights_url, offline=request.offline),
        options=FileOptions(
            overwrite=request.force,
            overwrite_extras=request.skip_existing,
            start_seconds=request.start,
            duration_seconds=request.duration,
            bit_depth=request.bit_depth.value if request.bit_depth else None,
            bitrate=None if request.bitrate is None else _parse_bitrate(request.bitrate),
        ),
        skip_existing=request.skip_existing,
        pages=request.report,
        shard=shard,
        processes=request.jobs,
        threads=request.threads,
        as_json=request.as_json,
        verbose=request.verbose,
        quiet=request.quiet,
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
        note(
            f"{total - failed - skipped} songs done, {skipped} there already, {failed} failed",
            quiet=settings.quiet,
            verbose=settings.verbose,
        )
    if failed:
        if total > 1:
            print_error(f"{failed} of {total} inputs failed")
        raise typer.Exit(FAILED)


def _check_choices(*pairs: tuple[str, object, str, object, str]) -> None:
    for first, has_first, second, has_second, reason in pairs:
        if has_first and has_second:
            raise UsageError(f"{first} and {second} {reason}: give one of them")


def _tell_network(request: options.Request, settings: Run) -> None:
    """Say which network is used if its name is not what the user typed."""
    from musicdenoise.weights.index import load_aliases

    asked = (request.noise or request.weights or "").strip()
    weights = settings.weights
    network = load_aliases().get(weights or "", weights)
    plain = asked if request.noise is None else asked.lower().replace("-", "_").replace(" ", "_")
    if network is None or not asked or asked.isdecimal() or plain == network:
        return
    kind = f"the kind {weights!r}, with " if weights not in (network, plain) else ""
    note(f"{asked}: {kind}the network {network!r}", quiet=settings.quiet, verbose=settings.verbose)


def _parse_bitrate(text: str) -> int:
    """Bits per second of ``"192"`` or ``"192k"``."""
    try:
        kbps = float(text.strip().lower().removesuffix("k"))
    except ValueError:
        kbps = math.nan
    if not 1.0 <= kbps <= 10_000.0:
        raise UsageError(f"--bitrate is {text!r}; give kilobits per second, such as 192 or 192k")
    return round(kbps * 1000)


def _parse_batch_size(text: str) -> int | None:
    """Segments at once, or None for ``"auto"``."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--batch-size is {text!r}; give a number of segments of at least 1, or auto")
    return int(text)


def _without_finished(jobs: Sequence[Job], *, quiet: bool) -> list[Job]:
    from musicdenoise.denoising.find import exists

    rest = [job for job in jobs if not exists(job.target)]
    if len(rest) < len(jobs):
        note(f"{len(jobs) - len(rest)} outputs are there already", quiet=quiet)
    return rest
