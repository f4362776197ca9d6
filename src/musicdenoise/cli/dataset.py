"""``musicdenoise dataset``: the commands that make training data."""

from __future__ import annotations

import typer

from musicdenoise.cli.dataset_build import build
from musicdenoise.cli.dataset_segment import segment

__all__ = ["dataset"]

dataset = typer.Typer(
    help="Make datasets of noisy pairs, and cut them into segments.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
dataset.command("build")(build)
dataset.command("segment")(segment)
