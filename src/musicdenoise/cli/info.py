"""``musicdenoise info``: what a bug report needs."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from musicdenoise.cli.common import print_data, print_json

_PACKAGES = (
    *("torch", "torchaudio", "numpy", "scipy", "soundfile", "av", "mutagen"),
    *("safetensors", "typer", "rich", "pesq", "pystoi", "noisereduce"),
    *("starlette", "uvicorn", "onnx", "onnxruntime"),
)
AsJson = Annotated[bool, typer.Option("--json", help="Print all of it as one JSON object.")]


def info(as_json: AsJson = False) -> None:
    """Print versions, devices, the cache folder and weights: what a bug report needs.

    Nothing about your songs is in it, but the cache folder may hold your user name.
    """
    facts = _facts()
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            print_data(f"{name}:")
            for inner, text in value.items():
                print_data(f"  {inner}: {_plain(text)}")
        else:
            print_data(f"{name}: {_plain(value)}")


def _facts() -> dict[str, Any]:
    """All facts by name, as JSON values."""
    from musicdenoise.runtime.device import resolve_device
    from musicdenoise.weights.index import load_index
    from musicdenoise.weights.store import WeightsStore, cache_folder

    store = WeightsStore.of_user()
    return {
        "musicdenoise": version("musicdenoise"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "encoding": sys.getfilesystemencoding(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "processors": os.cpu_count(),
        "devices": _devices(),
        "default device": str(resolve_device("auto")),
        "cache": str(cache_folder()),
        "weights": {
            entry.name: "in the cache" if store.is_cached(entry) else "not in the cache"
            for entry in load_index()
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> dict[str, str]:
    """The devices that this machine has, and what each of them is."""
    import torch

    devices = {"cpu": platform.processor() or platform.machine()}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            devices[f"cuda:{index}"] = f"{torch.cuda.get_device_name(index)}, CUDA {torch.version.cuda}"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple"
    return devices


def _plain(value: object) -> str:
    return "not installed" if value is None else str(value)
