import math

import pytest
import torch
from torch import Tensor, nn

from musicdenoise.core.families import check_family, config_from_json, new_network
from musicdenoise.core.fine_net import FineNet, FineNetConfig, join_gains
from musicdenoise.core.fine_unet import FINE_STFT, TIME_STRIDE, FineUNet, FineUNetConfig
from musicdenoise.core.losses import error_ratio_loss
from musicdenoise.core.metrics import snr
from musicdenoise.core.noise_spectrum import smooth
from musicdenoise.core.noise_spectrum_net import (
    SPECTRUM_STFT,
    NoiseSpectrum,
    NoiseSpectrumNet,
    mean_power,
    subtraction_gain,
)
from musicdenoise.core.stft import stft
from musicdenoise.errors import ConfigurationError

RATE = 44_100


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tones(seconds: float) -> Tensor:
    t = torch.arange(round(seconds * RATE)) / RATE
    swell = 0.5 + 0.5 * torch.sin(2 * math.pi * 2.3 * t)
    return 0.1 * swell * sum(torch.sin(2 * math.pi * hz * t) for hz in (220.0, 277.2, 329.6, 3_520.0))


def awake(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network in evaluation, its statistics those of a stretch of noise, and its last layers not zero."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, NoiseSpectrumNet):
            nn.init.normal_(module.last.weight, std=0.05)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> FineNet:
    torch.manual_seed(0)
    return awake(FineNet(FineNetConfig.mini()))


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 17, 259])
def test_masks_are_as_long_as_the_input_and_bounded(network: FineNet, frames: int) -> None:
    spectrogram = torch.complex(noise(2, 3, 2049, frames), noise(2, 3, 2049, frames, seed=1))
    with torch.no_grad():
        cleaned = network.unet(spectrogram)
    assert cleaned.shape == spectrogram.shape
    assert bool((cleaned.abs() <= spectrogram.abs() * 1.0001).all())


def test_the_u_net_has_the_size_that_is_stated() -> None:
    with torch.device("meta"):
        parts = FineUNet(FineUNetConfig()), NoiseSpectrumNet()
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in parts]
    assert counts == [1_182_698, 48_034]


def test_training_starts_near_keep_everything() -> None:
    torch.manual_seed(0)
    unet = FineUNet(FineUNetConfig.mini())
    spectrogram = torch.complex(noise(1, 1, 2049, 40), noise(1, 1, 2049, 40, seed=1))
    with torch.no_grad():
        share = unet(spectrogram) / spectrogram
    assert float((share - 1.0).abs().mean()) < 0.2


@pytest.mark.parametrize("gain", [1e-4, 30.0])
def test_scaling_the_song_scales_the_result(network: FineNet, gain: float) -> None:
    noisy = 0.1 * noise(1, 2, 2 * RATE) + tones(2.0)
    sample = mean_power(0.1 * noise(1, 2, RATE, seed=5))
    with torch.no_grad():
        for power in (None, sample):
            scaled = None if power is None else gain**2 * power
            torch.testing.assert_close(
                network.denoise(gain * noisy, scaled) / gain,
                network.denoise(noisy, power),
                rtol=1e-3,
                atol=1e-4,
            )


def test_silence_stays_silence(network: FineNet) -> None:
    with torch.no_grad():
        assert not network.denoise(torch.zeros(1, 1, RATE)).any()


def test_outputs_move_with_inputs(network: FineNet) -> None:
    frames, shift = 80, 5 * TIME_STRIDE
    spectrogram = torch.complex(noise(1, 1, 2049, frames), noise(1, 1, 2049, frames, seed=1))
    gains = torch.ones(1, frames)
    unet = FineUNet(FineUNetConfig(channels=(1, 1, 2, 2, 2), memory_blocks=0, memory_reach=1)).eval()
    with torch.no_grad():
        whole = unet(spectrogram, gains)
        later = unet(spectrogram[..., shift:], gains[:, shift:])
    inner = slice(32, -32)
    torch.testing.assert_close(whole[..., shift:][..., inner], later[..., inner], rtol=1e-4, atol=1e-5)


def test_other_transforms_are_refused(network: FineNet) -> None:
    with pytest.raises(ConfigurationError, match=r"1025 frequencies.*2049"):
        network.unet(torch.zeros(1, 1, 1025, 9, dtype=torch.complex64))


def test_plain_subtraction_takes_what_the_sample_says() -> None:
    hiss = 0.05 * noise(1, 1, 6 * RATE)
    clean = tones(6.0)[None, None]
    spectrogram = stft(clean + hiss, SPECTRUM_STFT)
    power = mean_power(0.05 * noise(1, 1, 2 * RATE, seed=3))
    gain = subtraction_gain(spectrogram, NoiseSpectrum(power=power, least_gain=torch.zeros_like(power)))
    reference = stft(clean, SPECTRUM_STFT)
    before = (spectrogram - reference).abs().square().sum()
    after = (gain * spectrogram - reference).abs().square().sum()
    assert 10 * math.log10(float(before / after)) > 8.0


def test_the_untrained_spectrum_is_the_floor_or_the_sample() -> None:
    torch.manual_seed(0)
    net = NoiseSpectrumNet(4).eval()
    hiss = 0.05 * noise(2, 1, 12 * RATE)
    spectrogram = stft(hiss, SPECTRUM_STFT)
    sample = torch.stack([torch.zeros(1, 4097), mean_power(0.1 * noise(1, 2 * RATE, seed=3))])
    with torch.no_grad():
        power = net(spectrogram, sample).power
    true = mean_power(hiss)
    floor_db, sample_db = (10 * (power[i].mean() / true[i].mean()).log10() for i in range(2))
    assert -8.0 < float(floor_db) < 0.0  # a minimum over time, though times 1.6
    assert float(sample_db) == pytest.approx(6.02, abs=0.3)


def test_averages_at_the_edges_are_those_of_what_there_is() -> None:
    assert torch.equal(smooth(torch.ones(1, 1, 5, 4)), torch.ones(1, 1, 5, 4))


def test_joined_gains_are_the_geometric_mean() -> None:
    spectrogram = torch.complex(noise(1, 1, 50, 20), noise(1, 1, 50, 20, seed=1))
    gain = join_gains(spectrogram, 0.25 * spectrogram, spectrogram)
    torch.testing.assert_close(gain, torch.full_like(gain, 0.5), rtol=1e-4, atol=1e-4)
    assert not join_gains(spectrogram, 0 * spectrogram, spectrogram).gt(1e-3).any()


@pytest.mark.parametrize("part", ["spectrum", "unet"])
def test_each_part_overfits_one_pair(part: str) -> None:
    """Ten seconds for both parts together."""
    torch.manual_seed(0)
    network = FineNet(
        FineNetConfig(unet=FineUNetConfig(channels=(2, 2, 4, 4, 4), memory_groups=2), spectrum_width=8)
    )
    clean = tones(1.5)[None, None]
    noisy = clean + 0.05 * noise(1, 1, clean.shape[-1])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    network.train()
    for _ in range(30):
        optimizer.zero_grad()
        loss = error_ratio_loss(clean, network(noisy, None, (part,))[part])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        after = snr(clean, network(noisy, None, (part,))[part])
    assert after - snr(clean, noisy) > 6.0


def test_families_tell_configurations_apart() -> None:
    config = FineNetConfig.mini()
    document = {
        "family": "fine",
        "spectrum_width": 4,
        "unet": {"channels": [1, 1, 2, 2, 2], "memory_blocks": 1, "memory_groups": 2},
    }
    assert config_from_json(document) == config
    assert isinstance(new_network(config), FineNet)
    with pytest.raises(ConfigurationError, match=r"family 'magic'.*dcunet, fine"):
        check_family("magic")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": (1, 2)}, "channels is .*5 positive"),
        ({"memory_blocks": -1}, "memory_blocks is -1"),
        ({"memory_groups": 7}, "memory_groups is 7.*160"),
        ({"memory_reach": 0}, "memory_reach is 0"),
        ({"level_reach": 0}, "level_reach is 0"),
        ({"compression": 1.0}, "compression is 1.0"),
    ],
)
def test_configurations_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FineUNetConfig(**changes)


def test_transforms_match() -> None:
    assert (FINE_STFT.num_freqs, SPECTRUM_STFT.num_freqs) == (2049, 4097)
    with pytest.raises(ConfigurationError, match="spectrum_width is 0"):
        FineNetConfig(spectrum_width=0)
