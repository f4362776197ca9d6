"""Choosing the network by what the beginning of a song shows.

The network for any noise denoises the first seconds; what it removes tells what the noise is like. White
noise is steady in time and flat over frequency, which nothing else is that the network removes: then the
network for white noise takes over. Everything else stays with the first one. To listen, songs of higher rates
are converted to the network's, and those of lower ones taken as they are: there converted white noise would
end where the song does, and not be known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from musicdenoise.core.resample import resample
from musicdenoise.denoising.character import band_powers, flatness_db, steadiness_db
from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.kinds import WHITE_NOISE
from musicdenoise.weights.index import default_weights
from musicdenoise.weights.store import WeightsStore

__all__ = ["AUTO", "HEAD_SECONDS", "AutoDenoiser", "is_white"]

AUTO = "auto"
"""What the choice itself is asked for by, in place of a network's name."""

HEAD_SECONDS = 6.0
"""Beginning of a song that is listened to."""

_STEADY = WHITE_NOISE
_LEAST_STEADINESS_DB = -6.0
_LEAST_FLATNESS_DB = -2.0


def is_white(noise: NDArray[np.float32], sample_rate: int) -> bool:
    """Whether a noise ``(channels, samples)`` is as steady and as flat as white noise is; silence is not."""
    if not noise.any():
        return False
    bands = band_powers(noise, sample_rate)
    return steadiness_db(bands) > _LEAST_STEADINESS_DB and flatness_db(bands) > _LEAST_FLATNESS_DB


class AutoDenoiser:
    """The networks to choose from; each is loaded when it is first needed.

    Parameters
    ----------
    device, config, store, on_fetch
        As for `Denoiser`.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        config: DenoiseConfig | None = None,
        store: WeightsStore | None = None,
        on_fetch: Callable[[int, int | None], None] | None = None,
    ) -> None:
        def load(name: str) -> Denoiser:
            return Denoiser(name, device=device, config=config, store=store, on_fetch=on_fetch)

        self._load = load
        self._general = load(default_weights())
        self._steady: Denoiser | None = None

    def choose(self, head: NDArray[np.float32], sample_rate: int) -> Denoiser:
        """The network for a song that begins like this.

        Parameters
        ----------
        head
            First seconds of the song, ``(channels, samples)``.
        sample_rate
            Rate in Hz.
        """
        if self._general.weights_name == _STEADY or head.shape[1] == 0:
            return self._general
        rate = min(sample_rate, self._general.stft.sample_rate)
        heard = resample(torch.from_numpy(head), sample_rate, rate).numpy()
        removed = heard - self._general.denoise(heard, self._general.stft.sample_rate)
        if not is_white(removed, rate):
            return self._general
        self._steady = self._steady or self._load(_STEADY)
        return self._steady
