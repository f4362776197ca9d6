"""``musicdenoise fleet``: songs on many machines."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicdenoise.cli import options
from musicdenoise.cli.common import FAILED, note, print_error, takes, warn
from musicdenoise.cli.denoiser_settings import check_denoiser, denoiser_settings, file_options, tell_network
from musicdenoise.cli.help import command
from musicdenoise.errors import UsageError

if TYPE_CHECKING:
    from musicdenoise.fleet.song_list import ListedSong

fleet = typer.Typer(
    help="Denoise many songs on many machines, with Dask Distributed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True, kw_only=True)
class Request(options.DenoiserRequest):
    """What is asked for."""

    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST",
            help="Text file, a song a line: INPUT, a tab, OUTPUT; 'denoise --dry-run' prints one.",
            show_default=False,
        ),
    ]
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Scheduler of a Dask cluster, such as tcp://10.0.0.1:8786. Default: processes here.",
        ),
    ] = None
    jobs: options.Processes = None
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What came of each song, a JSON object a line; a later run goes on from it. Default: "
            "MANIFEST.results.jsonl.",
        ),
    ] = None
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, help="How often to try a failed song again, on another worker.")
    ] = 2
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try songs again that failed in an earlier run.")
    ] = False


PANELS = {
    **{title: options.PANELS[title] for title in ("Noise", "Where noise is looked for")},
    "Output": ("bit_depth", "bitrate", "force", "verbose", "quiet"),
    "Many songs": ("address", "jobs", "results", "retries", "retry_failed"),
    "Speed": tuple(name for name in options.PANELS["Speed"] if name != "threads"),
    **{title: options.PANELS[title] for title in ("Networks from elsewhere", "Settings")},
}


@takes(Request, PANELS)
def denoise(request: Request) -> None:
    """Denoise the songs of a list, each once, on workers that may come and go.

    Paths mean the same for all workers: a folder that all see, or addresses such as s3://. A song that
    fails is tried again on another worker. A second run with the same list goes on where the first one
    stopped.
    """
    if request.address is not None and request.jobs is not None:
        raise UsageError("--address has workers of its own and --jobs starts some here: give one of them")
    check_denoiser(request)
    from musicdenoise.fleet.song_list import left_to_do, read_results, read_songs
    from musicdenoise.runtime.claim import claimed

    songs = read_songs(request.manifest)
    path = request.results or request.manifest.with_name(f"{request.manifest.name}.results.jsonl")
    with claimed(path) as is_ours:
        if not is_ours:
            raise UsageError(f"{path}: another run is writing it; wait for it, or choose another --results")
        known = read_results(path)
        rest, before, failed = left_to_do(songs, known, retry_failed=request.retry_failed)
        done = 0
        if rest:
            done, new = _run(rest, path, request)
            failed += new
    note(f"{done} songs done, {before} there already, {failed} failed; see {path}")
    if failed:
        print_error(f"{failed} of {len(songs)} songs failed; --retry-failed tries them again")
        raise typer.Exit(FAILED)


def _run(songs: list[ListedSong], path: Path, request: Request) -> tuple[int, int]:
    """How many songs were done, and failed."""
    from musicdenoise.cli.progress import count_progress
    from musicdenoise.fleet.denoise import denoise_on_fleet
    from musicdenoise.fleet.song_list import append_result, open_results
    from musicdenoise.fleet.workers import connected
    from musicdenoise.runtime.parallel import default_jobs

    # The device is one of the worker's, so nobody here can check it.
    settings = denoiser_settings(request, "cuda" if request.cuda else request.device or "auto")
    tell_network(request, settings.weights)
    done = failed = 0
    with ExitStack() as stack:
        client = stack.enter_context(connected(request.address, request.jobs or default_jobs()))
        file = stack.enter_context(open_results(path))
        advance = stack.enter_context(count_progress("denoising", len(songs)))
        answers = denoise_on_fleet(client, songs, settings, file_options(request), retries=request.retries)
        for result in answers:
            append_result(file, result)
            advance()
            for warning in result.warnings:
                warn(f"{result.source}: {warning}")
            if result.error is None:
                done += 1
            else:
                failed += 1
                print_error(result.error)
    return done, failed


command(
    fleet,
    "denoise",
    "musicdenoise fleet denoise songs.tsv --address tcp://10.0.0.1:8786",
    "musicdenoise fleet denoise songs.tsv --jobs 4 --retry-failed",
)(denoise)
