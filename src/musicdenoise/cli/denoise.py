"""``musicdenoise denoise``: its options, and what they mean together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from musicdenoise.cli import options
from musicdenoise.cli.common import FAILED, choose_device, note, print_error, reports_errors, tell_failure
from musicdenoise.errors import UsageError

if TYPE_CHECKING:
    from musicdenoise.cli.denoise_run import Run
    from musicdenoise.denoising.plan import Job

__all__ = ["denoise"]


@reports_errors
def denoise(
    inputs: options.Inputs,
    output: options.Output = None,
    noise: options.NoiseKind = None,
    weights: options.Weights = None,
    strength: options.Strength = 1.0,
    atten_limit: options.AttenLimit = None,
    always: options.Always = False,
    residual: options.Residual = False,
    report: options.Report = None,
    output_format: options.Format = None,
    bit_depth: options.BitDepthOption = None,
    bitrate: options.Bitrate = None,
    start: options.Start = 0.0,
    duration: options.Duration = None,
    channels: options.Channels = options.ChannelMode.AUTO,
    segment_seconds: options.SegmentSeconds = 6.0,
    batch_size: options.BatchSize = "auto",
    precision: options.PrecisionOption = options.Precision.AUTO,
    compile: options.Compile = False,
    weights_url: options.WeightsUrl = None,
    offline: options.Offline = False,
    device: options.Device = None,
    cuda: options.Cuda = False,
    jobs: options.Jobs = 1,
    threads: options.Threads = None,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Remove noise from songs.

    Sample rate, channels, length, format and level of each song are kept. Songs may be WAV, FLAC, AIFF,
    OGG, Opus, MP3, M4A or MP4, of any length.
    """
    parameters = dict(locals())
    if inputs == [Path("-")] and output is None:
        output = parameters["output"] = Path("-")
    _check_usage(parameters)
    from musicdenoise.denoising.plan import plan_jobs

    settings = _settings(parameters)
    planned, failures = plan_jobs(
        inputs,
        output,
        f".{output_format.value}" if output_format else None,
        residuals=residual,
        pictures=report,
    )
    for source, error in failures:
        tell_failure(source, error, as_json=as_json)
    rest = _without_finished(planned, quiet=quiet) if skip_existing else planned
    _run(rest, len(failures), len(planned) - len(rest), settings, dry_run=dry_run)


def _check_usage(parameters: Mapping[str, Any]) -> None:
    given = parameters.get
    _check_choices(
        (
            "--noise",
            given("noise") is not None,
            "--weights",
            given("weights") is not None,
            "both choose a network",
        ),
        ("--force", given("force"), "--skip-existing", given("skip_existing"), "contradict each other"),
        ("--verbose", given("verbose"), "--quiet", given("quiet"), "contradict each other"),
        ("--bit-depth", given("bit_depth"), "--bitrate", given("bitrate") is not None, "exclude each other"),
        ("--jobs", given("jobs", 1) > 1, "--threads", given("threads"), "both share out the processors"),
    )
    duration = parameters["duration"]
    if duration is not None and not 0.0 < duration < math.inf:
        raise UsageError(f"--duration is {duration:g}; it must be a positive number of seconds")
    if not parameters["start"] < math.inf:
        raise UsageError(f"--start is {parameters['start']:g}; it must be a number of seconds")
    if parameters["output"] == Path("-") and (parameters["as_json"] or parameters["residual"]):
        raise UsageError("standard output holds the song already: leave --json and --residual out")
    if parameters["output"] == Path("-") and given("bitrate") is not None:
        raise UsageError("standard output is a WAV stream, which has no bit rate: leave --bitrate out")


def _settings(parameters: Mapping[str, Any]) -> Run:
    """What the options mean together."""
    from musicdenoise.cli.denoise_run import Run
    from musicdenoise.denoising.auto import AUTO
    from musicdenoise.denoising.denoiser import DenoiseConfig
    from musicdenoise.denoising.file_options import FileOptions
    from musicdenoise.weights.store import WeightsStore

    noise, depth, bitrate = (parameters[name] for name in ("noise", "bit_depth", "bitrate"))
    weights = parameters["weights"]
    if noise is not None:
        weights = AUTO if noise.strip().lower() == AUTO else _kind(noise)
    return Run(
        weights=weights,
        device=choose_device(parameters["device"], cuda=parameters["cuda"]),
        config=DenoiseConfig(
            segment_seconds=parameters["segment_seconds"],
            batch_size=_parse_batch_size(parameters["batch_size"]),
            precision=parameters["precision"].value,
            compile=parameters["compile"],
            strength=parameters["strength"],
            atten_limit_db=parameters["atten_limit"],
            channels=parameters["channels"].value,
        ),
        store=WeightsStore.of_user(mirror=parameters["weights_url"], offline=parameters["offline"]),
        options=FileOptions(
            overwrite=parameters["force"],
            overwrite_extras=parameters["skip_existing"],
            always=parameters["always"],
            start_seconds=parameters["start"],
            duration_seconds=parameters["duration"],
            bit_depth=depth.value if depth else None,
            bitrate=None if bitrate is None else _parse_bitrate(bitrate),
        ),
        processes=parameters["jobs"],
        threads=parameters["threads"],
        as_json=parameters["as_json"],
        verbose=parameters["verbose"],
        quiet=parameters["quiet"],
    )


def _run(planned: Sequence[Job], failed: int, skipped: int, settings: Run, *, dry_run: bool) -> None:
    """Denoise or list all; exit with the code for failures if there were any, here or before."""
    from musicdenoise.cli.denoise_run import list_outputs, run

    total = len(planned) + failed + skipped
    if planned:
        failed += (list_outputs if dry_run else run)(planned, settings)
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


def _kind(text: str) -> str:
    from musicdenoise.kinds import parse_kind

    try:
        return parse_kind(text)
    except UsageError as error:
        raise UsageError(f"{error}, or auto") from error


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
