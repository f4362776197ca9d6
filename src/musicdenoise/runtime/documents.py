"""Text from outside that becomes settings: JSON whose every value is checked against a dataclass.

The types of the fields are checked here (by pydantic, strictly: ``"8"`` is not a number and ``true`` is not
1), their ranges by the dataclass itself. Nesting, length of numbers and names of fields are limited. So a
malicious file ends in a `DocumentError`, as a damaged one does.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

_Kind = TypeVar("_Kind")
_LONGEST_VALUE = 60  # characters of a wrong value that a message repeats


class DocumentError(ValueError):
    """Text that is not what it should be; the message is one line and says where and why."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises
    ------
    DocumentError
        If it is not JSON, is nested too deeply, or holds a number with thousands of digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DocumentError(f"is not JSON: {error}") from error
    except RecursionError as error:
        raise DocumentError("is not usable JSON: it is nested too deeply") from error
    except ValueError as error:  # numbers with more digits than Python reads, and bytes that are not UTF-8
        raise DocumentError("is not usable JSON: it holds an endless number, or is not UTF-8") from error


def read_document(kind: type[_Kind], text: str | bytes, *, skip_unknown: bool = False) -> _Kind:
    """A dataclass from a JSON object that has its fields.

    Parameters
    ----------
    kind
        The dataclass; fields may be dataclasses themselves.
    text
        The JSON.
    skip_unknown
        Whether unknown names are left out instead of refused.

    Raises
    ------
    DocumentError
        If the text is not a JSON object, lacks a field, has one too many, or a value has the wrong type.
    MusicDenoiseError
        If a value is out of range.
    """
    if not skip_unknown:
        _refuse_unknown(kind, parse_json(text), "")
    try:
        document: _Kind = _adapter(cast("Hashable", kind)).validate_json(text, strict=True)
    except ValidationError as error:
        raise DocumentError(_describe(error)) from None
    return document


@lru_cache(maxsize=16)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _refuse_unknown(kind: type[Any], values: object, place: str) -> None:
    if not isinstance(values, Mapping):
        return  # which is said when types are checked
    hints = get_type_hints(kind)
    names = {field.name for field in fields(kind)}
    for name, value in values.items():
        if name not in names:
            raise DocumentError(f"{place}{_shortened(name)} is unknown: known are {', '.join(sorted(names))}")
        if is_dataclass(hints[name]):
            _refuse_unknown(hints[name], value, f"{place}{name}.")


def _describe(error: ValidationError) -> str:
    """The first problem, with its place and the value that was found there."""
    problem = error.errors(include_url=False)[0]
    reason = problem["msg"][:1].lower() + problem["msg"][1:]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "json_invalid":
        return f"is not JSON: {reason.removeprefix('invalid JSON: ')}"
    if not place:
        return "is not a JSON object in braces"
    if problem["type"] == "missing":
        return f"lacks a field: {place}"
    return f"{place} is {_shortened(problem['input'])}: {reason}"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
