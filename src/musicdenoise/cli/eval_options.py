"""The options of ``musicdenoise eval``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from musicdenoise.cli.completion import propose_networks

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
        Path | None, typer.Argument(metavar="CLEAN_DIR", help="Folder of the clean ones, of the same names.")
    ] = None
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            metavar="NAME|PATH",
            autocompletion=propose_networks,
            help="Network: pretrained, a .safetensors file, auto, own (that of each item's kind of noise), "
            "none (plain subtraction of a known noise) or reference:FILE.pth. May be repeated. Default: the "
            "default network.",
        ),
    ] = None
    baselines: Annotated[
        str | None,
        typer.Option(
            "--baselines",
            metavar="NAMES",
            help="identity, noisereduce, noisered (with --noise-sample), afftdn, oracle, with commas; none "
            "for none. Default: all there are.",
        ),
    ] = None
    noise_sample: Annotated[
        float | None,
        typer.Option(
            "--noise-sample",
            metavar="SECONDS",
            min=0.1,
            help="Give a sample of the noise, the first SECONDS of what differs between the files of a pair, "
            "in columns of their own. What follows it is measured.",
        ),
    ] = None
    always: Annotated[
        bool,
        typer.Option(
            "--always",
            help="Measure networks without the gate, which lets music pass where there is next to no noise.",
        ),
    ] = False
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for metrics, plots, samples and report.html.")
    ] = None
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="NAMES",
            help=f"{', '.join(METRICS)}, with commas. Default: all that are installed; PESQ and STOI come "
            "with pip install 'musicdenoise[eval]'.",
        ),
    ] = None
    split: Annotated[
        str, typer.Option("--split", metavar="test|train", help="Part of a dataset: test or train.")
    ] = "test"
    root: Annotated[
        Path | None,
        typer.Option("--root", help="Folder that files of a manifest may lie in, beside the dataset."),
    ] = None
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare files with the digests in the manifest.")
    ] = True
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Measure at most so many items, spread evenly.")
    ] = None
    samples: Annotated[
        int, typer.Option("--samples", min=0, help="Items to look at and listen to in the report.")
    ] = 3
    sample_seconds: Annotated[
        float,
        typer.Option("--sample-seconds", metavar="SECONDS", min=0.1, help="Longest stretch of a sample."),
    ] = 6.0
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, help="Processes for PESQ and STOI. Default: one per core."),
    ] = None
    device: Annotated[
        str | None, typer.Option("-d", "--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")
    ] = None
    cuda: Annotated[bool, typer.Option("--cuda", help="Use a CUDA device if there is one.")] = False
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace an evaluation in --out.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json in place of the table.")] = False
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print no table, only errors.")] = False


PANELS = {
    "What is measured": ("weights", "baselines", "metrics", "noise_sample", "always"),
    "Data": ("split", "limit", "root", "verify"),
    "Output": ("out", "samples", "sample_seconds", "as_json", "force", "quiet"),
    "Speed": ("device", "cuda", "workers"),
}
