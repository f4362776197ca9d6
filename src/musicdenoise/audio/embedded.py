"""Sound inside of pages: FLAC, which browsers play and which loses nothing of 16 bits."""

from __future__ import annotations

import tempfile
from pathlib import Path

from musicdenoise.audio.types import Samples
from musicdenoise.audio.writer import open_writer


def to_flac(samples: Samples, sample_rate: int) -> bytes:
    """``(channels, samples)`` as a FLAC file of 16 bits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.flac"
        with open_writer(
            path, sample_rate=sample_rate, channels=samples.shape[0], container="FLAC", subtype="PCM_16"
        ) as writer:
            writer.write(samples)
        return path.read_bytes()
