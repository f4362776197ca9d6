"""Log odds for noise alone: of music, noise and silence, at any gain and any rate."""

from dataclasses import replace

import numpy as np
import pytest
from noise_songs import RATE, Floats, after, hiss, notes

from musicdenoise.denoising import noise_likeness as module
from musicdenoise.denoising.band_levels import BandLevels, Bands
from musicdenoise.denoising.noise_likeness import MOST_BANDS, noise_likeness


def bands_of(song: Floats, rate: int = RATE) -> Bands:
    levels = BandLevels(rate, song.shape[0])
    levels.push(song)
    return levels.finish()


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 96_000])
def test_noise_alone_and_music(rate: int) -> None:
    bands = bands_of(after(2.0, notes(8.0, rate=rate), rate) + hiss(10.0, -40.0, rate=rate), rate)
    odds = noise_likeness(bands)
    assert bands.levels.shape[1] <= MOST_BANDS
    border = round(2.0 / bands.frame_seconds)
    assert odds[: border - 1].mean() > 1.0
    assert odds[border + 2 :].max() < 0.0


def test_does_not_depend_on_the_gain() -> None:
    song = after(1.0, notes(5.0)) + hiss(6.0, -40.0)
    odds, quieter = noise_likeness(bands_of(song)), noise_likeness(bands_of(0.1 * song))
    np.testing.assert_allclose(quieter, odds, atol=0.15)  # levels are kept in hundredths of dB


def test_does_not_depend_on_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = bands_of(after(1.0, notes(7.0)) + hiss(8.0, -40.0))
    whole = noise_likeness(bands)
    monkeypatch.setattr(module, "_PIECE_FRAMES", 17)
    np.testing.assert_allclose(noise_likeness(bands), whole, atol=1e-4)


def test_silence_is_no_noise() -> None:
    odds = noise_likeness(bands_of(after(2.0, notes(3.0))))
    assert (odds[:20] == -20.0).all()


def test_no_frames_at_all() -> None:
    bands = bands_of(hiss(1.0, -40.0))
    nothing = replace(bands, levels=bands.levels[:0], flatness=bands.flatness[:0], flutter=bands.flutter[:0])
    assert noise_likeness(nothing).shape == (0,)
