"""Training pairs mixed on the fly: new crop, noise and level every time.

Example ``i`` depends only on the seed and on ``i``, so a run can be resumed, or split over processes, by
counting. A pair holds the same music with two independent noises (Noise2Noise, Lehtinen et al. 2018). The
clean music is the target only if you ask for it, as a comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.signal
import torch
from torch import Tensor
from torch.nn import functional as F

from musicdenoise.core.mixing import mix_at_snr, rms, snr_gain
from musicdenoise.core.noise_spectrum_net import SPECTRUM_STFT, mean_power
from musicdenoise.data.augment import chain_response, through_chain, through_codec
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.noise import NoiseSource
from musicdenoise.errors import ConfigurationError, DataError

# How pairs are varied: chosen, not measured one by one.
_ATTEMPTS = 20  # crops in a row that may be silent
_SILENCE_RMS = 1e-4  # -80 dB re full scale
_SHARES = ("coded_share", "speed_share", "second_song_share", "second_noise_share", "song_level_share")
_SPEEDS = ((9, 10), (19, 20), (21, 20), (11, 10))  # output samples per input sample
_SECOND_SONG_DB = 6.0  # louder or quieter than the first, at most
_SECOND_NOISE_DB = 10.0


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """How pairs are mixed.

    Parameters
    ----------
    num_samples
        Length of an example in samples.
    snr_range_db
        Lowest and highest SNR, drawn uniformly and independently for input and target. It is the SNR within
        the crop, or that of the whole song: a quiet passage of a song with steady noise is noisier than the
        song.
    target_snr_range_db
        The same for targets; None if they do not differ. With quieter noise in the targets, less of
        the error is chance.
    targets
        ``"noisy"`` (Noise2Noise) or ``"clean"``.
    coded_share
        Share of inputs that go through a lossy codec.
    speed_share
        Share of crops that are played up to a tenth faster or slower.
    second_song_share
        Share of examples in which two crops of songs sound at once.
    second_noise_share
        Share of noises that are the sum of two.
    song_level_share
        Share of examples whose SNR is that of the whole song.
    chain
        Whether pairs go through a recording chain; see `musicdenoise.data.augment.chain_response`.
    sample_share
        Share of inputs that come with a sample of their noise alone.
    sample_seconds
        Shortest and longest of such samples.
    """

    num_samples: int
    snr_range_db: tuple[float, float] = (-5.0, 35.0)
    target_snr_range_db: tuple[float, float] | None = None
    targets: str = "noisy"
    coded_share: float = 0.3
    speed_share: float = 0.2
    second_song_share: float = 0.1
    second_noise_share: float = 0.2
    song_level_share: float = 0.5
    chain: bool = True
    sample_share: float = 0.0
    sample_seconds: tuple[float, float] = (0.5, 6.0)

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise ConfigurationError.wrong("num_samples", self.num_samples, "at least 1")
        for name in ("snr_range_db", "target_snr_range_db"):
            limits = getattr(self, name)
            if limits is not None and not limits[0] <= limits[1]:
                raise ConfigurationError.wrong(name, limits, "two numbers, the lower one first")
        if self.targets not in ("noisy", "clean"):
            raise ConfigurationError.wrong("targets", self.targets, "'noisy' or 'clean'", repr(self.targets))
        if not 0.1 <= self.sample_seconds[0] <= self.sample_seconds[1]:
            raise ConfigurationError.wrong(
                "sample_seconds", self.sample_seconds, "0.1 s or more, the shortest first"
            )
        for name in (*_SHARES, "sample_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigurationError.wrong(name, getattr(self, name), "from 0 to 1")

    @classmethod
    def plain(cls, **settings: Any) -> MixConfig:
        """Crops and noises as they are, at the SNR within the crop."""
        shares: dict[str, Any] = dict.fromkeys(_SHARES, 0.0)
        return cls(chain=False, **shares, **settings)


class Example(NamedTuple):
    """Input and target ``(1, num_samples)``, and what is known of the input's noise.

    ``sample_power`` is the mean power per bin of a sample of the noise alone, ``(1, freqs)`` of
    `musicdenoise.core.noise_spectrum_net.SPECTRUM_STFT`; zeros where there is none. ``sample_seconds`` is
    its length, a scalar.
    """

    noisy: Tensor
    target: Tensor
    sample_power: Tensor
    sample_seconds: Tensor

    @classmethod
    def without_sample(cls, noisy: Tensor, target: Tensor) -> Example:
        """The example without a sample of its noise."""
        return cls(noisy, target, torch.zeros(1, SPECTRUM_STFT.num_freqs), torch.zeros(()))


class PairMixer:
    """Endless training pairs from songs and a source of noise.

    Parameters
    ----------
    songs
        Music; crops are drawn in proportion to length, from one channel, the mean of all, or half the
        difference of the two of a stereo song.
    noise
        Where noise comes from.
    config
        How pairs are mixed.
    seed
        Seed of everything random here.
    """

    def __init__(self, songs: AudioBank, noise: NoiseSource, config: MixConfig, seed: int) -> None:
        self.songs, self.noise, self.config, self.seed = songs, noise, config, seed
        room = np.maximum(songs.lengths - config.num_samples + 1, 0)
        if not room.any():
            raise DataError(
                f"no song is as long as an example ({config.num_samples} samples at "
                f"{songs.sample_rate} Hz): add longer songs or shorten the segments"
            )
        self._ends = np.cumsum(room)
        self._song_rms: dict[int, float] = {}

    @property
    def epoch_size(self) -> int:
        """Examples whose length is that of all songs together."""
        return max(1, int(self.songs.lengths.sum()) // self.config.num_samples)

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        """Input and target of example ``index``, each float32 ``(1, num_samples)``."""
        return self.example(index)[:2]

    def example(self, index: int) -> Example:
        """Input, target and sample of the noise of example ``index``."""
        rng = np.random.default_rng((self.seed, index))
        clean, level = self._music(rng)
        config, count, rate = self.config, self.config.num_samples, self.songs.sample_rate
        sampled = 0
        if config.sample_share and rng.random() < config.sample_share:
            sampled = min(count, round(rng.uniform(*config.sample_seconds) * rate))
        noise = self._draw_noise(level, config.snr_range_db, count + sampled, rng)
        noisy, sample, target = clean + noise[:, :count], noise[:, count:], clean
        if config.targets == "noisy":
            limits_db = config.target_snr_range_db or config.snr_range_db
            target = clean + self._draw_noise(level, limits_db, count, rng)
        if config.chain:
            response = chain_response(count, rate, rng)
            noisy, target = through_chain(noisy, response), through_chain(target, response)
            if sampled:
                padded = F.pad(sample, (0, count - sampled))
                sample = through_chain(padded, response)[:, :sampled]
        if rng.random() < self.config.coded_share:
            noisy = through_codec(noisy, rate, rng)
        power = mean_power(sample) if sampled else torch.zeros(1, SPECTRUM_STFT.num_freqs)
        seconds = torch.tensor(sampled / rate)
        return Example(noisy=noisy, target=target, sample_power=power, sample_seconds=seconds)

    def _music(self, rng: np.random.Generator) -> tuple[Tensor, float]:
        """Music ``(1, num_samples)`` and the level (RMS) to which noise is set."""
        clean, level = self._crop(rng)
        if rng.random() < self.config.second_song_share:
            other, other_level = self._crop(rng)
            gain = level / other_level * _random_gain(_SECOND_SONG_DB, rng)
            clean, level = clean + gain * other, math.hypot(level, gain * other_level)
        return clean, level

    def _crop(self, rng: np.random.Generator) -> tuple[Tensor, float]:
        """A crop of one song, and its level or that of the song."""
        for _ in range(_ATTEMPTS):
            position = int(rng.integers(self._ends[-1]))
            song = int(np.searchsorted(self._ends, position, side="right"))
            start = position - (int(self._ends[song - 1]) if song else 0)
            mono = self._read(song, start, rng)
            level = self._level(song) if rng.random() < self.config.song_level_share else rms(mono)
            if level > _SILENCE_RMS:
                return mono, level
        raise DataError(f"{_ATTEMPTS} crops of songs in a row are silent: remove the silent songs")

    def _read(self, song: int, start: int, rng: np.random.Generator) -> Tensor:
        count = self.config.num_samples
        up, down = _SPEEDS[int(rng.integers(len(_SPEEDS)))]
        if rng.random() >= self.config.speed_share:
            up = down = 1
        needed = -(-count * down // up)
        samples = self.songs.read(song, start, needed)
        if samples.shape[1] < needed:  # the song ends too soon for a faster one
            samples, up, down = samples[:, :count], 1, 1
        mono = _one_channel(samples, rng)
        if up == down:
            return mono
        played = scipy.signal.resample_poly(mono.numpy(), up, down, axis=-1)[:, :count]
        return torch.from_numpy(np.ascontiguousarray(played))

    def _level(self, song: int) -> float:
        if song not in self._song_rms:
            self._song_rms[song] = rms(self.songs.read(song))
        return self._song_rms[song]

    def _draw_noise(
        self, level: float, snr_range_db: tuple[float, float], count: int, rng: np.random.Generator
    ) -> Tensor:
        """Noise ``(1, count)`` at a random SNR below ``level``."""
        snr_db = float(rng.uniform(*snr_range_db))
        noise = self.noise.draw(count, rng)
        if rng.random() < self.config.second_noise_share:
            other = self.noise.draw(count, rng)
            noise = noise + other * (rms(noise) / rms(other) * _random_gain(_SECOND_NOISE_DB, rng))
        return noise * snr_gain(level, rms(noise), snr_db)


class AlternatingPairs:
    """Endless training pairs, each from one of two mixers of the same songs.

    Parameters
    ----------
    first, second
        The mixers.
    share
        Probability of the first, 0 to 1.
    seed
        Seed of the choice, which depends on it and on the number of the example alone.
    """

    def __init__(self, first: PairMixer, second: PairMixer, share: float, seed: int) -> None:
        self.first, self.second, self.share, self.seed = first, second, share, seed

    @property
    def epoch_size(self) -> int:
        """Examples whose length is that of all songs together."""
        return self.first.epoch_size

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        """Input and target of example ``index``, each float32 ``(1, num_samples)``."""
        return self.example(index)[:2]

    def example(self, index: int) -> Example:
        """Input, target and sample of the noise of example ``index``."""
        # The third number keeps this stream apart from those of the examples.
        is_first = np.random.default_rng((self.seed, index, 1)).random() < self.share
        return (self.first if is_first else self.second).example(index)


def _one_channel(samples: Tensor, rng: np.random.Generator) -> Tensor:
    """A channel, the middle, or the side of stereo, ``(1, samples)``."""
    channels = samples.shape[0]
    choice = int(rng.integers(channels + 1 + (channels == 2)))
    if choice < channels:
        return samples[choice, None]
    side = 0.5 * (samples[:1] - samples[1:]) if choice > channels else None
    if side is None or rms(side) <= _SILENCE_RMS:  # two equal channels have no side
        return samples.mean(0, keepdim=True)
    return side


def _random_gain(limit_db: float, rng: np.random.Generator) -> float:
    return float(10.0 ** (rng.uniform(-limit_db, limit_db) / 20.0))


@dataclass(frozen=True, kw_only=True)
class ValidationItem:
    """A noisy mix with its clean music, each ``(1, samples)``, and its SNR in dB.

    ``is_coded`` says that the mix went through a lossy codec after that SNR was set.
    """

    clean: Tensor
    noisy: Tensor
    snr_db: float
    is_coded: bool = False


def fixed_mixes(
    songs: AudioBank,
    noise: NoiseSource,
    *,
    num_samples: int,
    snrs_db: tuple[float, ...],
    seed: int,
    is_coded: bool = False,
) -> list[ValidationItem]:
    """One mix per song and SNR, the same every time: the middle of each song, as mono.

    Songs that are silent there are left out; shorter songs are taken whole. With ``is_coded`` the mixes
    go through a lossy codec.
    """
    items = []
    for song in range(len(songs)):
        start = max(0, (int(songs.lengths[song]) - num_samples) // 2)
        clean = songs.read(song, start, num_samples).mean(0, keepdim=True)
        if rms(clean) <= _SILENCE_RMS:
            continue
        for i, snr_db in enumerate(snrs_db):
            rng = np.random.default_rng((seed, song, i))
            noisy = mix_at_snr(clean, noise.draw(clean.shape[-1], rng), snr_db)
            if is_coded:
                noisy = through_codec(noisy, songs.sample_rate, rng)
            items.append(ValidationItem(clean=clean, noisy=noisy, snr_db=snr_db, is_coded=is_coded))
    if not items:
        raise DataError("every song for validation is silent in its middle: choose others")
    return items
