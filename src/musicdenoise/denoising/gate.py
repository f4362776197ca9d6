"""Do no harm: where there is next to nothing to remove, the song passes as it came.

What a network takes from clean music is music, and little. (With the published `mixed` less than a two
hundred and fiftieth of the power in 17 of 20 clean stretches, and mostly bass in the others; from songs with
white noise at 20 dB SNR nearly twice as much.) So what is removed is measured over half a minute around every
second of the song, and where it is less than a limit, the second is left alone. What is mostly bass has a
much higher limit: engines and wind sound like the drones of a song, and low noise is heard least. Where the
kind of the noise is known there is no such limit, unless noise of the kind is hardly bass, or comes and goes
while what is removed is steady, and a lower one for what is as steady as noise, where noise of the kind
lasts. The window is long so that noise does not come and go with the music over it; changes are cross-faded.

Conventions: blocks are float32 ``(channels, samples)``; limits are in dB, power removed relative to the song.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicdenoise.denoising.sound_features import band_powers, bass_powers, steadiness_db

__all__ = ["Gate", "GateConfig"]

Samples = NDArray[np.float32]

# What is quiet and pitched may be a chord: of 86 clean stretches 85 pass with this limit, 76 with the usual
# one. On mixes with horns it costs 0.5 dB, all of it where they are quiet; see docs/benchmarks.md.
_LIMITS_DB = {"car_horn": -20.0}
_STEADY_LIMIT_DB = -26.0
# Kinds of noise that last; what seems steady in place of horns, barking or voices is rather a chord.
_STEADY = frozenset({"white", "air_conditioner", "drilling", "engine_idling", "jackhammer"})
# Kinds of noise that are hardly bass: what their networks remove may be music where it is. With horns and
# drills less of it says so.
_HARDLY_BASS = frozenset({"car_horn", "dog_bark", "drilling", "gun_shot", "siren"})
_LEAST_BASS_SHARES = {"car_horn": 0.4, "drilling": 0.4}
# Kinds that come and go: what is mostly bass may be music where the whole is as steady as this.
_CHANGING = frozenset({"children_playing", "street_music"})
_CHANGING_STEADINESS_DB = -7.5


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """When a song passes.

    Parameters
    ----------
    limit_db
        Where less is removed, relative to the song, nothing is.
    steady_limit_db, least_steadiness_db
        The same where what is removed has at least this steadiness; see
        `musicdenoise.denoising.sound_features`. Infinity for no limit of its own.
    bass_limit_db, least_bass_share, bass_steadiness_db
        The same where at least this share of what is removed is bass, and all of it has at least this
        steadiness; a limit of minus infinity for none of its own.
    hysteresis_db, hysteresis_share
        A change of mind needs this much beyond a limit or the steadiness of bass, or beyond a share.
    past_seconds, future_seconds
        Stretch around each second that is measured. The result lags by the latter.
    """

    limit_db: float = -24.0
    steady_limit_db: float = math.inf
    least_steadiness_db: float = -7.3
    bass_limit_db: float = -6.0
    least_bass_share: float = 0.7
    bass_steadiness_db: float = -math.inf
    hysteresis_db: float = 1.0
    hysteresis_share: float = 0.05
    past_seconds: int = 24
    future_seconds: int = 4

    @classmethod
    def usual(cls, share: float = 1.0, *, known_kind: str | None = None) -> GateConfig:
        """The usual limits.

        Parameters
        ----------
        share
            Share of the estimated noise that is removed, 0 to 1.
        known_kind
            What the noise was said to be, if it was: then there is a lower limit for what is steady if such
            noise lasts, a higher one for horns, and none for bass, but for kinds that are hardly bass (horns,
            barking, drills, shots, sirens), and for steady noise in place of children and music.
        """
        allows_bass = known_kind is not None and known_kind not in _HARDLY_BASS | _CHANGING
        less_db = 20.0 * math.log10(max(share, 1e-6))
        return cls(
            limit_db=_LIMITS_DB.get(known_kind or "", cls.limit_db) + less_db,
            steady_limit_db=_STEADY_LIMIT_DB + less_db if known_kind in _STEADY else math.inf,
            bass_limit_db=-math.inf if allows_bass else cls.bass_limit_db + less_db,
            least_bass_share=_LEAST_BASS_SHARES.get(known_kind or "", cls.least_bass_share),
            bass_steadiness_db=_CHANGING_STEADINESS_DB if known_kind in _CHANGING else -math.inf,
        )


class Gate:
    """Takes blocks before and after, of any lengths, and gives what is to be written.

    Parameters
    ----------
    sample_rate
        Rate in Hz.
    channels
        Number of channels.
    config
        When a song passes.

    Attributes
    ----------
    passed_seconds : float
        Time that passed as it came, so far.
    bass_seconds : float
        That part of it that passed only because what would be removed is bass.
    """

    def __init__(self, sample_rate: int, channels: int, config: GateConfig | None = None) -> None:
        self.passed_seconds = self.bass_seconds = 0.0
        self._config = config or GateConfig()
        self._sample_rate = sample_rate
        self._second = max(1, sample_rate)
        self._fade = self._second // 2
        self._waiting = np.zeros((2, channels, 0), dtype=np.float32)  # not yet a whole second
        self._seconds: list[NDArray[np.float32]] = []  # (2, channels, samples) each, not yet decided
        # Of the song, and of what is removed: bass and all.
        self._powers: list[tuple[float, float, float]] = []
        self._bands: list[NDArray[np.float64]] = []  # of what is removed
        self._decided = 0
        self._forgotten = 0  # seconds whose measures are no longer kept
        self._removes: bool | None = None
        self._is_bass: bool | None = None

    def push(self, noisy: Samples, clean: Samples) -> Samples:
        """Take the next samples before and after; return those that are decided by now, perhaps none."""
        self._waiting = np.concatenate([self._waiting, np.stack([noisy, clean])], axis=2)
        while self._waiting.shape[2] >= self._second:
            self._take(self._waiting[:, :, : self._second])
            self._waiting = self._waiting[:, :, self._second :]
        done = [noisy[:, :0]]
        while len(self._seconds) > self._config.future_seconds:
            done.append(self._decide())
        return np.concatenate(done, axis=1)

    def flush(self) -> Samples:
        """End of the song: return the rest."""
        done = [self._waiting[0, :, :0]]
        if self._waiting.shape[2]:
            self._take(self._waiting)
        while self._seconds:
            done.append(self._decide())
        return np.concatenate(done, axis=1)

    def _take(self, second: NDArray[np.float32]) -> None:
        self._seconds.append(second)
        removed = second[0] - second[1]
        self._bands.append(band_powers(removed, self._sample_rate))
        song = float(np.sum(np.square(second[0], dtype=np.float64)))
        self._powers.append((song, *bass_powers(removed, self._sample_rate)))

    def _decide(self) -> Samples:
        """The next second, with or without what the network would remove."""
        config = self._config
        self._forget(self._decided - config.past_seconds)
        self._decided += 1
        end = self._decided + config.future_seconds - self._forgotten
        around = self._powers[:end]
        song, bass, removed = (sum(values) for values in zip(*around, strict=True))
        level = 10.0 * math.log10(removed / song) if removed > 0.0 and song > 0.0 else -math.inf
        steadiness = steadiness_db(np.concatenate(self._bands[:end]))
        is_steady = steadiness >= config.least_steadiness_db
        limit = min(config.limit_db, config.steady_limit_db) if is_steady else config.limit_db
        before = self._removes
        if before is not None:
            level += config.hysteresis_db if before else -config.hysteresis_db
        is_noise = level >= limit
        is_bass = self._like_bass(bass, removed, steadiness)
        may_be_music = is_noise and is_bass and level < config.bass_limit_db
        self._removes = is_noise and not may_be_music
        second = self._seconds.pop(0)
        noisy: Samples = second[0]
        clean: Samples = second[1]
        result = self._mix(noisy, clean, before)
        length = noisy.shape[1] / self._sample_rate
        self.passed_seconds += 0.0 if self._removes else length
        self.bass_seconds += length if may_be_music else 0.0
        return result

    def _like_bass(self, bass: float, removed: float, steadiness: float) -> bool:
        """Whether enough of what is removed is bass, and it is steady enough; a change of mind needs more."""
        config = self._config
        least_share, least_steadiness = config.least_bass_share, config.bass_steadiness_db
        if self._is_bass is not None:
            sign = -1.0 if self._is_bass else 1.0
            least_share += sign * config.hysteresis_share
            least_steadiness += sign * config.hysteresis_db
        self._is_bass = bass >= least_share * removed and steadiness >= least_steadiness
        return self._is_bass

    def _forget(self, first: int) -> None:
        """Drop what was measured before a second."""
        surplus = max(0, first - self._forgotten)
        del self._powers[:surplus], self._bands[:surplus]
        self._forgotten += surplus

    def _mix(self, noisy: Samples, clean: Samples, before: bool | None) -> Samples:
        chosen, other = (clean, noisy) if self._removes else (noisy, clean)
        if before is None or before == self._removes:
            return chosen
        fade = min(self._fade, noisy.shape[1])
        mixed: Samples = chosen.copy()
        rise = (np.arange(fade, dtype=np.float32) + 0.5) / fade
        mixed[:, :fade] = rise * chosen[:, :fade] + (1.0 - rise) * other[:, :fade]
        return mixed
