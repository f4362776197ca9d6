"""The options of ``musicdenoise dataset build``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_SONGS = Path("musdb18")
DEFAULT_NOISES = Path("UrbanSound8K/audio")

Kind = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="real|class|mixed|white",
        help="Noise: recordings of all classes, of one class, recordings and white noise, or white noise.",
        show_default=False,
    ),
]
Songs = Annotated[
    Path | None,
    typer.Option(
        "--songs", help="MUSDB18, MUSDB18-HQ, or any folder of songs.", show_default=str(DEFAULT_SONGS)
    ),
]
Noises = Annotated[
    Path | None,
    typer.Option(
        "--noises",
        help="UrbanSound8K/audio, or a folder whose sub-folders name the classes.",
        show_default=str(DEFAULT_NOISES),
    ),
]
NoiseClass = Annotated[
    str | None, typer.Option("--class", metavar="N|NAME", help="The class, for --kind class.")
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="train|test|both",
        help="Default: both when the songs lie in train and test, else train.",
    ),
]
MaxSongs = Annotated[
    int | None, typer.Option("--max-songs", metavar="N", help="Most songs of a split. Default: all.")
]
MaxNoises = Annotated[
    int | None, typer.Option("--max-noises", metavar="N", help="Pairs of each song.", show_default="1")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where to. Default: dataset_KIND.")]
InputDir = Annotated[
    Path | None, typer.Option("--input-dir", help="Folder of the inputs, in place of --out.")
]
TargetDir = Annotated[
    Path | None, typer.Option("--target-dir", help="Folder of the targets, in place of --out.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every choice and of the white noise.")]
Jobs = Annotated[
    int | None, typer.Option("-j", "--jobs", metavar="N", help="Processes. Default: all processors.")
]
SnrRange = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--snr-range",
        metavar="LO HI",
        help="SNRs in dB. Default: 2 to 27; 4 to 30 or 0 to 25 for songs of large or small dynamic range.",
    ),
]
SameClass = Annotated[
    bool | None,
    typer.Option(
        "--same-class/--different-class",
        help="Classes of the two noises of a pair. Default: different where there is more than one.",
    ),
]
FileFormat = Annotated[
    str, typer.Option("--format", metavar="wav|flac", help="32-bit float WAV, or 24-bit FLAC.")
]
SampleRate = Annotated[int, typer.Option("--sample-rate", help="Rate of the dataset in Hz.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a build that was stopped.")]
Force = Annotated[bool, typer.Option("-f", "--force", help="Replace a dataset in the folder.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be built; write nothing.")]
Device = Annotated[
    str | None,
    typer.Option(
        "-d",
        "--device",
        help="Checked, but mixing always runs on the CPU, so that a seed gives the same bytes everywhere.",
    ),
]
Cuda = Annotated[bool, typer.Option("--cuda", help="As --device cuda.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print warnings and errors only.")]
# The names of the reference, for scripts that use them.
PathSongs = Annotated[Path | None, typer.Option("--path-songs", hidden=True)]
PathNoises = Annotated[Path | None, typer.Option("--path-noises", hidden=True)]
IterSongs = Annotated[int | None, typer.Option("--iter-songs", hidden=True)]
IterNoise = Annotated[int | None, typer.Option("--iter-noise", hidden=True)]
ClassNum = Annotated[str | None, typer.Option("--class-num", hidden=True)]
UseCuda = Annotated[bool, typer.Option("--use-cuda", hidden=True)]
