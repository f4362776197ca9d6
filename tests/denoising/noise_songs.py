"""Songs for the tests of what finds noise: notes that decay, noise, claps."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RATE = 16_000

Floats = NDArray[np.float32]


def notes(seconds: float, seed: int = 0, rate: int = RATE) -> Floats:
    """Music: four notes a second of eight partials each that decay, ``(1, samples)``, at -20 dB."""
    return _notes(seconds, seed, rate).copy()


@lru_cache
def _notes(seconds: float, seed: int, rate: int) -> Floats:
    rng = np.random.default_rng(seed)
    music = np.zeros(round(seconds * rate))
    for onset in np.arange(0.0, seconds, 0.25):
        first = round(onset * rate)
        time = np.arange(min(len(music) - first, rate), dtype=np.float32) / rate
        pitch = 110.0 * 2.0 ** (rng.integers(0, 30) / 12.0)
        for partial in range(1, 9):
            decay = np.exp(-time * partial * rng.uniform(1.0, 3.0)) * np.minimum(1.0, time / 0.005)
            music[first : first + len(time)] += decay / partial * np.sin(2 * np.pi * partial * pitch * time)
    return (0.1 * music / np.sqrt(np.mean(np.square(music))))[None].astype(np.float32)


def hiss(seconds: float, level_db: float, seed: int = 1, rate: int = RATE) -> Floats:
    """White noise, ``(1, samples)``."""
    samples = np.random.default_rng(seed).standard_normal((1, round(seconds * rate)))
    return (10.0 ** (level_db / 20.0) * samples).astype(np.float32)


def hum(seconds: float, level_db: float, rate: int = RATE) -> Floats:
    """Hum of 50 Hz with ten harmonics and a little hiss, ``(1, samples)``."""
    time = np.arange(round(seconds * rate)) / rate
    tones = sum(np.sin(2 * np.pi * 50.0 * k * time + k * k) / k for k in range(1, 11))
    tones = 10.0 ** (level_db / 20.0) * tones / np.sqrt(np.mean(np.square(tones)))
    return tones[None].astype(np.float32) + hiss(seconds, level_db - 20.0, rate=rate)


def unsteady(seconds: float, level_db: float, rate: int = RATE, sd_db: float = 2.0) -> Floats:
    """An engine or a fan: noise with little treble, whose bass and treble sway apart, ``(1, samples)``."""
    rng = np.random.default_rng(4)
    count = round(seconds * rate)
    noise = np.zeros(count)
    for low, high, share in ((20.0, 300.0, 1.0), (300.0, 1500.0, 0.5), (1500.0, rate / 2, 0.2)):
        spectrum = np.fft.rfft(rng.standard_normal(count))
        hz = np.fft.rfftfreq(count, 1.0 / rate)
        part = np.fft.irfft(np.where((hz >= low) & (hz < high), spectrum, 0.0), count)
        knots = rng.normal(0.0, sd_db, round(6 * seconds) + 2)
        sway = np.interp(np.arange(count) / rate, np.arange(len(knots)) / 6.0, knots)
        noise += share * part / np.sqrt(np.mean(np.square(part))) * 10.0 ** (sway / 20.0)
    return (10.0 ** (level_db / 20.0) * noise / np.sqrt(np.mean(np.square(noise))))[None].astype(np.float32)


def applause(seconds: float, claps_per_second: float, level_db: float, rate: int = RATE) -> Floats:
    """Claps at random, each a burst of noise of some milliseconds, ``(1, samples)``."""
    rng = np.random.default_rng(3)
    samples = np.zeros(round(seconds * rate))
    length = round(0.03 * rate)
    for first in rng.integers(0, len(samples) - length, rng.poisson(claps_per_second * seconds)):
        decay = np.exp(-np.arange(length) / rate / rng.uniform(0.002, 0.006))
        samples[first : first + length] += rng.uniform(0.1, 1.0) * decay * rng.standard_normal(length)
    return (10.0 ** (level_db / 20.0) * samples / np.sqrt(np.mean(np.square(samples))))[None].astype(
        np.float32
    )


def after(lead_seconds: float, song: Floats, rate: int = RATE) -> Floats:
    """A song behind silence."""
    return np.pad(song, ((0, 0), (round(lead_seconds * rate), 0)))


def voices(seconds: float, level_db: float, people: int = 5, rate: int = RATE) -> Floats:
    """People at once: syllables whose pitch glides, of harmonics with a formant each, ``(1, samples)``."""
    rng = np.random.default_rng(6)
    count = round(seconds * rate)
    speech = np.zeros(count)
    for _ in range(people):
        usual, first = rng.uniform(110.0, 320.0), 0
        while first < count:
            length = min(count - first, round(rng.uniform(0.12, 0.35) * rate))
            hz = usual * np.exp(np.linspace(*rng.normal(0.0, 0.15, 2), length))
            phase, formant = 2 * np.pi * np.cumsum(hz) / rate, rng.uniform(400.0, 1800.0)
            shares = [np.exp(-(((k * usual - formant) / 500.0) ** 2)) + 0.1 / k for k in range(1, 16)]
            syllable = sum(share * np.sin(k * phase) for k, share in enumerate(shares, 1))
            speech[first : first + length] += np.hanning(length) * syllable
            first += length + round(rng.uniform(0.0, 0.25) * rate)
    return (10.0 ** (level_db / 20.0) * speech / np.sqrt(np.mean(np.square(speech))))[None].astype(np.float32)
