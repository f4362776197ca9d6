"""The filter that comes with the package, for noise whose spectrum is known."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files

from safetensors.torch import load_file

from musicdenoise.core.noise_filter import NoiseFilter

__all__ = ["load_noise_filter"]

_FILE = "noise_filter.safetensors"


@lru_cache(maxsize=1)
def load_noise_filter() -> NoiseFilter:
    """The trained filter, in evaluation mode on the CPU; see the model card for how it was trained."""
    with as_file(files("musicdenoise") / "pretrained" / _FILE) as path:
        state = load_file(path)
    noise_filter = NoiseFilter(width=state["last.weight"].shape[1])
    noise_filter.load_state_dict(state)
    return noise_filter.eval().requires_grad_(requires_grad=False)
