import numpy as np
import pytest
import torch
from torch import Tensor

from musicdenoise.core.mixing import rms
from musicdenoise.data.old_media import TapeNoise, VinylNoise
from musicdenoise.errors import DataError

RATE = 44_100


def draw(source: TapeNoise | VinylNoise, seed: int, seconds: float = 4.0) -> Tensor:
    return source.draw(round(seconds * RATE), np.random.default_rng(seed))


def band_power(noise: Tensor, low: float, high: float) -> float:
    spectrum = torch.fft.rfft(noise[0]).abs().square()
    hz = torch.fft.rfftfreq(noise.shape[-1], 1 / RATE)
    return float(spectrum[(hz >= low) & (hz < high)].mean())


@pytest.mark.parametrize("kind", [TapeNoise, VinylNoise])
def test_noise_depends_on_the_generator_alone(kind: type[TapeNoise | VinylNoise]) -> None:
    source = kind(RATE)
    first, again, other = draw(source, 1), draw(kind(RATE), 1), draw(source, 2)
    assert first.shape == (1, 4 * RATE)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert all(rms(noise) == pytest.approx(1.0, rel=1e-3) for noise in (first, other))
    assert all(bool(draw(source, seed, 0.7).isfinite().all()) for seed in range(20))


def test_hiss_of_tape_leans_to_the_highs_and_half_of_it_hums() -> None:
    noises = [draw(TapeNoise(RATE), seed) for seed in range(24)]
    lean = [band_power(noise, 3_000, 6_000) / band_power(noise, 300, 600) for noise in noises]
    assert np.mean(np.array(lean) > 1.0) > 0.7
    # A line of the mains stands far above what is between the lines.
    lines = [
        max(band_power(noise, base - 0.8, base + 0.8) for base in (50.0, 60.0))
        / band_power(noise, 72.0, 78.0)
        for noise in noises
    ]
    assert 0.2 < np.mean(np.array(lines) > 20.0) < 0.8


def test_records_click_and_tapes_do_not() -> None:
    def crest(noise: Tensor) -> float:
        return float(noise.abs().max()) / rms(noise)

    tapes = [crest(draw(TapeNoise(RATE), seed)) for seed in range(12)]
    records = [crest(draw(VinylNoise(RATE), seed)) for seed in range(12)]
    assert max(tapes) < 8.0
    assert np.median(records) > 12.0


def test_some_records_rumble() -> None:
    shares = [
        band_power(noise, 5, 60) / band_power(noise, 200, 400)
        for noise in (draw(VinylNoise(RATE), seed) for seed in range(24))
    ]
    assert 0.2 < np.mean(np.array(shares) > 15.0) < 0.9


def test_rates_that_are_too_low_are_refused() -> None:
    with pytest.raises(DataError, match="4000 Hz"):
        TapeNoise(4_000)
