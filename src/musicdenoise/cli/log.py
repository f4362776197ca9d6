"""How much is printed on standard error, also of what libraries say.

The options are kept here when they are parsed, so whoever prints need not be told.
"""

from __future__ import annotations

import logging
import sys
from enum import Enum
from typing import Annotated, Any

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
_switches = {"quiet": False, "verbose": False}


def is_quiet() -> bool:
    """Whether only warnings and errors are asked for."""
    return _switches["quiet"]


def tells_warnings() -> bool:
    """Whether warnings are printed."""
    return _chosen is not Level.ERROR


def tells_notes(*, on_terminal: bool) -> bool:
    """Whether notes are printed. If you set a log level, it alone decides."""
    if _chosen is None:
        return not is_quiet() and (_switches["verbose"] or on_terminal)
    return _chosen in (Level.DEBUG, Level.INFO)


class _OneLine(logging.Formatter):
    """A record as one harmless line without a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        text = " ".join(record.getMessage().split())
        return quoted(f"{record.levelname.lower()}: {record.name}: {text}")


def _keep(switch: typer.CallbackParam, value: bool) -> bool:
    _switches[str(switch.name)] = value
    return value


def _set_level(context: typer.Context, level: Level | None) -> Level | None:
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


def quiet_option(help_text: str) -> Any:
    """The switch that leaves notes and progress bars out."""
    return typer.Option("-q", "--quiet", callback=_keep, help=help_text)


Quiet = Annotated[bool, quiet_option("Print warnings and errors only.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "-v", "--verbose", callback=_keep, help="Say what was removed from each song, band by band."
    ),
]
LogLevel = Annotated[
    Level | None,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        envvar=LEVEL_VARIABLE,
        show_envvar=False,
        callback=_set_level,
        help="What to print on standard error: error, warning, info (also notes) or debug (also what "
        "libraries say). Default: warnings, and notes on a terminal.",
    ),
]
