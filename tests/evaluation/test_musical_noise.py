"""The log kurtosis ratio of the benchmarks: known gains, and that it tells tinkling from quiet."""

import math

import numpy as np
import pytest
import torch
from musical_noise import log_kurtosis_ratio

from musicdenoise.core.stft import StftConfig, istft, stft
from musicdenoise.errors import DataError

SECONDS = 2


@pytest.fixture
def noise() -> torch.Tensor:
    return 0.1 * torch.randn(2, SECONDS * 44_100, generator=torch.Generator().manual_seed(5))


def through(noise: torch.Tensor, gain_of) -> torch.Tensor:
    """The noise with a gain on each bin of its spectrogram, a function of that."""
    config = StftConfig()
    spectrum = stft(noise, config)
    return istft(gain_of(spectrum) * spectrum, config, num_samples=noise.shape[-1])


def test_a_gain_that_stands_still_makes_no_musical_noise(noise) -> None:
    assert log_kurtosis_ratio(noise, 0.01 * noise) == pytest.approx(0.0, abs=1e-6)
    filtered = torch.from_numpy(np.apply_along_axis(np.convolve, 1, noise.numpy(), [1.0, -0.9], "same"))
    assert log_kurtosis_ratio(noise, filtered) == pytest.approx(0.0, abs=0.02)


def test_gains_that_open_at_random_do(noise) -> None:
    generator = torch.Generator().manual_seed(6)

    def half_wave(spectrum: torch.Tensor) -> torch.Tensor:
        return torch.randn(spectrum.shape, generator=generator).clamp_min(0.0)

    assert log_kurtosis_ratio(noise, through(noise, half_wave)) > 0.2
    # The more noise is subtracted, the fewer bins are left, and the more they stand out.
    ratios = []
    for factor in (1.0, 2.0, 4.0):
        mean = factor * stft(noise, StftConfig()).abs().square().mean()
        subtracted = through(noise, lambda s, m=mean: (1.0 - m / s.abs().square()).clamp_min(0.0))
        ratios.append(log_kurtosis_ratio(noise, subtracted))
    assert 0.2 < ratios[0] < ratios[1] < ratios[2]


def test_it_is_the_formula(noise) -> None:
    remaining = through(noise, lambda s: (s.abs() > 0.1).float())
    window = np.hanning(2049)[:-1]
    kurtoses = []
    for wave in (noise, remaining):
        frames = wave.double().unfold(-1, 2048, 512).numpy() * window
        powers = np.abs(np.fft.rfft(frames, axis=-1)) ** 2  # (channels, frames, bins)
        kurtoses.append((powers**4).mean(1) / (powers**2).mean(1) ** 2)
    expected = np.log(kurtoses[1] / kurtoses[0]).mean()
    assert log_kurtosis_ratio(noise, remaining) == pytest.approx(expected, rel=1e-3)
    # Powers of Gaussian noise are exponentially distributed: 4! / 2!^2 = 6, less what 170 frames miss.
    assert 4.0 < kurtoses[0].mean() < 6.0


def test_what_cannot_be_told(noise) -> None:
    with pytest.raises(DataError, match="cut both to the same channels"):
        log_kurtosis_ratio(noise, noise[:1])
    with pytest.raises(DataError, match=r"too few to tell musical noise: give at least 11776"):
        log_kurtosis_ratio(noise[:, :11_000], noise[:, :11_000])
    with pytest.raises(DataError, match="nothing is left of the noise"):
        log_kurtosis_ratio(noise, torch.zeros_like(noise))
    half_silent = noise.clone()
    half_silent[1] = 0.0
    assert math.isfinite(log_kurtosis_ratio(noise, half_silent))
