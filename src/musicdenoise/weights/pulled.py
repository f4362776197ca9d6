"""The index of the networks that were pulled from repositories.

``pulled.json`` in the folder of a `musicdenoise.weights.store.WeightsStore` has the form of the package's own
index, so pulled networks are found by name, verified and removed as the pretrained ones are.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from musicdenoise.errors import UsageError, WeightsError
from musicdenoise.runtime.atomic import make_folder, write_text, writing
from musicdenoise.weights.index import IndexEntry, network_names, read_index

_INDEX = "pulled.json"
_WORDS = ("auto", "none")  # they have another meaning in place of a network's name
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str) -> str:
    """The name, if a pulled network can have it.

    Raises
    ------
    UsageError
        If it has other characters than letters, digits, ``.``, ``_`` and ``-``, or belongs to the package.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"a network cannot be named {name!r}: use letters, digits, '.', '_' and '-'")
    if name in (*network_names(), *_WORDS):
        raise UsageError(f"the name {name!r} belongs to the package: give another one")
    return name


def file_of(name: str) -> str:
    """Where a pulled network is, relative to the store's folder."""
    return f"pulled/{name}.safetensors"


def read_pulled(folder: Path) -> tuple[IndexEntry, ...]:
    """The pulled networks of a store's folder, by name.

    Raises
    ------
    WeightsError
        If their index is damaged.
    """
    path = folder / _INDEX
    try:
        return read_index(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, WeightsError) as error:
        raise WeightsError(f"{path}: is damaged; remove it, and pull the networks again") from error


def enter(folder: Path, entry: IndexEntry) -> None:
    """Enter a network; one of the same name is replaced.

    Raises
    ------
    WeightsError
        If the index is damaged or cannot be written.
    """
    _change(folder, entry.name, (entry,))


def forget(folder: Path, name: str) -> None:
    """Remove a network from the index; its file stays. Errors as those of `enter`."""
    _change(folder, name, ())


def _change(folder: Path, name: str, entries: tuple[IndexEntry, ...]) -> None:
    make_folder(folder, WeightsError)
    with writing(folder / _INDEX, WeightsError), FileLock(folder / f".{_INDEX}.lock"):
        others = (entry for entry in read_pulled(folder) if entry.name != name)
        networks = sorted((*others, *entries), key=lambda entry: entry.name)
        document = {"networks": [asdict(entry) for entry in networks]}
        write_text(folder / _INDEX, json.dumps(document, indent=2) + "\n", WeightsError)
