"""Dither: noise that turns the distortion of rounding into a constant hiss far below the music.

The noise is the difference of two uniform variables of one step each (triangular, two steps wide), which
makes mean and power of the rounding error independent of the signal: Lipshitz, Wannamaker & Vanderkooy,
"Quantization and dither: a theoretical survey", JAES 40(5), 1992.
"""

from __future__ import annotations

import numpy as np

from musicdenoise.audio.types import Samples


class Dither:
    """Adds triangular noise to samples that are about to be rounded.

    Samples that need no rounding get no noise, so unchanged samples stay the same to the bit. The noise
    depends on the seed and the position of a sample, not on the size of the blocks.

    Parameters
    ----------
    bits
        Width of the integers that the samples become.
    seed
        Seed of the noise.
    """

    def __init__(self, bits: int, seed: int = 0) -> None:
        self._steps = 2.0 ** (bits - 1)
        self._rng = np.random.default_rng(seed)

    def __call__(self, samples: Samples) -> Samples:
        """Samples ``(channels, n)`` with noise of up to one step; the argument is not changed."""
        channels, count = samples.shape
        uniform = self._rng.random((count, channels, 2), dtype=np.float32)
        scaled = samples.astype(np.float64) * self._steps
        noise = np.where(scaled == np.rint(scaled), 0.0, (uniform[..., 0] - uniform[..., 1]).T)
        dithered: Samples = ((scaled + noise) / self._steps).astype(np.float32)
        return dithered
