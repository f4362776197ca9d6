"""Noise of tapes and records, from random numbers: what people with old recordings want removed.

Only the noise that is added is made here, not what a worn tape or groove does to the music. Sources for the
statistics:

- tape: the time constants of playback equalisers (IEC 60094-1 for cassettes, 120 and 70 us; NAB and IEC for
  reels, 50 and 35 us); Mallinson, "Maximum signal-to-noise ratio of a tape recorder", IEEE Transactions on
  Magnetics 1969 (noise of the particles rises with frequency until the losses of gap and distance win);
  Camras, "Magnetic recording handbook", 1988 (hum of the mains and its harmonics; dropouts of some
  milliseconds to a tenth of a second).
- vinyl: the time constants of playback (IEC 60098, the RIAA curve: 3180, 318 and 75 us) and the rumble that
  it defines below some 100 Hz; Godsill and Rayner, "Digital audio restoration", 1998, chapter 5 (clicks come
  as a Poisson process, have heavy tails, and last up to some milliseconds; large ones end in a thump of the
  arm's resonance).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import scipy.signal
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicdenoise.core.mixing import rms
from musicdenoise.data.sounds import Array, coloured, factor, unit
from musicdenoise.errors import DataError

_Power = Callable[[Array], Array]

_TAPE_CONSTANTS_US = (35.0, 50.0, 70.0, 120.0)
_MAINS_HZ = (50.0, 60.0)
_NUM_HARMONICS = 16  # of the mains: up to 960 Hz. Chosen, not measured
_RIAA_US = (3180.0, 318.0, 75.0)
_TURNS_PER_MINUTE = (100.0 / 3.0, 45.0, 78.0)
_LOWEST_RATE = 8_000  # Hz; below it the curves have no room


class _Generated(ABC):
    """Noise made at one sample rate.

    Parameters
    ----------
    sample_rate
        Rate in Hz, at least 8000.
    """

    def __init__(self, sample_rate: int) -> None:
        if sample_rate < _LOWEST_RATE:
            raise DataError(
                f"noise of tapes and records cannot be made at {sample_rate} Hz: take {_LOWEST_RATE} or more"
            )
        self.sample_rate = sample_rate

    def draw(self, num_samples: int, rng: np.random.Generator) -> Tensor:
        """Independent noise, ``(1, num_samples)``, with a root mean square of 1."""
        noise = torch.from_numpy(self._make(num_samples, rng)).unsqueeze(0)
        return noise / rms(noise)

    @abstractmethod
    def _make(self, num_samples: int, rng: np.random.Generator) -> Array:
        """Samples of any level."""


class TapeNoise(_Generated):
    """Hiss of tape: coloured, swaying, with hum of the mains half of the time and dropouts now and then."""

    def _make(self, num_samples: int, rng: np.random.Generator) -> Array:
        noise = self._hiss(num_samples, rng) * _sway(num_samples, self.sample_rate, rng)
        if rng.random() < 0.3:
            noise = noise * self._dropouts(num_samples, rng)
        if rng.random() < 0.5:
            noise = noise + self._hum(num_samples, rng)
        return noise

    def _hiss(self, num_samples: int, rng: np.random.Generator) -> Array:
        corner = 1e6 / (2.0 * np.pi * rng.choice(_TAPE_CONSTANTS_US))
        rise, order = rng.uniform(0.0, 1.2), rng.uniform(2.0, 6.0)
        losses_hz, low_hz = rng.uniform(7_000.0, 20_000.0), rng.uniform(20.0, 120.0)

        def power(hz: Array) -> Array:
            rising = (1.0 + np.square(hz / corner)) ** rise
            lost = 1.0 + (hz / losses_hz) ** order
            power: Array = rising / lost * np.square(hz) / (np.square(hz) + low_hz**2)
            return power

        return _noise(num_samples, self.sample_rate, power, rng)

    def _hum(self, num_samples: int, rng: np.random.Generator) -> Array:
        """Mains hum; of rectifiers the even harmonics are stronger, of transformers the odd ones."""
        base = rng.choice(_MAINS_HZ) * rng.uniform(0.99, 1.01)
        count = min(_NUM_HARMONICS, int(0.5 * self.sample_rate / base))
        numbers = np.arange(1, count + 1)
        weaker = (numbers % 2 == rng.integers(2)) * rng.uniform(0.0, 20.0)
        levels_db = -rng.uniform(3.0, 9.0) * np.log2(numbers) - weaker + rng.normal(0.0, 4.0, count)
        turns = base * numbers[:, None] * np.arange(num_samples) / self.sample_rate + rng.random((count, 1))
        hum = factor(levels_db) @ np.sin(2.0 * np.pi * turns)
        return _at_level(hum, rng.uniform(-20.0, 3.0))

    def _dropouts(self, num_samples: int, rng: np.random.Generator) -> Array:
        """Factors that sink by 3 to 20 dB for 5 to 100 ms, up to twice a second."""
        depths_db = np.zeros(num_samples)
        seconds = num_samples / self.sample_rate
        for _ in range(rng.poisson(rng.uniform(0.1, 2.0) * seconds)):
            length = round(rng.uniform(0.005, 0.1) * self.sample_rate)
            start = int(rng.integers(num_samples))
            bump = rng.uniform(3.0, 20.0) * np.sin(np.pi * np.arange(length) / length)
            depths_db[start : start + length] += bump[: num_samples - start]
        return factor(-depths_db)


class VinylNoise(_Generated):
    """Surface of a record: hiss, crackle, clicks and pops, rumble, and what returns with every turn."""

    def _make(self, num_samples: int, rng: np.random.Generator) -> Array:
        noise = self._hiss(num_samples, rng) * _sway(num_samples, self.sample_rate, rng)
        crackles = 10.0 ** rng.uniform(0.0, 2.5)  # a second
        noise = noise + self._clicks(num_samples, crackles, (1_500.0, 12_000.0), (5e-5, 6e-4), 4, rng)
        pops = 10.0 ** rng.uniform(-1.0, 0.5)
        noise = noise + self._clicks(num_samples, pops, (80.0, 1_500.0), (1e-3, 1e-2), 2, rng)
        if rng.random() < 0.6:
            noise = noise + self._rumble(num_samples, rng)
        if rng.random() < 0.4:
            noise = noise + self._once_a_turn(num_samples, rng)
        return noise

    def _hiss(self, num_samples: int, rng: np.random.Generator) -> Array:
        low, middle, high = (1e6 / (2.0 * np.pi * constant) for constant in _RIAA_US)
        tilt = rng.uniform(-0.5, 0.7)

        def power(hz: Array) -> Array:
            riaa = (1.0 + np.square(hz / middle)) / (
                (1.0 + np.square(hz / low)) * (1.0 + np.square(hz / high))
            )
            tilted: Array = riaa * (1.0 + hz / 1_000.0) ** tilt
            return tilted

        return _noise(num_samples, self.sample_rate, power, rng)

    def _clicks(
        self,
        num_samples: int,
        per_second: float,
        hz: tuple[float, float],
        decay_seconds: tuple[float, float],
        num_shapes: int,
        rng: np.random.Generator,
    ) -> Array:
        """Poisson clicks of heavy-tailed size that ring out in a few shapes, at most 10 dB above the hiss."""
        sound = np.zeros(num_samples)
        tail = rng.uniform(1.5, 3.0)
        for _ in range(num_shapes):
            count = rng.poisson(per_second * num_samples / self.sample_rate / num_shapes)
            sizes = np.minimum(1.0 + rng.pareto(tail, count), 50.0) * rng.choice((-1.0, 1.0), count)
            impulses = np.zeros(num_samples)
            np.add.at(impulses, rng.integers(num_samples, size=count), sizes)
            frequency = min(np.exp(rng.uniform(*np.log(hz))), 0.45 * self.sample_rate)
            sound += self._ring(impulses, frequency, np.exp(rng.uniform(*np.log(decay_seconds))))
        return _at_level(sound, rng.uniform(-10.0, 10.0))

    def _ring(self, impulses: NDArray[np.float64], hz: float, decay_seconds: float) -> NDArray[np.float64]:
        radius = np.exp(-1.0 / (decay_seconds * self.sample_rate))
        feedback = [1.0, -2.0 * radius * np.cos(2.0 * np.pi * hz / self.sample_rate), radius**2]
        rung: NDArray[np.float64] = scipy.signal.lfilter([1.0], feedback, impulses)
        return rung

    def _rumble(self, num_samples: int, rng: np.random.Generator) -> Array:
        centre, width = rng.uniform(8.0, 40.0), rng.uniform(3.0, 20.0)

        def power(hz: Array) -> Array:
            return np.asarray(1.0 / (1.0 + np.square((hz - centre) / width) ** 2), dtype=np.float32)

        return _at_level(_noise(num_samples, self.sample_rate, power, rng), rng.uniform(-20.0, 6.0))

    def _once_a_turn(self, num_samples: int, rng: np.random.Generator) -> Array:
        """A thump or a scratch that comes back with every turn."""
        period = 60.0 / rng.choice(_TURNS_PER_MINUTE) * self.sample_rate
        places = np.arange(rng.uniform(0.0, period), num_samples, period).astype(int)
        impulses = np.zeros(num_samples)
        impulses[places] = rng.uniform(0.7, 1.3, len(places))
        is_thump = rng.random() < 0.5
        frequency = rng.uniform(25.0, 90.0) if is_thump else rng.uniform(500.0, 5_000.0)
        seconds = rng.uniform(0.01, 0.06) if is_thump else rng.uniform(5e-4, 5e-3)
        return _at_level(self._ring(impulses, frequency, seconds), rng.uniform(-15.0, 6.0))


def _noise(num_samples: int, sample_rate: int, power: _Power, rng: np.random.Generator) -> Array:
    """Gaussian noise with a given power per frequency in Hz, at a level of 1."""
    return unit(coloured(num_samples, sample_rate, lambda hz: np.sqrt(power(hz)), rng))


def _sway(num_samples: int, sample_rate: int, rng: np.random.Generator) -> Array:
    """Factors of a level that moves by up to some 2 dB within seconds."""
    step = rng.uniform(0.3, 4.0) * sample_rate
    count = int(num_samples / step) + 3
    levels_db = rng.normal(0.0, rng.uniform(0.0, 1.5), count)
    return factor(np.interp(np.arange(num_samples) / step, np.arange(count), levels_db))


def _at_level(sound: NDArray[np.floating], level_db: float) -> Array:
    """Sound whose root mean square is set, in dB; silence stays."""
    return factor(level_db) * unit(sound)
