"""Signals for the audio tests, and how alike two of them are."""

import numpy as np


def synthesize(num_samples: int, channels: int, sample_rate: int = 44100, seed: int = 0) -> np.ndarray:
    """Chords with a beat and a little noise, different in each channel; peak about 0.5."""
    rng = np.random.default_rng(seed)
    time = np.arange(num_samples) / sample_rate
    beat = 0.3 + 0.7 * np.sin(2 * np.pi * 3 * time) ** 2
    music = np.empty((channels, num_samples))
    for channel in range(channels):
        tones = sum(
            amplitude * np.sin(2 * np.pi * hz * (1 + 0.07 * channel) * time + channel)
            for amplitude, hz in [(0.2, 220.0), (0.1, 441.0), (0.1, 1234.5)]
        )
        music[channel] = tones * beat + 0.02 * rng.standard_normal(num_samples)
    return music.astype(np.float32)


def best_lag(reference: np.ndarray, other: np.ndarray, reach: int = 1500) -> int:
    """By how many samples `other` lags behind `reference` (both one channel)."""
    length = min(len(reference), len(other)) - 2 * reach
    middle = reference[reach : reach + length]
    scores = [np.dot(middle, other[lag : lag + length]) for lag in range(2 * reach)]
    return int(np.argmax(scores)) - reach


def snr_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(reference**2) / np.sum((reference - estimate) ** 2)))
