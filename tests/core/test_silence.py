"""Silence is found however the song is cut into blocks."""

import numpy as np
import pytest
import torch

from musicdenoise.core.silence import SilentStretches


def slow(samples: np.ndarray, least: int) -> np.ndarray:
    """Each run of zeros by itself; what is in front of the song and behind it is silent."""
    padded = np.pad(samples, ((0, 0), (least, least)))
    result = np.zeros(padded.shape, dtype=bool)
    for channel, wave in enumerate(padded):
        for start in range(len(wave) - least + 1):
            if not wave[start : start + least].any():
                result[channel, start : start + least] = True
    return result[:, least:-least]


@pytest.mark.parametrize("seed", range(8))
def test_silence_is_that_of_the_whole_song(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((2, 400)).astype(np.float32)
    for channel, start, length in ((0, 0, 30), (0, 100, 25), (0, 150, 20), (1, 200, 19), (1, 380, 20)):
        samples[channel, start : start + length] = 0.0
    samples[1, 50] = 0.0
    silent = SilentStretches(2, 20)
    parts, pushed, popped = [], 0, 0
    while pushed < 400:
        block = samples[:, pushed : pushed + int(rng.integers(0, 60))]
        silent.push(torch.from_numpy(block))
        pushed += block.shape[1]
        count = max(0, pushed - popped - 20)
        parts.append(silent.pop(count))
        popped += count
    parts.append(silent.pop(400 - popped, is_end=True))
    np.testing.assert_array_equal(torch.cat(parts, dim=1).numpy(), slow(samples, 20))


def test_an_all_silent_channel_is_silent() -> None:
    silent = SilentStretches(1, 2048)
    silent.push(torch.zeros(1, 100))
    assert silent.pop(0).shape == (1, 0)
    assert bool(silent.pop(100, is_end=True).all())
