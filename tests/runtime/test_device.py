import pytest
import torch

from musicdenoise.errors import DeviceError, UsageError
from musicdenoise.runtime.device import resolve_device


def test_cpu_and_auto() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in {"cpu", "cuda", "mps"}


def test_unknown_names_are_refused() -> None:
    for name in ("gpu", "cuda:x", "tpu", ""):
        with pytest.raises(UsageError, match="auto, cpu, cuda, cuda:N or mps"):
            resolve_device(name)


def test_absent_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="no CUDA device"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="cuda:0 to cuda:1"):
        resolve_device("cuda:2")
