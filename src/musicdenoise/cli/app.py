"""The Typer application."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from musicdenoise.cli.correlate import correlate
from musicdenoise.cli.dataset import dataset
from musicdenoise.cli.denoise import denoise
from musicdenoise.cli.evaluate import evaluate
from musicdenoise.cli.info import info
from musicdenoise.cli.train import train
from musicdenoise.cli.weights import app as weights

__all__ = ["app"]

app = typer.Typer(
    name="musicdenoise",
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


app.command("denoise")(denoise)
app.command("train")(train)
app.command("eval")(evaluate)
app.add_typer(weights, name="weights")
app.add_typer(dataset, name="dataset")
app.command("correlate")(correlate)
app.command("info")(info)
