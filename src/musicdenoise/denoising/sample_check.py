"""What is wrong with a noise sample: too short, silent, clipped, or with music in it."""

from __future__ import annotations

import numpy as np

from musicdenoise.audio.types import Samples
from musicdenoise.denoising.band_levels import BandLevels
from musicdenoise.denoising.noise_sample import SHORTEST_SECONDS
from musicdenoise.errors import AudioError

# -120 dB re full scale, below the rounding noise of 16 and 24 bits: nothing was recorded.
_SILENT_RMS = 1e-6
# Share of samples at the largest value, on both sides, from which on a recording counts as clipped: in noise
# that is not clipped it is one sample of all, and one more by chance.
_CLIPPED_SHARE = 1e-3
_FULL_SCALE = 0.98  # below it equal largest samples are chance, or made by a program
# Two thirds of 120 two-second pieces of music move and are as tonal as this, and 12 of 219 recorded noises:
# 6 car horns, 3 times music from the street, 2 sirens.
_LEAST_MUSIC_SECONDS = 1.0
_LEAST_MOVEMENT_DB = 2.8
_MOST_FLATNESS_DB = -4.8
_HEARD_SHARE = 1e-5  # bands further below the loudest, 50 dB, are not looked at


def check_sample(samples: Samples, sample_rate: int, label: str) -> tuple[str, ...]:
    """Refuse a recording that tells nothing; return warnings about one that may tell something wrong.

    Parameters
    ----------
    samples
        ``(channels, samples)``.
    sample_rate
        Rate in Hz.
    label
        Its name in messages.

    Raises
    ------
    AudioError
        If it is too short or silent.
    """
    warnings: list[str] = []
    seconds = samples.shape[1] / sample_rate
    if seconds < SHORTEST_SECONDS - 1e-3:
        raise AudioError(
            f"{label}: has {seconds:.3f} s of noise, which is too short: give at least {SHORTEST_SECONDS} s "
            "of the noise alone, better two seconds"
        )
    if float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) < _SILENT_RMS:
        raise AudioError(
            f"{label}: is silent, so it shows no noise: give a stretch with the noise but without the music"
        )
    largest = float(np.abs(samples).max())
    at_largest = float(np.mean(np.abs(samples) >= 0.999 * largest))
    if largest >= _FULL_SCALE and at_largest > _CLIPPED_SHARE:
        warnings.append(
            f"{label}: is clipped, so its spectrum is not that of the noise: record it at a lower level"
        )
    if seconds >= _LEAST_MUSIC_SECONDS and _is_like_music(samples, sample_rate):
        warnings.append(
            f"{label}: moves and has tones as music does, and all of it is removed from the song: "
            "choose a stretch without music"
        )
    return tuple(warnings)


def _is_like_music(samples: Samples, sample_rate: int) -> bool:
    """Whether the level of its bands moves and few of their bins hold most of the power."""
    measured = BandLevels(sample_rate, samples.shape[0])
    measured.push(samples)
    bands = measured.finish()
    frames = slice(0, len(bands))
    levels, flatness = bands.levels_db(frames), bands.flatness_db(frames)
    means = np.mean(10.0 ** (levels / 10.0), axis=0)
    heard = means > _HEARD_SHARE * means.max()
    movement = float(np.median(levels.std(axis=0)[heard]))
    return movement > _LEAST_MOVEMENT_DB and float(flatness[:, heard].mean()) < _MOST_FLATNESS_DB
