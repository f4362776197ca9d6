"""Choice of the compute device."""

from __future__ import annotations

import re

import torch

from musicdenoise.errors import DeviceError, UsageError


def resolve_device(name: str) -> torch.device:
    """Device of the given name.

    Parameters
    ----------
    name
        ``"auto"`` (the first CUDA device, else Apple's GPU, else the CPU), ``"cpu"``, ``"cuda"``,
        ``"cuda:N"`` or ``"mps"``.

    Raises
    ------
    UsageError
        If there is no such name.
    DeviceError
        If this machine has no such device.
    """
    name = name.strip().lower()
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("the device mps is not available on this machine: choose cpu or auto")
        return torch.device("mps")
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise UsageError(f"there is no device {name!r}: choose auto, cpu, cuda, cuda:N or mps")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(match[1] or 0) >= count:
        found = "no CUDA device" if count == 0 else f"only {count} CUDA device(s), cuda:0 to cuda:{count - 1}"
        raise DeviceError(f"the device {name} was asked for, but this machine has {found}: choose auto")
    return torch.device(name)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
