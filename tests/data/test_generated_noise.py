"""Noise for training that nobody recorded: generated, altered, blended."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from musicdenoise.data.altered_noise import AlteredNoise, BlendedNoise, equalised, in_another_room
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.generated_noise import GeneratedNoise
from musicdenoise.data.sounds import unit
from musicdenoise.errors import DataError

RATE = 16_000


@pytest.fixture
def bank(tmp_path: Path) -> AudioBank:
    rng = np.random.default_rng(3)
    time = np.arange(RATE) / RATE
    names = ("1-5-0-0", "1-5-0-1", "2-5-0-0", "rain")
    for name, hz in zip(names, (300.0, 300.0, 900.0, 2000.0), strict=True):
        sound = 0.2 * np.sin(2 * np.pi * hz * time) + 0.01 * rng.standard_normal(RATE)
        sf.write(tmp_path / f"{name}.wav", sound, RATE)
    return AudioBank([tmp_path / f"{name}.wav" for name in names], tmp_path / "bank", RATE)


def spectrum(sound: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(sound * np.hanning(len(sound))))


def test_every_draw_is_another_sound_and_a_seed_repeats_it():
    source = GeneratedNoise(RATE)
    drawn = [source.draw(RATE, np.random.default_rng(seed)).numpy() for seed in range(60)]
    again = source.draw(RATE, np.random.default_rng(7)).numpy()
    assert all(sound.shape == (1, RATE) and sound.dtype == np.float32 for sound in drawn)
    assert all(np.isfinite(sound).all() and sound.any() for sound in drawn)
    assert np.array_equal(drawn[7], again)
    spectra = np.array([spectrum(unit(sound[0])) for sound in drawn])
    alike = np.corrcoef(spectra) - np.eye(len(drawn))
    assert alike.max() < 0.99


def test_a_room_adds_reflections_after_the_sound():
    sound = np.zeros(RATE, dtype=np.float32)
    sound[4000] = 1.0
    heard = in_another_room(sound, RATE, np.random.default_rng(1))
    assert np.abs(heard[:4000]).max() < 1e-4
    assert np.abs(heard[4001:]).max() > 1e-3
    assert np.square(heard[4000:6000]).sum() > np.square(heard[12_000:14_000]).sum()


def test_an_equaliser_moves_levels_of_bands_and_adds_nothing():
    sound = np.sin(2 * np.pi * 440.0 * np.arange(RATE) / RATE).astype(np.float32)
    changed = equalised(sound, RATE, np.random.default_rng(1))
    assert np.argmax(spectrum(changed)) == np.argmax(spectrum(sound))
    assert not np.isclose(np.abs(changed).max(), 1.0, atol=1e-3)


def test_altered_recordings_are_of_the_classes_and_sources_in_equal_shares(bank):
    source = AlteredNoise(bank, ["jackhammer", "jackhammer", "jackhammer", "rain"])
    rng = np.random.default_rng(5)
    recordings = source._recordings
    peaks = [np.argmax(spectrum(recordings.read(RATE, rng, may_be_faster=False))) for _ in range(300)]
    shares = [np.mean(np.abs(np.array(peaks) - hz) < 30) for hz in (300, 900, 2000)]
    # The named class is 2.5 times as likely as another; its two sources are equal, pieces are not counted.
    assert np.allclose(shares, [0.357, 0.357, 0.286], atol=0.1)


def test_pieces_of_a_place_follow_each_other(tmp_path: Path) -> None:
    tones = {"1-5-0-0": 300.0, "1-5-0-1": 700.0, "1-5-0-2": 1500.0, "2-5-0-0": 3000.0}
    for name, hz in tones.items():
        sf.write(tmp_path / f"{name}.wav", 0.2 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE), RATE)
    bank = AudioBank([tmp_path / f"{name}.wav" for name in tones], tmp_path / "bank", RATE)
    recordings, rng = AlteredNoise(bank, ["jackhammer"] * 4)._recordings, np.random.default_rng(2)
    for _ in range(20):
        sound = recordings.read(2 * RATE, rng, may_be_faster=False)
        ends = [np.argmax(spectrum(part)) * 4.0 for part in (sound[: RATE // 4], sound[-RATE // 4 :])]
        assert (ends[0] == ends[1]) == (ends[0] == 3000.0)  # one place has one piece, the other three


def test_altered_recordings_are_longer_than_they_were_and_seldom_the_same(bank):
    source = AlteredNoise(bank, ["jackhammer"] * 3 + ["rain"])
    rng = np.random.default_rng(6)
    peaks = {int(np.argmax(spectrum(source.draw(3 * RATE, rng).numpy()[0]))) // 20 for _ in range(30)}
    assert len(peaks) > 8


def test_blends_lie_between_two_spectra(bank):
    source = BlendedNoise(bank, ["jackhammer"] * 3 + ["rain"])
    sound = source.draw(2 * RATE, np.random.default_rng(1)).numpy()
    assert sound.shape == (1, 2 * RATE)
    assert np.isfinite(sound).all() and sound.std() > 0
    assert not np.array_equal(sound, source.draw(2 * RATE, np.random.default_rng(2)).numpy())


def test_labels_have_to_fit(bank):
    with pytest.raises(DataError, match="there are 1 labels for 4 noise recordings"):
        AlteredNoise(bank, ["rain"])
