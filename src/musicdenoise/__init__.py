"""musicdenoise: remove noise from songs.

>>> import numpy as np
>>> import musicdenoise
>>> noisy = np.random.default_rng(0).standard_normal(44_100).astype(np.float32)
>>> clean = musicdenoise.Denoiser("white", device="cpu").denoise(noisy, 44_100)
>>> musicdenoise.__version__.count(".")
2

Names are loaded when they are first used, so that importing the package is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicdenoise.core.architecture import DCUNetConfig
    from musicdenoise.core.dcunet import DCUNet
    from musicdenoise.core.stft import StftConfig
    from musicdenoise.denoising.auto import AutoDenoiser
    from musicdenoise.denoising.denoise_config import DenoiseConfig
    from musicdenoise.denoising.denoise_report import DenoiseReport
    from musicdenoise.denoising.denoiser import Denoiser
    from musicdenoise.denoising.files import denoise_file
    from musicdenoise.errors import MusicDenoiseError
    from musicdenoise.weights.checkpoint import save_weights
    from musicdenoise.weights.loading import load_weights

    __version__: str

__all__ = [
    "AutoDenoiser",
    "DCUNet",
    "DCUNetConfig",
    "DenoiseConfig",
    "DenoiseReport",
    "Denoiser",
    "MusicDenoiseError",
    "StftConfig",
    "__version__",
    "denoise_file",
    "load_weights",
    "save_weights",
]

_HOMES = {
    "AutoDenoiser": "denoising.auto",
    "DCUNet": "core.dcunet",
    "DCUNetConfig": "core.architecture",
    "DenoiseConfig": "denoising.denoise_config",
    "DenoiseReport": "denoising.denoise_report",
    "Denoiser": "denoising.denoiser",
    "MusicDenoiseError": "errors",
    "StftConfig": "core.stft",
    "denoise_file": "denoising.files",
    "load_weights": "weights.loading",
    "save_weights": "weights.checkpoint",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("musicdenoise")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
