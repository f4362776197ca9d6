"""The index of pretrained networks, and the way from a name to a file.

``pretrained/index.json`` in the package lists every network with its noise kind, file and measured
figures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from musicdenoise.errors import WeightsError

__all__ = [
    "INDEX_NAME",
    "IndexEntry",
    "ResolvedWeights",
    "default_weights",
    "load_index",
    "read_index",
    "resolve_weights",
]

INDEX_NAME = "index.json"
_FOLDER = files("musicdenoise") / "pretrained"


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """One pretrained network.

    Parameters
    ----------
    name
        What it is asked for by.
    noise_kind
        Kind of noise that it removes.
    file
        Name of the file in the package.
    size_bytes, sha256
        Size and digest of the file.
    licence
        SPDX identifier.
    metrics
        Measured figures by name, in dB unless the name says otherwise.
    """

    name: str
    noise_kind: str
    file: str
    size_bytes: int
    sha256: str
    licence: str
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ResolvedWeights:
    """A weights file and what it is called."""

    name: str
    path: Path


@lru_cache(maxsize=1)
def load_index() -> tuple[IndexEntry, ...]:
    """All pretrained networks, the default first."""
    return read_index((_FOLDER / INDEX_NAME).read_text(encoding="utf-8"))


def read_index(text: str) -> tuple[IndexEntry, ...]:
    """Entries of an index given as JSON.

    Raises
    ------
    WeightsError
        If it is damaged.
    """
    try:
        return tuple(IndexEntry(**entry) for entry in json.loads(text)["networks"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise WeightsError(f"the index of pretrained weights is damaged ({error}): reinstall") from error


def default_weights() -> str:
    """Name of the network to use where nothing is known about the noise."""
    return load_index()[0].name


def resolve_weights(name_or_path: str | Path) -> ResolvedWeights:
    """File of a pretrained network, or the file that is named itself.

    Parameters
    ----------
    name_or_path
        Name in the index, or a path. A string is looked up as a name first.

    Raises
    ------
    WeightsError
        If there is neither such a name nor such a file.
    """
    path, text = Path(name_or_path), str(name_or_path)
    if isinstance(name_or_path, str):
        for entry in load_index():
            if entry.name == text:
                return ResolvedWeights(name=entry.name, path=Path(str(_FOLDER / entry.file)))
    if path.is_file():
        return ResolvedWeights(name=path.name, path=path)
    if isinstance(name_or_path, Path) or path.suffix or "/" in text or os.sep in text:
        raise WeightsError(f"there is no weights file {path}")
    names = ", ".join(entry.name for entry in load_index())
    raise WeightsError(f"there are no pretrained weights named {text!r}: choose {names}, or give a file")
