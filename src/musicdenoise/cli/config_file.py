"""Settings from a TOML file: a table for each command, with the names of its options.

::

    [denoise]
    noise = "hiss"
    strength = 0.8
    skip-existing = true

    [dataset.build]
    songs = "music"

The command line counts more than the file. In a ``pyproject.toml`` the tables are
``[tool.musicdenoise.denoise]`` and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

CONFIG_VARIABLE = "MUSICDENOISE_CONFIG"
_NOT_IN_FILES = ("config", "help")


def _load(context: typer.Context, path: Path | None) -> Path | None:
    """Make the settings of a file the defaults of the command that is called."""
    if path is not None and not context.resilient_parsing:
        document = _read(path)
        document = document.get("tool", {}).get("musicdenoise", {}) if "tool" in document else document
        commands = _commands(context)
        _check_tables(path, document, commands[0].command.commands, "")
        table: Any = document
        for step in commands[1:]:
            table = table.get(step.info_name, {})
        context.default_map = dict(_defaults(path, context, table))
    return path


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        show_envvar=False,
        is_eager=True,
        callback=_load,
        help=f"TOML file with defaults, a table for each command. Default: ${CONFIG_VARIABLE}, if set.",
    ),
]


def _commands(context: typer.Context) -> list[Any]:
    """The contexts of the program, of groups, and of the command, in this order."""
    found: list[Any] = [context]
    while found[0].parent is not None:
        found.insert(0, found[0].parent)
    return found


def _read(path: Path) -> dict[str, Any]:
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise typer.BadParameter(f"{path}: is not TOML: {error}") from error
    return document


def _check_tables(path: Path, document: object, commands: Mapping[str, Any], place: str) -> None:
    """Refuse tables for commands that do not exist."""
    if not isinstance(document, Mapping):
        raise typer.BadParameter(f"{path}: {place.rstrip('.')} must be a table")
    for name, table in document.items():
        if name not in commands:
            known = ", ".join(f"[{place}{command}]" for command in commands)
            raise typer.BadParameter(f"{path}: there is no command {place}{name}; use the tables {known}")
        if inner := getattr(commands[name], "commands", None):
            _check_tables(path, table, inner, f"{place}{name}.")
        elif not isinstance(table, Mapping):
            raise typer.BadParameter(f"{path}: {place}{name} must be a table")


def _defaults(path: Path, context: typer.Context, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names of parameters, and their values in the file."""
    known = dict(_options(context))
    for name, value in table.items():
        option = name.replace("_", "-")
        if option not in known:
            listed = ", ".join(sorted(known))
            raise typer.BadParameter(f"{path}: there is no option {name!r}; use {listed}")
        parameter, is_negative = known[option]
        if is_negative:
            yield parameter.name, not value
        elif parameter.multiple and not isinstance(value, list):
            yield parameter.name, [value]
        else:
            yield parameter.name, value


def _options(context: typer.Context) -> Iterator[tuple[str, tuple[Any, bool]]]:
    """Options of a command, without dashes: the parameter, and whether the option switches it off."""
    for parameter in context.command.params:
        for names, is_negative in ((parameter.opts, False), (parameter.secondary_opts, True)):
            for name in names:
                if name.startswith("--") and name[2:] not in _NOT_IN_FILES:
                    yield name[2:], (parameter, is_negative)
