"""The index of pretrained networks, and the way from a name to a file.

``pretrained/index.json`` in the package lists every network with its noise kind, file and measured
figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from musicdenoise.errors import WeightsError

__all__ = ["IndexEntry", "ResolvedWeights", "default_weights", "load_index", "resolve_weights"]

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
    document = json.loads((_FOLDER / "index.json").read_text(encoding="utf-8"))
    return tuple(IndexEntry(**entry) for entry in document["networks"])


def default_weights() -> str:
    """Name of the network to use where nothing is known about the noise."""
    return load_index()[0].name


def resolve_weights(name_or_path: str | Path) -> ResolvedWeights:
    """File of a pretrained network, or the file that is named itself.

    Parameters
    ----------
    name_or_path
        Name in the index, or a path. Whatever has a suffix or a folder is a path.

    Raises
    ------
    WeightsError
        If there is neither such a name nor such a file.
    """
    text = str(name_or_path)
    path = Path(text)
    if isinstance(name_or_path, Path) or path.suffix or path.parent != Path():
        if not path.is_file():
            raise WeightsError(f"there is no weights file {path}")
        return ResolvedWeights(name=path.name, path=path)
    for entry in load_index():
        if entry.name == text:
            return ResolvedWeights(name=entry.name, path=Path(str(_FOLDER / entry.file)))
    names = ", ".join(entry.name for entry in load_index())
    raise WeightsError(f"there are no pretrained weights named {text!r}: choose {names}, or give a file")
