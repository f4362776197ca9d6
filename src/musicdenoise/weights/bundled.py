"""The small networks behind the others. They come with the package, and cannot be chosen by name."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files

from safetensors.torch import load_file
from torch import Tensor

from musicdenoise.core.crowds import CrowdNet
from musicdenoise.core.noise_filter import NoiseFilter
from musicdenoise.core.noise_moments import NoiseMoments
from musicdenoise.core.refiner import Refiner


@lru_cache(maxsize=1)
def load_noise_filter() -> NoiseFilter:
    """The filter for noise whose spectrum is known, in evaluation mode on the CPU.

    The model card says how it was trained.
    """
    state = _load("noise_filter.safetensors")
    noise_filter = NoiseFilter(width=state["last.weight"].shape[1])
    noise_filter.load_state_dict(state)
    return noise_filter.eval().requires_grad_(requires_grad=False)


@lru_cache(maxsize=1)
def load_noise_moments() -> NoiseMoments:
    """The network that hears noise alone, in evaluation mode on the CPU."""
    state = _load("noise_moments.safetensors")
    width, num_features = state["first.weight"].shape[:2]
    network = NoiseMoments(num_features, width)
    network.load_state_dict(state)
    return network.eval().requires_grad_(requires_grad=False)


@lru_cache(maxsize=1)
def load_crowds() -> CrowdNet:
    """The network that tells noise from people, in evaluation mode on the CPU."""
    state = _load("crowds.safetensors")
    networks, num_figures, width = state["first"].shape
    network = CrowdNet(num_figures, width, networks)
    network.load_state_dict(state)
    return network.eval().requires_grad_(requires_grad=False)


@lru_cache(maxsize=2)
def load_refiner(*, with_sample: bool) -> Refiner:
    """The network that refines estimates, in evaluation mode on the CPU.

    The model card says how it was trained.

    Parameters
    ----------
    with_sample
        Whether the noise is known; there are two sets of weights.
    """
    refiner = Refiner()
    name = "refiner_with_sample.safetensors" if with_sample else "refiner_without_sample.safetensors"
    refiner.load_state_dict(_load(name))
    return refiner.eval().requires_grad_(requires_grad=False)


def _load(name: str) -> dict[str, Tensor]:
    with as_file(files("musicdenoise") / "pretrained" / name) as path:
        return load_file(path)
