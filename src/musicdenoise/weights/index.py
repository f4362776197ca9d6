"""The index of pretrained networks: names, sources and digests.

``pretrained/index.json`` in the package lists every network with its noise kind, file, sources, digest,
licence and measured figures. The first one is the default. A kind of noise without a network of its own is
an *alias* of another network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from musicdenoise.errors import WeightsError

INDEX_NAME = "index.json"
BUNDLED = "bundled"
BUNDLED_FOLDER = Path(str(files("musicdenoise"))) / "pretrained"


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """One pretrained network.

    Parameters
    ----------
    name
        The name to ask for.
    noise_kind
        Kind of noise that it removes.
    file
        Name of the file, in the package, on a mirror and in the cache.
    licence
        SPDX identifier, or what is known.
    size_bytes, sha256
        Size and digest of the file; None for a file that is converted after the download.
    git_blob
        Git's name for a file that is fetched and converted; otherwise None. See
        `musicdenoise.weights.conversion`.
    sources
        Where the file comes from, in order: ``"bundled"`` for the copy in the package, or addresses.
        A mirror that the user names goes before the addresses.
    is_refined
        Whether a refiner stands behind it; see `musicdenoise.core.refiner`.
    metrics
        Measured figures by name, in dB unless the name says otherwise.
    """

    name: str
    noise_kind: str
    file: str
    licence: str
    size_bytes: int | None = None
    sha256: str | None = None
    git_blob: str | None = None
    sources: tuple[str, ...] = (BUNDLED,)
    is_refined: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.sha256 is None) == (self.git_blob is None):
            raise TypeError(f"the network {self.name} needs either a sha256 or a git_blob")


@lru_cache(maxsize=1)
def load_index() -> tuple[IndexEntry, ...]:
    """All pretrained networks, the default first."""
    return read_index((BUNDLED_FOLDER / INDEX_NAME).read_text(encoding="utf-8"))


def read_index(text: str) -> tuple[IndexEntry, ...]:
    """Entries of an index given as JSON.

    Raises
    ------
    WeightsError
        If it is damaged.
    """
    try:
        documents = json.loads(text)["networks"]
        return tuple(IndexEntry(**{**entry, "sources": tuple(entry["sources"])}) for entry in documents)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise WeightsError(f"the index of pretrained weights is damaged ({error}): reinstall") from error


@lru_cache(maxsize=1)
def load_aliases() -> Mapping[str, str]:
    """The network for each alias."""
    return read_aliases((BUNDLED_FOLDER / INDEX_NAME).read_text(encoding="utf-8"))


def read_aliases(text: str) -> Mapping[str, str]:
    """Aliases of an index given as JSON.

    Raises
    ------
    WeightsError
        If it is damaged, or an alias leads nowhere.
    """
    names = {entry.name for entry in read_index(text)}
    aliases: Mapping[str, str] = json.loads(text).get("aliases", {})
    lost = sorted(alias for alias, name in aliases.items() if name not in names or alias in names)
    if lost:
        raise WeightsError(
            f"the index of pretrained weights is damaged (aliases {', '.join(lost)}): reinstall"
        )
    return aliases


def default_weights() -> str:
    """Name of the network for unknown noise."""
    return load_index()[0].name


def network_names() -> tuple[str, ...]:
    """All names that `find_entry` knows: networks first, then aliases."""
    return (*(entry.name for entry in load_index()), *load_aliases())


def find_entry(name: str, others: tuple[IndexEntry, ...] = ()) -> IndexEntry:
    """Entry of a pretrained network, by its name or an alias, or of one of ``others`` by its name.

    Raises
    ------
    WeightsError
        If the name is unknown.
    """
    wanted = load_aliases().get(name, name)
    for entry in (*load_index(), *others):
        if entry.name == wanted:
            return entry
    names = ", ".join((*network_names(), *(entry.name for entry in others)))
    raise WeightsError(f"there are no pretrained weights named {name!r}: choose {names}, or give a file")
