"""A song's noise is compared in level with a sample of it."""

import numpy as np
import pytest
from noise_songs import RATE, Floats, after, hiss, hum, notes

from musicdenoise.denoising.band_levels import BandLevels, Bands
from musicdenoise.denoising.noise_level import level_difference_db


def bands_of(samples: Floats, rate: int = RATE) -> Bands:
    levels = BandLevels(rate, samples.shape[0])
    levels.push(samples)
    return levels.finish()


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 0.0, 6.0, 20.0])
def test_hiss_under_music(gain_db: float) -> None:
    song = bands_of(notes(15.0) + hiss(15.0, -35.0))
    sample = bands_of(hiss(2.0, -35.0 + gain_db, seed=9))
    assert level_difference_db(song, sample) == pytest.approx(-gain_db, abs=1.5)


def test_hum_under_music() -> None:
    assert level_difference_db(
        bands_of(notes(15.0) + hum(15.0, -30.0)), bands_of(hum(1.5, -40.0))
    ) == pytest.approx(10.0, abs=2.0)


def test_noise_that_comes_and_goes() -> None:
    swell = (1.0 + 0.8 * np.sin(2 * np.pi * 0.7 * np.arange(15 * RATE) / RATE)).astype(np.float32)
    noise = hiss(15.0, -35.0) * swell
    sample = bands_of(noise[:, : 3 * RATE])
    difference = level_difference_db(bands_of(notes(15.0) + noise), sample)
    assert difference is None or abs(difference) < 2.0  # nothing rather than what is wrong


def test_nothing_is_said_where_music_hides_the_noise() -> None:
    assert level_difference_db(bands_of(notes(15.0)), bands_of(hiss(2.0, -35.0))) is None


def test_silence_has_no_level() -> None:
    song = after(5.0, notes(10.0)) + np.pad(hiss(10.0, -35.0), ((0, 0), (5 * RATE, 0)))
    assert level_difference_db(bands_of(song), bands_of(hiss(2.0, -35.0, seed=9))) == pytest.approx(
        0.0, abs=1.5
    )
    nothing = np.zeros((1, 2 * RATE), dtype=np.float32)
    assert level_difference_db(bands_of(song), bands_of(nothing)) is None
    assert level_difference_db(bands_of(song), bands_of(nothing[:, :100])) is None


def test_other_rates_are_refused() -> None:
    song, sample = bands_of(notes(2.0)), bands_of(hiss(1.0, -35.0), 44_100)
    with pytest.raises(ValueError, match="convert the sample"):
        level_difference_db(song, sample)
