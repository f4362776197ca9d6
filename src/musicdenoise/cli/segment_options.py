"""The options of ``musicdenoise dataset segment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[
    Path,
    typer.Argument(metavar="DATASET", help="A dataset with a manifest, or with input and target folders."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where to. Default: DATASET_segments.")
]
Length = Annotated[int, typer.Option("--length", metavar="N", help="Samples of a segment.")]
SkipStart = Annotated[
    float, typer.Option("--skip-start", metavar="S", help="Seconds left out at the start of a song.")
]
SkipEnd = Annotated[
    float, typer.Option("--skip-end", metavar="S", help="Seconds left out at the end of a song.")
]
MaxTrain = Annotated[int, typer.Option("--max-train", metavar="N", help="Most training segments.")]
MaxTest = Annotated[int, typer.Option("--max-test", metavar="N", help="Most test segments.")]
Overlap = Annotated[
    float, typer.Option("--overlap", metavar="X", help="Share of a segment that the next one repeats.")
]
Sort = Annotated[
    str, typer.Option("--sort", metavar="score|random", help="Keep the best segments, or some at random.")
]
SilenceDb = Annotated[
    float, typer.Option("--silence-db", metavar="DB", help="Drop segments whose music is quieter (RMS).")
]
MinScore = Annotated[float | None, typer.Option("--min-score", metavar="X", help="Drop segments below.")]
MinDiversity = Annotated[
    float | None, typer.Option("--min-diversity", metavar="X", help="Drop segments less diverse.")
]
MaxCorrelation = Annotated[
    float | None,
    typer.Option("--max-correlation", metavar="X", help="Drop segments whose noises correlate more."),
]
WithClean = Annotated[
    bool, typer.Option("--with-clean", help="Write the clean music of training segments, too.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of --sort random.")]
Jobs = Annotated[
    int | None, typer.Option("-j", "--jobs", metavar="N", help="Processes. Default: all processors.")
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Replace segments in the folder.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print warnings and errors only.")]
