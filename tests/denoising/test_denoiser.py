import math
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_tune import synthesise_tune

from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.metrics import snr
from musicdenoise.core.overlap import SegmentPlan, SpectralStream
from musicdenoise.core.resample import resample
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising import denoiser as denoiser_module
from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.denoising.rate_stream import RateStream
from musicdenoise.errors import (
    AudioError,
    ConfigurationError,
    DeviceError,
    UnsupportedAudioError,
    WeightsError,
)
from musicdenoise.weights.checkpoint import CheckpointMetadata, save_weights


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    """In float32, for tests of equality."""
    return Denoiser("white", device="cpu", config=DenoiseConfig(precision="float32"))


def relative_db(difference: np.ndarray, reference: np.ndarray) -> float:
    ratio = np.sum(difference.astype(float) ** 2) / np.sum(reference.astype(float) ** 2)
    return 10 * np.log10(max(ratio, 1e-30))


def test_white_noise_is_removed_from_music(denoiser: Denoiser, tune, noisy_tune) -> None:
    noisy, before = noisy_tune[:1], noisy_tune[:1].clone()
    clean = torch.from_numpy(denoiser.denoise(noisy, 44_100))
    assert snr(tune[:1], clean) - snr(tune[:1], noisy) > 4.0
    assert torch.equal(noisy, before)


@pytest.mark.parametrize("weights", ["white", "mixed"])
def test_result_does_not_depend_on_segment_length(weights: str, noisy_tune) -> None:
    x = noisy_tune[0, :176_400].numpy()
    expected, short = (
        Denoiser(
            weights, device="cpu", config=DenoiseConfig(segment_seconds=seconds, precision="float32")
        ).denoise(x, 44_100)
        for seconds in (4.0, 1.5)
    )
    assert relative_db(short - expected, expected) < -100


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_nor_with_a_network_for_another_rate(noisy_tune, rate: int) -> None:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini())
    expected, short = (
        Denoiser.from_network(
            network, StftConfig(sample_rate=rate), config=DenoiseConfig(segment_seconds=seconds)
        ).denoise(noisy_tune[0], rate)
        for seconds in (6.0, 1.5)
    )
    assert relative_db(short - expected, expected) < -80


def test_gain_goes_through(denoiser: Denoiser, noisy_tune) -> None:
    x = noisy_tune[:, :90_000].numpy()
    result = denoiser.denoise(x, 44_100)
    for factor in (0.1, 7.0):
        expected = factor * result
        assert relative_db(denoiser.denoise(factor * x, 44_100) - expected, expected) < -80


def test_mono_equals_either_channel_of_its_doubling(denoiser: Denoiser, noisy_tune) -> None:
    mono = noisy_tune[0, :90_000].numpy()
    single = denoiser.denoise(mono, 44_100)
    double = denoiser.denoise(np.stack([mono, mono]), 44_100)
    assert single.shape == mono.shape
    for channel in double:
        assert relative_db(channel - single, single) < -100


@pytest.mark.parametrize("rate", [22_050, 48_000, 96_000])
@pytest.mark.parametrize("name", ["white", "mixed"])
def test_other_rates(tune, noisy_tune, name: str, rate: int) -> None:
    denoiser = Denoiser(name, device="cpu")
    clean = resample(tune[:1, :132_300], 44_100, rate)
    noisy = resample(noisy_tune[:1, :132_300], 44_100, rate)
    estimate = torch.from_numpy(denoiser.denoise(noisy, rate))
    assert estimate.shape == noisy.shape
    assert snr(clean, estimate) - snr(clean, noisy) > 3.0


def test_what_lies_above_the_network_band_is_untouched() -> None:
    # Even a network that removes everything leaves it as it came.
    rate = 96_000
    t = torch.arange(rate, dtype=torch.float64) / rate
    low, high = (0.1 * torch.sin(2 * torch.pi * hz * t)[None].float() for hz in (1_000.0, 30_000.0))
    removing_all = SpectralStream(
        lambda spectrogram, gains, wanted: 0 * spectrogram[..., wanted.first : wanted.beyond],
        StftConfig(),
        SegmentPlan(segment_frames=64),
        channels=1,
        device=torch.device("cpu"),
    )
    stream = RateStream(removing_all, 44_100, sample_rate=rate, channels=1)
    out = torch.cat([stream.push(low + high), stream.flush()], dim=1)
    inner = slice(4_000, -4_000)
    assert relative_db((out - high)[:, inner].numpy(), high.numpy()) < -90


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("size", [1, 7, 512, 44_100, 1_000_003])
@pytest.mark.parametrize("channels", ["linked", "mid-side"])
def test_blocks_equal_the_whole(noisy_tune, rate: int, size: int, channels: str) -> None:
    torch.manual_seed(0)
    config = DenoiseConfig(segment_seconds=0.5, context_seconds=0.2, channels=channels)
    denoiser = Denoiser.from_network(DCUNet(DCUNetConfig.mini()), StftConfig(), config=config)
    x = noisy_tune[:, :15_000] if size == 1 else noisy_tune[:, :150_000]
    expected = denoiser.denoise(x, rate)
    stream = denoiser.stream(rate, 2)
    blocks = [*[stream.push(block).numpy() for block in x.split(size, dim=1)], stream.flush()]
    assert relative_db(np.concatenate(blocks, axis=1) - expected, expected) < -90


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_blocks_are_arrays_or_tensors_and_may_be_used_again(noisy_tune, rate: int) -> None:
    torch.manual_seed(0)
    config = DenoiseConfig(segment_seconds=0.5, context_seconds=0.2)
    denoiser = Denoiser.from_network(DCUNet(DCUNetConfig.mini()), StftConfig(), config=config)
    x = noisy_tune[:, :80_000].numpy()
    expected = denoiser.denoise(x, rate)
    stream, buffer, parts = denoiser.stream(rate, 2), np.zeros((2, 1_000), dtype=np.float32), []
    for start in range(0, 80_000, 1_000):
        buffer[:] = x[:, start : start + 1_000]
        parts.append(stream.push(buffer))
    assert relative_db(np.concatenate([*parts, stream.flush()], axis=1) - expected, expected) < -90


def test_wrong_blocks_are_refused(denoiser: Denoiser) -> None:
    stream = denoiser.stream(44_100, 2)
    for wrong in (np.zeros(100), np.zeros((100, 2)), torch.zeros(1, 2, 100)):
        with pytest.raises(AudioError, match=r"must be \(2, samples\)"):
            stream.push(wrong)
    with pytest.raises(AudioError, match="not finite"):
        stream.push([[0.0, float("nan")]] * 2)
    stream.push([[0.0, 0.1]] * 2)
    assert stream.flush().shape == (2, 2)
    with pytest.raises(AudioError, match="another stream"):
        stream.push(np.zeros((2, 9)))


def with_profile() -> DCUNet:
    """A small network whose profile filter does something."""
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini(profile_width=4))
    torch.nn.init.normal_(network.profile.last.weight, std=0.3)
    return network.eval()


def test_white_noise_is_removed_from_middle_and_side(denoiser: Denoiser, tune, noisy_tune) -> None:
    x = noisy_tune[:, :90_000].numpy()
    gains, results = {}, {}
    for mode in ("auto", "linked", "mid-side"):
        results[mode] = Denoiser("white", config=DenoiseConfig(channels=mode)).denoise(x, 44_100)
        gains[mode] = snr(tune[:, :90_000], torch.from_numpy(results[mode]))
    np.testing.assert_array_equal(results["auto"], results["mid-side"])
    assert gains["mid-side"] > gains["linked"] + 0.2
    np.testing.assert_array_equal(denoiser.denoise(x[0], 44_100), denoiser.denoise(x[:1], 44_100)[0])


@pytest.mark.parametrize("rate", [48_000, 96_000])
def test_white_noise_is_removed_above_22_khz(tune, rate: int) -> None:
    clean = resample(tune[:1, :132_300], 44_100, rate)
    noise = 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    white = Denoiser("white", device="cpu")
    result = white.denoise(clean + noise, rate)
    assert relative_db(result - white.denoise(clean + noise, 44_100), result) < -50  # averages over seconds
    assert above_22_khz(result, rate) < 0.1 * above_22_khz((clean + noise).numpy(), rate)
    mixed = Denoiser("mixed", device="cpu").denoise(clean + noise, rate)  # leaves what it cannot know
    assert above_22_khz(mixed, rate) == pytest.approx(above_22_khz((clean + noise).numpy(), rate), rel=0.2)


@pytest.mark.parametrize("rate", [8_000, 22_050])
def test_songs_of_low_rates_are_not_converted_for_white_noise(tune, rate: int) -> None:
    clean = resample(tune[:1], 44_100, rate)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    white = Denoiser("white", device="cpu")
    result = torch.from_numpy(white.denoise(noisy, rate))
    converted = resample(noisy, rate, 44_100)
    noise = resample(converted - torch.from_numpy(white.denoise(converted, 44_100)), 44_100, rate)
    assert snr(clean, result) > snr(clean, noisy - noise[:, : noisy.shape[1]]) + 0.5
    assert snr(clean, result) > snr(clean, noisy) + 5.0


def above_22_khz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples[0])) ** 2
    return float(spectrum[np.fft.rfftfreq(samples.shape[1], 1 / rate) > 22_300].sum())


def test_other_networks_and_other_songs_stay_as_they_are(noisy_tune) -> None:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini())
    x = noisy_tune[:, :50_000].numpy()
    three = np.concatenate([x, x[:1]])
    for samples, mode in ((x, "auto"), (three, "mid-side")):
        results = [
            Denoiser.from_network(network, StftConfig(), config=DenoiseConfig(channels=name))
            for name in ("linked", mode)
        ]
        np.testing.assert_array_equal(*[result.denoise(samples, 44_100) for result in results])
    with pytest.raises(ConfigurationError, match="must be one of auto, linked, independent, mid-side"):
        DenoiseConfig(channels="left")


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("size", [9_999, 1_000_003])
def test_blocks_equal_the_whole_with_a_profile(noisy_tune, rate: int, size: int) -> None:
    config = DenoiseConfig(segment_seconds=1.5, context_seconds=0.4, gate=False)
    denoiser = Denoiser.from_network(with_profile(), StftConfig(), config=config)
    x = noisy_tune.repeat(1, 3)[:, :520_000]
    expected = denoiser.denoise(x, rate)
    stream = denoiser.stream(rate, 2)
    blocks = [stream.push(block).numpy() for block in x.split(size, dim=1)]
    blocks.append(stream.flush())
    assert relative_db(np.concatenate(blocks, axis=1) - expected, expected) < -90
    assert size > 520_000 or sum(block.shape[1] for block in blocks[:-1]) > 20_000  # before the end


def test_a_profile_changes_the_result_and_not_its_length_or_level(noisy_tune) -> None:
    network = with_profile()
    denoiser = Denoiser.from_network(network, StftConfig())
    x = noisy_tune[:, :200_001].numpy()
    y = denoiser.denoise(x, 44_100)
    assert y.shape == x.shape
    assert relative_db(denoiser.denoise(0.1 * x, 44_100) - 0.1 * y, 0.1 * y) < -60
    assert relative_db(denoiser.denoise(x[0], 44_100) - y[0], y[0]) < -20  # the other channel sets the level
    network.profile = None
    plain = Denoiser.from_network(network, StftConfig()).denoise(x, 44_100)
    assert relative_db(plain - y, y) > -40


def test_silence_with_a_profile_stays_silent() -> None:
    denoiser = Denoiser.from_network(with_profile(), StftConfig())
    assert not denoiser.denoise(np.zeros((1, 700_000), np.float32), 44_100).any()


@pytest.mark.parametrize("channels", ["linked", "independent", "mid-side"])
def test_batches_of_segments_change_nothing(noisy_tune, channels: str) -> None:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini())
    results = []
    for batch_size in (1, 2, 5):
        config = DenoiseConfig(segment_seconds=0.5, batch_size=batch_size, channels=channels)
        denoiser = Denoiser.from_network(network, StftConfig(), config=config)
        results.append(denoiser.denoise(noisy_tune[:, :200_000], 44_100))
    for result in results[1:]:
        assert relative_db(result - results[0], results[0]) < -90


def test_brain_floats_change_next_to_nothing(denoiser: Denoiser, noisy_tune) -> None:
    x = noisy_tune[:, :90_000].numpy()
    coarse = Denoiser("white", device="cpu", config=DenoiseConfig(precision="bf16")).denoise(x, 44_100)
    expected = denoiser.denoise(x, 44_100)
    assert coarse.dtype == np.float32
    assert -90 < relative_db(coarse - expected, expected) < -50


@pytest.mark.parametrize("is_fast", [True, False])
def test_brain_floats_are_used_where_they_are_fast(
    noisy_tune, monkeypatch: pytest.MonkeyPatch, is_fast: bool
) -> None:
    monkeypatch.setattr(denoiser_module, "has_fast_bf16", lambda device: is_fast)
    x = noisy_tune[:1, :60_000].numpy()
    chosen = "bf16" if is_fast else "float32"
    automatic, asked = (
        Denoiser("white", device="cpu", config=DenoiseConfig(precision=precision)).denoise(x, 44_100)
        for precision in ("auto", chosen)
    )
    np.testing.assert_array_equal(automatic, asked)


def test_whole_segments_are_compiled_and_no_others(noisy_tune, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = []

    def compiled(function, *, mode: str | None, dynamic: bool):
        assert (mode, dynamic) == (None, False)
        return lambda features, wanted: frames.append(features.shape[-1]) or function(features, wanted)

    monkeypatch.setattr(torch, "compile", compiled)
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini())
    results = []
    for compile in (False, True):
        config = DenoiseConfig(segment_seconds=0.75, compile=compile)
        denoiser = Denoiser.from_network(network, StftConfig(), config=config)
        results.append(denoiser.denoise(noisy_tune[:, :150_000], 44_100))
    np.testing.assert_array_equal(*results)
    assert frames == [96 + 64 + 96 + 3] * len(frames)
    assert 2 <= len(frames) <= noisy_tune.shape[0] * 150_000 / 512 / 64  # one channel at a time


def test_a_machine_without_a_compiler(noisy_tune, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(_, **__: object):
        def fail(*_: object) -> None:
            raise RuntimeError("no C++ compiler\nwas found")

        return fail

    monkeypatch.setattr(torch, "compile", compiled)
    config = DenoiseConfig(segment_seconds=0.5, compile=True)
    denoiser = Denoiser.from_network(DCUNet(DCUNetConfig.mini()), StftConfig(), config=config)
    with pytest.raises(DeviceError, match="compiled here: no C\\+\\+ compiler; leave"):
        denoiser.denoise(noisy_tune, 44_100)


def test_silence_stays_silent(denoiser: Denoiser) -> None:
    assert not denoiser.denoise(np.zeros((2, 50_000)), 44_100).any()


def test_bad_samples_are_refused(denoiser: Denoiser) -> None:
    with pytest.raises(AudioError, match="not finite"):
        denoiser.denoise([0.0, float("nan")], 44_100)
    with pytest.raises(AudioError, match="3 dimensions"):
        denoiser.denoise(np.zeros((1, 1, 10)), 44_100)
    with pytest.raises(UnsupportedAudioError, match="axes swapped"):
        denoiser.denoise(np.zeros((44_100, 2)), 44_100)
    with pytest.raises(AudioError, match=r"1e\+15 or more"):
        denoiser.denoise([0.0, 1e19], 44_100)
    with pytest.raises(AudioError, match="complex numbers"):
        denoiser.denoise(np.zeros(100, dtype=complex), 44_100)
    with pytest.raises(UnsupportedAudioError, match="sample rate of 10 Hz"):
        denoiser.denoise(np.zeros(100), 10)
    for rate in (44_100.5, math.inf):
        with pytest.raises(UnsupportedAudioError, match=r"sample rate is .* whole number"):
            denoiser.denoise(np.zeros(100), rate)


def test_samples_and_rates_of_all_types(noisy_tune) -> None:
    torch.manual_seed(0)
    denoiser = Denoiser.from_network(DCUNet(DCUNetConfig.mini()), StftConfig())
    samples = noisy_tune[:, :30_000]
    expected = denoiser.denoise(samples, 48_000)
    assert np.array_equal(denoiser.denoise(samples.clone().requires_grad_(), np.int32(48_000)), expected)
    assert np.array_equal(denoiser.denoise(samples.double().numpy(), 48_000.0), expected)
    rounded = samples.bfloat16()
    assert np.array_equal(denoiser.denoise(rounded, 48_000), denoiser.denoise(rounded.float(), 48_000))


def test_unknown_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="choose"):
        Denoiser("purple")


@pytest.mark.parametrize(
    "wrong", [{"segment_seconds": 0.0}, {"context_seconds": -1.0}, {"batch_size": 0}, {"precision": "int8"}]
)
def test_impossible_configurations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        DenoiseConfig(**wrong)


@pytest.mark.parametrize(
    ("weights", "known"),
    [
        (None, None),
        ("mixed", None),
        ("white", "white"),
        ("siren", "siren"),
        ("engine_idling", "engine_idling"),
    ],
)
def test_whether_the_kind_of_noise_was_named(weights: str | None, known: str | None) -> None:
    assert Denoiser(weights, device="cpu").known_kind == known


@pytest.mark.parametrize(("kind", "known"), [("siren", "siren"), ("mixed", None), ("unknown", None)])
def test_whether_weights_of_ones_own_are_for_one_kind(tmp_path: Path, kind: str, known: str | None) -> None:
    network = DCUNet(DCUNetConfig.mini())
    metadata = CheckpointMetadata(network=network.config, stft=StftConfig(), noise_kind=kind)
    save_weights(tmp_path / "mine.safetensors", network.state_dict(), metadata)
    assert Denoiser(tmp_path / "mine.safetensors", device="cpu").known_kind == known


def test_a_fade_out_gains_to_its_end() -> None:
    rate, fade_seconds = 44_100, 4.0
    music = synthesise_tune(8.0)[:1].numpy()
    noise = np.random.default_rng(0).standard_normal(music.shape).astype(np.float32)
    noise *= np.sqrt(np.mean(music**2) / 10.0)
    fade = np.ones(music.shape[1], dtype=np.float32)
    fade[-int(fade_seconds * rate) :] = np.logspace(0.0, -3.0, int(fade_seconds * rate))
    clean, noisy = fade * music, fade * (music + noise)
    result = Denoiser("white", device="cpu").denoise(noisy, rate)
    last = slice(-rate, None)
    before, after = (np.sum((part - clean)[:, last] ** 2) for part in (noisy, result))
    assert 10.0 * np.log10(before / after) > 5.0
