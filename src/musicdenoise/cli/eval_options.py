"""The options of ``musicdenoise eval``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from musicdenoise.cli.completion import propose_networks
from musicdenoise.cli.config_file import Config
from musicdenoise.cli.log import LogLevel, quiet_option
from musicdenoise.cli.options import Cuda, Device, Root, Verify

METRICS = ("snr", "ssnr", "si_sdr", "lsd", "pesq_wb", "pesq_nb", "stoi")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: the options as they were parsed."""

    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA|NOISY_DIR",
            help="Dataset (its test pairs), or a folder of noisy recordings.",
            show_default=False,
        ),
    ]
    clean: Annotated[
        Path | None,
        typer.Argument(
            metavar="CLEAN_DIR", help="Folder of the same recordings, clean, with the same names."
        ),
    ] = None
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|PATH",
            autocompletion=propose_networks,
            help="A pretrained network, a .safetensors file, auto, own (the network for each item's kind of "
            "noise), none (plain subtraction of a known noise) or reference:FILE.pth. You may repeat this. "
            "Default: the network for noise of any kind.",
        ),
    ] = None
    baselines: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="identity, noisereduce, noisered (with --noise-sample), afftdn, oracle, separated by "
            "commas; or none. Default: all that are installed.",
        ),
    ] = None
    noise_sample: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            help="Also measure with a sample of the noise: the first SECONDS of noisy minus clean. All "
            "columns are then measured on what follows.",
        ),
    ] = None
    always: Annotated[
        bool,
        typer.Option(
            "--always",
            help="Measure networks without the gate, which leaves the song alone if there is next to no "
            "noise.",
        ),
    ] = False
    out: Annotated[Path | None, typer.Option(help="Folder for metrics, plots, samples and report.html.")] = (
        None
    )
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help=f"{', '.join(METRICS)}, with commas. Default: all that are installed; PESQ and STOI come "
            r"with pip install 'musicdenoise\[eval]'.",
        ),
    ] = None
    split: Annotated[str, typer.Option(metavar="test|train", help="Part of a dataset: test or train.")] = (
        "test"
    )
    root: Root = None
    verify: Verify = True
    limit: Annotated[
        int | None, typer.Option(min=1, help="Measure at most this many items, spread evenly.")
    ] = None
    samples: Annotated[int, typer.Option(min=0, help="How many items to show and play in the report.")] = 3
    sample_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Length of each of them.")
    ] = 6.0
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes for PESQ and STOI. Default: one per core.")
    ] = None
    device: Device = None
    cuda: Cuda = False
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace an evaluation in --out.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json instead of the table.")] = False
    quiet: Annotated[bool, quiet_option("Print no table, only errors.")] = False
    config: Config = None
    log_level: LogLevel = None


PANELS = {
    "What is measured": ("weights", "baselines", "metrics", "noise_sample", "always"),
    "Data": ("split", "limit", "root", "verify"),
    "Output": ("out", "samples", "sample_seconds", "as_json", "force", "quiet"),
    "Speed": ("device", "cuda", "workers"),
    "Settings": ("config", "log_level"),
}
