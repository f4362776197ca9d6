"""What the tests of training share: a tiny configuration, its data, and runs from the command line."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from musicdenoise.core.dcunet import DCUNetConfig
from musicdenoise.data.mixer import Example
from musicdenoise.training.config import TrainConfig

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    network=DCUNetConfig.mini(),
    steps=6,
    batch_size=2,
    segment_frames=99,
    warmup_steps=2,
    validate_every_steps=3,
    precision="float32",
)
# One thread per process: several spin for each other when the machine is busy.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@dataclass
class Sine:
    """Examples that depend on their number alone: a tone with two independent noises."""

    num_samples: int
    epoch_size: int = 8

    def example(self, index: int) -> Example:
        generator = torch.Generator().manual_seed(index)
        tone = 0.1 * torch.sin(torch.arange(self.num_samples) * (0.01 + 0.002 * (index % 5)))[None]
        first, second = (0.05 * torch.randn(tone.shape, generator=generator) for _ in range(2))
        return Example.without_sample(tone + first, tone + second)


def run_command(
    *arguments: object, launcher: tuple[str, ...] = (), limit_seconds: float = 110.0
) -> subprocess.CompletedProcess[str]:
    """``musicdenoise ...`` in a process of its own."""
    command = [sys.executable, *launcher, "-m", "musicdenoise", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=limit_seconds
    )


def assert_same_run(first: Path, second: Path) -> None:
    """Two run folders hold the same history, weights and state, bit for bit."""
    assert (first / "history.jsonl").read_bytes() == (second / "history.jsonl").read_bytes()
    assert (first / "best.safetensors").read_bytes() == (second / "best.safetensors").read_bytes()
    states = [torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (first, second)]
    for part in ("network", "averaged"):
        for name, tensor in states[0][part].items():
            assert torch.equal(tensor, states[1][part][name]), name
    for key, slots in states[0]["optimizer"]["state"].items():
        for name, value in slots.items():
            assert torch.equal(value, states[1]["optimizer"]["state"][key][name]), (key, name)
    for name in ("step", "best_db", "loss_db", "history"):
        assert states[0][name] == states[1][name]
