"""Synthetic music, the same every time, and files of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from audio_signals import synthesize

from musicdenoise.audio import open_writer

MakeMusic = Callable[..., np.ndarray]


@pytest.fixture(scope="session")
def make_music() -> MakeMusic:
    return synthesize


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write samples to a file of the given name and return its path."""

    def write(
        name: str, samples: np.ndarray, container: str, subtype: str, sample_rate: int = 44100, **options
    ):
        path = tmp_path / name
        with open_writer(
            path,
            sample_rate=sample_rate,
            channels=samples.shape[0],
            container=container,
            subtype=subtype,
            **options,
        ) as writer:
            writer.write(samples)
        return path

    return write
