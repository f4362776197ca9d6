"""``musicdenoise info``: what a bug report needs."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from musicdenoise.cli import info
from musicdenoise.cli.app import app
from musicdenoise.weights.index import load_index


def invoke(*arguments: str):
    result = CliRunner().invoke(app, ["info", *arguments])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def test_versions_devices_cache_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSICDENOISE_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(info, "_PACKAGES", ("torch", "no-such-package"))
    (document,) = map(json.loads, invoke("--json").splitlines())
    assert document["musicdenoise"] == version("musicdenoise")
    assert document["python"] == platform.python_version()
    assert document["packages"] == {"torch": version("torch"), "no-such-package": None}
    assert document["devices"]["cpu"]
    assert not any(name.startswith("cuda") for name in document["devices"])
    assert document["cache"] == str(tmp_path)
    assert document["weights"] == {entry.name: "not in the cache" for entry in load_index()}
    lines = invoke().splitlines()
    assert f"musicdenoise: {version('musicdenoise')}" in lines
    assert "  no-such-package: not installed" in lines
    assert f"cache: {tmp_path}" in lines


def test_every_cuda_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Model {index}")
    devices = json.loads(invoke("--json"))["devices"]
    assert devices["cuda:0"].startswith("Model 0")
    assert devices["cuda:1"].startswith("Model 1")
