"""Find where a song has noise alone: before it, after it, in its pauses.

`noise_evidence` finds quiet frames that look alike; this module decides whether they are noise. Where nothing
is steady, it decides about the stretches that a network takes for noise (`noise_likeness`). What moves may
be people: another network says (`voicing`), and the log odds of both are added. The limits were chosen on 320
songs with 1 to 3 s of noise in front, most of it recorded, on 320 with applause, crowds and street music in
front, and on 189 clean songs, whole and in pieces of half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from musicdenoise.denoising.band_levels import BandLevels, Bands
from musicdenoise.denoising.noise_evidence import (
    MOST_MEASURED_FRAMES,
    Evidence,
    collect,
    evidence_of,
    runs_of,
)
from musicdenoise.denoising.noise_likeness import noise_likeness
from musicdenoise.denoising.voicing import (
    MOST_WINDOWS,
    WINDOWS_PER_FRAME,
    VoicingMeter,
    Windows,
    voicing_figures,
)
from musicdenoise.weights.bundled import load_crowds

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
# Log odds of the first network are 0 where it cannot decide. Steady noise that fits a line below needs little
# more, and what moves needs much. Elsewhere, above 0.5, it is noise at an edge of a song; in the middle it
# may as well be wind or machines that belong to the music. What changes much needs more: with 1.5 for it,
# noise is found in two clean songs.
STEADY_VARIATION, MOST_VARIATION = 2.0, 6.0
LEAST_ODDS_OF_STEADY = 0.0
LEAST_ODDS_OF_MOVING = 2.0
LEAST_ODDS = 0.5
# With those of the other network. Of 320 crowds, one more is taken with 1.0 for the first limit, and another
# with 2.0 for the second. With 2.0 for the first, three noises of 120 more are missed. The third is for what
# changes much in a song that is too loud to show whether it goes on under the music. For all that changes
# much, it would cost ten noises of 120; so it costs none of them, and five of 400 others.
LEAST_JOINT_ODDS, LEAST_JOINT_ODDS_OF_CHANGING, LEAST_JOINT_ODDS_OF_HIDDEN = 1.5, 3.5, 5.0
LEAST_HIDDEN_FLOOR_DB = 6.0  # with 3 or 9 dB, the same is found in these 120 songs
MOST_CROWD_ODDS = 6.0  # chosen, not measured
ODDS_OF_SHORT = -3.0  # against people, where a stretch is too short to tell. Chosen, not measured
MOST_TONALITY_DB = 3.0  # a held chord of a clean song, which both networks take for noise, has 4.2
EDGE_SECONDS = 1.0  # within which noise at an edge begins or ends. Chosen
LEAST_RUN_FRAMES = 6  # 0.56 s: half a second without half a frame
MOST_RUNS = 4  # each costs half a pass through the levels
# Unsteady noise is at times as quiet under the music as it is alone: its quiet moments are what the floor of
# the rest is compared with. Two thirds of what clean music had above `LEAST_ODDS` was below these limits.
LEAST_MIDDLE_QUIET_FLOOR_DB = -1.0
LEAST_LOW_QUIET_FLOOR_DB = -2.5
# What goes on louder next to it is a fade, or belongs to the music. Of 210 noises, the one that does so for
# longest does it for ten frames; two clean songs of 511, in which noise was found without these limits, do it
# for 15 and 42.
NEAR_FRAMES = 43  # 4 s. Chosen
LOUDER_DB = 2.0
MOST_LOUDER_FRAMES = 12  # 1.1 s


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


class NoiseSearch:
    """Listen to a song, and say where it has noise alone.

    Parameters
    ----------
    sample_rate
        In Hz, 8000 to 192 000.
    channels
        Number of channels.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._levels = BandLevels(sample_rate, channels)
        self._voicing = VoicingMeter(sample_rate)

    def push(self, block: NDArray[np.float32]) -> None:
        """Take the next samples ``(channels, n)``, of any length.

        Raises
        ------
        AudioError
            If one is not finite or absurdly large.
        """
        self._levels.push(block)
        self._voicing.push(block)

    def finish(self) -> FoundNoise | None:
        """The noise alone in the song: the quietest that is steady, else the longest at an edge."""
        return _find(self._levels.finish(), self._voicing.finish())


def _find(bands: Bands, windows: Windows) -> FoundNoise | None:
    odds = noise_likeness(bands)
    heard = [_Heard(evidence, odds, windows) for evidence in collect(bands)]
    steady = [group for group in heard if _is_steady_noise(group)]
    runs = sorted(_runs_of_noise(odds), key=lambda run: -float(odds[slice(*run)].mean()))
    heard += [_Heard(evidence_of(bands, run), odds, windows) for run in ([] if steady else runs[:MOST_RUNS])]
    people = [group for group in heard if _sounds_like_people(group)]
    unsteady = [
        group
        for group in heard
        if _is_unsteady_noise(group, bands) and not any(group.is_part_of(crowd) for crowd in people)
    ]
    for group in steady + sorted(unsteady, key=lambda group: -group.evidence.num_frames):
        stretches = _stretches(group.evidence, len(bands), bands.frame_seconds)
        if sum(end - begin for begin, end in stretches) >= LEAST_SECONDS:
            if _goes_on_louder(group.evidence, odds, bands):
                return None  # what else looks alike is part of the same
            return FoundNoise(stretches=stretches, level_db=group.evidence.level_db)
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


class _Heard:
    """Frames that may be noise, and what the networks say about them.

    Attributes
    ----------
    evidence
        What was measured of these frames.
    odds
        Log odds for noise alone, mean over frames (`noise_likeness`).
    joint_odds
        The sum of these and of the log odds against people (`musicdenoise.core.crowds`).
    """

    def __init__(self, evidence: Evidence, odds: NDArray[np.float32], windows: Windows) -> None:
        self.evidence = evidence
        self.odds = float(np.concatenate([odds[begin:end] for begin, end in evidence.runs]).mean())
        self._windows = windows

    @cached_property
    def joint_odds(self) -> float:
        figures = voicing_figures(_windows_in(self.evidence.runs, self._windows))
        against_people = ODDS_OF_SHORT
        if figures is not None:
            against_people = float(load_crowds()(torch.from_numpy(figures)[None])[0])
        return self.odds + min(against_people, MOST_CROWD_ODDS)

    def is_part_of(self, other: _Heard) -> bool:
        """Whether all of this lies within the other, which has more."""
        return self.evidence.num_frames < other.evidence.num_frames and all(
            any(first <= begin and end <= last for first, last in other.evidence.runs)
            for begin, end in self.evidence.runs
        )


def _windows_in(runs: list[tuple[int, int]], windows: Windows) -> Windows:
    """Windows that lie within the runs of frames, as many as count."""
    chosen, wanted = [windows[:0]], MOST_WINDOWS
    for begin, end in runs:  # the first window of a frame begins before it
        inside = windows[WINDOWS_PER_FRAME * begin + 1 : WINDOWS_PER_FRAME * end][:wanted]
        chosen.append(inside)
        wanted -= len(inside)
    return np.concatenate(chosen)


def _runs_of_noise(odds: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Stretches in which noise is likelier than music all the time."""
    return [run for run in runs_of(odds > 0.0) if run[1] - run[0] >= LEAST_RUN_FRAMES]


def _is_steady_noise(group: _Heard) -> bool:
    """Whether frames fit one of the kinds, and the networks agree."""
    if not is_noise(group.evidence):
        return False
    if group.evidence.variation < STEADY_VARIATION:
        return group.odds > LEAST_ODDS_OF_STEADY
    return group.odds > LEAST_ODDS_OF_MOVING and group.joint_odds > LEAST_JOINT_ODDS


def _is_unsteady_noise(group: _Heard, bands: Bands) -> bool:
    """Whether the networks hear noise alone at an edge of the song, and the rest is nowhere quieter."""
    evidence = group.evidence
    edge = EDGE_SECONDS / bands.frame_seconds
    return (
        _sounds_like_noise(group)
        and (evidence.runs[0][0] < edge or evidence.runs[-1][1] > len(bands) - edge)
        and evidence.tonality_db < MOST_TONALITY_DB
        and LEAST_BELOW_MUSIC_DB < evidence.below_music_db < MOST_BELOW_MUSIC_DB
        and bool(np.isfinite(evidence.floor_db).all())
        and float(np.median(evidence.quiet_floor_db)) > LEAST_MIDDLE_QUIET_FLOOR_DB
        and float(np.quantile(evidence.quiet_floor_db, LOW_BANDS)) > LEAST_LOW_QUIET_FLOOR_DB
    )


def _sounds_like_noise(group: _Heard) -> bool:
    if group.evidence.variation < STEADY_VARIATION:
        return group.odds > LEAST_ODDS
    if group.evidence.variation < MOST_VARIATION:
        return group.odds > LEAST_ODDS and group.joint_odds > LEAST_JOINT_ODDS
    hidden = float(np.median(group.evidence.floor_db)) > LEAST_HIDDEN_FLOOR_DB
    needed = LEAST_JOINT_ODDS_OF_HIDDEN if hidden else LEAST_JOINT_ODDS_OF_CHANGING
    return group.odds > LEAST_ODDS_OF_MOVING and group.joint_odds > needed


def _sounds_like_people(group: _Heard) -> bool:
    """Whether the first network is sure that there is no music, and both together are not sure of noise."""
    return group.odds > LEAST_ODDS_OF_MOVING and not _sounds_like_noise(group)


def _goes_on_louder(evidence: Evidence, odds: NDArray[np.float32], bands: Bands) -> bool:
    """Whether frames that may be noise, next to these, are louder, and at least as many as these."""
    inside, near = np.zeros((2, len(bands)), dtype=bool)
    for begin, end in evidence.runs:
        inside[begin:end] = True
        near[max(0, begin - NEAR_FRAMES) : end + NEAR_FRAMES] = True
    for begin, end in evidence.runs:  # frames that are half inside
        near[max(0, begin - 1) : end + 1] = False
    own, others = np.flatnonzero(inside), np.flatnonzero(near & (odds > 0.0))
    fewest = max(MOST_LOUDER_FRAMES + 1, evidence.num_frames)
    if len(others) < fewest:
        return False
    own = own[:: 1 + len(own) // MOST_MEASURED_FRAMES]
    spectrum = np.power(10.0, 0.1 * bands.levels_db(own)).mean(axis=0)
    deviation_db = np.median(bands.levels_db(others) - 10.0 * np.log10(spectrum), axis=1)
    return int((deviation_db > LOUDER_DB).sum()) >= fewest


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
