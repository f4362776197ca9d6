from math import ceil

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly
from torch import Tensor

from musicdenoise.core.resample import StreamResampler, resample, resample_ratio
from musicdenoise.errors import UnsupportedAudioError

RATES = [
    (44_100, 48_000),
    (48_000, 44_100),
    (22_050, 44_100),
    (96_000, 44_100),
    (8_000, 44_100),
    (44_100, 44_099),
]


def tone(hz: float, rate: int, seconds: float = 0.5) -> Tensor:
    t = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    return torch.sin(2 * torch.pi * hz * t).float().unsqueeze(0)


def level_db(x: Tensor) -> float:
    return float(10 * torch.log10(x.double().square().mean() * 2))


@pytest.mark.parametrize(("orig", "new"), RATES)
@pytest.mark.parametrize("block", [1_000, 7_919])
def test_stream_equals_whole(orig: int, new: int, block: int) -> None:
    x = torch.randn(2, 20_011, generator=torch.Generator().manual_seed(0))
    stream = StreamResampler(orig, new, 2)
    y = torch.cat([*[stream.push(piece) for piece in x.split(block, dim=1)], stream.flush()], dim=1)
    expected = resample(x, orig, new)
    assert y.shape == expected.shape == (2, ceil(20_011 * resample_ratio(orig, new)))
    assert float((y - expected).abs().max()) < 1e-5


@pytest.mark.parametrize("num_samples", [0, 1, 100])
def test_short_streams(num_samples: int) -> None:
    x = torch.ones(1, num_samples)
    stream = StreamResampler(48_000, 44_100, 1)
    y = torch.cat([stream.push(x), stream.flush()], dim=1)
    assert y.shape[1] == ceil(num_samples * 147 / 160)


def test_a_tone_keeps_its_level_and_place() -> None:
    for hz in (100.0, 1_000.0, 15_000.0, 19_000.0):
        y = resample(tone(hz, 44_100), 44_100, 48_000)
        expected = tone(hz, 48_000)
        inner = slice(2_000, -2_000)
        error = level_db(y[:, inner] - expected[:, inner])
        assert error < -60, f"{hz} Hz: {error:.1f} dB"


def test_what_the_lower_rate_cannot_hold_is_removed() -> None:
    y = resample(tone(23_000, 48_000), 48_000, 44_100)
    assert level_db(y[:, 2_000:-2_000]) < -100


def test_music_band_agrees_with_scipy() -> None:
    x = torch.randn(1, 44_100, generator=torch.Generator().manual_seed(0))
    spectrum = torch.fft.rfft(x)
    spectrum[:, 15_000:] = 0  # of 22 050 Hz
    x = torch.fft.irfft(spectrum, n=44_100)
    expected = resample_poly(x.numpy()[0].astype(float), 160, 147, window=("kaiser", 14.0))
    y = resample(x, 44_100, 48_000).numpy()[0]
    inner = slice(2_000, -2_000)
    error = np.mean((y[inner] - expected[inner]) ** 2) / np.mean(expected[inner] ** 2)
    assert 10 * np.log10(error) < -50


def test_there_and_back_keeps_the_time() -> None:
    x = tone(440.0, 44_099)
    back = resample(resample(x, 44_099, 44_100), 44_100, 44_099)
    inner = slice(2_000, 20_000)
    assert level_db(back[:, inner] - x[:, inner]) < -80


def test_equal_rates_change_nothing() -> None:
    x = torch.randn(1, 100, generator=torch.Generator().manual_seed(0))
    assert resample(x, 44_100, 44_100) is x


@pytest.mark.parametrize("rate", [0, 999, 1_000_000])
def test_absurd_rates_are_refused(rate: int) -> None:
    with pytest.raises(UnsupportedAudioError, match=f"sample rate of {rate} Hz"):
        resample_ratio(rate, 44_100)
