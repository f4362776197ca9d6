import numpy as np
import pytest
import torch

from musicdenoise.core.stft import StftConfig, istft, stft
from musicdenoise.errors import ConfigurationError

CONFIG = StftConfig()


@pytest.mark.parametrize("num_samples", [1025, 2048, 44_100, 66_560, 99_999])
def test_istft_inverts_stft(num_samples: int) -> None:
    x = torch.randn(2, 3, num_samples, generator=torch.Generator().manual_seed(0))
    spectrogram = stft(x, CONFIG)
    assert spectrogram.shape == (2, 3, 1025, CONFIG.num_frames(num_samples))
    torch.testing.assert_close(istft(spectrogram, CONFIG, num_samples=num_samples), x, atol=1e-5, rtol=0)


def test_a_frame_is_the_windowed_fourier_transform() -> None:
    x = torch.randn(5000, generator=torch.Generator().manual_seed(1))
    frame = 4  # centred at sample 4 * 512
    start = frame * 512 - 1024
    n = np.arange(2048)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 2048)  # periodic
    expected = np.fft.rfft(x.numpy()[start : start + 2048].astype(float) * window) / np.sqrt(2048)
    np.testing.assert_allclose(stft(x, CONFIG)[:, frame].numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(stft(x[start:], CONFIG, center=False)[:, 0].numpy(), expected, atol=1e-5)


def test_white_noise_has_the_stated_bin_power() -> None:
    x = 0.1 * torch.randn(441_000, generator=torch.Generator().manual_seed(2))
    assert float(stft(x, CONFIG).abs().square().mean()) == pytest.approx(0.01 * 3 / 8, rel=0.01)


def test_the_reference_segment_has_323_frames() -> None:
    assert CONFIG.num_frames(164_934) == 323
    assert CONFIG.num_freqs == 1025
    assert CONFIG.num_samples(323) == 164_864


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="1024 samples are too few"):
        stft(torch.zeros(1024), CONFIG)
    with pytest.raises(ConfigurationError, match="2047 samples are too few"):
        stft(torch.zeros(2047), CONFIG, center=False)


@pytest.mark.parametrize(
    "wrong",
    [{"n_fft": 2047}, {"hop_length": 0}, {"hop_length": 1024}, {"hop_length": 500}, {"sample_rate": 0}],
)
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="must"):
        StftConfig(**wrong)
