"""The released weights of NoiseRemover: PyTorch state dicts (``.pth``) of the published channel table.

They are read as data (``weights_only=True``), never executed. The complexity follows from the shapes. Such
networks take the spectrogram as it comes, without level scaling, and mask its real and imaginary parts
separately.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from musicdenoise.core.architecture import DCUNetConfig
from musicdenoise.core.families import Network
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import ConfigurationError, WeightsError
from musicdenoise.weights.checkpoint import CheckpointMetadata, build_network

_FIRST_KERNEL = "encoder0.cconv.real_conv.weight"
_KERNEL_DIMENSIONS = 4


def load_reference(path: Path, *, noise_kind: str = "unknown") -> tuple[Network, CheckpointMetadata]:
    """Network in evaluation mode on the CPU, and what is known of it.

    Parameters
    ----------
    path
        A ``.pth`` file with a state dict.
    noise_kind
        Kind of noise that it was trained on, which the file does not say.

    Raises
    ------
    WeightsError
        If the file is missing or not such a state dict, or its layers are not those of the network.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}")
    _check_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises nearly any, of a damaged file
        # Not torch's own words: they advise to load the file without the protection.
        raise WeightsError(
            f"{path} cannot be read as a PyTorch state dict: it is damaged, or holds more than the weights "
            "of a network; give a .pth file as NoiseRemover's are"
        ) from error
    first = state.get(_FIRST_KERNEL) if isinstance(state, dict) else None
    if not isinstance(first, Tensor) or first.dim() != _KERNEL_DIMENSIONS:
        raise WeightsError(
            f"{path} holds no weights of NoiseRemover ({_FIRST_KERNEL} is missing): give one of its .pth "
            "files"
        )
    tensors = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    try:
        config = DCUNetConfig.of_complexity(first.shape[0], mask="component", level_reach=0)
    except ConfigurationError as error:
        raise WeightsError(f"{path} cannot be used: {error}") from error
    network = build_network(config, tensors, path)
    return network, CheckpointMetadata(network=config, stft=StftConfig(), noise_kind=noise_kind)


def _check_archive(path: Path) -> None:
    """Refuse a compressed archive, because torch does not compress what it saves.

    Otherwise a file of 3 MB could fill 6 GB of memory. Files from before torch 1.6 are not archives.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return  # torch says what is wrong with it
    if unpacked > path.stat().st_size:
        raise WeightsError(
            f"{path} would unpack to {unpacked / 1e6:.0f} MB, but PyTorch does not compress what it saves: "
            "give the file as its authors published it"
        )
