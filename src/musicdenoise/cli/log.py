"""How much is printed on standard error, also of what libraries say."""

from __future__ import annotations

import logging
import sys
from enum import Enum
from typing import Annotated

import typer

from musicdenoise.cli.quoting import quoted

LEVEL_VARIABLE = "MUSICDENOISE_LOG_LEVEL"


class Level(str, Enum):
    """What is printed: messages of this level and of those below it in this list."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_chosen: Level | None = None
_handler: logging.Handler | None = None


def is_told(level: str) -> bool | None:
    """Whether messages of a level are printed; None if no level was chosen."""
    if _chosen is None:
        return None
    return logging.getLevelName(level.upper()) >= logging.getLevelName(_chosen.value.upper())  # type: ignore[no-any-return]


class _OneLine(logging.Formatter):
    """A record as one harmless line without a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        text = " ".join(record.getMessage().split())
        return quoted(f"{record.levelname.lower()}: {record.name}: {text}")


def _set(context: typer.Context, level: Level | None) -> Level | None:
    """Set the level, and send warnings of libraries the same way."""
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
    logging.captureWarnings(False)  # otherwise a function that replaced it meanwhile would stay
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
        help="What to print on standard error: error, warning, info (also notes) or debug (also what "
        "libraries say). Default: warnings, and notes on a terminal.",
    ),
]
