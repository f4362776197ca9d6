"""What the noise of a sample becomes: itself, only lower."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from musicdenoise import Denoiser
from musicdenoise.core.noise_spectrum_net import SPECTRUM_STFT
from musicdenoise.core.stft import stft

RATE = 44_100


def noise_of(kind: str) -> torch.Tensor:
    """Five seconds ``(1, samples)``."""
    time = torch.arange(5 * RATE) / RATE
    hiss = 0.03 * torch.randn(1, len(time), generator=torch.Generator().manual_seed(0))
    hum = sum(0.015 / k * torch.sin(2 * torch.pi * 50.0 * k * time + k * k) for k in range(1, 30))
    throb = 0.6 + 0.4 * torch.sin(2 * torch.pi * 25.0 * time)
    return {"hiss": hiss, "engine": (0.3 * hiss + hum) * throb, "hum and hiss": hiss + hum}[kind]


def standing_out(powers: torch.Tensor) -> torch.Tensor:
    """How far each bin stands out of those around it."""
    return powers / (F.avg_pool2d(powers[None], 15, 1, 7, count_include_pad=False)[0] + 1e-12)


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return Denoiser("mixed", device="cpu")


@pytest.mark.parametrize("kind", ["hiss", "engine", "hum and hiss"])
def test_network_and_refiner_leave_nothing_that_stands_out(denoiser: Denoiser, kind: str) -> None:
    """No tinkling: of the bins that are heard, the loudest stand out hardly more than before."""
    noise = noise_of(kind)
    result = torch.from_numpy(denoiser.denoise(noise.numpy(), RATE, noise_sample=(0.0, 2.0)))
    before, after = (
        stft(wave[:, 2 * RATE :], SPECTRUM_STFT)[..., 4:-4].abs().square() for wave in (noise, result)
    )
    assert float(after.mean() / before.mean()) < 0.01
    heard = before > 1e-3 * before.mean()
    tail_before, tail_after = (
        float(np.quantile(standing_out(powers)[heard].numpy(), 0.9999)) for powers in (before, after)
    )
    assert tail_after < 1.6 * tail_before
