"""The gate: what next to nothing would be removed from passes, bit for bit, without clicks on the way."""

import math

import numpy as np
import pytest

from musicdenoise.denoising.gate import Gate, GateConfig
from musicdenoise.denoising.sound_features import band_powers, bass_powers, steadiness_db
from musicdenoise.kinds import NOISE_CLASSES

RATE = 1_000
CONFIG = GateConfig(
    limit_db=-20.0,
    steady_limit_db=-20.0,
    bass_limit_db=-math.inf,
    hysteresis_db=1.0,
    past_seconds=3,
    future_seconds=2,
)


def song(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, round(seconds * RATE))).astype(np.float32)


def through(noisy: np.ndarray, clean: np.ndarray, block: int = 333) -> tuple[np.ndarray, Gate]:
    gate = Gate(RATE, 2, CONFIG)
    parts = [
        gate.push(noisy[:, i : i + block], clean[:, i : i + block]) for i in range(0, noisy.shape[1], block)
    ]
    return np.concatenate([*parts, gate.flush()], axis=1), gate


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.5, 20.7])
@pytest.mark.parametrize(("removed", "passes"), [(0.05, True), (0.2, False), (0.0, True)])
def test_all_or_nothing(seconds: float, removed: float, passes: bool) -> None:
    noisy = song(seconds)
    clean = (1.0 - removed) * noisy
    result, gate = through(noisy, clean)
    assert np.array_equal(result, noisy if passes else clean)
    assert gate.passed_seconds == pytest.approx(seconds if passes else 0.0)


@pytest.mark.parametrize("block", [1, 999, 1000, 4321])
def test_blocks_do_not_matter(block: int) -> None:
    noisy = song(9.4)
    clean = noisy.copy()
    clean[:, 5_000:] *= 0.7
    expected, first = through(noisy, clean)
    result, second = through(noisy, clean, block)
    assert np.array_equal(result, expected)
    assert first.passed_seconds == second.passed_seconds


def test_noise_that_begins_is_seen_in_time_and_faded_in() -> None:
    noisy = np.ones((2, 30 * RATE), dtype=np.float32)
    clean = noisy.copy()
    clean[:, 15 * RATE : 20 * RATE] = 0.0
    result, gate = through(noisy, clean)
    assert np.array_equal(result[:, 15 * RATE : 20 * RATE], clean[:, 15 * RATE : 20 * RATE])
    assert np.array_equal(result[:, : 13 * RATE], noisy[:, : 13 * RATE])
    assert 19.0 < gate.passed_seconds < 24.0
    faded = np.ones((2, 30 * RATE), dtype=np.float32)
    result, _ = through(faded, faded * np.repeat([1.0, 0.8, 1.0], 10 * RATE).astype(np.float32))
    assert np.abs(np.diff(result)).max() <= 0.2 + 1e-6


def test_silence_passes() -> None:
    quiet = np.zeros((2, 3 * RATE), dtype=np.float32)
    result, gate = through(quiet, quiet)
    assert not result.any()
    assert gate.passed_seconds == 3.0


def test_a_change_of_mind_needs_more_than_the_limit() -> None:
    """Removed levels that wander between both sides of the limit, within the hysteresis."""
    noisy = np.ones((2, 40 * RATE), dtype=np.float32)
    levels = np.repeat(10 ** (np.array([-19.5, -20.5] * 5) / 20.0), 4 * RATE)
    result, gate = through(noisy, (1.0 - levels).astype(np.float32) * noisy)
    assert gate.passed_seconds == 0.0
    assert np.all(result < 1.0)


def test_what_is_steady_is_removed_even_if_it_is_little_where_its_kind_is_known() -> None:
    rate, seconds = 16_000, 6
    noise = np.random.default_rng(0).standard_normal((2, seconds * rate)).astype(np.float32)
    bursts = noise * (np.arange(seconds * rate) % 8_000 < 2_000)
    clean = np.sin(np.arange(seconds * rate) * 0.05).astype(np.float32) * np.ones((2, 1), dtype=np.float32)
    for removed, known, passes in (
        (noise, "white", False),
        (noise, None, True),
        (noise, "siren", True),  # which does not last
        (2.0 * bursts, "white", True),
    ):
        gate = Gate(rate, 2, GateConfig.usual(known_kind=known))
        noisy = clean + 0.04 * removed  # about -25 dB
        result = np.concatenate([gate.push(noisy, clean), gate.flush()], axis=1)
        assert np.array_equal(result, noisy if passes else clean)


def test_a_share_of_the_noise_has_a_limit_of_its_own() -> None:
    assert GateConfig.usual() == GateConfig()
    tenth = GateConfig.usual(0.1)
    assert tenth.limit_db == pytest.approx(GateConfig.limit_db - 20.0)
    refined = GateConfig.usual(is_refined=True)
    assert refined.limit_db < GateConfig.limit_db
    assert refined.bass_limit_db < GateConfig.bass_limit_db
    assert GateConfig.usual(known_kind="siren", is_refined=True) == GateConfig.usual(known_kind="siren")
    known, known_tenth = (GateConfig.usual(share, known_kind="white") for share in (1.0, 0.1))
    assert known_tenth.steady_limit_db == pytest.approx(known.steady_limit_db - 20.0)
    assert tenth.bass_limit_db == pytest.approx(GateConfig().bass_limit_db - 20.0)


@pytest.mark.parametrize(
    ("share", "level_db", "passes"),
    [
        (0.2, -18.0, False),
        (0.2, -30.0, True),
        (0.6, -20.0, True),
        (0.6, -15.0, False),
        (0.95, -15.0, True),
        (0.95, -5.0, False),
    ],
)
def test_the_limit_of_a_refined_network_rises_with_the_share_of_bass(
    share: float, level_db: float, passes: bool
) -> None:
    rate, length = 8000, 8000 * 10
    time = np.arange(length) / rate
    clean = np.sin(2 * np.pi * 500 * time).astype(np.float32)[None]
    removed = np.sqrt(share) * np.sin(2 * np.pi * 100 * time) + np.sqrt(1 - share) * np.sin(
        2 * np.pi * 2000 * time
    )
    noisy = clean + (10 ** (level_db / 20) * removed).astype(np.float32)
    gate = Gate(rate, 1, GateConfig.usual(is_refined=True))
    result = np.concatenate([gate.push(noisy, clean), gate.flush()], axis=1)
    assert np.array_equal(result, noisy if passes else clean)


def passes_as_it_came(tune: np.ndarray, noise: np.ndarray, rate: int, known: str | None) -> bool:
    """Whether noise over a tune is left there; otherwise all of it is removed."""
    noisy = tune + noise
    gate = Gate(rate, tune.shape[0], GateConfig.usual(known_kind=known))
    result = np.concatenate([gate.push(noisy, tune), gate.flush()], axis=1)
    passes = np.array_equal(result, noisy)
    assert passes or np.array_equal(result, tune)
    return passes


@pytest.mark.parametrize(
    ("known", "level_db", "passes"),
    [
        ("car_horn", -20.5, True),
        ("car_horn", -19.5, False),
        ("siren", -22, False),
        (None, -24.5, True),
        (None, -23.5, False),
    ],
)
def test_quiet_horns_may_be_chords(known: str | None, level_db: float, passes: bool) -> None:
    tune, horn = sine(900, 16_000, 3.0), sine(2_000, 16_000, 3.0)
    horn_level = 10 ** (level_db / 20) / np.sqrt(1.0 - 10 ** (level_db / 10))  # relative to both together
    assert passes_as_it_came(tune, np.float32(horn_level) * horn, 16_000, known) == passes


@pytest.mark.parametrize("known", [*NOISE_CLASSES, "white"])
def test_kinds_that_last_have_a_lower_limit_for_steady_noise(known: str) -> None:
    rate = 16_000
    noise = np.random.default_rng(0).standard_normal((2, 6 * rate)).astype(np.float32)
    tune = sine(900, rate, 6.0)
    lasts = known in ("white", "air_conditioner", "drilling", "engine_idling", "jackhammer")
    for level_db, passes in ((-25.0, not lasts), (-27.0, True)):
        quiet = np.float32(10 ** (level_db / 20) * np.sqrt(0.5)) * noise  # the tune is at -3 dB
        assert passes_as_it_came(tune, quiet, rate, known) == passes


@pytest.mark.parametrize(
    "known", ["air_conditioner", "car_horn", "dog_bark", "drilling", "gun_shot", "siren", "white", None]
)
@pytest.mark.parametrize("bass_share", [0.3, 0.5, 0.65, 0.75])
def test_how_much_of_it_is_bass_where_it_may_be_music(known: str | None, bass_share: float) -> None:
    rate, seconds = 16_000, 4.0
    low, high = (
        np.sqrt(bass_share) * sine(100, rate, seconds),
        np.sqrt(1 - bass_share) * sine(3_000, rate, seconds),
    )
    if known in ("car_horn", "drilling"):
        least = 0.4
    elif known in (None, "dog_bark", "gun_shot", "siren"):
        least = 0.7
    else:
        least = 1.0
    noise = (0.2 * (low + high)).astype(np.float32)
    assert passes_as_it_came(sine(900, rate, seconds), noise, rate, known) == (bass_share >= least)


def sine(hz: float, rate: int, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return np.sin(2 * np.pi * hz * t, dtype=np.float32) * np.ones((2, 1), np.float32)


@pytest.mark.parametrize("seconds", [0.2, 4.0])
@pytest.mark.parametrize("rate", [2_000, 8_000, 16_000, 22_050, 44_100, 192_000, 384_000])
@pytest.mark.parametrize(
    ("level_db", "known", "passes"),
    [
        (-12, None, True),
        (-12, "engine_idling", False),
        (-12, "siren", True),
        (-3, None, False),
        (-3, "siren", False),
    ],
)
def test_bass_needs_more(rate: int, seconds: float, level_db: float, known: str | None, passes: bool) -> None:
    tune, drone = sine(900, rate, seconds), sine(350, rate, seconds)
    noisy = tune + 10 ** (level_db / 20) * drone
    gate = Gate(rate, 2, GateConfig.usual(known_kind=known))
    result = np.concatenate([gate.push(noisy, tune), gate.flush()], axis=1)
    assert np.array_equal(result, noisy if passes else tune)
    assert gate.bass_seconds == pytest.approx(seconds if passes else 0.0)
    assert gate.passed_seconds == gate.bass_seconds


def rumble(rate: int, spread_db: float, seconds: int = 6) -> np.ndarray:
    """Noise that is mostly bass, every other half second quieter by the spread."""
    noise = np.cumsum(np.random.default_rng(0).standard_normal((2, seconds * rate)), axis=1)
    noise -= np.array([np.convolve(channel, np.ones(200) / 200, "same") for channel in noise])  # no drift
    quieter = np.arange(seconds * rate) // (rate // 2) % 2
    noise *= 10 ** (-spread_db * quieter / 20)
    result: np.ndarray = (0.2 / noise.std() * noise).astype(np.float32)
    return result


@pytest.mark.parametrize("known", [*NOISE_CLASSES, None])
@pytest.mark.parametrize(("spread_db", "steadiness"), [(8.8, -7.0), (9.9, -8.0)])
def test_steady_bass_is_neither_children_nor_music(
    known: str | None, spread_db: float, steadiness: float
) -> None:
    noise = rumble(16_000, spread_db)
    assert steadiness_db(band_powers(noise, 16_000)) == pytest.approx(steadiness, abs=0.2)
    if known in ("children_playing", "street_music"):
        passes = steadiness >= -7.5
    else:
        passes = known in (None, "car_horn", "dog_bark", "drilling", "gun_shot", "siren")
    assert passes_as_it_came(sine(900, 16_000, 6.0), noise, 16_000, known) == passes


def test_steady_bass_does_not_come_and_go() -> None:
    """Steadiness that wanders between both sides of the threshold, within the hysteresis."""
    rate, half = 16_000, 3
    steadier, less_steady = rumble(rate, 8.8, half), rumble(rate, 9.9, half)
    tune = sine(900, rate, 10.0 * half)
    for first, second, passes in ((steadier, less_steady, True), (less_steady, steadier, False)):
        noisy = tune + np.concatenate([first, second] * 5, axis=1)
        config = GateConfig(past_seconds=1, future_seconds=1, bass_steadiness_db=-7.5)
        gate = Gate(rate, 2, config)
        result = np.concatenate([gate.push(noisy, tune), gate.flush()], axis=1)
        assert np.array_equal(result, noisy if passes else tune)


def test_what_is_bass_now_and_then_does_not_come_and_go() -> None:
    rate, config = 2_000, GateConfig(past_seconds=1, future_seconds=0)
    tune = sine(900, rate, 40)
    share = np.repeat([0.66, 0.74] * 5, 4 * rate)  # on both sides of 0.7
    noise = 0.25 * (np.sqrt(share) * sine(100, rate, 40) + np.sqrt(1 - share) * sine(600, rate, 40))
    noisy = tune + noise.astype(np.float32)
    gate = Gate(rate, 2, config)
    result = np.concatenate([gate.push(noisy, tune), gate.flush()], axis=1)
    assert np.array_equal(result, tune)
    assert gate.bass_seconds == 0.0


@pytest.mark.parametrize("count", [1, 2, 999, 4_410])
def test_the_powers_of_a_noise_are_those_of_its_samples(count: int) -> None:
    noise = np.random.default_rng(0).standard_normal((2, count)).astype(np.float32)
    bass, total = bass_powers(noise, 44_100)
    assert total == pytest.approx(np.square(noise).sum(), rel=1e-5)
    assert 0.0 <= bass <= total
    assert bass_powers(noise[:, :0], 44_100) == (0.0, 0.0)


def test_other_noise_needs_no_more() -> None:
    t = np.arange(4 * 44_100) / 44_100
    low, high = (0.25 * np.sin(2 * np.pi * hz * t, dtype=np.float32)[None] for hz in (100, 3_000))
    tune = 2.0 * np.sin(2 * np.pi * 1_000 * t, dtype=np.float32)[None]
    gate = Gate(44_100, 1, GateConfig.usual())
    assert np.array_equal(np.concatenate([gate.push(tune + low + high, tune), gate.flush()], axis=1), tune)
