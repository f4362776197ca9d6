from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from musicdenoise.core.architecture import Frames
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.overlap import SegmentPlan, SpectralStream, mirror
from musicdenoise.core.stft import StftConfig, istft, stft
from musicdenoise.errors import ConfigurationError

CONFIG = StftConfig()
CPU = torch.device("cpu")


def run(
    estimator: Callable[[Tensor, Tensor], Tensor], x: Tensor, plan: SegmentPlan, block: int = 44_100
) -> Tensor:
    def of_wanted(spectrogram: Tensor, gains: Tensor, wanted: Frames) -> Tensor:
        return estimator(spectrogram, gains)[..., wanted.first : wanted.beyond]

    stream = SpectralStream(of_wanted, CONFIG, plan, x.shape[0], CPU)
    with torch.inference_mode():
        return torch.cat([*[stream.push(piece) for piece in x.split(block, dim=1)], stream.flush()], dim=1)


def noise(channels: int, num_samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(channels, num_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("num_samples", [1, 2, 511, 1024, 2049, 5000, 44_100, 100_000, 131_072, 300_001])
@pytest.mark.parametrize(("segment", "context"), [(16, 16), (64, 48), (256, 64)])
@pytest.mark.parametrize("block", [997, 50_000])
def test_identity_network_gives_the_signal_back(
    num_samples: int, segment: int, context: int, block: int
) -> None:
    x = noise(2, num_samples)
    plan = SegmentPlan(segment_frames=segment, context_frames=context)
    y = run(lambda spectrogram, gains: spectrogram, x, plan, block)
    assert y.shape == x.shape
    assert float((y - x).abs().max()) < 1e-6


def test_a_filter_per_frame_equals_the_whole_song_at_once() -> None:
    # A mask that depends on frequency and on the frame's own content: any seam would show.
    def estimator(spectrogram: Tensor, gains: Tensor) -> Tensor:
        return spectrogram * (spectrogram.abs() * gains[:, None, None] / (1 + torch.arange(1025)[:, None]))

    x = noise(1, 200_000)
    plan = SegmentPlan(segment_frames=64, context_frames=48, level_reach=0)
    spectrogram = stft(x, CONFIG).unsqueeze(0)
    gains = spectrogram.abs().square().mean(dim=(1, 2)).rsqrt()
    whole = istft(estimator(spectrogram, gains)[0], CONFIG, num_samples=200_000)
    inner = slice(2048, -2048)  # the ends are extended alike, but the last frame lies one further out
    torch.testing.assert_close(run(estimator, x, plan)[:, inner], whole[:, inner], atol=1e-5, rtol=0)


def test_result_does_not_depend_on_blocks() -> None:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini()).eval()
    x = noise(2, 150_000)
    plan = SegmentPlan(segment_frames=128, context_frames=48)
    expected = run(network, x, plan, 150_000)
    for block in (777, 65_536):
        assert float((run(network, x, plan, block) - expected).abs().max()) < 1e-6


def test_result_does_not_depend_on_segment_length() -> None:
    # Random weights carry much further than trained ones; context over the whole reach is exact.
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini()).eval()
    x = noise(1, 200_000)
    short = run(network, x, SegmentPlan(segment_frames=64, context_frames=112))
    long = run(network, x, SegmentPlan(segment_frames=256, context_frames=112))
    ratio = (short - long).square().sum() / long.square().sum()
    assert float(ratio) < 1e-10


def test_memory_held_does_not_grow() -> None:
    stream = SpectralStream(
        lambda spectrogram, gains, wanted: spectrogram[..., wanted.first : wanted.beyond],
        CONFIG,
        SegmentPlan(segment_frames=64),
        1,
        CPU,
    )
    held = []
    for seed in range(30):
        stream.push(noise(1, 44_100, seed))
        held.append(stream._buffer.untyped_storage().nbytes())
    assert max(held[10:]) <= 1.1 * max(held[:10])


def test_mirror_repeats_back_and_forth() -> None:
    x = torch.tensor([[0.0, 1.0, 2.0]])
    assert mirror(x, 5, 6)[0].tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0]
    assert mirror(torch.tensor([[7.0]]), 2, 3)[0].tolist() == [7.0] * 6


@pytest.mark.parametrize(
    "wrong", [{"segment_frames": 0}, {"segment_frames": 100}, {"context_frames": 8}, {"level_reach": -1}]
)
def test_impossible_plans_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        SegmentPlan(**wrong)


def test_silent_segments_are_not_computed() -> None:
    calls = []

    def estimator(spectrogram: Tensor, gains: Tensor) -> Tensor:
        calls.append(spectrogram.shape)
        return spectrogram

    plan = SegmentPlan(segment_frames=64, context_frames=16, level_reach=16)
    x = torch.zeros(2, 600_000)
    x[:, 300_000:320_000] = noise(2, 20_000)
    y = run(estimator, x, plan)
    assert float((y - x).abs().max()) < 1e-6
    assert not y[:, :250_000].any()
    assert 1 <= len(calls) <= 10  # of two channels
    calls.clear()
    assert not run(estimator, torch.zeros(1, 100_000), plan).any()
    assert not calls


def test_channels_that_are_silent_or_copies_are_not_computed() -> None:
    computed = 0

    def estimator(spectrogram: Tensor, gains: Tensor) -> Tensor:
        nonlocal computed
        computed += spectrogram[..., 0, 0].numel()
        return 0.5 * spectrogram

    def channels_computed(x: Tensor) -> int:
        nonlocal computed
        computed = 0
        y = run(estimator, x, SegmentPlan(segment_frames=16, context_frames=16))
        torch.testing.assert_close(y, 0.5 * x, atol=1e-6, rtol=0)
        return computed

    x = noise(2, 300_000)
    both = channels_computed(x)
    silent_at_first = x.clone()
    silent_at_first[1, :200_000] = 0.0
    plan = SegmentPlan(segment_frames=16, context_frames=16)
    assert not run(estimator, silent_at_first, plan)[1, :195_000].any()
    assert both / 2 < channels_computed(silent_at_first) < 0.85 * both
    assert channels_computed(x[:1].repeat(2, 1)) == both / 2
