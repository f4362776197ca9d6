"""The Typer application."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from musicdenoise.cli.correlate import correlate
from musicdenoise.cli.dataset import dataset
from musicdenoise.cli.denoise import denoise
from musicdenoise.cli.evaluate import evaluate
from musicdenoise.cli.fleet import fleet
from musicdenoise.cli.help import Command, Group, examples
from musicdenoise.cli.info import info
from musicdenoise.cli.serve import serve
from musicdenoise.cli.train import train
from musicdenoise.cli.weights import app as weights

app = typer.Typer(
    name="musicdenoise",
    cls=Group,
    help="Remove noise from songs with a Deep Complex U-Net trained by Noise2Noise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"musicdenoise {version('musicdenoise')}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option(
            "-V", "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command(
    "denoise",
    cls=Command,
    epilog=examples(
        "musicdenoise denoise song.mp3 --noise hiss",
        "musicdenoise denoise album/ -o cleaned/ --skip-existing --jobs 2",
    ),
)(denoise)
app.command(
    "serve",
    cls=Command,
    epilog=examples("musicdenoise serve --open", "musicdenoise serve --port 9000 --device cpu"),
)(serve)
app.command(
    "train",
    cls=Command,
    epilog=examples(
        "musicdenoise train --songs music/ --noise white --minutes 60 --out runs/white",
        "musicdenoise train dataset_mixed/ --recipe mixed --resume --out runs/mixed",
    ),
)(train)
app.command(
    "eval",
    cls=Command,
    epilog=examples(
        "musicdenoise eval pairs/ --weights white --weights mixed --out measured",
        "musicdenoise eval noisy/ clean/ --metrics snr,lsd --baselines none --json",
    ),
)(evaluate)
app.add_typer(weights, name="weights", cls=Group)
app.add_typer(dataset, name="dataset", cls=Group)
app.add_typer(fleet, name="fleet", cls=Group)
app.command(
    "correlate",
    cls=Command,
    epilog=examples(
        "musicdenoise correlate first/ second/",
        "musicdenoise correlate before.wav after.wav report.json --max-lag 0.5",
    ),
)(correlate)
app.command(
    "info", cls=Command, epilog=examples("musicdenoise info", "musicdenoise info --json > report.json")
)(info)
