"""Noise alone is found before, after and between the music, and nowhere else."""

import numpy as np
import pytest
from noise_songs import RATE, Floats, after, applause, hiss, hum, notes, unsteady, voices

from musicdenoise.denoising.noise_finder import FoundNoise, NoiseSearch
from musicdenoise.errors import AudioError


def find(song: Floats, rate: int = RATE, block: int = RATE) -> FoundNoise | None:
    search = NoiseSearch(rate, song.shape[0])
    for first in range(0, song.shape[1], block):
        search.push(song[:, first : first + block])
    return search.finish()


def assert_inside(found: FoundNoise | None, *spans: tuple[float, float]) -> None:
    """Something is found, as much of it as there is, and nothing outside these spans."""
    assert found is not None
    for begin, end in found.stretches:
        assert any(first <= begin < end <= last for first, last in spans), (found, spans)
    seconds = sum(end - begin for begin, end in found.stretches)
    assert seconds > 0.5 * min(10.0, sum(last - first for first, last in spans))


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 96_000])
def test_hiss_before_the_song(rate: int) -> None:
    song = after(1.5, notes(6.0, rate=rate), rate) + hiss(7.5, -35.0, rate=rate)
    found = find(song, rate)
    assert_inside(found, (0.0, 1.5))
    assert found is not None
    in_band = 10.0 * np.log10(min(1.0, 16_000.0 / (rate / 2)))  # levels are measured up to 16 kHz
    assert found.level_db == pytest.approx(-35.0 + in_band, abs=0.5)


def test_hum_before_the_song() -> None:
    assert_inside(find(after(2.0, notes(15.0)) + hum(17.0, -38.0)), (0.0, 2.0))


@pytest.mark.parametrize("at_first", [True, False])
def test_unsteady_noise_at_the_ends_of_the_song(*, at_first: bool) -> None:
    rate = 44_100
    song = after(2.0, notes(15.0, rate=rate), rate)
    song = (song if at_first else song[:, ::-1]) + unsteady(17.0, -38.0, rate)
    assert_inside(find(song, rate), (0.0, 2.1) if at_first else (14.9, 17.0))


def test_unsteady_noise_in_the_middle_may_be_music() -> None:
    rate = 44_100
    parts = [notes(7.0, seed=1, rate=rate), after(2.0, notes(7.0, seed=2, rate=rate), rate)]
    assert find(np.concatenate(parts, axis=1) + unsteady(16.0, -38.0, rate), rate) is None


def test_unsteady_noise_that_stops_before_the_music() -> None:
    assert find(np.concatenate([unsteady(2.0, -38.0), notes(15.0)], axis=1)) is None


@pytest.mark.parametrize(("bed_db", "is_found"), [(-46.0, True), (-26.0, False)])
def test_noise_that_changes_much_must_be_heard_under_the_music(bed_db: float, *, is_found: bool) -> None:
    """Nothing in a dense song says whether it goes on, and it might be people."""
    rate = 44_100
    song = notes(15.0, rate=rate) + hiss(15.0, bed_db, seed=5, rate=rate)
    found = find(after(2.0, song, rate) + unsteady(17.0, -34.0, rate, sd_db=3.5), rate)
    assert (found is not None) == is_found


def test_hiss_behind_the_song() -> None:
    music = notes(12.0)
    music[:, -RATE:] *= np.linspace(1.0, 0.0, RATE, dtype=np.float32)
    song = np.pad(music, ((0, 0), (0, 2 * RATE))) + hiss(14.0, -35.0)
    assert_inside(find(song), (11.8, 14.0))


def test_hiss_that_sinks_behind_the_song_belongs_to_it() -> None:
    """A fade has steps that are steady for a second."""
    song = np.pad(notes(12.0), ((0, 0), (0, 4 * RATE))) + hiss(16.0, -37.0)
    song[:, 12 * RATE : round(14.8 * RATE)] *= 1.4
    assert find(song) is None


def test_hiss_in_short_pauses() -> None:
    parts = [notes(5.0, seed=1), notes(5.0, seed=2), notes(5.0, seed=3)]
    song = np.concatenate([parts[0], after(0.6, parts[1]), after(0.6, parts[2])], axis=1)
    assert_inside(find(song + hiss(16.2, -35.0)), (5.0, 5.6), (10.6, 11.2))


def test_music_that_fades_in_over_hiss() -> None:
    music = notes(15.0)
    music[:, : 2 * RATE] *= np.linspace(0.0, 1.0, 2 * RATE, dtype=np.float32)
    assert_inside(find(after(1.5, music) + hiss(16.5, -35.0)), (0.0, 2.0))


def test_at_most_ten_seconds() -> None:
    found = find(after(14.0, notes(10.0)) + hiss(24.0, -35.0))
    assert_inside(found, (0.0, 14.0))
    assert found is not None
    assert sum(end - begin for begin, end in found.stretches) == pytest.approx(10.0, abs=0.1)


def test_noise_in_one_channel_only() -> None:
    music = after(1.5, notes(12.0))
    assert_inside(find(np.concatenate([music, music + hiss(13.5, -35.0)])), (0.0, 1.5))


@pytest.mark.parametrize("block", [1, 700, 4096, 100_000])
def test_blocks_of_any_length(block: int) -> None:
    song = after(1.0, notes(4.0)) + hiss(5.0, -35.0)
    if block == 1:  # a short song: blocks of a sample are slow
        song = song[:, : 3 * RATE]
    assert find(song, block=block) == find(song, block=song.shape[1])


def test_silence_between_blocks_changes_nothing() -> None:
    search = NoiseSearch(RATE, 1)
    search.push(np.zeros((1, 0), dtype=np.float32))
    assert search.finish() is None


@pytest.mark.parametrize("seed", range(4))
def test_clean_music(seed: int) -> None:
    assert find(notes(15.0, seed)) is None


def test_quiet_beginning_of_a_clean_song() -> None:
    music = notes(15.0)
    music[:, : 3 * RATE] *= 0.03
    assert find(music) is None


@pytest.mark.parametrize("forwards", [True, False])
def test_fade_of_a_clean_song(forwards: bool) -> None:
    music = notes(15.0)
    fade = np.logspace(-3.0, 0.0, 5 * RATE, dtype=np.float32)
    music[:, : 5 * RATE] *= fade
    assert find(music if forwards else music[:, ::-1]) is None


def test_held_chord_before_a_clean_song() -> None:
    time = np.arange(3 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * k * time) / k for pitch in (220, 277, 330) for k in range(1, 9))
    assert find(np.concatenate([0.01 * chord[None].astype(np.float32), notes(15.0)], axis=1)) is None


def test_note_that_decays_behind_a_clean_song() -> None:
    tail = hiss(3.0, -20.0) * np.logspace(0.0, -3.0, 3 * RATE, dtype=np.float32)  # reverberation
    assert find(np.concatenate([notes(12.0), tail], axis=1)) is None


def test_noise_that_stops_before_the_music() -> None:
    quiet = notes(12.0) + hiss(12.0, -75.0)
    assert find(np.concatenate([hiss(1.5, -40.0), quiet], axis=1)) is None


@pytest.mark.parametrize("silence", [0.0, 2.0**-16])
def test_silence_and_dither(silence: float) -> None:
    song = after(2.0, notes(12.0))
    dither = np.random.default_rng(1).uniform(-silence, silence, song.shape)
    assert find((song + dither).astype(np.float32)) is None


def test_song_of_nothing_but_noise() -> None:
    assert find(hiss(20.0, -35.0)) is None


@pytest.mark.parametrize("claps_per_second", [10, 50, 300])
@pytest.mark.parametrize("goes_on", [True, False])
def test_applause_before_the_song(claps_per_second: int, goes_on: bool) -> None:
    clapping = applause(15.0, claps_per_second, -30.0)
    clapping[:, 3 * RATE :] *= 0.3 if goes_on else 0.0
    assert find(after(3.0, notes(12.0)) + clapping) is None


@pytest.mark.parametrize("people", [2, 8])
@pytest.mark.parametrize("goes_on", [True, False])
def test_people_before_the_song(people: int, goes_on: bool) -> None:
    rate = 44_100
    crowd = voices(15.0, -34.0, people, rate)
    crowd[:, 3 * rate :] *= 0.5 if goes_on else 0.0
    assert find(after(3.0, notes(12.0, rate=rate), rate) + crowd, rate) is None


def test_absurd_samples_are_refused_before_they_are_measured() -> None:
    with pytest.raises(AudioError, match=r"are 1e\+15 or more"):
        NoiseSearch(RATE, 1).push(np.full((1, RATE), 1e25, dtype=np.float32))
