import subprocess
import sys
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly
from torch import Tensor

from musicdenoise.core import resample as module
from musicdenoise.core.resample import StreamResampler, resample, resample_ratio
from musicdenoise.core.sinc_filter import SincFilter
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


def own_filter(ratio: Fraction) -> SincFilter:
    return SincFilter(
        ratio, zero_crossings=module._ZERO_CROSSINGS, rolloff=module._ROLLOFF, beta=module._BETA
    )


@pytest.fixture(params=["torchaudio", "own"])
def converters(request, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "own":
        monkeypatch.setattr(module, "_make_converter", own_filter)
    else:
        pytest.importorskip("torchaudio", exc_type=(ImportError, OSError, RuntimeError))
    module._converter.cache_clear()
    yield
    module._converter.cache_clear()


@pytest.mark.parametrize(("orig", "new"), [*RATES[:-1], (44_100, 44_056)])
def test_own_filter_equals_that_of_torchaudio(orig: int, new: int) -> None:
    pytest.importorskip("torchaudio", exc_type=(ImportError, OSError, RuntimeError))
    ratio = resample_ratio(orig, new)
    x = torch.randn(2, 20_011, generator=torch.Generator().manual_seed(0))
    theirs = module._make_converter(ratio).to(x.device, x.dtype)
    assert not isinstance(theirs, SincFilter)
    expected, y = theirs(x), own_filter(ratio)(x)
    assert y.shape == expected.shape
    error_db = level_db(y - expected) - level_db(expected)
    assert error_db < -120, f"{orig} to {new} Hz: {error_db:.1f} dB"


def test_a_torchaudio_that_does_not_load_is_no_loss() -> None:
    code = (
        "import sys, torch\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('torchaudio'):\n"
        "            tried.append(error)\n"
        "            raise error('made for another torch')\n"
        "tried = []\n"
        "sys.meta_path.insert(0, Broken())\n"
        "from musicdenoise.core.resample import resample\n"
        "t = torch.arange(44_100) / 44_100\n"
        "x = torch.sin(2 * torch.pi * 440 * t)[None]\n"
        "for error, rate in ((ImportError, 48_000), (OSError, 32_000), (RuntimeError, 96_000)):\n"
        "    expected = torch.sin(2 * torch.pi * 440 * torch.arange(rate) / rate)\n"
        "    assert (resample(x, 44_100, rate)[0] - expected)[2_000:-2_000].abs().max() < 1e-3\n"
        "assert tried == [ImportError, OSError, RuntimeError]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("orig", "new"), RATES)
@pytest.mark.usefixtures("converters")
@pytest.mark.parametrize("block", [1_000, 7_919])
def test_stream_equals_whole(orig: int, new: int, block: int) -> None:
    x = torch.randn(2, 20_011, generator=torch.Generator().manual_seed(0))
    stream = StreamResampler(orig, new, 2)
    y = torch.cat([*[stream.push(piece) for piece in x.split(block, dim=1)], stream.flush()], dim=1)
    expected = resample(x, orig, new)
    assert y.shape == expected.shape == (2, ceil(20_011 * resample_ratio(orig, new)))
    assert float((y - expected).abs().max()) < 1e-5


@pytest.mark.usefixtures("converters")
@pytest.mark.parametrize("num_samples", [0, 1, 100])
def test_short_streams(num_samples: int) -> None:
    x = torch.ones(1, num_samples)
    stream = StreamResampler(48_000, 44_100, 1)
    y = torch.cat([stream.push(x), stream.flush()], dim=1)
    assert y.shape[1] == ceil(num_samples * 147 / 160)


@pytest.mark.usefixtures("converters")
def test_a_tone_keeps_its_level_and_place() -> None:
    for hz in (100.0, 1_000.0, 15_000.0, 19_000.0):
        y = resample(tone(hz, 44_100), 44_100, 48_000)
        expected = tone(hz, 48_000)
        inner = slice(2_000, -2_000)
        error = level_db(y[:, inner] - expected[:, inner])
        assert error < -60, f"{hz} Hz: {error:.1f} dB"


@pytest.mark.usefixtures("converters")
def test_what_the_lower_rate_cannot_hold_is_removed() -> None:
    y = resample(tone(23_000, 48_000), 48_000, 44_100)
    assert level_db(y[:, 2_000:-2_000]) < -100


@pytest.mark.usefixtures("converters")
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


@pytest.mark.usefixtures("converters")
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
