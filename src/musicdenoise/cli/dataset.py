"""``musicdenoise dataset``: the commands that make training data."""

from __future__ import annotations

import typer

from musicdenoise.cli.dataset_build import build
from musicdenoise.cli.dataset_segment import segment
from musicdenoise.cli.help import command

dataset = typer.Typer(
    help="Make datasets of noisy pairs, and cut them into segments.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
command(
    dataset,
    "build",
    "musicdenoise dataset build --kind white --songs music/ --out pairs",
    "musicdenoise dataset build --kind class --class siren --resume",
)(build)
command(
    dataset,
    "segment",
    "musicdenoise dataset segment pairs/",
    "musicdenoise dataset segment pairs/ --out parts --length 88200",
)(segment)
