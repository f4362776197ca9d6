"""What all commands share: exit codes, error messages, progress on stderr.

Exit codes: 0 all done; 1 at least one input failed; 2 wrong usage; 130 interrupted; 141 nobody
reads the output; 129 the terminal is gone; 143 terminated.
Data goes to stdout, words for people to stderr. Progress and notes are for terminals only; warnings
and errors are always printed.
"""

from __future__ import annotations

import codecs
import functools
import inspect
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import MISSING, fields
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_type_hints

import typer

from musicdenoise.cli.fields import describe
from musicdenoise.cli.log import tells_notes, tells_warnings
from musicdenoise.cli.quoting import quoted, quoted_json
from musicdenoise.cli.signals import INTERRUPTED, unwinding
from musicdenoise.errors import AudioWriteError, DeviceError, MusicDenoiseError, UsageError

FAILED = 1
USAGE = 2
BROKEN_PIPE = 141

_Params = ParamSpec("_Params")
_Request = TypeVar("_Request")


def print_error(message: object) -> None:
    """Print one line on stderr, marked as an error."""
    _say(f"error: {describe(message)}")


def print_data(line: str) -> None:
    """Print one line on stdout.

    Raises
    ------
    BrokenPipeError
        If nobody reads any more.
    AudioWriteError
        If it cannot be written for another reason.
    """
    try:
        typer.echo(line)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise AudioWriteError(f"standard output: cannot be written: {error.strerror}") from error


def print_json(document: object) -> None:
    """Print a document as one line of JSON on stdout; errors as those of `print_data`."""
    print_data(quoted_json(json.dumps(document, ensure_ascii=False)))


def _let_names_out() -> None:
    """Escape characters of file names that standard output cannot encode, as JSON does."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        codecs.register_error("jsonescape", _json_escape)
        sys.stdout.reconfigure(errors="jsonescape")


def _json_escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)), error.end


def tell_failure(source: Path, error: object, *, as_json: bool) -> None:
    """Print why a song failed, and as a JSON object on stdout if ``as_json`` is true."""
    print_error(error)
    if as_json:
        print_json({"source": str(source), "error": describe(error)})


def warn(message: object) -> None:
    """Print one line on stderr, marked as a warning."""
    if tells_warnings():
        _say(f"warning: {message}")


def note(message: object, *, without_terminal: bool = False) -> None:
    """Print a line on stderr if notes are wanted there, as on a terminal."""
    if tells_notes(on_terminal=without_terminal or (sys.stderr is not None and sys.stderr.isatty())):
        _say(message)


def _say(message: object) -> None:
    # Python takes a closed standard error for standard output, which is for data.
    if sys.stderr is not None:
        print(quoted(message), file=sys.stderr)  # noqa: T201


def reports_errors(command: Callable[_Params, None]) -> Callable[_Params, None]:
    """Decorate a command: errors and interrupts become one line on stderr and an exit code."""

    @functools.wraps(command)
    def wrapper(*args: _Params.args, **kwargs: _Params.kwargs) -> None:
        _let_names_out()
        try:
            with unwinding():
                command(*args, **kwargs)
        except UsageError as error:
            print_error(error)
            raise typer.Exit(USAGE) from error
        except MusicDenoiseError as error:
            print_error(error)
            raise typer.Exit(FAILED) from error
        except KeyboardInterrupt as error:
            print_error("interrupted")
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            # Nobody reads any more. What is still buffered must not fail again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from error
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            print_error(f"{place}{error.strerror or error}")
            raise typer.Exit(FAILED) from error

    return wrapper


Panels = Mapping[str, tuple[str, ...]]
"""Groups of options in a help text: titles, and the names of the fields in each."""


def takes(
    request: type[_Request], panels: Panels
) -> Callable[[Callable[[_Request], None]], Callable[..., None]]:
    """Decorate a command that takes one dataclass; its fields become the options.

    Parameters
    ----------
    request
        The dataclass.
    panels
        Groups of options in the help text, in this order.
    """
    hints = get_type_hints(request, include_extras=True)
    places = {name: place for place, name in enumerate(chain.from_iterable(panels.values()))}
    for title, names in panels.items():
        hints |= {name: _in_panel(hints[name], title) for name in names}
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in sorted(fields(request), key=lambda field: places.get(field.name, -1))  # type: ignore[arg-type]
    ]

    def decorate(command: Callable[[_Request], None]) -> Callable[..., None]:
        def wrapper(**options: Any) -> None:
            command(request(**options))

        wrapper.__name__, wrapper.__doc__, wrapper.__module__ = command.__name__, command.__doc__, __name__
        wrapper.__annotations__ = hints
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _in_panel(hint: Any, title: str) -> Any:
    kind, option = get_args(hint)
    option = copy(option)  # several commands share some
    option.rich_help_panel = title
    return Annotated[kind, option]


def choose_device(device: str | None, *, cuda: bool) -> str:
    """Device from ``--device`` and ``--cuda``. If there is no GPU, ``--cuda`` uses the CPU, with a warning.

    Raises
    ------
    UsageError
        If both are given and disagree, or the device's name is unknown.
    DeviceError
        If ``--device`` names a device that is not there.
    """
    from musicdenoise.runtime.device import resolve_device

    if not cuda:
        return str(resolve_device(device or "auto"))
    if device is not None and not device.strip().lower().startswith("cuda"):
        raise UsageError(f"--cuda and --device {device} contradict each other: give one of them")
    try:
        return str(resolve_device(device or "cuda"))
    except DeviceError:
        if device is not None:
            raise
        warn("--cuda: this machine has no CUDA device; using the CPU")
        return "cpu"
