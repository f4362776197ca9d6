"""The one place where fields of a request become options of the command line.

What lies below the command line speaks of fields, as its callers in Python know them; see
`MusicDenoiseError`.
"""

from __future__ import annotations

from musicdenoise.errors import MusicDenoiseError

__all__ = ["describe", "option_of"]

# Fields whose options are not called as they are.
_OPTIONS: dict[str, str] = {}


def option_of(field: str) -> str:
    """The option that sets a field: ``"--max-train"`` of ``"max_train"``."""
    return _OPTIONS.get(field, f"--{field.replace('_', '-')}")


def describe(error: object) -> str:
    """What an error says, with options where it speaks of fields."""
    return error.describe(option_of) if isinstance(error, MusicDenoiseError) else str(error)
