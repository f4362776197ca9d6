from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from musicdenoise import DenoiseConfig, Denoiser
from musicdenoise.core.noise_spectrum import noise_power, spectrum_stft
from musicdenoise.core.noise_spectrum_net import SPECTRUM_STFT
from musicdenoise.core.refiner import REFINER_STFT, Refiner
from musicdenoise.core.window_stream import WindowPlan
from musicdenoise.denoising import refined_stream
from musicdenoise.denoising.known_noise import KnownNoise
from musicdenoise.denoising.model import load_model
from musicdenoise.denoising.noise_sample import NoiseReport
from musicdenoise.denoising.refined_stream import RefinedStream

PLAN = WindowPlan(stretch=20_000, context=6_000, fade=2_000)


class Late:
    """A network that removes half of the song, and holds back its last samples."""

    def __init__(self) -> None:
        self.waiting = torch.zeros(2, 0)

    def push(self, block: Tensor) -> Tensor:
        self.waiting = torch.cat([self.waiting, 0.5 * block], -1)
        done, self.waiting = self.waiting[:, :-1_000], self.waiting[:, -1_000:]
        return done

    def flush(self) -> Tensor:
        return self.waiting


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refined_stream, "REFINER_PLAN", PLAN)
    torch.manual_seed(0)
    refiner = Refiner((2, 2, 3, 3, 4)).eval()

    def make(sample: tuple[Tensor, float] | None = None) -> RefinedStream:
        return RefinedStream(
            Late(),
            refiner=refiner,
            sample=sample,
            channels=2,
            device=torch.device("cpu"),
        )

    return make


@pytest.mark.parametrize("sample", [None, (torch.ones(2, 4_097), 1.0)])
@pytest.mark.parametrize("length", [1, 900, 4_000, 26_001, 70_000])
def test_blocks_do_not_matter(stream, length: int, sample: tuple[Tensor, float] | None) -> None:
    song = torch.randn(2, length, generator=torch.Generator().manual_seed(1))

    def run(block: int) -> Tensor:
        one = stream(sample)
        with torch.no_grad():
            return torch.cat([*[one.push(part) for part in song.split(block, -1)], one.flush()], -1)

    whole = run(length)
    assert whole.shape == song.shape
    for block in (997, 30_000):
        torch.testing.assert_close(run(block), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("sample", [None, (torch.ones(2, 4_097), 1.0)])
def test_a_little_of_what_is_removed_stays(stream, sample: tuple[Tensor, float] | None) -> None:
    song = torch.randn(2, 20_000, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        one = stream(sample)
        result = torch.cat([one.push(song), one.flush()], -1)
        torch.manual_seed(0)
        refiner = Refiner((2, 2, 3, 3, 4)).eval()
        power, seconds = sample or (torch.zeros(2, 4_097), 0.0)
        refined = refiner(song[:, None], 0.5 * song[:, None], power[:, None], torch.tensor([seconds]))[:, 0]
    # Without a sample, four fifths of what the refiner changes are used.
    expected = refined if sample else torch.lerp(0.5 * song, refined, 0.8)
    torch.testing.assert_close(result, expected + 0.03 * (song - expected), rtol=0, atol=1e-5)


def test_nothing_comes_of_nothing(stream) -> None:
    assert stream().flush().shape == (2, 0)


@pytest.mark.parametrize("rate", [22_050, 48_000, 96_000])
def test_spectra_are_converted_to_the_rate_of_the_network(rate: int) -> None:
    # Noise of one power per Hz: at twice the rate twice the power, and the same in the band of both.
    seed = torch.Generator().manual_seed(2)
    wave = torch.randn(1, 4 * rate, generator=seed) * rate**0.5
    config = spectrum_stft(rate)
    report = NoiseReport(source="given", seconds=4.0)
    known = KnownNoise(power=noise_power([wave], config), config=config, report=report)
    power = known.power_at(SPECTRUM_STFT)[0]
    assert power.shape == (4_097,)
    band = round(4_097 * min(1.0, rate / 44_100))
    level = 10.0 * torch.log10(power[10 : band - 10].mean() / (44_100 * 0.375))  # Hann: 3/8 of the energy
    assert abs(float(level)) < 0.3
    assert not power[band + 10 :].any()


def test_a_sample_of_the_noise_goes_into_the_refiner(tune) -> None:
    clean = tune[:1, :176_400].numpy()
    t = np.arange(220_500) / 44_100
    hum = 0.05 * sum(np.sin(2 * np.pi * 50.0 * k * t + k) for k in range(1, 20)).astype(np.float32)
    song = clean + hum[None, 44_100:]
    config = DenoiseConfig(find_noise=False, gate=False)
    model = load_model("mixed")
    assert model.is_refined
    sample = (hum[None, :44_100], 44_100)
    informed = Denoiser(model, device="cpu", config=config).denoise(song, 44_100, noise_sample=sample)
    plain = Denoiser(replace(model, is_refined=False), device="cpu", config=config)
    blind, filtered = plain.denoise(song, 44_100), plain.denoise(song, 44_100, noise_sample=sample)
    assert not np.allclose(informed, filtered, atol=1e-3)

    def error(result: np.ndarray) -> float:
        return float(np.square(result - clean).sum())

    assert error(informed) < 0.5 * error(song)
    assert error(informed) < error(blind)


@pytest.mark.parametrize(
    ("rate", "hums", "has_rest"), [(44_100, False, False), (44_100, True, True), (96_000, False, True)]
)
def test_lines_and_what_lies_above_the_band_are_left_for_the_long_window(
    rate: int, hums: bool, has_rest: bool
) -> None:
    config = spectrum_stft(rate)
    wave = torch.randn(1, 2 * rate, generator=torch.Generator().manual_seed(3))
    if hums:
        wave += 3.0 * torch.sin(2 * torch.pi * 100.0 * torch.arange(2 * rate) / rate)
    report = NoiseReport(source="given", seconds=2.0)
    known = KnownNoise(power=noise_power([wave], config), config=config, report=report)
    assert (known.rest_stream(REFINER_STFT) is not None) == has_rest
