"""Loading networks by name or file: safetensors of this project, or ``.pth`` of NoiseRemover."""

from __future__ import annotations

from pathlib import Path

from musicdenoise.core.families import Network
from musicdenoise.weights import checkpoint
from musicdenoise.weights.checkpoint import CheckpointMetadata
from musicdenoise.weights.reference import load_reference
from musicdenoise.weights.store import WeightsStore, resolve_weights

_PICKLED = (".pth", ".pt")


def load_network(path: Path) -> tuple[Network, CheckpointMetadata]:
    """Network in evaluation mode on the CPU, and its metadata. The suffix decides the format.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or holds something else. Nothing in it is executed.
    """
    return load_reference(path) if path.suffix.lower() in _PICKLED else checkpoint.load_weights(path)


def load_weights(
    name_or_path: str | Path, store: WeightsStore | None = None
) -> tuple[Network, CheckpointMetadata]:
    """Network in evaluation mode on the CPU, and what its file says about it.

    Parameters
    ----------
    name_or_path
        Name of a pretrained network, such as ``"white"``, or path of a weights file, as for `Denoiser`.
    store
        Where pretrained networks are kept; the user's cache folder by default.

    Raises
    ------
    WeightsError
        If there is no such name or file, or the file is damaged or holds something else.

    Examples
    --------
    >>> from musicdenoise import load_weights
    >>> network, metadata = load_weights("white")
    >>> metadata.noise_kind, metadata.stft.sample_rate
    ('white', 44100)
    """
    return load_network(resolve_weights(name_or_path, store).path)
