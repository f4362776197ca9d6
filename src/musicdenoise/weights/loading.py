"""Weights files of both forms: safetensors of this project, and ``.pth`` of NoiseRemover."""

from __future__ import annotations

from pathlib import Path

from musicdenoise.core.families import Network
from musicdenoise.weights.checkpoint import CheckpointMetadata, load_weights
from musicdenoise.weights.reference import load_reference

__all__ = ["load_network"]

_PICKLED = (".pth", ".pt")


def load_network(path: Path) -> tuple[Network, CheckpointMetadata]:
    """Network in evaluation mode on the CPU, and what is known of it; the suffix tells the form.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or holds something else. Nothing in it is executed.
    """
    return load_reference(path) if path.suffix.lower() in _PICKLED else load_weights(path)
