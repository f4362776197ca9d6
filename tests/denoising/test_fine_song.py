import pytest
import torch

from musicdenoise.core.fine_net import FineNet, FineNetConfig
from musicdenoise.denoising.fine_song import denoise_song

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> FineNet:
    torch.manual_seed(0)
    return FineNet(FineNetConfig.mini()).eval()


@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050])
def test_songs_keep_their_length_and_lose_noise(network: FineNet, rate: int) -> None:
    hiss = 0.1 * torch.randn(2, 2 * rate + 7, generator=torch.Generator().manual_seed(0))
    given = hiss.clone()
    cleaned = denoise_song(network, hiss, rate, CPU)
    assert torch.equal(hiss, given)
    assert cleaned.shape == hiss.shape
    assert 0.0 < float(cleaned.square().mean()) < 0.8 * float(hiss.square().mean())


def test_short_songs_and_silence(network: FineNet) -> None:
    assert denoise_song(network, torch.ones(1, 5), 44_100, CPU).shape == (1, 5)
    assert not denoise_song(network, torch.zeros(1, 44_100), 48_000, CPU).any()
