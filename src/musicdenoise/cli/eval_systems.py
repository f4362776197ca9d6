"""The networks and baselines that ``musicdenoise eval`` compares, found by name."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from musicdenoise.denoising.auto import AUTO, AutoDenoiser
from musicdenoise.denoising.denoise_config import DenoiseConfig
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.model import NO_NETWORK
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.evaluation.items import LoadedItem
from musicdenoise.evaluation.systems import (
    WITH_SAMPLE,
    Denoise,
    System,
    baseline_systems,
    installed_baselines,
    network_system,
)
from musicdenoise.runtime.digest import file_sha256
from musicdenoise.weights.index import default_weights, find_entry, network_names
from musicdenoise.weights.reference import load_reference
from musicdenoise.weights.store import resolve_weights

_OWN = "own"  # the network of each item's kind of noise
_REFERENCE = "reference:"


def choose_systems(
    weights: list[str],
    baselines: str | None,
    device: str,
    config: DenoiseConfig,
    *,
    with_sample: bool = False,
) -> list[System]:
    """The baselines and networks of these names, the oracle last.

    Parameters
    ----------
    weights
        Names and files of networks, ``auto``, ``own``, ``none``, ``reference:FILE.pth``; the default network
        if empty.
    baselines
        Names with commas, ``none``, or None for all that can run here.
    device
        Where networks are computed.
    config
        How networks are used. ``reference:`` ones never have the gate.
    with_sample
        Whether items come with samples of their noise. Each system that can use one then has a second column.

    Raises
    ------
    UsageError
        If there is no such baseline, or what it needs is not installed.
    WeightsError
        If there is no such network, or it cannot be read.
    """
    names = installed_baselines(with_sample=with_sample) if baselines is None else _names(baselines)
    chosen = [system for name in names for system in baseline_systems(name, with_sample=with_sample)]
    networks = [
        system
        for name in weights or [default_weights()]
        for system in _network(name, device, config, with_sample=with_sample)
    ]
    ceiling = [system for system in chosen if system.name == "oracle"]
    return [*(system for system in chosen if system not in ceiling), *networks, *ceiling]


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _network(name: str, device: str, config: DenoiseConfig, *, with_sample: bool) -> list[System]:
    """The column of a network, and the one where it knows a sample of the noise."""
    if name.startswith(_REFERENCE):
        return [_reference(Path(name.removeprefix(_REFERENCE)), device)]
    columns = (False, True) if with_sample else (False,)
    if name == _OWN:
        loaded: dict[str, Denoiser] = {}
        return [_own(device, config, loaded, with_sample=column) for column in columns]
    path, label = None, name
    if name == AUTO:
        denoiser: SongDenoiser = AutoDenoiser(device=device, config=config)
    elif name == NO_NETWORK:
        denoiser = Denoiser(name, device=device, config=config)
    else:
        resolved = resolve_weights(name)
        path, label = resolved.path, resolved.name
        if label == path.name:  # a file; runs all call theirs best.safetensors
            label = f"{path.resolve().parent.name}/{path.stem}"
        denoiser = Denoiser(name, device=device, config=config)
    digest = None if path is None else file_sha256(path)
    return [
        network_system(label, _function(denoiser), path, digest, with_sample=column) for column in columns
    ]


def _function(denoiser: SongDenoiser) -> Denoise:
    def denoise(noisy: Tensor, sample_rate: int, sample: Tensor | None) -> Tensor:
        known = None if sample is None else (sample.numpy(), sample_rate)
        return torch.from_numpy(denoiser.denoise(noisy.numpy(), sample_rate, noise_sample=known))

    return denoise


def _reference(path: Path, device: str) -> System:
    """Released weights of NoiseRemover as their authors run them: without gate and noise sample."""
    network, metadata = load_reference(path)
    config = DenoiseConfig(gate=False, find_noise=False)
    denoiser = Denoiser.from_network(network, metadata.stft, device=device, config=config)
    return network_system(f"{_REFERENCE}{path.stem}", _function(denoiser), path, file_sha256(path))


def _own(device: str, config: DenoiseConfig, loaded: dict[str, Denoiser], *, with_sample: bool) -> System:
    """As ``denoise --noise KIND`` with the kind of each item; kinds without a network get the default."""

    def process(item: LoadedItem) -> Tensor:
        kind = item.item.noise_kind
        name = find_entry(kind).name if kind in network_names() else default_weights()
        if name not in loaded:
            loaded[name] = Denoiser(name, device=device, config=config)
        sample = item.noise_sample if with_sample else None
        return _function(loaded[name])(item.noisy, item.sample_rate, sample)

    return System(name=_OWN + WITH_SAMPLE if with_sample else _OWN, process=process, is_network=True)
