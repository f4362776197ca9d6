"""The look of help texts: groups of options, words for their values, examples. They fit 80 columns."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

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


def examples(*lines: str) -> str:
    """The end of a help text: commands to copy, one a line."""
    return "\n\n".join(("Examples:", *lines))


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
