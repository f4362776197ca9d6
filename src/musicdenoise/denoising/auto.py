"""Choosing the network by what the beginning of a song shows.

The network for any noise denoises the first seconds; what it removes tells what the noise is like. White
noise is steady in time and flat over frequency, which nothing else is that the network removes: then the
network for white noise, which is better at it, takes over. Everything else stays with the first one.

Both properties are ratios of two means in dB, 0 for ideal white noise: in each band the tenth of the frames
with the least power over all of them (steadiness), and the geometric over the arithmetic mean of the bands
(spectral flatness; Johnston, "Transform coding of audio signals using perceptual noise criteria", IEEE
JSAC 6(2), 1988).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.weights.index import default_weights
from musicdenoise.weights.store import WeightsStore

__all__ = ["AUTO", "HEAD_SECONDS", "AutoDenoiser", "NoiseCharacter", "noise_character"]

AUTO = "auto"
"""What the choice itself is asked for by, in place of a network's name."""

HEAD_SECONDS = 6.0
"""Beginning of a song that is listened to."""

_STEADY = "white"
_FRAME = 2048
_BANDS = 32
_LEAST_STEADINESS_DB = -6.0
_LEAST_FLATNESS_DB = -2.0
_TOP_HZ = 12_000.0  # codecs cut off what lies above, and with it the flatness
_FLOOR = 1e-16


@dataclass(frozen=True, kw_only=True)
class NoiseCharacter:
    """How steady and how flat a noise is, each in dB and at most about 0."""

    steadiness_db: float
    flatness_db: float

    @property
    def is_white(self) -> bool:
        """Whether this is what white noise looks like."""
        return self.steadiness_db > _LEAST_STEADINESS_DB and self.flatness_db > _LEAST_FLATNESS_DB


def noise_character(noise: NDArray[np.float32], sample_rate: int) -> NoiseCharacter:
    """Steadiness and flatness of a noise up to 12 kHz.

    Parameters
    ----------
    noise
        ``(channels, samples)``.
    sample_rate
        Rate in Hz.
    """
    count = noise.shape[1] // _FRAME
    if count == 0:
        return NoiseCharacter(steadiness_db=-np.inf, flatness_db=-np.inf)
    frames = noise[:, : count * _FRAME].reshape(noise.shape[0], count, _FRAME) * np.hanning(_FRAME)
    powers = np.square(np.abs(np.fft.rfft(frames, axis=-1))).mean(axis=0)
    top = min(_FRAME // 2, round(_TOP_HZ * _FRAME / sample_rate))
    edges = np.linspace(1, top, _BANDS + 1).astype(int)
    bands = np.add.reduceat(powers[:, : edges[-1]], edges[:-1], axis=1) / np.diff(edges) + _FLOOR
    quiet = np.quantile(bands, 0.1, axis=0)
    means = bands.mean(axis=0)
    return NoiseCharacter(
        steadiness_db=float(np.mean(10.0 * np.log10(quiet / means))),
        flatness_db=float(np.mean(10.0 * np.log10(means)) - 10.0 * np.log10(means.mean())),
    )


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
        removed = head - self._general.denoise(head, sample_rate)
        if not noise_character(removed, sample_rate).is_white:
            return self._general
        self._steady = self._steady or self._load(_STEADY)
        return self._steady
