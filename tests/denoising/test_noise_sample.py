"""Noise samples: what may be given, what is wrong with them, and what becomes of the song."""

from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_tune import synthesise_tune

from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.metrics import snr
from musicdenoise.core.resample import resample
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising.auto import AutoDenoiser
from musicdenoise.denoising.denoise_config import DenoiseConfig
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.known_noise import find_known_noise, learn_noise
from musicdenoise.denoising.noise_sample import (
    SampleArray,
    SampleFile,
    SampleStretch,
    as_noise_samples,
    parse_noise_sample,
)
from musicdenoise.denoising.sample_check import check_sample
from musicdenoise.denoising.song_source import SongSamples
from musicdenoise.errors import AudioError, ConfigurationError, UnsupportedAudioError, UsageError

RATE = 44_100


def hum(seconds: float, *, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Hum with harmonics and some hiss, ``(1, samples)``."""
    time = np.arange(round(seconds * rate)) / rate
    partials = sum(np.sin(2 * np.pi * 50.0 * k * time + k) / k for k in range(1, 12))
    hiss = np.random.default_rng(seed).standard_normal(len(time))
    return (0.03 * partials + 0.01 * hiss)[None].astype(np.float32)


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    """Two seconds of hum alone, then hum and music, stereo."""
    return in_front(2.0)


def in_front(seconds: float) -> np.ndarray:
    tune = synthesise_tune(6.0).numpy()
    music = np.concatenate([np.zeros((2, round(seconds * RATE)), np.float32), tune], axis=1)
    return music + hum(6.0 + seconds)[:, : music.shape[1]]


def mini(**settings: object) -> Denoiser:
    torch.manual_seed(0)
    return Denoiser.from_network(DCUNet(DCUNetConfig.mini()), StftConfig(), config=DenoiseConfig(**settings))


def relative_db(difference: np.ndarray, reference: np.ndarray) -> float:
    ratio = np.sum(difference.astype(float) ** 2) / np.sum(reference.astype(float) ** 2)
    return 10 * np.log10(max(ratio, 1e-30))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("0:00-0:02.5", 0.0, 2.5), ("61-63", 61.0, 63.0), ("1:02:03.5-1:02:05", 3723.5, 3725.0), ("0-.5", 0, 0)],
)
def test_stretches_as_people_write_them(text: str, start: float, end: float) -> None:
    sample = parse_noise_sample(text)
    if end:
        assert sample == SampleStretch(start_seconds=start, end_seconds=end)
    else:
        assert sample == SampleFile(path=Path(text))


def test_a_file_is_meant_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("1-2").touch()
    assert parse_noise_sample("1-2") == SampleFile(path=Path("1-2"))
    assert parse_noise_sample("1-3") == SampleStretch(start_seconds=1.0, end_seconds=3.0)
    with pytest.raises(UsageError, match=r"3-1 s is too short: it must last at least 0.1 s"):
        parse_noise_sample("3-1")


def test_what_may_be_given_for_a_sample() -> None:
    assert as_noise_samples(None) == ()
    assert as_noise_samples(Path("x.wav")) == (SampleFile(path=Path("x.wav")),)
    stretch = SampleStretch(start_seconds=0.0, end_seconds=2.0)
    assert (
        as_noise_samples((0.0, 2.0)) == as_noise_samples("0-2") == as_noise_samples([stretch]) == (stretch,)
    )
    (given,) = as_noise_samples((np.zeros(500), 8_000))
    assert isinstance(given, SampleArray)
    assert given.samples.shape == (1, 500)
    with pytest.raises(UsageError, match="path of a file, a pair of seconds"):
        as_noise_samples((1.0, 2.0, 3.0))
    with pytest.raises(AudioError, match="not finite"):
        as_noise_samples(([np.nan] * 5_000, 8_000))
    with pytest.raises(AudioError, match="3 dimensions"):
        as_noise_samples((np.zeros((1, 1, 5)), 8_000))
    with pytest.raises(ConfigurationError, match="within the song"):
        as_noise_samples((-1.0, 2.0))


def test_samples_that_show_no_noise_are_refused() -> None:
    with pytest.raises(AudioError, match=r"x: has 0.050 s of noise, which is too short: give at least 0.1 s"):
        check_sample(hum(0.05), RATE, "x")
    with pytest.raises(AudioError, match="x: is silent"):
        check_sample(np.zeros((2, RATE), np.float32), RATE, "x")
    assert check_sample(hum(0.1), RATE, "x") == ()
    assert check_sample(hum(0.1) / np.abs(hum(0.1)).max(), RATE, "x") == ()
    clipped = np.clip(20 * hum(1.0), -1.0, 1.0)
    assert ["is clipped" in warning for warning in check_sample(clipped, RATE, "x")] == [True]


def test_music_in_a_sample_is_told() -> None:
    tune = synthesise_tune(4.0).numpy()
    assert ["as music does" in warning for warning in check_sample(tune, RATE, "x")] == [True]
    assert check_sample(hum(2.0), RATE, "x") == ()
    assert check_sample(tune[:, : RATE // 2], RATE, "x") == ()


def test_a_stretch_must_lie_in_the_song(noisy: np.ndarray) -> None:
    song = SongSamples(noisy, RATE, "song.wav")
    with pytest.raises(AudioError, match=r"the song is 8.00 s long; the noise sample 7-9 s is not in it"):
        learn_noise(song, [SampleStretch(start_seconds=7.0, end_seconds=9.0)])


def test_channels_have_a_spectrum_each_and_one_serves_all(noisy: np.ndarray) -> None:
    song = SongSamples(noisy, RATE, "song")
    stereo = np.concatenate([hum(1.0), 0.1 * hum(1.0)])
    known = learn_noise(song, as_noise_samples((stereo, RATE)), match_level=False)
    assert float(known.power[1].sum() / known.power[0].sum()) == pytest.approx(0.01, rel=1e-3)
    mono = learn_noise(song, as_noise_samples((hum(1.0), RATE)), match_level=False)
    torch.testing.assert_close(mono.power[0], mono.power[1])
    torch.testing.assert_close(mono.power[0], known.power[0])
    three = as_noise_samples((np.repeat(hum(1.0), 3, axis=0), RATE))
    with pytest.raises(UnsupportedAudioError, match="has 3 channels, and song has 2"):
        learn_noise(song, three)


def test_samples_of_other_rates_are_converted(noisy: np.ndarray) -> None:
    song = SongSamples(noisy, RATE, "song")
    same = learn_noise(song, as_noise_samples((hum(2.0), RATE)), match_level=False)
    high = resample(torch.from_numpy(hum(2.0)), RATE, 48_000).numpy()
    other = learn_noise(song, as_noise_samples((high, 48_000)), match_level=False)
    band = slice(0, int(0.8 * same.power.shape[1]))
    ratio = other.power[:, band].sum() / same.power[:, band].sum()
    assert float(ratio) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("gain_db", [-12.0, 0.0, 9.0])
def test_a_file_of_another_gain_is_brought_to_the_level_of_the_song(
    noisy: np.ndarray, write_wav, gain_db: float
) -> None:
    sample = write_wav("noise.wav", 10 ** (-gain_db / 20) * hum(2.0, seed=5), subtype="FLOAT")
    song = SongSamples(noisy, RATE, "song")
    known = learn_noise(song, [SampleFile(path=sample)])
    assert known.report.level_db == pytest.approx(gain_db, abs=1.5)
    exact = learn_noise(song, [SampleFile(path=sample)], match_level=False)
    assert exact.report.level_db == 0.0
    assert known.report.files == (str(sample),)


@pytest.mark.parametrize("weights", ["none", "mixed"])
def test_hum_is_removed_by_a_second_of_it(noisy: np.ndarray, weights: str) -> None:
    clean = noisy - hum(8.0)
    config = DenoiseConfig(find_noise=False)
    rest = slice(2 * RATE, None)

    def gain(**sample: object) -> float:
        result = Denoiser(weights, device="cpu", config=config).denoise(noisy, RATE, **sample)
        before, after = (
            snr(torch.from_numpy(clean[:, rest]), torch.from_numpy(x[:, rest])) for x in (noisy, result)
        )
        return float(after - before)

    assert gain(noise_sample=(0.0, 1.0)) > max(3.0, gain() + 2.0)


def test_noise_in_front_is_found_and_none_in_clean_music() -> None:
    known = find_known_noise(SongSamples(in_front(3.0), RATE, "song"))
    assert known is not None
    assert known.report.source == "found"
    assert 0.5 <= known.report.seconds <= 3.1
    assert all(0.0 <= start < end <= 3.1 for start, end in known.report.stretches)
    assert find_known_noise(SongSamples(synthesise_tune(8.0).numpy(), RATE, "song")) is None


@pytest.fixture(scope="module", params=[(0.0, 1.5), "array", None], ids=["stretch", "array", "found"])
def whole(request: pytest.FixtureRequest) -> tuple[Denoiser, object, np.ndarray, np.ndarray]:
    """A denoiser, a noise sample, a song, and what becomes of the song at once."""
    noisy = in_front(3.0)
    given = (hum(1.5, seed=3), RATE) if request.param == "array" else request.param
    denoiser = mini(segment_seconds=0.5, context_seconds=0.2, match_level=False)
    return denoiser, given, noisy, denoiser.denoise(noisy, RATE, noise_sample=given)


@pytest.mark.parametrize("size", [4_410, 44_100, 1_000_000])
def test_a_stream_gives_what_the_whole_gives(
    whole: tuple[Denoiser, object, np.ndarray, np.ndarray], size: int
) -> None:
    denoiser, given, noisy, expected = whole
    stream = denoiser.stream(RATE, 2, noise_sample=given)
    parts = [stream.push(noisy[:, start : start + size]) for start in range(0, noisy.shape[1], size)]
    result = np.concatenate([*parts, stream.flush()], axis=1)
    assert stream.steps is not None
    assert stream.steps.report is not None
    if given is None:  # the beginning alone was heard
        assert stream.steps.report.source == "found"
        assert relative_db(result - expected, expected) < -20
    else:
        assert relative_db(result - expected, expected) < -100


def test_a_stream_waits_for_thirty_seconds_at_most() -> None:
    with pytest.raises(
        AudioError, match="ends 41 s after the beginning of the song; a stream waits for 30 s"
    ):
        mini().stream(RATE, 2, noise_sample=(40.0, 41.0))
    stream = mini().stream(RATE, 1, noise_sample=(4.0, 6.0))
    assert stream.push(hum(3.0)).shape == (1, 0)
    with pytest.raises(AudioError, match=r"is 3.00 s long; the noise sample 4-6 s is not in it"):
        stream.flush()


def test_strength_is_the_share_that_is_removed(noisy: np.ndarray) -> None:
    x = noisy[:, : 4 * RATE]
    whole, half = (
        x - mini(strength=strength).denoise(x, RATE, noise_sample=(0.0, 1.0)) for strength in (1.0, 0.5)
    )
    assert relative_db(half - 0.5 * whole, half) < -80
    np.testing.assert_array_equal(mini(strength=0.0).denoise(x, RATE, noise_sample=(0.0, 1.0)), x)


def test_without_a_network_and_a_sample_songs_pass() -> None:
    tune = synthesise_tune(3.0).numpy()
    np.testing.assert_array_equal(Denoiser("none", device="cpu").denoise(tune, RATE), tune)


@pytest.mark.parametrize("rate", [8_000, 96_000])
def test_other_rates(rate: int) -> None:
    tune = resample(synthesise_tune(5.0), RATE, rate).numpy()
    noise = hum(5.0, rate=rate)
    x = np.concatenate([noise[:, :rate].repeat(2, axis=0), tune + noise[:, : tune.shape[1]]], axis=1)
    result = Denoiser("none", device="cpu").denoise(x, rate, noise_sample=(0.0, 1.0))
    before, after = (
        snr(torch.from_numpy(tune), torch.from_numpy(wave[:, rate:].copy())) for wave in (x, result)
    )
    assert float(after - before) > 3.5


def test_what_chooses_a_network_takes_samples_too(noisy: np.ndarray) -> None:
    chooser = AutoDenoiser(noise_sample=(0.0, 1.5), device="cpu")
    stream = chooser.stream(RATE, 2)
    parts = [stream.push(noisy), stream.flush()]
    assert np.concatenate(parts, axis=1).shape == noisy.shape
    assert stream.steps is not None
    assert stream.steps.report is not None
    assert stream.steps.report.stretches == ((0.0, 1.5),)
