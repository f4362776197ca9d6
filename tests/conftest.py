"""Shared fixtures: small networks and synthetic music."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_tune import synthesise_tune

from musicdenoise.audio import open_writer
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.weights.checkpoint import CheckpointMetadata, save_weights


def pytest_configure() -> None:
    """Share the processors among the processes that test side by side, and let interrupts through.

    Both hold for the programs that they start, too.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
    # A shell's background jobs ignore interrupts, and would hand that on to the programs under test.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a sixth of the time, tests wait for programs that they started."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Training first: some of its tests take half a minute, and at the end all would wait for one."""
    items.sort(key=lambda item: item.path.parent.name != "training")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep pretrained weights and decoded audio of the tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSICDENOISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        for setting in ("WEIGHTS_URL", "CONFIG", "LOG_LEVEL"):
            patch.delenv(f"MUSICDENOISE_{setting}", raising=False)
        yield


@pytest.fixture(scope="session")
def tune() -> torch.Tensor:
    """Six seconds of stereo music, float32 ``(2, samples)`` at 44.1 kHz."""
    return synthesise_tune(6.0)


@pytest.fixture(scope="session")
def noisy_tune(tune: torch.Tensor) -> torch.Tensor:
    """The tune with white noise at 10 dB SNR."""
    noise = torch.randn(tune.shape, generator=torch.Generator().manual_seed(3))
    return tune + noise * (tune.square().mean().sqrt() * 10**-0.5)


@pytest.fixture(scope="session")
def mini_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights file of an untrained network with one channel per layer."""
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini())
    path = tmp_path_factory.mktemp("weights") / "mini.safetensors"
    metadata = CheckpointMetadata(network=network.config, stft=StftConfig(), noise_kind="white")
    save_weights(path, network.state_dict(), metadata)
    return path


@pytest.fixture
def write_wav(tmp_path: Path):
    """Function that writes samples ``(channels, n)`` to a WAV file in the test's folder."""

    def write(name: str, samples, sample_rate: int = 44_100, subtype: str = "PCM_16") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.asarray(samples, dtype=np.float32)
        with open_writer(
            path, sample_rate=sample_rate, channels=array.shape[0], container="WAV", subtype=subtype
        ) as writer:
            writer.write(array)
        return path

    return write
