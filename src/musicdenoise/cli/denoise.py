"""``musicdenoise denoise``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicdenoise.cli.common import FAILED, choose_device, note, print_error, reports_errors, warn
from musicdenoise.errors import AudioError, UsageError

if TYPE_CHECKING:
    from musicdenoise.denoising.denoiser import Denoiser
    from musicdenoise.denoising.files import DenoiseReport
    from musicdenoise.denoising.plan import Job

__all__ = ["denoise"]


@reports_errors
def denoise(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="Songs, or folders of songs.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Output file (for a single input) or folder. "
            "Default: NAME_denoised.EXT beside each input. The suffix of a file decides its format.",
        ),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            "--noise",
            metavar="KIND",
            help="Kind of noise to remove: white, mixed, or an UrbanSound8K class by name or number 0-9. "
            "Default: the best network there is for noise of unknown kind.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="NAME|PATH", help="Pretrained network, or a .safetensors file."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("-d", "--device", help="auto, cpu, cuda, cuda:N or mps. Default: auto."),
    ] = None,
    cuda: Annotated[
        bool, typer.Option("--cuda", help="Use a CUDA device; where there is none, say so and use the CPU.")
    ] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace existing outputs.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print warnings and errors only.")] = False,
) -> None:
    """Remove noise from songs.

    Sample rate, channels, length, format and level of each song are kept. Songs may be WAV, FLAC, AIFF,
    OGG, Opus, MP3, M4A or MP4, of any length.
    """
    if noise is not None and weights is not None:
        raise UsageError("--noise and --weights both choose a network: give one of them")
    from musicdenoise.denoising.plan import plan_jobs

    jobs, failures = plan_jobs(inputs, output)
    for failure in failures:
        print_error(failure)
    failed = len(failures)
    if jobs:
        chosen = choose_device(device, cuda=cuda)
        failed += _run(jobs, _load(noise, weights, chosen), force=force, quiet=quiet)
    if failed:
        total = len(jobs) + len(failures)
        if total > 1:
            print_error(f"{failed} of {total} inputs failed")
        raise typer.Exit(FAILED)


def _load(noise: str | None, weights: str | None, device: str) -> Denoiser:
    from musicdenoise.data.kinds import parse_kind
    from musicdenoise.denoising.denoiser import Denoiser
    from musicdenoise.weights.index import default_weights

    if weights is None:
        weights = default_weights() if noise is None else parse_kind(noise)
    return Denoiser(weights, device=device)


def _run(jobs: Sequence[Job], denoiser: Denoiser, *, force: bool, quiet: bool) -> int:
    """Denoise all; return the number of failures."""
    from musicdenoise.cli.progress import song_progress
    from musicdenoise.denoising.files import denoise_file

    failed = 0
    for number, job in enumerate(jobs, start=1):
        counter = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
        try:
            with song_progress(f"{counter}{job.source.name}", quiet=quiet) as on_progress:
                report = denoise_file(
                    denoiser, job.source, job.target, overwrite=force, on_progress=on_progress
                )
        except AudioError as error:
            failed += 1
            print_error(error)
        else:
            _tell(report, quiet=quiet)
    return failed


def _tell(report: DenoiseReport, *, quiet: bool) -> None:
    speed = report.audio_seconds / max(report.seconds, 1e-9)
    note(
        f"{report.target}: removed {report.removed_db:.1f} dB of the input's power with the network "
        f"{report.weights!r}, {report.seconds:.1f} s ({speed:.1f} times real time)",
        quiet=quiet,
    )
    if report.clipped_samples:
        warn(f"{report.target}: {report.clipped_samples} samples beyond full scale were limited to it")
