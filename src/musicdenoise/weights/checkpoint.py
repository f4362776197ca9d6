"""The weights file: safetensors with one JSON document as metadata.

Format version 1: the tensors are the network's state dict; the metadata key ``musicdenoise`` holds
the fields of `CheckpointMetadata` as JSON. Nothing in the file is executed when it is loaded.

Reference: https://github.com/huggingface/safetensors (metadata values are strings).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from musicdenoise.core.architecture import DCUNetConfig
from musicdenoise.core.families import DCUNET, Network, NetworkConfig, check_family, new_network
from musicdenoise.core.fine_net import FINE, FineNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import ConfigurationError, WeightsError
from musicdenoise.runtime.atomic import make_folder, write_bytes
from musicdenoise.runtime.documents import DocumentError, read_document

FORMAT_VERSION = 1
_KEY = "musicdenoise"

# Hz. A song is converted to the network's rate: at a higher one a short song would fill the memory.
_RATES = (1_000, 192_000)


@dataclass(frozen=True, kw_only=True)
class CheckpointMetadata:
    """What a weights file says about itself.

    Parameters
    ----------
    network, stft
        Configuration that the weights belong to.
    noise_kind
        Kind of noise that the network was trained on.
    data
        What it was trained on, in words and numbers.
    training
        How: steps, seconds of audio, recipe.
    metrics
        Measured figures by name, in dB unless the name says otherwise.
    licence
        SPDX identifier of the licence of the weights.
    versions
        Versions of the software that made them.
    """

    network: NetworkConfig
    stft: StftConfig
    noise_kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    licence: str = "unknown"
    versions: Mapping[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        low, high = _RATES
        if not low <= self.stft.sample_rate <= high:
            raise ConfigurationError(
                f"the network's sample rate is {self.stft.sample_rate} Hz; it must be from {low} to {high}"
            )

    def to_json(self) -> str:
        """The metadata as one JSON object."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CheckpointMetadata:
        """Metadata from JSON.

        Raises
        ------
        WeightsError
            If the text is not JSON, has a newer format, or lacks a field.
        """
        try:
            # Only these two, because other versions and families may have other fields.
            header = read_document(_Header, text, skip_unknown=True)
            version = header.format_version
            if version != FORMAT_VERSION:
                raise WeightsError(
                    f"the weights have format version {version}; this musicdenoise reads version "
                    f"{FORMAT_VERSION}: install a version that matches"
                )
            read = read_document(_BY_FAMILY[check_family(header.network.family)], text)
            return cls(**{field.name: getattr(read, field.name) for field in fields(cls)})
        except (DocumentError, ConfigurationError) as error:
            raise WeightsError(f"the metadata of the weights cannot be understood: {error}") from error


@dataclass(frozen=True, kw_only=True)
class _NetworkHeader:
    family: str = DCUNET


@dataclass(frozen=True, kw_only=True)
class _Header:
    format_version: int
    network: _NetworkHeader = field(default_factory=_NetworkHeader)


@dataclass(frozen=True, kw_only=True)
class _DCUNetMetadata(CheckpointMetadata):
    network: DCUNetConfig


@dataclass(frozen=True, kw_only=True)
class _FineMetadata(CheckpointMetadata):
    network: FineNetConfig


_BY_FAMILY: dict[str, type[CheckpointMetadata]] = {DCUNET: _DCUNetMetadata, FINE: _FineMetadata}


def save_weights(path: Path, state_dict: Mapping[str, Tensor], metadata: CheckpointMetadata) -> None:
    """Write a weights file atomically.

    Raises
    ------
    WeightsError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from musicdenoise import load_weights, save_weights
    >>> network, metadata = load_weights("white")
    >>> path = Path(tempfile.mkdtemp()) / "mine.safetensors"
    >>> save_weights(path, network.state_dict(), metadata)
    >>> load_weights(path)[1] == metadata
    True
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state_dict.items()}
    try:
        # Not `save_file`, which makes files that only their owner can read.
        content = save(tensors, metadata={_KEY: metadata.to_json()})
    except SafetensorError as error:
        raise WeightsError(f"cannot write the weights to {path}: {error}") from error
    make_folder(path.parent, WeightsError)
    write_bytes(path, content, WeightsError)


def load_weights(path: Path) -> tuple[Network, CheckpointMetadata]:
    """Network in evaluation mode on the CPU, and what its file says about it.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or not a weights file of musicdenoise.
    """
    metadata, tensors = _read(path)
    return build_network(metadata.network, tensors, path), metadata


def build_network(config: NetworkConfig, state_dict: Mapping[str, Tensor], path: Path) -> Network:
    """Network of ``config`` with the given weights (from ``path``, for messages), in evaluation mode.

    Raises
    ------
    WeightsError
        If names or shapes do not match the configuration.
    """
    with torch.device("meta"):
        network = new_network(config)
    tensors = _checked_tensors(state_dict, network.state_dict(), path)
    try:
        network.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{path} does not fit the network it describes: {reason}") from error
    return network.eval()


def _checked_tensors(
    given: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """A copy of the weights as float32, because the tensors may still be views of the file.

    Shapes are compared first: a file of a few bytes can hold a view of any size.
    """
    tensors = dict(given)
    for name, wanted in expected.items():
        tensor = given.get(name)
        if tensor is None:
            continue  # which `load_state_dict` says
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            raise WeightsError(f"{path} does not fit the network it describes: {name} holds no numbers")
        if tensor.shape != wanted.shape:
            raise WeightsError(
                f"{path} does not fit the network it describes: {name} has the shape {tuple(tensor.shape)}, "
                f"the network needs {tuple(wanted.shape)}"
            )
        if tensor.is_complex() or tensor.is_floating_point() != wanted.is_floating_point():
            raise WeightsError(
                f"{path} does not fit the network it describes: {name} holds numbers of the type "
                f"{str(tensor.dtype).removeprefix('torch.')}"
            )
        tensors[name] = tensor.to(wanted.dtype, copy=True)
        if not bool(torch.isfinite(tensors[name]).all()):
            raise WeightsError(
                f"{path} is damaged: some numbers in {name} are infinite or not numbers at all; use "
                "another copy, or the weights of an earlier step"
            )
    return tensors


def _read(path: Path) -> tuple[CheckpointMetadata, dict[str, Tensor]]:
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            document = (file.metadata() or {}).get(_KEY)
            loaded = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a safetensors file, or is damaged: {error}") from error
    if document is None:
        raise WeightsError(f"{path} is a safetensors file, but not one of musicdenoise (no metadata)")
    return CheckpointMetadata.from_json(document), loaded
