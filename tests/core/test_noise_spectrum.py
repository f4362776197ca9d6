"""Spectra of noise, and the gain that follows from them, against the formulas carried out bin by bin."""

import numpy as np
import pytest
import torch

from musicdenoise.core.noise_filter import NOISE_FILTER_REACH, NoiseFilter
from musicdenoise.core.noise_spectrum import (
    CALM_REACH,
    GAIN_REACH,
    calmed_gain,
    noise_lines,
    noise_power,
    noise_reduction_gain,
    power_of,
    smooth,
    spectrum_stft,
)
from musicdenoise.core.noise_stream import NoiseStream
from musicdenoise.core.stft import istft, stft
from musicdenoise.errors import ConfigurationError

RATE = 44_100


def white(seconds: float, *, channels: int = 1, seed: int = 0, rate: int = RATE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(channels, round(seconds * rate), generator=generator)


def trained(width: int = 4) -> NoiseFilter:
    """A filter that changes the gain."""
    torch.manual_seed(1)
    noise_filter = NoiseFilter(width)
    torch.nn.init.normal_(noise_filter.last.weight, std=0.5)
    return noise_filter.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000, 96_000, 192_000])
def test_windows_last_equally_long_at_all_rates(rate: int) -> None:
    config = spectrum_stft(rate)
    assert config.n_fft == 4 * config.hop_length
    assert config.n_fft / rate == pytest.approx(8192 / 44_100, rel=0.02)
    rest = config.n_fft
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    assert rest == 1


@pytest.mark.parametrize("seconds", [0.1, 0.15, 0.19, 0.5, 4.0])
def test_the_power_of_white_noise_does_not_depend_on_the_length_of_the_sample(seconds: float) -> None:
    config = spectrum_stft(RATE)
    power = noise_power([white(seconds)], config)
    assert power.shape == (1, config.num_freqs)
    expected = 0.01 * 3 / 8  # variance times the mean square of the window; see `stft`
    assert float(power.mean()) == pytest.approx(expected, rel=0.05)


def test_longer_recordings_count_for_more() -> None:
    config = spectrum_stft(RATE)
    loud, quiet = white(1.0, seed=1), 0.1 * white(3.0, seed=2)
    both = noise_power([loud, quiet], config).mean()
    expected = (noise_power([loud], config).mean() + 3 * noise_power([quiet], config).mean()) / 4
    assert float(both) == pytest.approx(float(expected), rel=1e-5)


def test_recordings_that_show_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        noise_power([], spectrum_stft(RATE))
    with pytest.raises(ConfigurationError, match="has 63 samples; it must have at least 64"):
        noise_power([torch.zeros(1, 63)], spectrum_stft(RATE))


def test_smoothing_is_the_mean_over_the_neighbours_that_there_are() -> None:
    values = torch.rand(2, 5, 4)
    smoothed = smooth(values)
    for freq, frame in ((0, 0), (4, 2), (2, 3), (1, 1)):
        around = values[:, max(0, freq - 1) : freq + 2, max(0, frame - 1) : frame + 2]
        torch.testing.assert_close(smoothed[:, freq, frame], around.mean(dim=(1, 2)))


def test_gains_are_those_of_the_formulas() -> None:
    generator = torch.Generator().manual_seed(0)
    song, estimate = (torch.randn(1, 9, 7, dtype=torch.complex64, generator=generator) for _ in range(2))
    power = torch.rand(1, 9, generator=generator)

    def mean(values: np.ndarray) -> np.ndarray:
        result = np.empty_like(values)
        for f, t in np.ndindex(*values.shape):
            result[f, t] = values[max(0, f - 1) : f + 2, max(0, t - 1) : t + 2].mean()
        return result

    x, e, v = np.abs(song[0].numpy()) ** 2, np.abs(estimate[0].numpy()) ** 2, power[0].numpy()[:, None]
    share = mean(np.maximum(0.0, 1.0 - v / x))
    np.testing.assert_allclose(noise_reduction_gain(song, None, power)[0], share, rtol=1e-4)
    prior = np.sqrt(mean(e) * mean(share**2 * x))
    expected = prior / (prior + v)
    np.testing.assert_allclose(noise_reduction_gain(song, estimate, power)[0], expected, rtol=1e-4)
    np.testing.assert_allclose(NoiseFilter(3)(song, estimate, power, 2.0)[0].detach(), expected, rtol=1e-3)


def test_where_there_is_no_noise_nothing_is_removed() -> None:
    song = stft(white(0.5), spectrum_stft(RATE))
    nothing = torch.zeros(1, song.shape[1])
    for gain in (noise_reduction_gain(song, None, nothing), noise_reduction_gain(song, song, nothing)):
        torch.testing.assert_close(gain, torch.ones_like(gain))


def test_a_filter_hears_no_level() -> None:
    config = spectrum_stft(8_000)
    noise, song = white(2.0, rate=8_000), white(2.0, seed=1, rate=8_000)
    spectra = [stft(wave, config) for wave in (song + noise, song)]
    power = noise_power([noise], config)
    noise_filter = trained()
    gain = noise_filter(*spectra, power, 2.0)
    quiet = noise_filter(*(0.1 * spectrum for spectrum in spectra), 0.01 * power, 2.0)
    torch.testing.assert_close(gain, quiet, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("noise_filter", [None, trained()])
@pytest.mark.parametrize("has_estimate", [True, False])
@pytest.mark.parametrize("size", [333, 5_000, 100_000])
def test_a_stream_gives_what_the_whole_gives(
    noise_filter: NoiseFilter | None, has_estimate: bool, size: int
) -> None:
    rate = 8_000
    config = spectrum_stft(rate)
    song, estimate = white(6.0, channels=2, rate=rate), white(6.0, channels=2, seed=1, rate=rate)
    power = noise_power([white(1.0, channels=2, seed=2, rate=rate)], config)
    spectrum, kept = (stft(wave, config) for wave in (song, estimate))
    if noise_filter is not None and has_estimate:
        gain = noise_filter(spectrum, kept, power, 1.0)
    else:
        gain = noise_reduction_gain(spectrum, kept if has_estimate else None, power)
    gain = calmed_gain(gain, power_of(spectrum))
    expected = istft(gain * spectrum, config, num_samples=song.shape[1])
    stream = NoiseStream(power, config, seconds=1.0, noise_filter=noise_filter)
    parts = [
        stream.push(block, other if has_estimate else None)
        for block, other in zip(song.split(size, 1), estimate.split(size, 1), strict=True)
    ]
    result = torch.cat([*parts, stream.flush()], dim=1)
    assert result.shape == song.shape
    error = (result - expected)[:, : -3 * config.n_fft].square().mean() / expected.square().mean()
    assert 10 * float(error.clamp_min(1e-20).log10()) < -90.0


@pytest.mark.parametrize("length", [1, 2, 100, 1_499, 1_500, 1_501, 4_000])
def test_songs_of_any_length_come_out_as_long(length: int) -> None:
    config = spectrum_stft(8_000)
    stream = NoiseStream(torch.ones(1, config.num_freqs), config, seconds=1.0)
    song = white(1.0, rate=8_000)[:, :1].repeat(1, length)
    assert torch.cat([stream.push(song, song), stream.flush()], dim=1).shape == song.shape
    assert NoiseStream(torch.ones(1, config.num_freqs), config, seconds=1.0).flush().shape == (1, 0)


def test_frames_depend_on_no_more_than_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    spectra = torch.randn(2, 1, 33, 40, dtype=torch.complex64, generator=generator)
    power = torch.rand(1, 33, generator=generator)
    noise_filter = trained()
    for reach, gain in (
        (GAIN_REACH, lambda s: noise_reduction_gain(s[0], s[1], power)),
        (NOISE_FILTER_REACH, lambda s: noise_filter(s[0], s[1], power, 1.0)),
        (CALM_REACH, lambda s: calmed_gain(0.2 * power_of(s[1]).clamp(0, 1), power_of(s[0]))),
    ):
        changed = spectra.clone()
        changed[..., :20] *= 0.3
        same = (gain(spectra) - gain(changed)).abs().amax(dim=(0, 1)) < 1e-6
        assert bool(same[20 + reach :].all())
        assert not bool(same[20 + reach - 1])


def test_a_calmed_gain_is_smooth_in_noise_and_as_it_was_in_music() -> None:
    generator = torch.Generator().manual_seed(0)
    song = torch.rand(2, 60, 30, generator=generator)
    low, high = 0.2 * torch.rand(song.shape, generator=generator), 0.7 + 0.3 * torch.rand(song.shape)
    assert float(calmed_gain(low, song).std()) < 0.2 * float(low.std())
    torch.testing.assert_close(calmed_gain(high, song), high)
    around = (slice(None), slice(13, 28), slice(10, 15))
    share = (low.square() * song)[around].sum((1, 2)) / song[around].sum((1, 2))
    torch.testing.assert_close(calmed_gain(low, song)[:, 20, 12], share.sqrt())


def standing_out(powers: torch.Tensor) -> torch.Tensor:
    """How far each bin stands out of those around it."""
    around = torch.nn.functional.avg_pool2d(powers[None], 15, 1, 7, count_include_pad=False)[0]
    return powers / (around + 1e-12)


@pytest.mark.parametrize("has_estimate", [True, False])
@pytest.mark.parametrize("kind", ["hiss", "engine", "hum and hiss"])
def test_noise_alone_becomes_itself_only_lower(has_estimate: bool, kind: str) -> None:
    """No tinkling: no bin in the result stands out from its neighbours as it did not before."""
    config = spectrum_stft(RATE)
    time = torch.arange(6 * RATE) / RATE
    partials = [0.05 / k * torch.sin(2 * torch.pi * 50.0 * k * time + k * k) for k in range(1, 30)]
    hiss, hum = white(6.0), torch.stack(partials).sum(0)[None]
    throb = 0.6 + 0.4 * torch.sin(2 * torch.pi * 25.0 * time)
    noise = {"hiss": hiss, "engine": 0.3 * hiss * throb + hum * throb, "hum and hiss": hiss + hum}[kind]
    power = noise_power([noise[:, : 2 * RATE]], config)
    stream = NoiseStream(power, config, seconds=2.0)
    rest = noise[:, 2 * RATE :]
    result = torch.cat([stream.push(rest, 0.3 * rest if has_estimate else None), stream.flush()], dim=1)
    before, after = (power_of(stft(wave, config))[..., 4:-4] for wave in (rest, result))
    assert float(after.mean() / before.mean()) < 0.1
    heard = before > 1e-3 * before.mean()
    tail_before, tail_after = (
        float(np.quantile(standing_out(powers)[heard].numpy(), 0.9999)) for powers in (before, after)
    )
    assert tail_after < 2.2 * tail_before


def test_lines_are_what_stands_out_of_its_neighbours() -> None:
    power = 1.0 + torch.rand(2, 400, generator=torch.Generator().manual_seed(0))
    power[0, [50, 200]] = 60.0
    power[1, 300:380] = 60.0  # a band, not a line
    lines = noise_lines(power)
    assert lines[0].nonzero().flatten().tolist() == [49, 50, 51, 199, 200, 201]
    assert not lines[1].any()


def test_of_some_bins_only_those_are_changed() -> None:
    config = spectrum_stft(44_100)
    seed = torch.Generator().manual_seed(0)
    song, estimate = torch.randn(2, 1, 60_000, generator=seed)
    power = noise_power([torch.randn(1, 44_100, generator=seed)], config)
    bins = torch.zeros_like(power, dtype=torch.bool)
    bins[:, 2_000:2_100] = True

    def run(**settings) -> torch.Tensor:
        stream = NoiseStream(power, config, seconds=1.0, **settings)
        return torch.cat([stream.push(song, estimate), stream.flush()], -1)

    untouched, some, every = run(bins=bins & False), run(bins=bins), run(bins=bins | True)
    torch.testing.assert_close(untouched, estimate, rtol=0, atol=1e-5)
    inner = slice(10, -10)
    spectra = [stft(wave, config)[:, :, inner] for wave in (some - estimate, some - every)]
    assert float(spectra[0][:, 2_010:2_090].abs().mean()) > 100 * float(spectra[0][:, :1_900].abs().mean())
    assert float(spectra[1][:, 2_010:2_090].abs().mean()) < 0.01 * float(spectra[1][:, :1_900].abs().mean())
