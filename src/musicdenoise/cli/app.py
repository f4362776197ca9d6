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
from musicdenoise.cli.help import Group, command
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


command(
    app,
    "denoise",
    "musicdenoise denoise song.mp3 --noise hiss",
    "musicdenoise denoise album/ -o cleaned/ --skip-existing --jobs 2",
)(denoise)
command(app, "serve", "musicdenoise serve --open", "musicdenoise serve --port 9000 --device cpu")(serve)
command(
    app,
    "train",
    "musicdenoise train --songs music/ --noise white --minutes 60 --out runs/white",
    "musicdenoise train dataset_mixed/ --recipe mixed --resume --out runs/mixed",
)(train)
command(
    app,
    "eval",
    "musicdenoise eval pairs/ --weights white --weights mixed --out measured",
    "musicdenoise eval noisy/ clean/ --metrics snr,lsd --baselines none --json",
)(evaluate)
app.add_typer(weights, name="weights", cls=Group)
app.add_typer(dataset, name="dataset", cls=Group)
app.add_typer(fleet, name="fleet", cls=Group)
command(
    app,
    "correlate",
    "musicdenoise correlate first/ second/",
    "musicdenoise correlate before.wav after.wav report.json --max-lag 0.5",
)(correlate)
command(app, "info", "musicdenoise info", "musicdenoise info --json > report.json")(info)
