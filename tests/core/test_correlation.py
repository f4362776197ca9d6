"""Correlation, diversity, lags and their significance, against formulas written out in numpy."""

import math

import numpy as np
import pytest
import torch
from scipy import signal, stats

from musicdenoise.core.correlation import (
    CrossSpectrum,
    JointMoments,
    complex_correlation,
    p_value,
    quiet_correlation,
    spectral_diversity,
)
from musicdenoise.core.stft import StftConfig, stft

CONFIG = StftConfig()


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("weight", [-1.0, -0.3, 0.0, 0.5, 0.9, 1.0])
def test_complex_correlation_is_that_of_the_waveforms(weight: float) -> None:
    first, other = noise(0, 165_000), noise(1, 165_000)
    second = weight * first + math.sqrt(1 - weight**2) * other
    found = complex_correlation(stft(first, CONFIG), stft(second, CONFIG))
    assert found.real == pytest.approx(np.corrcoef(first, second)[0, 1], abs=0.01)
    assert found.real == pytest.approx(weight, abs=0.015)
    assert abs(found.imag) < 0.015


def test_complex_correlation_sees_phase_and_ignores_level() -> None:
    spectrum = stft(noise(0, 50_000), CONFIG)
    assert complex_correlation(spectrum, spectrum * 1j) == pytest.approx(-1j)
    assert complex_correlation(spectrum, -7.0 * spectrum) == pytest.approx(-1.0)
    assert complex_correlation(spectrum, 0 * spectrum) == 0


def test_the_estimates_of_the_reference_are_always_1_and_these_are_not() -> None:
    music = 0.2 * torch.sin(torch.arange(165_000) / 44_100 * 2 * math.pi * 440.0).double()
    noises = 0.05 * noise(0, 165_000), 0.05 * noise(1, 165_000)
    noisy, target = music + noises[0], music + noises[1]
    clean = (noisy + target) / 2  # how the reference estimates it
    magnitudes = [stft(take - clean, CONFIG).abs().flatten() for take in (noisy, target)]
    assert np.corrcoef(*magnitudes)[0, 1] == pytest.approx(1.0)
    assert abs(complex_correlation(*(stft(each, CONFIG) for each in noises))) < 0.01
    assert abs(quiet_correlation(stft(noisy[None], CONFIG), stft(target[None], CONFIG))) < 0.05


def test_quiet_correlation_follows_the_noises() -> None:
    time = torch.arange(165_000) / 44_100
    music = torch.sin(2 * math.pi * 300.0 * time).double() * torch.exp(-8.0 * (time % 0.5)).double()
    first, other = 0.1 * noise(0, 165_000), 0.1 * noise(1, 165_000)
    for weight in (0.0, 0.4, 0.8):
        second = weight * first + math.sqrt(1 - weight**2) * other
        takes = [stft((music + noise_of_take)[None], CONFIG) for noise_of_take in (first, second)]
        found = quiet_correlation(*takes)
        assert found.real == pytest.approx(weight, abs=0.08)
    spectrum = stft(music[None], CONFIG)
    assert quiet_correlation(spectrum, spectrum).real == pytest.approx(1.0)


def test_diversity_is_the_formula() -> None:
    first, second = stft(noise(0, 30_000), CONFIG), stft(noise(1, 30_000), CONFIG)
    a, b = first.numpy(), second.numpy()
    energies = (np.abs(a) ** 2).sum(1), (np.abs(b) ** 2).sum(1)
    expected = 0.4 * np.mean(np.abs(energies[0] - energies[1]) / (energies[0] + energies[1]))
    expected += 0.3 * np.mean(np.abs(np.abs(a).var(1) - np.abs(b).var(1)))
    difference = np.angle(a) - np.angle(b)
    expected += 0.3 * np.mean(np.abs((difference + np.pi) % (2 * np.pi) - np.pi)) / np.pi
    assert spectral_diversity(first, second) == pytest.approx(expected, rel=1e-6)
    assert spectral_diversity(first, first) == pytest.approx(0.0, abs=1e-12)
    assert spectral_diversity(0 * first, 0 * first) == 0.0


def test_moments_block_by_block() -> None:
    first, second = 0.3 * noise(0, 2, 5_001) + 0.1, noise(1, 2, 5_001) - 0.2
    second = second + first
    moments = JointMoments()
    for start in range(0, 5_001, 700):
        moments.add(first[:, start : start + 700], second[:, start : start + 700])
    x, y = first.numpy().ravel(), second.numpy().ravel()
    assert moments.count == 10_002
    assert moments.means == pytest.approx((x.mean(), y.mean()))
    assert moments.powers == pytest.approx((np.mean(x**2), np.mean(y**2)))
    assert moments.deviations == pytest.approx((x.std(), y.std()))
    assert moments.covariance == pytest.approx(np.mean(x * y) - x.mean() * y.mean())
    assert moments.cross_correlation == pytest.approx(np.mean(x * y))
    assert moments.pearson == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_a_constant_has_no_correlation() -> None:
    moments = JointMoments()
    moments.add(torch.zeros(1, 100), noise(0, 1, 100))
    assert moments.pearson is None


def cross_spectrum(first: torch.Tensor, second: torch.Tensor, frame: int = 8_192) -> CrossSpectrum:
    spectrum = CrossSpectrum(first.shape[0], frame)
    for start in range(0, first.shape[1], 3_000):
        spectrum.add(first[:, start : start + 3_000], second[:, start : start + 3_000])
    spectrum.finish()
    return spectrum


@pytest.mark.parametrize("lag", [-2_000, -17, 0, 1, 800])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_lags_are_found_under_noise(lag: int, sign: float) -> None:
    source = noise(0, 2, 60_000)
    first = source[:, 3_000:55_000] + 0.5 * noise(1, 2, 52_000)
    second = sign * source[:, 3_000 - lag : 55_000 - lag] + 0.5 * noise(2, 2, 52_000)
    found = cross_spectrum(first, second).lag(2_048)
    assert found.samples == lag
    assert found.peak * sign > 0.3


def test_the_peak_tells_relation_from_chance() -> None:
    source = noise(0, 1, 50_000)
    assert cross_spectrum(source, source).lag(1_000).peak == pytest.approx(1.0)
    assert abs(cross_spectrum(source, noise(1, 1, 50_000)).lag(1_000).peak) < 0.1
    assert cross_spectrum(source, 0 * source).lag(1_000).peak == 0.0


def test_effective_samples() -> None:
    white = cross_spectrum(noise(0, 1, 80_000), noise(1, 1, 80_000))
    assert white.effective_samples(80_000) == pytest.approx(80_000, rel=0.02)
    doubled = cross_spectrum(noise(0, 1, 80_000).expand(2, -1), noise(1, 1, 80_000).expand(2, -1))
    assert doubled.effective_samples(160_000) == pytest.approx(80_000, rel=0.02)
    stereo = cross_spectrum(noise(0, 2, 80_000), noise(1, 2, 80_000))
    assert stereo.effective_samples(160_000) == pytest.approx(160_000, rel=0.02)


def coloured(seed: int, num_samples: int, pole: float) -> torch.Tensor:
    """First-order autoregression: the textbook case, sum of products of autocorrelations in closed form."""
    steps = signal.lfilter([1.0], [1.0, -pole], np.random.default_rng(seed).standard_normal(num_samples))
    return torch.from_numpy(steps)[None]


def test_effective_samples_of_coloured_noise() -> None:
    pole = 0.9
    expected = 40_000 * (1 - pole**2) / (1 + pole**2)  # 1 / (1 + 2 sum_k pole^2k)
    found = cross_spectrum(coloured(0, 40_000, pole), coloured(1, 40_000, pole)).effective_samples(40_000)
    assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("pole", [0.0, 0.9])
def test_unrelated_signals_fail_the_test_as_often_as_it_says(pole: float) -> None:
    failed = 0
    for trial in range(150):
        first, second = coloured(2 * trial, 1_500, pole), coloured(2 * trial + 1, 1_500, pole)
        moments = JointMoments()
        moments.add(first, second)
        assert moments.pearson is not None
        effective = cross_spectrum(first, second, 2_048).effective_samples(1_500)
        failed += p_value(moments.pearson, effective) < 0.05
    assert 1 <= failed <= 18  # 7.5 expected; four standard deviations are 10.7


def test_p_values_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.standard_normal(400)
        y = 0.1 * x + rng.standard_normal(400)
        expected = stats.pearsonr(x, y)
        assert p_value(float(expected.statistic), 400) == pytest.approx(
            float(expected.pvalue), rel=0.05, abs=1e-4
        )
    assert p_value(1.0, 100) == 0.0
    assert p_value(0.5, 3) == 1.0
