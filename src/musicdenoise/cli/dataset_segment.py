"""``musicdenoise dataset segment``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from musicdenoise.cli import segment_options as options
from musicdenoise.cli.common import FAILED, print_error, takes, warn
from musicdenoise.cli.log import is_quiet
from musicdenoise.cli.quoting import quoted

if TYPE_CHECKING:
    from musicdenoise.dataset.segments.segment import SegmentResult


@takes(options.Request, options.PANELS)
def segment(request: options.Request) -> None:
    """Cut the pairs of a dataset into segments and keep the best.

    The score of a segment is the spectral diversity of input and target less the correlation of their
    noises. The folder gets the segments (mono), manifest.jsonl, and statistics as segments.json,
    segments.txt and segments.png.
    """
    from musicdenoise.cli.progress import song_progress
    from musicdenoise.dataset.segments.config import SegmentConfig
    from musicdenoise.dataset.segments.plot import plot_segments
    from musicdenoise.dataset.segments.segment import segment_dataset
    from musicdenoise.runtime.parallel import default_jobs

    config = SegmentConfig(
        num_samples=request.length,
        skip_start_seconds=request.skip_start,
        skip_end_seconds=request.skip_end,
        max_train=request.max_train,
        max_test=request.max_test,
        overlap=request.overlap,
        sort=request.sort,
        silence_db=request.silence_db,
        min_score=request.min_score,
        min_diversity=request.min_diversity,
        max_correlation=request.max_correlation,
        with_clean=request.with_clean,
        seed=request.seed,
    )
    out = request.out or _beside(request.dataset)
    with song_progress("Scoring and writing segments") as on_progress:
        result = segment_dataset(
            request.dataset,
            out,
            config,
            jobs=default_jobs() if request.jobs is None else request.jobs,
            force=request.force,
            root=request.root,
            verify=request.verify,
            on_progress=on_progress,
        )
    plot_segments(out / "segments.png", result.scores)
    _tell(result, out)


def _beside(dataset: Path) -> Path:
    """Folder of the segments where none is given."""
    named = dataset if dataset.name not in ("", "..") else dataset.resolve()
    return named.with_name(f"{named.resolve().name}_segments")


def _tell(result: SegmentResult, out: Path) -> None:
    """Print warnings, statistics and failures."""
    from musicdenoise.dataset.segments.statistics import summarise

    if result.too_short:
        warn(f"{len(result.too_short)} pair(s) are too short for a segment: {', '.join(result.too_short)}")
    if any("estimated" in split.methods for split in result.splits.values()):
        warn("the clean music is not known, so the correlation of the noises is estimated")
    if not is_quiet():
        typer.echo(f"{len(result.rows)} segments in {quoted(out)}; segments.txt there has all statistics")
        for line in summarise(result.splits):
            typer.echo(line)
    for failure in result.failures:
        print_error(failure)
    if result.failures:
        raise typer.Exit(FAILED)
