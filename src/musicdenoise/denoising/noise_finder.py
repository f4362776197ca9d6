"""Find where a song has noise alone: before it, after it, in its pauses.

`noise_evidence` finds quiet frames that look alike; this module decides whether they are noise. The limits
were chosen on 110 songs with 1 to 3 s of noise in front, half of it recorded, on 110 with applause, crowds
and street music in front, and on clean songs, whole and in pieces of half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicdenoise.denoising.band_levels import Bands
from musicdenoise.denoising.noise_evidence import Evidence, collect

LEAST_SECONDS = 0.5  # gives nine tenths of the gain of two seconds
MOST_SECONDS = 10.0  # chosen, not measured
EDGE_FRAMES = 0.5  # cut where a run meets music: half a frame may have some of it
LEAST_BELOW_MUSIC_DB = 5.0  # re the mean of the song with its noise
MOST_BELOW_MUSIC_DB = 50.0  # what is further below is seldom heard
# Real noise goes on under the music, so the floor of the rest of the song stays above it, except for chance
# and unsteadiness. (The middle band of 95 % of noises is above -0.8 dB and the lowest tenth above -2.9 dB.)
LEAST_MIDDLE_FLOOR_DB = -1.3
LEAST_LOW_FLOOR_DB = -3.2
LOW_BANDS = 0.1  # the lowest tenth of the bands


@dataclass(frozen=True)
class _Limits:
    """What one kind of noise does not exceed, and has at least."""

    tonality_db: float
    variation: float
    flutter: float
    slope_db: float
    frames: int  # in the longest run
    heard: float
    shown: float


# Clean music is more tonal than noise (most of it by 1 dB or more), and moves. Applause flutters: 300 claps
# a second 0.5 and fewer more; noise 0.03 to 0.3. What fits one line is noise.
KINDS = (
    #       tonality  variation  flutter  slope  frames  heard  shown
    _Limits(0.5,      2.0,       0.25,    1.2,   6,      0.75,  0.0),  # broad: hiss, room tone
    _Limits(2.5,      1.1,       0.25,    1.2,   6,      0.35,  0.0),  # hum: tonal, but steady
    _Limits(2.0,      3.0,       0.25,    0.5,   14,     0.75,  0.0),  # as loud for 1.3 s or more
    _Limits(1.5,      5.0,       0.30,    1.3,   8,      0.75,  0.2),  # unsteady, but in the music too
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FoundNoise:
    """Noise alone.

    Attributes
    ----------
    stretches
        Start and end of each in seconds, sorted; together half a second at least, ten at most.
    level_db
        RMS between 20 Hz and 16 kHz, in dB re full scale.
    """

    stretches: tuple[tuple[float, float], ...]
    level_db: float


def find_noise(bands: Bands) -> FoundNoise | None:
    """Return the quietest noise alone in a song, if it has any."""
    for evidence in collect(bands):
        if is_noise(evidence):
            stretches = _stretches(evidence, len(bands), bands.frame_seconds)
            if sum(end - begin for begin, end in stretches) >= LEAST_SECONDS:
                return FoundNoise(stretches=stretches, level_db=evidence.level_db)
    return None


def is_noise(evidence: Evidence) -> bool:
    """Whether frames that look alike are noise alone."""
    floor = evidence.floor_db
    if (
        not LEAST_BELOW_MUSIC_DB < evidence.below_music_db < MOST_BELOW_MUSIC_DB
        or not np.isfinite(floor).all()
        or np.median(floor) < LEAST_MIDDLE_FLOOR_DB
        or np.quantile(floor, LOW_BANDS) < LEAST_LOW_FLOOR_DB
    ):
        return False
    return any(
        evidence.tonality_db < limits.tonality_db
        and evidence.variation < limits.variation
        and evidence.flutter < limits.flutter
        and evidence.slope_db < limits.slope_db
        and evidence.longest >= limits.frames
        and evidence.heard >= limits.heard
        and evidence.shown >= limits.shown
        for limits in KINDS
    )


def _stretches(evidence: Evidence, num_frames: int, frame_seconds: float) -> tuple[tuple[float, float], ...]:
    """The longest runs, without their edges."""
    chosen, left = [], MOST_SECONDS
    for first, last in sorted(evidence.runs, key=lambda run: run[0] - run[1]):
        begin = (first + (EDGE_FRAMES if first > 0 else 0.0)) * frame_seconds
        end = (last - (EDGE_FRAMES if last < num_frames else 0.0)) * frame_seconds
        end = min(end, begin + left)
        if end - begin < 1.5 * frame_seconds:
            break
        chosen.append((begin, end))
        left -= end - begin
    return tuple(sorted(chosen))
