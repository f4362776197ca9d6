"""How much is told on standard error, and what libraries have to say there."""

from __future__ import annotations

import logging
import sys
from enum import Enum
from typing import Annotated

import typer

from musicdenoise.cli.quoting import quoted

__all__ = ["LogLevel", "is_told"]

LEVEL_VARIABLE = "MUSICDENOISE_LOG_LEVEL"


class Level(str, Enum):
    """What is told: each level and those below it in this list."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_chosen: Level | None = None
_handler: logging.Handler | None = None


def is_told(level: str) -> bool | None:
    """Whether messages of a level are told, by what was chosen; None if nothing was."""
    if _chosen is None:
        return None
    return logging.getLevelName(level.upper()) >= logging.getLevelName(_chosen.value.upper())  # type: ignore[no-any-return]


class _OneLine(logging.Formatter):
    """A record as one line that no terminal obeys, without tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        text = " ".join(record.getMessage().split())
        return quoted(f"{record.levelname.lower()}: {record.name}: {text}")


def _set(context: typer.Context, level: Level | None) -> Level | None:
    """Tell what the level asks for; what libraries warn of goes the same way."""
    global _chosen, _handler
    if context.resilient_parsing:
        return level
    root = logging.getLogger()
    if _handler is not None:
        root.removeHandler(_handler)
    _chosen, _handler = level, logging.StreamHandler(sys.stderr)
    _handler.setFormatter(_OneLine())
    root.addHandler(_handler)
    root.setLevel((level or Level.WARNING).value.upper())
    logging.captureWarnings(False)  # or what was put in its place since then would stay
    logging.captureWarnings(True)
    return level


LogLevel = Annotated[
    Level | None,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        envvar=LEVEL_VARIABLE,
        show_envvar=False,
        callback=_set,
        help="What is told on standard error: error, warning, info (notes, too) or debug (and what libraries "
        "tell). Default: warnings, and notes on a terminal.",
    ),
]
