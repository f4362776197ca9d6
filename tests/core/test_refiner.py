import math

import pytest
import torch
from torch import Tensor

from musicdenoise.core.metrics import snr
from musicdenoise.core.noise_spectrum import smooth
from musicdenoise.core.noise_spectrum_net import SPECTRUM_STFT, mean_power
from musicdenoise.core.refiner import REFINER_STFT, Refiner
from musicdenoise.core.stft import istft, stft

RATE = 44_100
SECONDS = torch.tensor([0.7])
CHANNELS = (2, 2, 3, 3, 4)


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.05 * torch.randn(1, 1, samples, generator=torch.Generator().manual_seed(seed))


def tones(samples: int) -> Tensor:
    t = torch.arange(samples) / RATE
    swell = 0.5 + 0.5 * torch.sin(2 * math.pi * 2.3 * t)
    return 0.1 * (swell * sum(torch.sin(2 * math.pi * hz * t) for hz in (220.0, 277.2, 3_520.0)))[None, None]


def fresh(seed: int = 0) -> Refiner:
    torch.manual_seed(seed)
    return Refiner(CHANNELS).eval()


def mute(refiner: Refiner) -> Refiner:
    """Without the layers' answers, so that only what it starts from is left."""
    for output in refiner.outputs:
        torch.nn.init.zeros_(output.weight)
    return refiner


@pytest.mark.parametrize("samples", [4_097, 30_000, 100_001])
def test_results_are_as_long_as_songs_and_never_louder(samples: int) -> None:
    song, estimate = tones(samples) + noise(samples), tones(samples)
    with torch.no_grad():
        result = fresh()(song, estimate, mean_power(noise(30_000, seed=3)), SECONDS)
    assert result.shape == song.shape
    assert float(result.square().sum()) <= float(song.square().sum())


def test_gain_goes_through_and_items_do_not_mix() -> None:
    song, estimate, refiner = tones(60_000) + noise(60_000), tones(60_000), fresh()
    power = mean_power(noise(30_000, seed=3))
    with torch.no_grad():
        alone = refiner(song, estimate, power, SECONDS)
        louder = refiner(5.0 * song, 5.0 * estimate, 25.0 * power, SECONDS)
        both = refiner(
            torch.cat([song, noise(60_000, seed=1)]),
            torch.cat([estimate, noise(60_000, seed=2)]),
            torch.cat([power, mean_power(noise(30_000, seed=5))]),
            SECONDS.repeat(2),
        )
    torch.testing.assert_close(louder, 5.0 * alone, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(both[:1], alone, rtol=1e-3, atol=1e-5)


def test_it_starts_from_the_wiener_gain() -> None:
    song, estimate = tones(80_000) + noise(80_000), tones(80_000) + 0.3 * noise(80_000)
    power = mean_power(noise(80_000, seed=4))
    refiner = mute(fresh())
    with torch.no_grad():
        result = refiner(song, estimate, power, SECONDS)
        # The network for the spectrum begins with that of the sample; half the window has half the energy.
        spectrogram = stft(song, REFINER_STFT)
        kept = smooth(stft(estimate, REFINER_STFT).abs().square())
        fine = refiner.spectrum(stft(song, SPECTRUM_STFT), power).power
        level = 0.5 * fine[..., ::2, None]
        wanted = istft(kept / (kept + level) * spectrogram, REFINER_STFT, num_samples=80_000)
    assert snr(wanted[0], result[0]) > 15.0
    assert snr(tones(80_000)[0], result[0]) > snr(tones(80_000)[0], song[0]) + 3.0


def test_without_a_sample_it_starts_from_the_estimate() -> None:
    song, estimate = tones(80_000) + noise(80_000), tones(80_000) + 0.3 * noise(80_000)
    with torch.no_grad():
        result = mute(fresh())(song, estimate, torch.zeros(1, 1, 4_097), torch.zeros(1))
    assert snr(estimate[0], result[0]) > snr(estimate[0], song[0]) + 6.0


def test_items_with_and_without_a_sample_do_not_mix() -> None:
    song, estimate, refiner = tones(60_000) + noise(60_000), tones(60_000), fresh()
    power = torch.cat([mean_power(noise(30_000, seed=3)), torch.zeros(1, 1, 4_097)])
    seconds = torch.tensor([0.7, 0.0])
    with torch.no_grad():
        both = refiner(song.repeat(2, 1, 1), estimate.repeat(2, 1, 1), power, seconds)
        alone = [refiner(song, estimate, power[i, None], seconds[i, None]) for i in range(2)]
    torch.testing.assert_close(both, torch.cat(alone), rtol=1e-3, atol=1e-5)
    assert not torch.allclose(both[0], both[1], atol=1e-3)


def test_silence_stays_silence() -> None:
    with torch.no_grad():
        silence = torch.zeros(1, 1, 20_000)
        assert not fresh()(silence, silence, mean_power(noise(30_000)), SECONDS).any()


def test_it_learns() -> None:
    refiner = fresh().train()
    optimizer = torch.optim.Adam(refiner.parameters(), lr=1e-2)
    clean, power, losses = tones(40_000), mean_power(noise(40_000, seed=99)), []
    for step in range(12):
        song = clean + noise(40_000, seed=step)
        error = (
            (refiner(song, song, power, SECONDS) - clean).square().sum()
        )  # the network before it removes nothing
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        losses.append(float(error.detach()))
    assert losses[-1] < 0.7 * losses[0]
