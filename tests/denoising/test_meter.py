"""What is measured of a song while it passes."""

import math

import numpy as np
import pytest

from musicdenoise.denoising.meter import SongMeter
from musicdenoise.denoising.picture import draw_spectra

RATE = 44_100


def sine(hz: float, level: float, seconds: float = 2.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = level * np.sin(2 * np.pi * hz * time)
    return np.stack([wave, wave]).astype(np.float32)


def measure(before: np.ndarray, after: np.ndarray, blocks: int = 3) -> SongMeter:
    meter = SongMeter(RATE, 2)
    for song, result in zip(*(np.array_split(wave, blocks, axis=1) for wave in (before, after)), strict=True):
        np.testing.assert_array_equal(meter.take(song, result), song - result)
    return meter


@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_levels_and_bands(blocks: int) -> None:
    low, high = sine(500.0, 0.5), sine(6000.0, 0.05)
    meter = measure(low + high, low, blocks)
    assert meter.num_samples == low.shape[1]
    assert meter.removed_db == pytest.approx(10 * math.log10(0.05**2 / (0.5**2 + 0.05**2)), abs=1e-3)
    bands = {band.low_hz: band.removed_db for band in meter.bands()}
    assert list(bands) == [0.0, 250.0, 1000.0, 4000.0, 10_000.0]
    assert bands[4000.0] == pytest.approx(0.0, abs=0.01)
    assert bands[250.0] is None or bands[250.0] < -60.0
    assert meter.bands()[-1].high_hz == RATE / 2


def test_nothing_removed() -> None:
    song = sine(500.0, 0.5)
    meter = measure(song, song)
    assert meter.removed_db == -math.inf
    assert all(band.removed_db is None for band in meter.bands())


def test_bands_end_at_half_the_rate() -> None:
    bands = SongMeter(1_600, 1).bands()
    assert [(band.low_hz, band.high_hz) for band in bands] == [(0.0, 250.0), (250.0, 800.0)]


def test_spectra_of_long_songs_are_joined() -> None:
    meter = SongMeter(RATE, 1)
    frame = np.random.default_rng(0).standard_normal((1, 2048 * 100)).astype(np.float32)
    for _ in range(40):
        meter.take(frame, 0.5 * frame)
    spectra = meter.spectra()
    assert spectra.before.shape == (1000, 1025)
    assert spectra.frame_seconds == pytest.approx(4 * 2048 / RATE)
    np.testing.assert_allclose(spectra.after, 0.25 * spectra.before, rtol=1e-4)
    np.testing.assert_allclose(spectra.removed, spectra.after, rtol=1e-4)


@pytest.mark.parametrize("seconds", [0.01, 2.0])
def test_the_picture_is_png(seconds: float) -> None:
    song = sine(500.0, 0.5, seconds)
    image = draw_spectra(measure(song, 0.5 * song, 1).spectra(), "song")
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
