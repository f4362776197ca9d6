"""Choose the network by the beginning of a song.

The network for any noise denoises the first seconds. What it removes shows what the noise is like. White
noise is steady in time and flat over frequency, and nothing else that the network removes is both. If the
noise is white, the network for white noise is used; otherwise the first one stays.

Songs at higher rates are converted to the network's rate for this. Songs at lower rates are taken as they
are. After a conversion, their white noise would end at the top of the song's band, and would not be
recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from musicdenoise.audio.types import Samples
from musicdenoise.core.resample import resample
from musicdenoise.denoising.denoise_config import DenoiseConfig
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.known_noise import KnownNoise
from musicdenoise.denoising.noise_sample import NoiseSample, SampleLike, as_noise_samples
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.denoising.song_stream import Steps
from musicdenoise.denoising.sound_features import band_powers, flatness_db, steadiness_db
from musicdenoise.kinds import WHITE_NOISE
from musicdenoise.weights.index import default_weights
from musicdenoise.weights.store import WeightsStore

AUTO = "auto"
"""The name that asks for the choice, instead of a network."""

_STEADY = WHITE_NOISE
# Chosen on 22 November 2026; the measurements were not written down. What the choice costs is measured: on
# 20 stretches with white noise `auto` gains 9.07 dB and `white` 9.16 dB (docs/benchmarks.md, "The gate").
# tests/benchmarks/fit_gate.py finds both limits from new measurements.
_LEAST_STEADINESS_DB = -6.0
_LEAST_FLATNESS_DB = -2.0


def is_white(noise: NDArray[np.float32], sample_rate: int) -> bool:
    """Whether a noise ``(channels, samples)`` is as steady and as flat as white noise is; silence is not."""
    if not noise.any():
        return False
    bands = band_powers(noise, sample_rate)
    return steadiness_db(bands) > _LEAST_STEADINESS_DB and flatness_db(bands) > _LEAST_FLATNESS_DB


class AutoDenoiser(SongDenoiser):
    """Removes noise from songs, and chooses the network by the beginning of each song.

    Parameters
    ----------
    noise_sample, device, config, store, on_fetch
        As for `Denoiser`. Each network is loaded when it is first needed.

    Examples
    --------
    >>> import numpy as np
    >>> from musicdenoise import AutoDenoiser
    >>> hiss = 0.1 * np.random.default_rng(0).standard_normal((1, 88_200)).astype(np.float32)
    >>> denoiser = AutoDenoiser(device="cpu")
    >>> denoiser.choose(hiss, 44_100).weights_name
    'white'
    >>> denoiser.denoise(hiss, 44_100).shape
    (1, 88200)
    """

    def __init__(
        self,
        *,
        noise_sample: SampleLike | Sequence[NoiseSample] | None = None,
        device: str = "auto",
        config: DenoiseConfig | None = None,
        store: WeightsStore | None = None,
        on_fetch: Callable[[int, int | None], None] | None = None,
    ) -> None:
        super().__init__(config or DenoiseConfig(), as_noise_samples(noise_sample))

        def load(name: str) -> Denoiser:
            return Denoiser(name, device=device, config=config, store=store, on_fetch=on_fetch)

        self._load = load
        self._general = load(default_weights())
        self._steady: Denoiser | None = None

    @property
    def fewest_seconds(self) -> float:
        """Length of the shortest song that it can denoise."""
        return self._general.fewest_seconds

    @property
    def chooses(self) -> bool:
        """It chooses by the beginning of each song."""
        return True

    def steps(self, sample_rate: int, channels: int, known: KnownNoise | None, head: Samples) -> Steps:
        """How a song with this beginning is denoised; see `SongDenoiser.steps`."""
        sounding = head.any(axis=0)
        start = head[:, int(sounding.argmax()) :] if sounding.any() else head[:, :0]
        return self.choose(start, sample_rate).steps(sample_rate, channels, known, head)

    def choose(self, head: Samples, sample_rate: int) -> Denoiser:
        """The network for a song with this beginning.

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
        heard = resample(torch.from_numpy(np.ascontiguousarray(head)), sample_rate, rate).numpy()
        removed = heard - self._general.estimate(heard, self._general.stft.sample_rate)
        if not is_white(removed, rate):
            return self._general
        self._steady = self._steady or self._load(_STEADY)
        return self._steady
