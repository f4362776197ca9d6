import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from musicdenoise.audio import open_writer
from musicdenoise.core.metrics import snr
from musicdenoise.data.augment import chain_response, through_chain
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import find_noises, noise_source, song_files
from musicdenoise.data.mixer import AlternatingPairs, MixConfig, PairMixer, fixed_mixes
from musicdenoise.data.noise import MixedNoise, RecordedNoise, WhiteNoise
from musicdenoise.errors import ConfigurationError, DataError, UsageError
from musicdenoise.kinds import NOISE_CLASSES, parse_kind

RATE = 44_100


@pytest.fixture
def songs(tmp_path: Path, write_wav, tune) -> AudioBank:
    write_wav("songs/a.wav", tune)
    write_wav("songs/b.wav", tune[:1, : 2 * RATE] * 0.1)
    return AudioBank(song_files(tmp_path / "songs"), tmp_path / "bank", RATE)


def test_bank_reads_any_stretch(tmp_path: Path, songs: AudioBank, tune) -> None:
    assert songs.channels(0) == 2
    piece = songs.read(0, 1000, 500)
    assert float((piece - tune[:, 1000:1500]).abs().max()) < 1e-4
    assert songs.read(0).shape == tune.shape
    assert songs.lengths.tolist() == [tune.shape[1], 2 * RATE]


def test_bank_decodes_once_and_again_after_a_change(tmp_path: Path, write_wav, tune) -> None:
    path = write_wav("x.wav", tune)
    AudioBank([path], tmp_path / "bank", RATE)
    (stored,) = (tmp_path / "bank").glob("*.npy")
    made = stored.stat().st_mtime_ns
    AudioBank([path], tmp_path / "bank", RATE)
    assert stored.stat().st_mtime_ns == made
    path.unlink()
    write_wav("x.wav", tune[:, :RATE])
    assert AudioBank([path], tmp_path / "bank", RATE).lengths.tolist() == [RATE]


def test_bank_converts_the_rate(tmp_path: Path, write_wav, tune) -> None:
    path = write_wav("x.wav", tune, sample_rate=22_050)
    assert AudioBank([path], tmp_path / "bank", RATE).lengths.tolist() == [2 * tune.shape[1]]


def test_bank_takes_names_that_are_no_text(tmp_path: Path, write_wav, tune) -> None:
    try:
        path = write_wav(os.fsdecode(b"\xe9.wav"), tune[:, :RATE])
    except OSError:
        pytest.skip("this file system has no such names")
    assert AudioBank([path], tmp_path / "bank", RATE).lengths.tolist() == [RATE]


def test_bank_refuses_what_holds_nothing(tmp_path: Path, write_wav) -> None:
    with pytest.raises(DataError, match="no samples"):
        AudioBank([write_wav("x.wav", np.zeros((1, 0)))], tmp_path / "bank", RATE)
    with pytest.raises(DataError, match="no audio files"):
        AudioBank([], tmp_path / "bank", RATE)


def test_pairs_depend_on_seed_and_index_only(songs: AudioBank) -> None:
    config = MixConfig(num_samples=20_000)
    first, again = (PairMixer(songs, WhiteNoise(), config, seed=1) for _ in range(2))
    again.pair(3)
    for a, b in zip(first.pair(7), again.pair(7), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.pair(7)[0], first.pair(8)[0])
    assert not torch.equal(first.pair(7)[0], PairMixer(songs, WhiteNoise(), config, seed=2).pair(7)[0])
    assert all(wave.shape == (1, 20_000) for wave in first.pair(7))
    assert first.epoch_size == int(songs.lengths.sum()) // 20_000


def test_the_two_noises_of_a_pair_are_independent(songs: AudioBank) -> None:
    config = MixConfig(num_samples=40_000, snr_range_db=(-30.0, -30.0))
    correlations = []
    for index in range(10):
        noisy, target = PairMixer(songs, WhiteNoise(), config, seed=0).pair(index)
        correlations.append(float(torch.corrcoef(torch.cat([noisy, target]))[0, 1]))
    assert np.abs(correlations).mean() < 0.05


def test_clean_targets_are_the_music(songs: AudioBank) -> None:
    config = MixConfig(num_samples=40_000, snr_range_db=(10.0, 10.0), targets="clean")
    mixer = PairMixer(songs, WhiteNoise(), config, seed=0)
    ratios = [snr(clean, noisy) for noisy, clean in (mixer.pair(index) for index in range(20))]
    # Set within the crop for one half, within the song for the other; a chain moves both.
    assert 5 < float(np.median(ratios)) < 15


def test_plain_mixes_are_what_their_names_say(songs: AudioBank) -> None:
    config = MixConfig.plain(num_samples=40_000, snr_range_db=(10.0, 10.0), targets="clean")
    mixer = PairMixer(songs, WhiteNoise(), config, seed=0)
    for index in range(20):
        noisy, clean = mixer.pair(index)
        assert snr(clean, noisy) == pytest.approx(10.0, abs=0.01)
        removed = noisy - clean  # white: neither a codec nor an equaliser came after it
        spectrum = torch.fft.rfft(removed[0]).abs().square()
        low, high = spectrum.chunk(2)
        assert float(low.mean() / high.mean()) == pytest.approx(1.0, abs=0.05)


def test_two_mixers_take_turns_by_their_shares(songs: AudioBank) -> None:
    config = MixConfig.plain(num_samples=20_000)
    mixers = [PairMixer(songs, WhiteNoise(), config, seed=seed) for seed in (0, 1)]
    both = AlternatingPairs(*mixers, share=0.25, seed=5)
    assert both.epoch_size == mixers[0].epoch_size
    firsts = 0
    for index in range(60):
        noisy = both.pair(index)[0]
        is_first, is_second = (torch.equal(noisy, mixer.pair(index)[0]) for mixer in mixers)
        assert is_first != is_second
        firsts += is_first
        assert torch.equal(noisy, both.pair(index)[0])
    assert 5 < firsts < 26


def test_recordings_are_read_as_they_are_where_asked_for(noises: Path, tmp_path: Path) -> None:
    source = noise_source("siren", noises, tmp_path / "bank", RATE, fastest=1.0)
    assert isinstance(source, RecordedNoise)
    assert source.fastest == 1.0
    assert noise_source("siren", noises, tmp_path / "bank", RATE).fastest == 2.0


def clean_crops(songs: AudioBank, count: int = 40, **shares: float) -> list[torch.Tensor]:
    """Crops without noise to speak of, and without the chain, which would hide what was done to them."""
    config = MixConfig(num_samples=20_000, **dict.fromkeys(SHARES, 0.0) | shares)
    mixer = PairMixer(songs, WhiteNoise(), config, seed=3)
    return [mixer._music(np.random.default_rng(index))[0] for index in range(count)]


SHARES = ("coded_share", "speed_share", "second_song_share", "second_noise_share", "song_level_share")


def strongest_hz(wave: torch.Tensor) -> float:
    spectrum = np.abs(np.fft.rfft(wave.numpy()[0] * np.hanning(wave.shape[1]), 8 * wave.shape[1]))
    return float(np.argmax(spectrum)) * RATE / (8 * wave.shape[1])


@pytest.fixture(scope="module")
def sines(tmp_path_factory: pytest.TempPathFactory) -> AudioBank:
    """Stereo: 500 Hz to the left, 700 Hz to the right."""
    folder = tmp_path_factory.mktemp("sines")
    time = np.arange(3 * RATE) / RATE
    samples = np.stack([0.3 * np.sin(2 * np.pi * hz * time) for hz in (500, 700)]).astype(np.float32)
    with open_writer(
        folder / "s.wav", sample_rate=RATE, channels=2, container="WAV", subtype="PCM_16"
    ) as writer:
        writer.write(samples)
    return AudioBank([folder / "s.wav"], folder / "bank", RATE)


def test_crops_are_left_right_middle_or_side(sines: AudioBank) -> None:
    kinds = set()
    for wave in clean_crops(sines):
        spectrum = np.fft.rfft(wave.numpy()[0] * np.hanning(20_000))
        low, high = (spectrum[round(hz * 20_000 / RATE)] for hz in (500, 700))
        if min(abs(low), abs(high)) < 0.05 * max(abs(low), abs(high)):
            kinds.add("left" if abs(low) > abs(high) else "right")
        else:
            kinds.add("both")
    assert kinds == {"left", "right", "both"}


def test_two_equal_channels_have_no_side(tmp_path: Path, write_wav, tune) -> None:
    path = write_wav("x.wav", tune[:1].repeat(2, 1))
    bank = AudioBank([path], tmp_path / "bank", RATE)
    assert all(float(wave.abs().max()) > 1e-3 for wave in clean_crops(bank))


def test_speeds_move_the_pitch_by_up_to_a_tenth(sines: AudioBank) -> None:
    pitches = {round(strongest_hz(wave)) for wave in clean_crops(sines, speed_share=1.0)}
    low = sorted(hz for hz in pitches if hz < 600)
    assert low[0] == pytest.approx(500 * 10 / 11, abs=2)
    assert low[-1] == pytest.approx(500 * 10 / 9, abs=2)


def test_two_songs_at_once(songs: AudioBank) -> None:
    alone, together = clean_crops(songs), clean_crops(songs, second_song_share=1.0)
    assert not any(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_two_noises_at_once(songs: AudioBank) -> None:
    class Ones(WhiteNoise):
        drawn = 0

        def draw(self, num_samples: int, rng: np.random.Generator) -> torch.Tensor:
            Ones.drawn += 1
            return super().draw(num_samples, rng)

    for share, expected in ((0.0, 2), (1.0, 4)):
        Ones.drawn = 0
        PairMixer(songs, Ones(), MixConfig(num_samples=20_000, second_noise_share=share), seed=0).pair(0)
        assert Ones.drawn == expected


def test_a_bank_that_is_sent_to_another_process_maps_its_files_anew(songs: AudioBank) -> None:
    packed = pickle.dumps(songs)
    assert len(packed) < 10_000
    assert torch.equal(pickle.loads(packed).read(0), songs.read(0))


def test_songs_shorter_than_an_example_are_not_used(songs: AudioBank) -> None:
    mixer = PairMixer(songs, WhiteNoise(), MixConfig(num_samples=3 * RATE), seed=0)
    assert all(mixer.pair(index)[0].shape == (1, 3 * RATE) for index in range(10))
    with pytest.raises(DataError, match="no song is as long"):
        PairMixer(songs, WhiteNoise(), MixConfig(num_samples=10 * RATE), seed=0)


def test_fixed_mixes_have_their_snr(songs: AudioBank) -> None:
    items = fixed_mixes(songs, WhiteNoise(), num_samples=RATE, snrs_db=(0.0, 12.0), seed=5)
    assert [item.snr_db for item in items] == [0.0, 12.0] * 2
    for item in items:
        assert snr(item.clean, item.noisy) == pytest.approx(item.snr_db, abs=0.01)


@pytest.mark.parametrize("wrong", [{"num_samples": 0}, {"snr_range_db": (5.0, 0.0)}, {"targets": "clear"}])
def test_impossible_mixes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        MixConfig(**{"num_samples": 100, **wrong})


def test_a_chain_filters_both_alike() -> None:
    rng = np.random.default_rng(0)
    responses = [chain_response(4096, RATE, rng) for _ in range(200)]
    idle = sum(response is None for response in responses)
    assert 40 < idle < 100  # 0.7 * 0.5 of 200
    x = torch.randn(2, 4096, generator=torch.Generator().manual_seed(0))
    assert through_chain(x, None) is x
    response = next(r for r in responses if r is not None)
    torch.testing.assert_close(
        torch.fft.rfft(through_chain(x, response)).abs(),
        torch.fft.rfft(x).abs() * torch.from_numpy(response),
        atol=1e-3,
        rtol=1e-3,
    )
    limited = [r for r in responses if r is not None and r[-1] < 0.1]
    assert 50 < len(limited) < 130
    assert all(r[int(3_000 / RATE * 4096)] > 0.1 for r in limited)


@pytest.fixture
def noises(tmp_path: Path, write_wav) -> Path:
    rng = np.random.default_rng(0)
    for name in ("fold1/1-3-0-0.wav", "fold1/2-8-0-0.wav", "rain/shower.wav"):
        write_wav(f"noises/{name}", 0.1 * rng.standard_normal((1, 5_000)), 22_050)
    write_wav("noises/fold1/9-8-0-0.wav", np.zeros((1, 5_000)), 22_050)
    return tmp_path / "noises"


def test_noises_are_labelled_by_name_or_folder(noises: Path) -> None:
    labels = {noise.path.name: noise.label for noise in find_noises(noises, "mixed")}
    assert labels == {
        "1-3-0-0.wav": "dog_bark",
        "2-8-0-0.wav": "siren",
        "9-8-0-0.wav": "siren",
        "shower.wav": "rain",
    }
    assert [noise.path.name for noise in find_noises(noises, "dog_bark")] == ["1-3-0-0.wav"]
    with pytest.raises(DataError, match="of the class drilling"):
        find_noises(noises, "drilling")


def test_recorded_noise_has_the_length_and_skips_silence(noises: Path, tmp_path: Path) -> None:
    source = noise_source("siren", noises, tmp_path / "bank", RATE)
    assert isinstance(source, RecordedNoise)
    rng = np.random.default_rng(0)
    for length in (100, 10_000, 50_000):  # the last needs the recording several times
        noise = source.draw(length, rng)
        assert noise.shape == (1, length)
        assert float(noise.square().mean()) > 0
        assert abs(float(noise.mean())) < 1e-5


def test_only_silent_noise_is_an_error(tmp_path: Path, write_wav) -> None:
    write_wav("quiet/rain/a.wav", np.zeros((1, 5_000)))
    source = noise_source("mixed", tmp_path / "quiet", tmp_path / "bank", RATE)
    assert isinstance(source, MixedNoise)
    with pytest.raises(DataError, match="silent"):
        source.sources[1].draw(100, np.random.default_rng(0))


def test_mixed_noise_draws_from_all(noises: Path, tmp_path: Path) -> None:
    class Constant:
        def __init__(self, value: float) -> None:
            self.value = value

        def draw(self, num_samples: int, rng: np.random.Generator) -> torch.Tensor:
            return torch.full((1, num_samples), self.value)

    source = MixedNoise([Constant(1.0), Constant(2.0)], [1.0, 3.0])
    rng = np.random.default_rng(0)
    values = [float(source.draw(1, rng)) for _ in range(400)]
    assert 0.65 < values.count(2.0) / 400 < 0.85


def test_kinds() -> None:
    assert parse_kind("White") == "white"
    assert parse_kind("3") == "dog_bark"
    assert parse_kind("car-horn") == "car_horn"
    for index, name in enumerate(NOISE_CLASSES):
        assert parse_kind(str(index)) == parse_kind(name) == name
    for wrong in ("10", "rain", "", "-1"):
        with pytest.raises(UsageError, match="choose white, mixed, or a class"):
            parse_kind(wrong)


def test_noise_needs_recordings(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="with noises"):
        noise_source("mixed", None, tmp_path, RATE)
    with pytest.raises(DataError, match="holds no songs"):
        song_files(tmp_path / "nowhere")


def test_a_codec_changes_the_input_only(songs: AudioBank) -> None:
    plain, coded = (
        PairMixer(songs, WhiteNoise(), MixConfig(num_samples=30_000, coded_share=share), seed=0)
        for share in (0.0, 1.0)
    )
    for index in range(5):
        noisy, target = plain.pair(index)
        coded_noisy, coded_target = coded.pair(index)
        assert torch.equal(target, coded_target)
        assert -5 < snr(noisy, coded_noisy) < 60
    items = fixed_mixes(songs, WhiteNoise(), num_samples=RATE, snrs_db=(5.0,), seed=5, is_coded=True)
    assert all(item.is_coded for item in items)
    assert all(3 < snr(item.clean, item.noisy) < 9 for item in items)


def test_the_ten_classes_are_more_likely_than_others(tmp_path: Path, write_wav, tune) -> None:
    names = ["siren", "jackhammer", "rain", "hum", "wind"]
    songs = [write_wav(f"{name}.wav", tune) for name in names]
    bank = AudioBank(songs, tmp_path / "cache", RATE)
    source = RecordedNoise(bank, names)
    drawn = []
    bank.read = lambda index, *_: drawn.append(index) or torch.randn(1, 4000)  # type: ignore[method-assign]
    rng = np.random.default_rng(0)
    for _ in range(600):
        source.draw(1000, rng)
    counts = np.bincount(drawn, minlength=5) / len(drawn)
    np.testing.assert_allclose(counts[:2], 2.5 / 8, atol=0.05)
    np.testing.assert_allclose(counts[2:], 1 / 8, atol=0.05)


def test_half_of_the_noise_is_read_out_as_it_is(tmp_path: Path, songs: AudioBank) -> None:
    source = RecordedNoise(songs, ["a", "b"])
    rng = np.random.default_rng(0)
    drawn = [source.draw(1000, rng)[0].numpy().astype(float) for _ in range(200)]
    steps = [np.diff(noise) * 65_534 for noise in drawn]  # whole numbers in (means of) 16-bit recordings
    assert 0.4 < np.mean([np.allclose(step, np.rint(step), atol=0.02) for step in steps]) < 0.6
