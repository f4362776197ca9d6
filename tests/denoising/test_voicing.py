"""Voicing: of tones, hiss and gliding voices, at any rate, any gain and any cut."""

import numpy as np
import pytest
from noise_songs import RATE, Floats, hiss, voices

from musicdenoise.denoising.band_levels import frame_length
from musicdenoise.denoising.voicing import (
    LEAST_WINDOWS,
    NUM_FIGURES,
    WINDOWS_PER_FRAME,
    VoicingMeter,
    voicing_figures,
)

MEAN_PEAK, MEAN_MOVE, MEAN_PITCH = 0, 4, 6  # figures of the first band


def windows_of(song: Floats, rate: int = RATE, block: int | None = None) -> np.ndarray:
    meter = VoicingMeter(rate)
    for first in range(0, song.shape[1], block or song.shape[1]):
        meter.push(song[:, first : first + (block or song.shape[1])])
    return meter.finish()


def figures_of(song: Floats) -> np.ndarray:
    figures = voicing_figures(windows_of(song)[1:])
    assert figures is not None
    return figures


def tone(hz: float, seconds: float, rate: int = RATE) -> Floats:
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * k * hz * time + k * k) / k for k in range(1, 9) if k * hz < rate / 2)
    return (0.1 * wave)[None].astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 96_000])
def test_tone_of_known_pitch(rate: int) -> None:
    windows = windows_of(tone(150.0, 1.0, rate), rate)[1:]
    assert windows["peaks"][:, 0].min() > 90
    np.testing.assert_allclose(windows["pitches"][:, 0], 100.0 * np.log2(150.0 / 90.0), atol=2.0)


def test_frames_of_the_levels_have_four_windows() -> None:
    song = hiss(2.0, -30.0)
    assert len(windows_of(song)) == 2 * RATE * WINDOWS_PER_FRAME // frame_length(RATE)


@pytest.mark.parametrize("block", [1, 700, 4096])
def test_blocks_of_any_length(block: int) -> None:
    song = voices(0.5 if block == 1 else 4.0, -30.0)
    np.testing.assert_array_equal(windows_of(song, block=block), windows_of(song))


def test_figures_of_hiss_tones_and_voices() -> None:
    noise, steady, people = (
        figures_of(song) for song in (hiss(2.0, -30.0), tone(150.0, 2.0), voices(2.0, -30.0))
    )
    assert noise[MEAN_PEAK] < people[MEAN_PEAK] < steady[MEAN_PEAK]
    assert steady[MEAN_MOVE] < 0.01 < people[MEAN_MOVE]
    assert steady[MEAN_PITCH] == pytest.approx(np.log2(150.0 / 90.0), abs=0.03)


def test_does_not_depend_on_the_gain() -> None:
    song = voices(2.0, -30.0)
    np.testing.assert_allclose(figures_of(0.1 * song), figures_of(song), atol=0.05)  # kept in half precision


def test_mean_of_the_channels() -> None:
    one, other = voices(1.0, -30.0), hiss(1.0, -30.0)
    both = windows_of(np.concatenate([one, other]))
    np.testing.assert_array_equal(both, windows_of(0.5 * (one + other)))


def test_a_stretch_may_be_too_short() -> None:
    windows = windows_of(hiss(2.0, -30.0))
    assert voicing_figures(windows[: LEAST_WINDOWS - 1]) is None
    figures = voicing_figures(windows[:LEAST_WINDOWS])
    assert figures is not None
    assert figures.shape == (NUM_FIGURES,)


def test_silence_has_figures() -> None:
    assert np.isfinite(figures_of(np.zeros((1, RATE), dtype=np.float32))).all()
