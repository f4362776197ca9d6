"""Add a trained network to the pretrained ones of the package.

    python docs/examples/publish_network.py runs/mixed/best.safetensors mixed src/musicdenoise/pretrained

Kernels are stored in half precision, which halves the file and changes the output by less than -70 dB;
statistics and biases, a hundredth of the numbers, stay in float32.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from musicdenoise.errors import WeightsError
from musicdenoise.runtime.atomic import write_text
from musicdenoise.runtime.digest import file_sha256
from musicdenoise.weights.checkpoint import load_weights, save_weights
from musicdenoise.weights.index import INDEX_NAME, IndexEntry, read_aliases, read_index

_KERNEL_DIMENSIONS = 4
_FIRST_KINDS = ("mixed", "white")


def publish(weights: Path, name: str, folder: Path, *, metrics: dict[str, float] | None = None) -> IndexEntry:
    """Store a weights file under ``folder`` and enter it in the folder's index.

    Parameters
    ----------
    weights
        Weights file, such as a run's ``best.safetensors``.
    name
        What the network is to be asked for by; an entry of that name is replaced.
    folder
        Folder of ``index.json``; made if missing.
    metrics
        Further measured figures, added to those in the file.

    Returns
    -------
    IndexEntry
        The new entry.

    Raises
    ------
    WeightsError
        If the weights cannot be read, or the folder cannot be written to.
    """
    network, metadata = load_weights(weights)
    metadata = replace(metadata, metrics={**metadata.metrics, **(metrics or {})})
    state = {
        key: tensor.half() if tensor.dim() == _KERNEL_DIMENSIONS else tensor
        for key, tensor in network.state_dict().items()
    }
    target = folder / f"{name}.safetensors"
    save_weights(target, state, metadata)
    entry = IndexEntry(
        name=name,
        noise_kind=metadata.noise_kind,
        file=target.name,
        size_bytes=target.stat().st_size,
        sha256=file_sha256(target),
        licence=metadata.licence,
        metrics=dict(metadata.metrics),
    )
    index = folder / INDEX_NAME
    text = index.read_text("utf-8") if index.exists() else None
    others = read_index(text) if text else ()
    aliases = read_aliases(text) if text else {}
    entries = [*(old for old in others if old.name != name), entry]
    kept = {alias: other for alias, other in aliases.items() if alias != name}
    write_index(index, tuple(sorted(entries, key=_rank)), kept)
    return entry


def publish_aliases(aliases: Mapping[str, str], folder: Path) -> None:
    """Enter names that stand for other networks; they replace all earlier ones.

    Raises
    ------
    WeightsError
        If one stands for a network that is not there, or has a network of its own.
    """
    index = folder / INDEX_NAME
    entries = read_index(index.read_text("utf-8"))
    read_aliases(json.dumps({"networks": [asdict(entry) for entry in entries], "aliases": dict(aliases)}))
    write_index(index, entries, aliases)


def write_index(
    path: Path, entries: tuple[IndexEntry, ...], aliases: Mapping[str, str] | None = None
) -> None:
    """Write an index atomically.

    Raises
    ------
    WeightsError
        If it cannot be written.
    """
    document = {"networks": [asdict(entry) for entry in entries], "aliases": dict(aliases or {})}
    write_text(path, json.dumps(document, indent=2) + "\n", WeightsError)


def _rank(entry: IndexEntry) -> tuple[int, str]:
    """The network for any noise comes first, which makes it the default, and that for white noise second.

    The classes follow by name, as they are numbered, and NoiseRemover's networks as they are.
    """
    if entry.git_blob is not None:
        return len(_FIRST_KINDS) + 1, ""
    if entry.noise_kind in _FIRST_KINDS:
        return _FIRST_KINDS.index(entry.noise_kind), entry.name
    return len(_FIRST_KINDS), entry.noise_kind


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("name", help="what the network is to be asked for by")
    parser.add_argument("folder", type=Path, help="folder of index.json")
    arguments = parser.parse_args()
    print(publish(arguments.weights, arguments.name, arguments.folder))
