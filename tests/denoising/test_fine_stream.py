import numpy as np
import pytest
import torch

from musicdenoise.core.fine_net import FineNet, FineNetConfig
from musicdenoise.core.fine_unet import FINE_STFT
from musicdenoise.denoising.denoise_config import DenoiseConfig
from musicdenoise.denoising.denoiser import Denoiser


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    config = DenoiseConfig(gate=False, find_noise=False)
    return Denoiser.from_network(FineNet(FineNetConfig.mini()), FINE_STFT, config=config)


@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050])
def test_songs_keep_their_length_and_lose_noise(denoiser: Denoiser, rate: int) -> None:
    hiss = 0.1 * np.random.default_rng(0).standard_normal((2, 2 * rate + 7)).astype(np.float32)
    given = hiss.copy()
    cleaned = denoiser.denoise(hiss, rate)
    assert np.array_equal(hiss, given)
    assert cleaned.shape == hiss.shape
    assert 0.0 < np.square(cleaned).mean() < 0.8 * np.square(hiss).mean()


def test_short_songs_and_silence(denoiser: Denoiser) -> None:
    assert denoiser.denoise(np.ones((1, 5_000), np.float32), 44_100).shape == (1, 5_000)
    assert not denoiser.denoise(np.zeros((1, 44_100), np.float32), 48_000).any()
