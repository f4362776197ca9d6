"""The released weights of NoiseRemover: PyTorch state dicts (``.pth``) of the published channel table.

They are read as data (``weights_only=True``), never executed. The complexity follows from the shapes. Such
networks take the spectrogram as it comes, without level scaling, and mask its real and imaginary parts
separately.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import WeightsError
from musicdenoise.weights.checkpoint import CheckpointMetadata, build_network

__all__ = ["load_reference"]

_FIRST_KERNEL = "encoder0.cconv.real_conv.weight"


def load_reference(path: Path, *, noise_kind: str = "unknown") -> tuple[DCUNet, CheckpointMetadata]:
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
        If the file is missing or no such state dict, or its layers are not those of the network.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises nearly any, of a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{path} cannot be read as a PyTorch state dict: {reason}") from error
    if not isinstance(state, dict) or not isinstance(state.get(_FIRST_KERNEL), Tensor):
        raise WeightsError(
            f"{path} holds no weights of NoiseRemover ({_FIRST_KERNEL} is missing): give one of its .pth "
            "files"
        )
    tensors = {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    config = DCUNetConfig.of_complexity(tensors[_FIRST_KERNEL].shape[0], mask="component", level_reach=0)
    network = build_network(config, tensors, path)
    return network, CheckpointMetadata(network=config, stft=StftConfig(), noise_kind=noise_kind)
