"""Sounds of machines, alarms, blows and voices from random numbers, for training on noise nobody recorded.

There are few recordings of noise, and a network can learn their spectra by heart. Here every draw is another
machine. It has what all engines, horns, sirens, hammers, drills, shots, barks or voices have in common, and
everything else is random. None needs to sound real.

Periodic sounds read a random waveform at a running phase (wavetable synthesis), whose pitch sways as an
Ornstein-Uhlenbeck process. Blows ring in a few damped modes. Rooms and equalisers are those of
`musicdenoise.data.altered_noise`. All ranges were chosen, not measured one by one.

Conventions: sounds are those of `musicdenoise.data.sounds`, at any level; times are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from torch import Tensor

from musicdenoise.data.altered_noise import equalised, in_another_room
from musicdenoise.data.sounds import Array, coloured, factor, unit, waveform

Pitch = NDArray[np.floating] | float

_TABLE = 2048  # samples of a wavetable
_SWAY_STEP = 0.01  # between the values of a swaying quantity
_LOWEST_HZ = 15.0
_PEAK_ABOVE_FLOOR_DB = 70.0
_ROOM_SHARE, _BACKGROUND_SHARE, _EQUALISED_SHARE = 0.7, 0.7, 0.3
_BACKGROUND_DB = (-40.0, -6.0)


class GeneratedNoise:
    """One of ten kinds of sound at random, mostly in a room with a quiet background.

    Parameters
    ----------
    sample_rate
        Rate in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate

    def draw(self, num_samples: int, rng: np.random.Generator) -> Tensor:
        """Noise ``(1, num_samples)``, not silent."""
        kinds = (_engine, _horn, _siren, _hammer, _drill, _steady, _steady, _bangs, _barks, _voices)
        sound = kinds[int(rng.integers(len(kinds)))](_Maker(num_samples, self.sample_rate, rng))
        if rng.random() < _ROOM_SHARE:
            sound = in_another_room(sound, self.sample_rate, rng)
        if rng.random() < _BACKGROUND_SHARE:
            background = _Maker(num_samples, self.sample_rate, rng).coloured()
            sound = unit(sound) + factor(rng.uniform(*_BACKGROUND_DB)) * unit(background)
        if rng.random() < _EQUALISED_SHARE:
            sound = equalised(sound, self.sample_rate, rng)
        noise = waveform(sound)
        return noise if noise.any() else self.draw(num_samples, rng)  # a short piece may miss all events


class _Maker:
    """What sounds are made of: ``count`` samples each."""

    def __init__(self, count: int, rate: int, rng: np.random.Generator) -> None:
        self.count, self.rate, self.rng = count, rate, rng

    def between(self, low: float, high: float) -> float:
        """A number between two, each factor as likely as any other."""
        return math.exp(self.rng.uniform(math.log(low), math.log(high)))

    def for_seconds(self, low: float, high: float) -> _Maker:
        """A maker of sounds of a random length."""
        return _Maker(round(self.rng.uniform(low, high) * self.rate), self.rate, self.rng)

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Time of each sample."""
        return np.arange(self.count) / self.rate

    def sway(self, hz: float) -> Array:
        """An Ornstein-Uhlenbeck process of deviation 1 with this bandwidth."""
        kept = math.exp(-2.0 * math.pi * hz * _SWAY_STEP)
        values = self.rng.standard_normal(int(self.count / (_SWAY_STEP * self.rate)) + 2)
        values[1:] *= math.sqrt(1.0 - kept * kept)
        for i in range(1, len(values)):
            values[i] += kept * values[i - 1]
        swaying: Array = np.interp(self.seconds / _SWAY_STEP, np.arange(len(values)), values).astype(
            np.float32
        )
        return swaying

    def tone(self, pitch: Pitch, partials: int, slope: float | None = None) -> Array:
        """A periodic sound; partial ``k`` has about ``k**-slope`` of the first one's amplitude."""
        rng = self.rng
        partials = max(1, min(partials, int(self.rate / 2.2 / np.max(pitch))))
        numbers = np.arange(1, partials + 1)
        falling = numbers ** -(rng.uniform(0.0, 1.8) if slope is None else slope)
        spectrum = np.zeros(_TABLE // 2 + 1, dtype=complex)
        phases = np.exp(2j * math.pi * rng.random(partials))
        spectrum[numbers] = falling * 10.0 ** (rng.normal(0.0, 6.0, partials) / 20.0) * phases
        table = scipy.fft.irfft(spectrum, _TABLE) * (_TABLE / 2)
        turns = np.cumsum(np.broadcast_to(np.asarray(pitch) / self.rate, (self.count,))) + rng.random()
        places = turns % 1.0 * _TABLE
        sound: Array = np.interp(places, np.arange(_TABLE + 1), np.append(table, table[0])).astype(np.float32)
        return sound

    def coloured(self) -> Array:
        """Gaussian noise with a random spectrum: a slope, hills and sharp resonances."""
        return coloured(self.count, self.rate, self._colour, self.rng)

    def _colour(self, hz: Array) -> Array:
        rng, hz = self.rng, np.maximum(hz, _LOWEST_HZ)
        knots = np.arange(math.log2(_LOWEST_HZ), math.log2(23_000.0), rng.uniform(0.3, 1.2))
        hills = np.cumsum(rng.normal(0.0, rng.uniform(1.0, 5.0), len(knots)))
        falling = 6.3 * rng.random() * math.sqrt(rng.random())  # dB an octave
        colour = np.interp(np.log2(hz), knots, hills - falling * (knots - knots[0]))
        if rng.random() < 0.4:
            cutoff, order_db = rng.uniform(2_000.0, 20_000.0), rng.uniform(12.0, 60.0)
            colour -= order_db * np.maximum(np.log2(hz / cutoff), 0.0)
        for _ in range(int(rng.integers(0, 12))):
            centre, quality = self.between(40.0, 9_000.0), self.between(3.0, 300.0)
            colour += rng.uniform(3.0, 20.0) / (1.0 + np.square(quality * (hz / centre - centre / hz)))
        return factor(np.maximum(colour - colour.max(), -_PEAK_ABOVE_FLOOR_DB))

    def on_and_off(self, on: float, off: float, edge: float = 0.02) -> Array:
        """Factors of what sounds for ``on`` seconds, pauses for ``off``, and so on, more or less."""
        rng, factors = self.rng, np.zeros(self.count, dtype=np.float32)
        place = -round(rng.random() * off * self.rate)
        while place < self.count:
            end = place + round(self.rate * on * math.exp(rng.normal(0.0, 0.4)))
            factors[max(0, place) : max(0, end)] = factor(rng.normal(0.0, 2.5))
            place = end + round(self.rate * off * math.exp(rng.normal(0.0, 0.4)))
        width = max(1, round(edge * self.rate))
        running = np.cumsum(np.concatenate([np.zeros(width), factors]))
        smoothed: Array = ((running[width:] - running[:-width]) / width).astype(np.float32)
        return smoothed

    def events(self, a_second: float, make: Callable[[], Array], unevenness: float) -> Array:
        """One to three sounds over and over, at intervals with this relative deviation."""
        rng, sound = self.rng, np.zeros(self.count, dtype=np.float32)
        prototypes = [make() for _ in range(int(rng.integers(1, 4)))]
        at = -rng.random() / a_second
        while at * self.rate < self.count:
            event = prototypes[int(rng.integers(len(prototypes)))] * factor(rng.normal(0.0, 3.0))
            place = round(at * self.rate)
            begin, end = max(0, -place), min(len(event), self.count - place)
            if end > begin:
                sound[place + begin : place + end] += event[begin:end]
            at += max(0.01, (1.0 + unevenness * rng.standard_normal()) / a_second)
        return sound


def _engine(m: _Maker) -> Array:
    """Firing of cylinders, and hiss that pulses with it."""
    pitch = m.between(18.0, 110.0) * np.exp(m.rng.uniform(0.002, 0.05) * m.sway(m.rng.uniform(0.1, 2.0)))
    fired = unit(m.tone(pitch, int(m.rng.integers(10, 200))))
    pulse = m.tone(pitch / m.rng.choice([1, 2, 4]), 6)
    pulse = 1.0 + m.rng.uniform() * pulse / (np.abs(pulse).max() + 1e-6)
    sound: Array = fired + np.float32(m.rng.uniform(0.0, 1.5)) * unit(m.coloured() * pulse)
    return sound


def _horn(m: _Maker) -> Array:
    """One to three tones at once, mostly with pauses."""
    count = int(m.rng.integers(1, 4))
    pitches = [m.between(180.0, 1000.0) * (1.0 + 0.003 * m.sway(1.0)) for _ in range(count)]
    sound = np.sum([m.tone(pitch, int(m.rng.integers(3, 30))) for pitch in pitches], axis=0)
    if m.rng.random() < 0.8:
        sound = sound * m.on_and_off(m.rng.uniform(0.15, 3.0), m.rng.uniform(0.05, 4.0))
    return np.asarray(sound, dtype=np.float32)


def _siren(m: _Maker) -> Array:
    """A pitch that rises and falls in one of five ways, at a level that sways."""
    phase = (m.seconds * m.between(0.12, 9.0) + m.rng.uniform()) % 1.0
    ways = (
        0.5 - 0.5 * np.cos(2.0 * math.pi * phase),
        phase,
        np.minimum(2.0 * phase, 2.0 - 2.0 * phase),
        (phase < 0.5).astype(float),
        1.0 - phase,
    )
    course = ways[int(m.rng.integers(len(ways)))]
    pitch = m.rng.uniform(350.0, 900.0) * m.rng.uniform(1.2, 2.8) ** course * np.exp(0.02 * m.sway(0.2))
    sound: Array = m.tone(pitch, int(m.rng.integers(1, 12))) * factor(4.0 * m.sway(0.2))
    return sound


def _hammer(m: _Maker) -> Array:
    """Blows at an even pace, 5 to 40 a second."""
    pace, unevenness = m.between(5.0, 40.0), m.rng.uniform(0.0, 0.15)
    sound = m.events(pace, lambda: _blow(m.for_seconds(0.03, 0.3)), unevenness)
    if m.rng.random() < 0.5:
        sound = sound * m.on_and_off(m.rng.uniform(0.5, 5.0), m.rng.uniform(0.05, 1.5), 0.05)
    return sound


def _blow(m: _Maker) -> Array:
    """Damped modes and a burst of noise."""
    longest = m.count / m.rate
    sound = np.zeros(m.count)
    for _ in range(int(m.rng.integers(2, 14))):
        decay = np.exp(-m.seconds / m.between(0.003, 0.25 * longest))
        tone = np.sin(2.0 * math.pi * (m.between(90.0, 9_000.0) * m.seconds + m.rng.random()))
        sound += factor(m.rng.normal(0.0, 7.0)) * tone * decay
    burst = m.rng.standard_normal(m.count) * np.exp(-m.seconds * m.rng.uniform(6.0, 30.0) / longest)
    blow: Array = (sound + m.rng.uniform() * burst).astype(np.float32)
    return blow


def _drill(m: _Maker) -> Array:
    """A motor that buzzes, with noise at its pace."""
    pitch = m.between(60.0, 700.0) * np.exp(m.rng.uniform(0.005, 0.08) * m.sway(m.rng.uniform(0.2, 4.0)))
    buzz = unit(m.tone(pitch, int(m.rng.integers(5, 120)), m.rng.uniform(0.0, 1.0)))
    pulse = 1.0 + m.rng.uniform() * np.tanh(m.tone(pitch, 3))
    sound = buzz + np.float32(m.rng.uniform(0.0, 2.0)) * unit(m.coloured() * pulse)
    if m.rng.random() < 0.4:
        sound = sound * m.on_and_off(m.rng.uniform(0.5, 4.0), m.rng.uniform(0.1, 2.0), 0.1)
    return np.asarray(sound, dtype=np.float32)


def _steady(m: _Maker) -> Array:
    """Hiss, fans, traffic from afar: coloured noise, perhaps with a hum, perhaps swaying."""
    sound = unit(m.coloured())
    if m.rng.random() < 0.4:
        pitch = float(m.rng.choice([50.0, 60.0, 100.0, 120.0, m.rng.uniform(30.0, 400.0)]))
        sound = sound + np.float32(m.rng.uniform()) * unit(m.tone(pitch, int(m.rng.integers(3, 60))))
    if m.rng.random() < 0.6:
        sound = sound * factor(m.rng.uniform(0.0, 5.0) * m.sway(m.between(0.1, 20.0)))
    return sound


def _bangs(m: _Maker) -> Array:
    """Bursts of noise that die away."""

    def bang() -> Array:
        part = m.for_seconds(0.05, 1.2)
        return unit(part.coloured() * np.exp(-part.seconds / m.rng.uniform(0.01, 0.25)).astype(np.float32))

    return m.events(m.between(0.3, 12.0), bang, m.rng.uniform(0.0, 0.8))


def _barks(m: _Maker) -> Array:
    """Short calls whose pitch moves."""

    def bark() -> Array:
        part = m.for_seconds(0.07, 0.5)
        along = np.linspace(0.0, 1.0, part.count)
        swell = np.sin(math.pi * along ** m.rng.uniform(0.4, 1.3)).astype(np.float32)
        bend = m.rng.uniform(-0.5, 0.5) * along + m.rng.uniform(0.0, 0.3) * np.sin(math.pi * along)
        voiced = unit(part.tone(m.rng.uniform(150.0, 1100.0) * np.exp(bend), int(m.rng.integers(4, 40))))
        call: Array = swell * (voiced + np.float32(m.rng.uniform()) * unit(part.coloured()))
        return call

    return m.events(m.between(0.4, 4.0), bark, m.rng.uniform(0.1, 0.7))


def _voices(m: _Maker) -> Array:
    """One to seven voices without words, each at its own distance."""
    sound = np.zeros(m.count, dtype=np.float32)
    for _ in range(int(m.rng.integers(1, 8))):
        vibrato = 0.02 * np.sin(2.0 * math.pi * m.rng.uniform(4.0, 7.0) * m.seconds)
        pitch = m.rng.uniform(130.0, 500.0) * np.exp(0.18 * m.sway(m.rng.uniform(1.0, 5.0)) + vibrato)
        voice = unit(m.tone(pitch, int(m.rng.integers(10, 40)), m.rng.uniform(0.5, 1.5)))
        voice = voice * m.on_and_off(m.rng.uniform(0.08, 0.5), m.rng.uniform(0.05, 0.8), 0.03)
        voice = in_another_room(equalised(voice, m.rate, m.rng, 8.0), m.rate, m.rng)
        sound += voice * factor(m.rng.normal(0.0, 4.0))
    return sound
