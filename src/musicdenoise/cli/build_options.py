"""The options of ``musicdenoise dataset build``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from musicdenoise.cli.config_file import Config
from musicdenoise.cli.log import LogLevel, Quiet
from musicdenoise.cli.options import Processes

DEFAULT_SONGS = Path("musdb18")
DEFAULT_NOISES = Path("UrbanSound8K/audio")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: the options as they were parsed."""

    kind: Annotated[
        str,
        typer.Option(
            metavar="real|class|mixed|white",
            help="Kind of noise: real is recordings of all classes, class is recordings of one, mixed is "
            "recordings and white noise, white is white noise.",
            show_default=False,
        ),
    ]
    songs: Annotated[
        Path | None,
        typer.Option(help="MUSDB18, MUSDB18-HQ, or any folder of songs.", show_default=str(DEFAULT_SONGS)),
    ] = None
    noises: Annotated[
        Path | None,
        typer.Option(
            help="UrbanSound8K/audio, or a folder whose sub-folders name the classes.",
            show_default=str(DEFAULT_NOISES),
        ),
    ] = None
    noise_class: Annotated[
        str | None, typer.Option("--class", metavar="N|NAME", help="The class, for --kind class.")
    ] = None
    split: Annotated[
        str | None,
        typer.Option(
            metavar="train|test|both", help="Default: both when the songs lie in train and test, else train."
        ),
    ] = None
    max_songs: Annotated[
        int | None, typer.Option(metavar="N", help="Use at most this many songs of a split. Default: all.")
    ] = None
    max_noises: Annotated[
        int | None, typer.Option(metavar="N", help="Pairs of each song.", show_default="1")
    ] = None
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the dataset. Default: dataset_KIND.")
    ] = None
    input_dir: Annotated[Path | None, typer.Option(help="Folder of the inputs, instead of --out.")] = None
    target_dir: Annotated[Path | None, typer.Option(help="Folder of the targets, instead of --out.")] = None
    seed: Annotated[int, typer.Option(help="Seed of every choice and of the white noise.")] = 42
    jobs: Processes = None
    fleet: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Scheduler of a Dask cluster whose workers see the same folders. Default: processes here.",
        ),
    ] = None
    snr_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LO HI",
            help="SNRs in dB. Default: 2 to 27; 4 to 30 or 0 to 25 for songs of large or small dynamic "
            "range.",
        ),
    ] = None
    same_class: Annotated[
        bool | None,
        typer.Option(
            "--same-class/--different-class",
            help="Whether both noises of a pair come from one class. Default: different ones, if possible.",
        ),
    ] = None
    file_format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="wav|flac|webdataset",
            help="32-bit float WAV, 24-bit FLAC, or FLAC in shards for WebDataset.",
        ),
    ] = "wav"
    shard_size: Annotated[
        int | None, typer.Option(metavar="MB", help="Size of a shard.", show_default="500")
    ] = None
    sample_rate: Annotated[int, typer.Option(help="Rate of the dataset in Hz.")] = 44_100
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a build that was stopped.")] = False
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace a dataset in the folder.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be built.")] = False
    device: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--device",
            metavar="NAME",
            help="Checked, but not used: mixing always runs on the CPU, so that a seed gives the same "
            "bytes everywhere.",
        ),
    ] = None
    cuda: Annotated[bool, typer.Option("--cuda", help="As --device cuda.")] = False
    quiet: Quiet = False
    path_songs: Annotated[Path | None, typer.Option(hidden=True)] = None
    path_noises: Annotated[Path | None, typer.Option(hidden=True)] = None
    iter_songs: Annotated[int | None, typer.Option(hidden=True)] = None
    iter_noise: Annotated[int | None, typer.Option(hidden=True)] = None
    class_num: Annotated[str | None, typer.Option(hidden=True)] = None
    use_cuda: Annotated[bool, typer.Option("--use-cuda", hidden=True)] = False
    config: Config = None
    log_level: LogLevel = None


PANELS = {
    "Songs and noises": ("kind", "songs", "noises", "noise_class", "split", "max_songs", "max_noises"),
    "Mixing": ("snr_range", "same_class", "sample_rate", "seed"),
    "Output": (
        *("out", "input_dir", "target_dir", "file_format", "shard_size", "resume", "force"),
        *("dry_run", "quiet"),
    ),
    "Speed": ("jobs", "fleet", "device", "cuda"),
    "Settings": ("config", "log_level"),
}
