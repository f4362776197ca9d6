"""What the tests of evaluations share: items in folders, and another way to read them."""

import os
from pathlib import Path

import numpy as np
import torch
from synthetic_tune import synthesise_tune

from musicdenoise.evaluation.items import EvalItem

RATE = 44_100


def make_items(write_wav, count: int, seconds: float = 1.6) -> list[EvalItem]:
    """Stereo tunes with noise at 0, 2, 4 ... dB, in ``noisy/itemN.wav`` and ``clean/itemN.wav``."""
    items = []
    for number in range(count):
        clean = synthesise_tune(seconds, seed=number)
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(number))
        noise *= clean.square().mean().sqrt() * 10 ** (-2 * number / 20)
        name = f"item{number}.wav"
        items.append(
            EvalItem(
                id=f"item{number}",
                noisy=write_wav(f"noisy/{name}", clean + noise, subtype="FLOAT"),
                clean=write_wav(f"clean/{name}", clean, subtype="FLOAT"),
                noise_kind="white" if number % 2 else "siren",
            )
        )
    return items


def read(path: Path) -> np.ndarray:
    """Samples ``(channels, n)`` by another way than the code's."""
    import soundfile

    return soundfile.read(path, dtype="float64", always_2d=True)[0].T


def rewrite(write_wav, path: Path, samples: np.ndarray) -> None:
    """Put other samples into a file of an item."""
    path.unlink()
    write_wav(f"{path.parent.name}/{path.name}", samples, subtype="FLOAT")


def end_process(_waves: object) -> None:
    """What a crash in compiled code does to a process: it ends without a word."""
    os._exit(1)
