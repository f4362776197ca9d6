"""Do no harm: the song passes unchanged where there is next to nothing to remove.

From clean music a network removes little, and what it removes is music. From 17 of 20 clean stretches the
published `mixed` removed less than 1/250 of the power, and mostly bass from the others. White noise at 20 dB
SNR is nearly twice that much. So the gate compares what would be removed with the song, over half a minute
around each second, and leaves the second alone if that is below a limit. The window is long, so that noise
does not come and go with the music over it. Changes are cross-faded.

- Bass has a much higher limit: engines and wind sound like the drones of a song, and you hear low noise
  least.
- If the kind of the noise is known, there is no limit for bass, with two exceptions: noise of the kind is
  hardly bass, or it comes and goes while what would be removed is steady.
- If noise of the known kind lasts, the limit is lower for what is as steady as noise.

Where the limits come from: they were chosen so that 20 clean stretches of 10 s, of eleven songs that no
network was trained on, pass, and mixes with white noise at 20 dB SNR do not (22 to 30 November 2026). Of 66
clean stretches of other songs 60 pass. ``tests/benchmarks/bench_gate.py`` measures this, and ``fit_gate.py``
beside it finds the limits from new measurements. The figures and the cost on noisy songs are in
``docs/benchmarks.md``, section "The gate".

Conventions: blocks are float32 ``(channels, samples)``; limits are in dB, power removed relative to the song.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicdenoise.denoising.sound_features import band_powers, bass_powers, steadiness_db

Samples = NDArray[np.float32]

# Something quiet with a pitch may be a chord. Of 86 clean stretches, 85 pass with this limit and 76 with the
# usual one. It costs 0.5 dB on mixes with horns, all of it where the horns are quiet.
_LIMITS_DB = {"car_horn": -20.0}
# A refiner restores music that a network took (`musicdenoise.core.refiner`), so less has to pass. Its limit
# rises with the share of bass. Of 86 clean stretches 80 pass. With -24 dB and shares of 0.5 to 0.8, 82 do and
# mixes gain 0.06 dB less. With a step at 0.7, as for other networks, 78 pass, and mixes gain 0.01 to 0.03 dB
# less (30 November 2026).
_REFINED_LIMIT_DB = -25.3  # -25 dB of all that the refiner would remove; 3 % of that stay
_REFINED_BASS_LIMIT_DB = -7.0
_REFINED_BASS_SHARES = (0.4, 0.9)
# Moved from -29 to -26 dB with the networks that have a noise profile (23 November 2026).
_STEADY_LIMIT_DB = -26.0
# Kinds of noise that last. If horns, barking or voices are named, something steady is rather a chord.
_STEADY = frozenset({"white", "air_conditioner", "drilling", "engine_idling", "jackhammer"})
# Kinds of noise that are hardly bass: if their networks remove bass, it may be music. With these named,
# clean music lost its drones in up to four of twenty stretches; mixes gain as much with the rule (sirens
# 0.1 dB less). For horns and drills a smaller share of bass is enough, chosen on the same stretches (29
# November 2026): before, 17 and 18 of the twenty lost less than -30 dB, now all do.
_HARDLY_BASS = frozenset({"car_horn", "dog_bark", "drilling", "gun_shot", "siren"})
_BASS_SHARES = {"car_horn": (0.4, 0.4), "drilling": (0.4, 0.4)}
# Kinds that come and go: bass may be music if everything that would be removed is as steady as this. Chosen
# on the same stretches; it costs 0.12 dB (street music) and 0.48 dB (children) on mixes.
_CHANGING = frozenset({"children_playing", "street_music"})
_CHANGING_STEADINESS_DB = -7.5


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """When a song passes.

    Parameters
    ----------
    limit_db
        If less than this would be removed, relative to the song, nothing is.
    steady_limit_db, least_steadiness_db
        The limit for what has at least this steadiness; see `musicdenoise.denoising.sound_features`. Infinity
        for no separate limit.
    bass_limit_db, bass_shares, bass_steadiness_db
        The limit for what has at least the second share of bass and this steadiness. Below the first share it
        is the usual one, and between them it rises. Minus infinity for no separate limit.
    hysteresis_db, hysteresis_share
        The gate changes its mind if the value is this far beyond the limit. The share is for limits that do
        not rise. Chosen, not measured.
    past_seconds, future_seconds
        The stretch around each second that is measured. The result comes ``future_seconds`` later. Chosen,
        not measured: long beside a bar of music, and short enough for a pipe.
    """

    limit_db: float = -24.0
    steady_limit_db: float = math.inf
    least_steadiness_db: float = -7.3
    bass_limit_db: float = -6.0
    bass_shares: tuple[float, float] = (0.7, 0.7)
    bass_steadiness_db: float = -math.inf
    hysteresis_db: float = 1.0
    hysteresis_share: float = 0.05
    past_seconds: int = 24
    future_seconds: int = 4

    @classmethod
    def usual(
        cls, share: float = 1.0, *, known_kind: str | None = None, is_refined: bool = False
    ) -> GateConfig:
        """The usual limits.

        Parameters
        ----------
        share
            Share of the estimated noise that is removed, 0 to 1.
        known_kind
            The kind of noise that the user named; None if none was named. See the beginning of this module
            for what it changes.
        is_refined
            Whether a refiner stands behind the network.
        """
        allows_bass = known_kind is not None and known_kind not in _HARDLY_BASS | _CHANGING
        limit_db = _LIMITS_DB.get(known_kind or "", cls.limit_db)
        bass_limit_db = cls.bass_limit_db
        bass_shares = _BASS_SHARES.get(known_kind or "", cls.bass_shares)
        if is_refined and known_kind is None:
            limit_db, bass_limit_db = _REFINED_LIMIT_DB, _REFINED_BASS_LIMIT_DB
            bass_shares = _REFINED_BASS_SHARES
        less_db = 20.0 * math.log10(max(share, 1e-6))
        return cls(
            limit_db=limit_db + less_db,
            steady_limit_db=_STEADY_LIMIT_DB + less_db if known_kind in _STEADY else math.inf,
            bass_limit_db=-math.inf if allows_bass else bass_limit_db + less_db,
            bass_shares=bass_shares,
            bass_steadiness_db=_CHANGING_STEADINESS_DB if known_kind in _CHANGING else -math.inf,
        )


class Gate:
    """Takes blocks before and after denoising, of any length, and returns the result.

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
        Time that passed unchanged, so far.
    bass_seconds : float
        The part of it that passed only because bass would have been removed.
    """

    def __init__(self, sample_rate: int, channels: int, config: GateConfig | None = None) -> None:
        self.passed_seconds = self.bass_seconds = 0.0
        self._config = config or GateConfig()
        self._sample_rate = sample_rate
        self._second = max(1, sample_rate)
        self._fade = self._second // 2
        self._waiting = np.zeros((2, channels, 0), dtype=np.float32)  # not yet a whole second
        self._seconds: list[NDArray[np.float32]] = []  # (2, channels, samples) each, not yet decided
        # Powers of the song, of the bass that is removed, and of everything that is removed.
        self._powers: list[tuple[float, float, float]] = []
        self._bands: list[NDArray[np.float64]] = []  # powers of what is removed
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
        may_be_music = is_noise and level < self._bass_limit(limit, bass / max(removed, 1e-30), steadiness)
        self._removes = is_noise and not may_be_music
        second = self._seconds.pop(0)
        noisy: Samples = second[0]
        clean: Samples = second[1]
        result = self._mix(noisy, clean, before)
        length = noisy.shape[1] / self._sample_rate
        self.passed_seconds += 0.0 if self._removes else length
        self.bass_seconds += length if may_be_music else 0.0
        return result

    def _bass_limit(self, limit: float, share: float, steadiness: float) -> float:
        """The limit for what has this share of bass, with the hysteresis; at least the usual one."""
        config = self._config
        (first, full), least_steadiness = config.bass_shares, config.bass_steadiness_db
        if self._is_bass is not None:
            sign = -1.0 if self._is_bass else 1.0
            first += sign * config.hysteresis_share * (first == full)
            least_steadiness += sign * config.hysteresis_db
        self._is_bass = share >= first and steadiness >= least_steadiness
        if not self._is_bass:
            return limit
        rise = min(1.0, (share - first) / (full - first)) if full > first else 1.0
        return limit + rise * max(0.0, config.bass_limit_db - limit)

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
