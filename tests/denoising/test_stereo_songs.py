"""Stereo songs with recorded noise are denoised as middle and side, with the sample turned likewise."""

import numpy as np
import pytest
import torch

from musicdenoise.core.metrics import snr
from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.denoising.known_noise import learn_noise
from musicdenoise.denoising.noise_sample import as_noise_samples
from musicdenoise.denoising.song_source import SongSamples

RATE, FRONT, LENGTH = 44_100, 44_100, 88_200


def rumble(num_samples: int, seed: int) -> np.ndarray:
    """Noise below 2 kHz, about as an engine."""
    white = np.random.default_rng(seed).standard_normal(num_samples)
    spectrum = np.fft.rfft(white) / (1.0 + (np.fft.rfftfreq(num_samples, 1 / RATE) / 400.0) ** 2)
    return (0.4 * np.fft.irfft(spectrum, num_samples)).astype(np.float32)


def behind(noise: np.ndarray, tune: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A song behind a second of its noise, and the music in it."""
    clean = np.concatenate([np.zeros((2, FRONT), np.float32), tune[:, :LENGTH].numpy()], axis=1)
    return clean + noise, clean


def denoised(song: np.ndarray, channels: str, sample: object) -> np.ndarray:
    denoiser = Denoiser("mixed", device="cpu", config=DenoiseConfig(channels=channels))
    return denoiser.denoise(song, RATE, noise_sample=sample)[:, FRONT:]


def test_noise_that_differs_between_the_channels_is_removed_better(tune) -> None:
    song, clean = behind(np.stack([rumble(FRONT + LENGTH, seed) for seed in (1, 2)]), tune)
    results = {mode: denoised(song, mode, (0.0, 1.0)) for mode in ("auto", "linked")}
    quality = {
        mode: snr(*map(torch.from_numpy, (clean[:, FRONT:], result))) for mode, result in results.items()
    }
    assert quality["auto"] > quality["linked"] + 0.3


def test_noise_that_is_the_same_in_both_leaves_the_side_alone(tune) -> None:
    song, clean = behind(np.repeat(rumble(FRONT + LENGTH, 1)[None], 2, axis=0), tune)
    result = denoised(song, "auto", (0.0, 1.0))
    left, right = result
    side = clean[0, FRONT:] - clean[1, FRONT:]
    assert np.square(left - right - side).mean() < 1e-6 * np.square(side).mean()
    assert np.square(result - clean[:, FRONT:]).sum() < 0.5 * np.square(song - clean)[:, FRONT:].sum()


def test_a_recording_that_serves_both_channels_does_not_say_what_is_in_the_side(tune) -> None:
    song, _ = behind(np.stack([rumble(FRONT + LENGTH, seed) for seed in (1, 2)]), tune)
    sample = (rumble(RATE, 3), RATE)
    np.testing.assert_array_equal(denoised(song, "auto", sample), denoised(song, "linked", sample))


def test_the_powers_of_middle_and_side_are_learnt() -> None:
    middle, side = rumble(RATE, 1), 0.1 * rumble(RATE, 2)
    song = SongSamples(0.5**0.5 * np.stack([middle + side, middle - side]), RATE, "the song")
    known = learn_noise(song, as_noise_samples((0.0, 1.0)))
    assert known.mid_side_power is not None
    ratio = known.mid_side_power[0].sum() / known.mid_side_power[1].sum()
    assert 10.0 * np.log10(float(ratio)) == pytest.approx(20.0, abs=1.0)


def test_the_side_is_not_known_from_one_channel() -> None:
    stereo = SongSamples(np.stack([rumble(RATE, seed) for seed in (1, 2)]), RATE, "the song")
    one = rumble(RATE, 3)
    for given in ((one, RATE), (np.stack([one, one]), RATE)):
        assert learn_noise(stereo, as_noise_samples(given)).mid_side_power is None
    mono = SongSamples(one[None], RATE, "the song")
    assert learn_noise(mono, as_noise_samples((0.0, 1.0))).mid_side_power is None
