"""The options of ``musicdenoise dataset segment``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from musicdenoise.cli.config_file import Config
from musicdenoise.cli.log import LogLevel, Quiet
from musicdenoise.cli.options import Processes, Root, Verify


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: the options as they were parsed."""

    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET", help="A dataset with a manifest, or with input and target folders."
        ),
    ]
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the segments. Default: DATASET_segments.")
    ] = None
    length: Annotated[int, typer.Option(metavar="N", help="Length of a segment in samples.")] = 165_000
    skip_start: Annotated[
        float, typer.Option(metavar="S", help="Seconds left out at the start of a song.")
    ] = 6.0
    skip_end: Annotated[float, typer.Option(metavar="S", help="Seconds left out at the end of a song.")] = (
        12.0
    )
    max_train: Annotated[int, typer.Option(metavar="N", help="Keep at most this many training segments.")] = (
        10_000
    )
    max_test: Annotated[int, typer.Option(metavar="N", help="Keep at most this many test segments.")] = 1_000
    overlap: Annotated[
        float, typer.Option(metavar="X", help="Share of a segment that the next one repeats.")
    ] = 0.0
    sort: Annotated[
        str, typer.Option(metavar="score|random", help="Keep the best segments, or some at random.")
    ] = "score"
    silence_db: Annotated[
        float, typer.Option(metavar="DB", help="Drop segments whose music is quieter (RMS).")
    ] = -60.0
    min_score: Annotated[
        float | None, typer.Option(metavar="X", help="Drop segments with a lower score.")
    ] = None
    min_diversity: Annotated[
        float | None, typer.Option(metavar="X", help="Drop segments that are less diverse.")
    ] = None
    max_correlation: Annotated[
        float | None, typer.Option(metavar="X", help="Drop segments whose noises correlate more.")
    ] = None
    with_clean: Annotated[
        bool, typer.Option("--with-clean", help="Also write the clean music of training segments.")
    ] = False
    root: Root = None
    verify: Verify = True
    seed: Annotated[int, typer.Option(help="Seed of --sort random.")] = 42
    jobs: Processes = None
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace segments in the folder.")] = False
    quiet: Quiet = False
    config: Config = None
    log_level: LogLevel = None


PANELS = {
    "Segments": ("length", "overlap", "skip_start", "skip_end", "max_train", "max_test"),
    "Choice": ("sort", "silence_db", "min_score", "min_diversity", "max_correlation", "seed"),
    "Data": ("root", "verify"),
    "Output": ("out", "with_clean", "force", "quiet", "jobs"),
    "Settings": ("config", "log_level"),
}
