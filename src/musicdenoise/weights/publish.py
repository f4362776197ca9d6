"""Add a trained network to the pretrained ones of the package.

Kernels are stored in half precision, which halves the file and changes the output by less than -70 dB;
statistics and biases, a hundredth of the numbers, stay in float32.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

from musicdenoise.errors import WeightsError
from musicdenoise.weights.checkpoint import load_weights, save_weights
from musicdenoise.weights.index import INDEX_NAME, IndexEntry, read_index

__all__ = ["publish"]

_KERNEL_DIMENSIONS = 4


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
    content = target.read_bytes()
    entry = IndexEntry(
        name=name,
        noise_kind=metadata.noise_kind,
        file=target.name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence=metadata.licence,
        metrics=dict(metadata.metrics),
    )
    index = folder / INDEX_NAME
    others = read_index(index.read_text("utf-8")) if index.exists() else ()
    entries = [*(old for old in others if old.name != name), entry]
    document = {"networks": [asdict(entry) for entry in entries]}
    try:
        temporary = index.with_name(f".{index.name}.tmp")
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        temporary.replace(index)
    except OSError as error:
        raise WeightsError(f"cannot write the index {index}: {error}") from error
    return entry
