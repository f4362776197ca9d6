"""What ``musicdenoise eval`` compares, from the names that were given."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from musicdenoise.core.fine_net import FineNet
from musicdenoise.denoising.auto import AUTO, AutoDenoiser
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.fine_song import denoise_song
from musicdenoise.evaluation.items import LoadedItem
from musicdenoise.evaluation.systems import System, baseline, installed_baselines, network_system
from musicdenoise.runtime.device import resolve_device
from musicdenoise.runtime.digest import file_sha256
from musicdenoise.weights.index import default_weights, find_entry, network_names
from musicdenoise.weights.loading import load_network
from musicdenoise.weights.reference import load_reference
from musicdenoise.weights.store import resolve_weights

__all__ = ["choose_systems"]

_OWN = "own"  # the network of each item's kind of noise
_REFERENCE = "reference:"


def choose_systems(weights: list[str], baselines: str | None, device: str) -> list[System]:
    """The baselines and networks of these names, the oracle last.

    Parameters
    ----------
    weights
        Names and files of networks, ``auto``, ``own``, ``reference:FILE.pth``; the default network if empty.
    baselines
        Names with commas, ``none``, or None for all that can run here.
    device
        Where networks are computed.

    Raises
    ------
    UsageError
        If there is no such baseline, or what it needs is not installed.
    WeightsError
        If there is no such network, or it cannot be read.
    """
    names = installed_baselines() if baselines is None else _names(baselines)
    chosen = [baseline(name) for name in names]
    networks = [_network(name, device) for name in weights or [default_weights()]]
    ceiling = [system for system in chosen if system.name == "oracle"]
    return [*(system for system in chosen if system not in ceiling), *networks, *ceiling]


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _network(name: str, device: str) -> System:
    if name == AUTO:
        return _automatic(device)
    if name == _OWN:
        return _own(device)
    if name.startswith(_REFERENCE):
        path = Path(name.removeprefix(_REFERENCE))
        network, metadata = load_reference(path)
        label = f"{_REFERENCE}{path.stem}"
        denoiser = Denoiser.from_network(network, metadata.stft, device=device)
    else:
        resolved = resolve_weights(name)
        path, label = resolved.path, resolved.name
        if label == path.name:  # a file; runs all call theirs best.safetensors
            label = f"{path.resolve().parent.name}/{path.stem}"
        network, _ = load_network(path)
        if isinstance(network, FineNet):
            return _for_recorded_noise(label, network, path, device)
        denoiser = Denoiser(name, device=device)

    def denoise(noisy: Tensor, sample_rate: int) -> Tensor:
        return torch.from_numpy(denoiser.denoise(noisy, sample_rate))

    return network_system(label, denoise, path, file_sha256(path))


def _for_recorded_noise(label: str, network: FineNet, path: Path, device: str) -> System:
    """A network that `denoise` cannot run yet."""
    place = resolve_device(device)
    network = network.to(place)

    def denoise(noisy: Tensor, sample_rate: int) -> Tensor:
        return denoise_song(network, noisy, sample_rate, place)

    return network_system(label, denoise, path, file_sha256(path))


def _automatic(device: str) -> System:
    """What ``denoise --noise auto`` does: each item chooses its network by its beginning."""
    chooser = AutoDenoiser(device=device)

    def denoise(noisy: Tensor, sample_rate: int) -> Tensor:
        return torch.from_numpy(chooser.denoise(noisy, sample_rate))

    return network_system(AUTO, denoise)


def _own(device: str) -> System:
    """What ``denoise --noise KIND`` does for who knows the kind; kinds without a network get the default."""
    loaded: dict[str, Denoiser] = {}

    def process(item: LoadedItem) -> Tensor:
        kind = item.item.noise_kind
        name = find_entry(kind).name if kind in network_names() else default_weights()
        if name not in loaded:
            loaded[name] = Denoiser(name, device=device)
        return torch.from_numpy(loaded[name].denoise(item.noisy, item.sample_rate))

    return System(name=_OWN, process=process, is_network=True)
