"""Mixing, level, losses and metrics against a few lines of numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.losses import error_ratio_loss
from musicdenoise.core.metrics import improvement, si_sdr, snr, ssnr
from musicdenoise.core.mixing import (
    loop_to_length,
    mix_at_snr,
    rms,
    snr_gain,
    zero_mean,
)
from musicdenoise.errors import DataError


def waves(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.34, 40.0])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 30.0])
def test_a_mix_has_the_snr_asked_for(snr_db: float, scale: float) -> None:
    music, noise = waves(2, 30_000, scale=scale), waves(2, 30_000, seed=1)
    before = music.clone(), noise.clone()
    mixed = mix_at_snr(music, noise, snr_db)
    added = (mixed - music).numpy().astype(float)
    measured = 10 * np.log10(np.mean(music.numpy().astype(float) ** 2) / np.mean(added**2))
    assert measured == pytest.approx(snr_db, abs=0.01)
    assert torch.equal(music, before[0])
    assert torch.equal(noise, before[1])


def test_silence_cannot_be_mixed() -> None:
    with pytest.raises(DataError, match="the signal is silent"):
        snr_gain(rms(torch.zeros(1, 10)), rms(waves(1, 10)), 3.0)
    with pytest.raises(DataError, match="the noise is silent"):
        snr_gain(rms(waves(1, 10)), rms(torch.zeros(1, 10)), 3.0)


def test_rms_and_mean() -> None:
    x = waves(2, 1000) + 3
    assert rms(x) == pytest.approx(np.sqrt(np.mean(x.numpy().astype(float) ** 2)))
    assert rms(torch.zeros(2, 0)) == 0.0
    assert float(zero_mean(x).mean(-1).abs().max()) < 1e-5


def test_loop() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert loop_to_length(x, 7)[0].tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert loop_to_length(x, 2)[0].tolist() == [1, 2]
    with pytest.raises(DataError, match="without samples"):
        loop_to_length(torch.zeros(1, 0), 5)


def test_snr_is_the_definition() -> None:
    c, e = waves(2, 5000), waves(2, 5000, seed=1)
    x, y = c.numpy().astype(float), e.numpy().astype(float)
    assert snr(c, e) == pytest.approx(10 * np.log10((x**2).sum() / ((x - y) ** 2).sum()))
    assert snr(c, c) > 250
    assert improvement(snr, c, c + e, c + 0.1 * e) == pytest.approx(20.0, abs=1e-3)


def test_ssnr_is_the_definition() -> None:
    generator = np.random.default_rng(0)
    c = generator.standard_normal(20_000) * np.linspace(0, 2, 20_000) ** 4
    e = c + 0.05 * generator.standard_normal(20_000)
    values = []
    for start in range(0, 20_000 - 1440 + 1, 720):
        a, b = c[start : start + 1440], e[start : start + 1440]
        values.append(np.clip(10 * np.log10((a**2).sum() / ((a - b) ** 2).sum()), -10, 35))
    assert min(values) == -10.0
    assert ssnr(torch.from_numpy(c), torch.from_numpy(e)) == pytest.approx(np.mean(values))
    with pytest.raises(DataError, match="fewer than one frame"):
        ssnr(torch.ones(100), torch.ones(100))


def test_si_sdr_does_not_see_the_scale() -> None:
    c = waves(1, 8000)
    e = c + 0.1 * waves(1, 8000, seed=1)
    assert si_sdr(c, 0.3 * e) == pytest.approx(si_sdr(c, e), abs=1e-4)
    x, y = c.numpy().astype(float), e.numpy().astype(float)
    target = (x * y).sum() / (x * x).sum() * x
    assert si_sdr(c, e) == pytest.approx(10 * np.log10((target**2).sum() / ((y - target) ** 2).sum()))


@pytest.mark.parametrize("measure", [snr, ssnr, si_sdr])
def test_metrics_refuse_what_has_no_value(measure) -> None:
    with pytest.raises(DataError, match="shape"):
        measure(waves(1, 2000), waves(1, 2001))
    with pytest.raises(DataError, match="silent"):
        measure(torch.zeros(1, 2000), waves(1, 2000))


def test_loss_is_the_negative_snr_per_example() -> None:
    target, estimate = waves(3, 1, 4000), waves(3, 1, 4000, seed=1)
    expected = -np.mean([snr(t, e) for t, e in zip(target, estimate, strict=True)])
    assert float(error_ratio_loss(target, estimate)) == pytest.approx(expected, abs=1e-3)
    assert float(error_ratio_loss(target, target)) == pytest.approx(-60.0, abs=1e-3)


def test_frame_gains_bring_a_steady_level_to_one() -> None:
    spectrogram = torch.randn(2, 2, 1025, 300, dtype=torch.complex64) * 1e-3
    gains = frame_gains(frame_powers(spectrogram), 64)
    scaled = frame_powers(spectrogram * gains[:, None, None])
    torch.testing.assert_close(scaled, torch.ones(2, 300), atol=0.1, rtol=0)


def test_frame_gains_reach_as_far_as_stated() -> None:
    powers = torch.ones(1, 401)
    powers[0, 200] = 100.0
    changed = (frame_gains(powers, 64)[0] - frame_gains(torch.ones(1, 401), 64)[0]).abs() > 1e-7
    assert changed.nonzero().flatten().tolist() == list(range(200 - 64, 200 + 65))


def test_silence_has_a_finite_gain() -> None:
    assert bool(frame_gains(torch.zeros(1, 10), 3).isfinite().all())
