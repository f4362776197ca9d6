"""The look of help texts: groups of options, words for their values, examples. They fit 80 columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from musicdenoise.cli.common import reports_errors

_Function = TypeVar("_Function", bound=Callable[..., None])

# The value of an option, by the name of its type, if the option does not name it itself.
_WORDS = {"path": "DIR", "int": "N", "integer": "N", "float": "X"}
_END_OF_LINE = re.compile(r"(?<!\n)\n(?!\n)")


class Command(TyperCommand):
    """A command whose help names the values of options in words, and shows none for switches."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        if self.help:  # Typer keeps the ends of lines that docstrings have inside paragraphs
            self.help = _END_OF_LINE.sub(" ", self.help)

    def get_params(self, ctx: Any) -> list[Any]:
        """Its arguments and options."""
        return _plain(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands; its help looks like that of `Command`."""

    command_class = Command

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options."""
        return _plain(super().get_params(ctx))


def command(app: typer.Typer, name: str, *examples: str) -> Callable[[_Function], _Function]:
    """Decorate a function that becomes a command. Its help ends with these examples."""

    def decorate(function: _Function) -> _Function:
        epilog = "\n\n".join(("Examples:", *examples))
        app.command(name, cls=Command, epilog=epilog)(reports_errors(function))
        return function

    return decorate


def _plain(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            # Its name says what it is; the type beside it would be Python's.
            vars(parameter)["display_type_rich"] = lambda ctx: None
        elif getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.metavar is None:
            parameter.metavar = _WORDS.get(_type_name(parameter))
    return parameters


def _type_name(parameter: Any) -> str:
    """Name of the type that an option takes; versions of Typer keep it in different places."""
    descriptor = getattr(parameter, "type_descriptor", None)
    if descriptor is None:
        return str(parameter.type.name).removesuffix(" range")
    return str(getattr(descriptor.annotation, "__name__", "")).lower()
