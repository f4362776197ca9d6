"""Choosing the network by what is removed from the beginning."""

from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_tune import synthesise_tune

from musicdenoise.core.resample import resample
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising import auto
from musicdenoise.denoising.auto import AutoDenoiser, is_white
from musicdenoise.denoising.files import denoise_file
from musicdenoise.denoising.sound_features import band_powers, flatness_db, steadiness_db

RATE = 44_100


def white(seconds: float = 6.0, *, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((channels, round(seconds * RATE))).astype(np.float32)


def brown() -> np.ndarray:
    return np.cumsum(white(), axis=1).astype(np.float32)


def bursts(*, channels: int = 2) -> np.ndarray:
    noise = white(channels=channels)
    return noise * (np.arange(noise.shape[1]) % RATE < RATE // 4)


@pytest.mark.parametrize(
    ("noise", "expected"),
    [(white(), True), (0.001 * white(), True), (brown(), False), (bursts(), False)],
    ids=["white", "quiet", "brown", "bursts"],
)
def test_white_noise_is_steady_and_flat(noise: np.ndarray, expected: bool) -> None:
    assert is_white(noise, RATE) == expected


def test_music_and_nothing_are_not_white() -> None:
    assert not is_white(synthesise_tune(6.0).numpy(), RATE)
    assert not is_white(np.zeros((2, 100), dtype=np.float32), RATE)
    assert not is_white(np.zeros((2, RATE), dtype=np.float32), RATE)
    ideal = band_powers(white(), RATE)
    assert -2.0 < steadiness_db(ideal) < 0.0
    assert -0.5 < flatness_db(ideal) < 0.0


def test_bands_have_the_power_of_their_frequencies() -> None:
    time = np.arange(RATE) / RATE
    bands = band_powers(np.sin(2 * np.pi * 3_200 * time)[None].astype(np.float32), RATE)
    assert bands.shape == (RATE // 2048, 32)
    assert set(bands.argmax(axis=1)) == {8}  # 375 Hz each
    assert band_powers(white()[:, :2047], RATE).shape == (0, 32)
    assert band_powers(white(), 8_000).shape[1] == 32


class Fake:
    """A network that removes all but the tune."""

    stft = StftConfig()

    def __init__(self, name: str, **_: object) -> None:
        self.weights_name = name

    def estimate(self, samples: np.ndarray, rate: int) -> np.ndarray:
        assert rate == RATE  # of the network, whatever that of the song
        return synthesise_tune(6.0).numpy()[:, : samples.shape[1]]


@pytest.mark.parametrize(
    ("noise", "name"), [(white(), "white"), (bursts(), "general"), (0.1 * white(), "white")]
)
def test_the_choice(monkeypatch: pytest.MonkeyPatch, noise: np.ndarray, name: str) -> None:
    monkeypatch.setattr(auto, "Denoiser", Fake)
    monkeypatch.setattr(auto, "default_weights", lambda: "general")
    chooser = AutoDenoiser()
    noisy = (synthesise_tune(6.0).numpy() + 0.1 * noise).astype(np.float32)
    assert chooser.choose(noisy, RATE).weights_name == name
    assert chooser.choose(noisy, 16_000).weights_name == name  # heard as it is
    high = resample(torch.from_numpy(noisy), RATE, 192_000).numpy()
    assert chooser.choose(high, 192_000).weights_name == name  # heard at the network's rate
    assert chooser.choose(noisy[:, :0], RATE).weights_name == "general"


@pytest.mark.parametrize("rate", [16_000, 96_000, 192_000])
def test_white_noise_is_known_at_other_rates(rate: int) -> None:
    tune = resample(synthesise_tune(6.0)[:1], RATE, rate).numpy()
    noisy = tune + 0.05 * white(tune.shape[1] / RATE, channels=1)
    assert AutoDenoiser(device="cpu").choose(noisy, rate).weights_name == "white"


@pytest.mark.parametrize("seconds", [0.5, 8.0])
def test_the_song_is_whole_after_the_choice(tmp_path: Path, write_wav, seconds: float) -> None:
    samples = synthesise_tune(seconds)[:1].numpy() + 0.05 * white(seconds, channels=1)
    song = write_wav("song.wav", samples)
    report = denoise_file(AutoDenoiser(device="cpu"), song, tmp_path / "out.wav")
    assert report.num_samples == samples.shape[1]
    assert report.weights == "white"


@pytest.mark.parametrize(
    ("silence", "noise", "weights"),
    [
        (7.3, white(channels=1), "white"),
        (7.3, bursts(channels=1), "mixed"),
        (31.0, white(channels=1), "mixed"),
    ],
)
def test_silence_in_front_is_not_listened_to(
    tmp_path: Path, write_wav, silence: float, noise: np.ndarray, weights: str
) -> None:
    sound = synthesise_tune(6.0)[:1].numpy() + 0.05 * noise
    song = write_wav("song.wav", np.concatenate([np.zeros((1, round(silence * RATE))), sound], axis=1))
    report = denoise_file(AutoDenoiser(device="cpu"), song, tmp_path / "out.wav")
    assert report.num_samples == round(silence * RATE) + 6 * RATE
    assert report.weights == weights
