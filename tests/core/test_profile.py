import pytest
import torch
from torch import Tensor

from musicdenoise.core.profile import NUM_MOMENTS, ProfileFilter, lifted, moments, weighted_sum
from musicdenoise.core.profile_stream import AHEAD_SECONDS, BLOCK_FRAMES, MEMORY_SECONDS, ProfileStream

FREQS = 33
RATE = 86.0
CPU = torch.device("cpu")


def trained(width: int = 4) -> ProfileFilter:
    """A filter that does something: as after training, but at random."""
    torch.manual_seed(0)
    filter_ = ProfileFilter(width)
    torch.nn.init.normal_(filter_.last.weight, std=0.3)
    return filter_.eval()


def pair(frames: int, channels: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    noisy = torch.randn(channels, FREQS, frames, dtype=torch.complex64, generator=generator)
    return noisy, noisy * torch.rand(channels, FREQS, frames, generator=generator)


def run(filter_: ProfileFilter, noisy: Tensor, estimate: Tensor, sizes: list[int]) -> Tensor:
    stream = ProfileStream(filter_, noisy.shape[0], FREQS, RATE, CPU)
    with torch.inference_mode():
        done = [
            stream.push(a, b) for a, b in zip(noisy.split(sizes, -1), estimate.split(sizes, -1), strict=True)
        ]
        return torch.cat([*done, stream.flush()], dim=-1)


def test_it_starts_as_the_identity() -> None:
    noisy, estimate = pair(40, channels=2)
    refined = ProfileFilter(8)(noisy[None], estimate[None])
    torch.testing.assert_close(refined, estimate[None])


def test_level_does_not_matter() -> None:
    filter_ = trained()
    noisy, estimate = (part[None] for part in pair(60))
    with torch.inference_mode():
        quiet = filter_(1e-3 * noisy, 1e-3 * estimate)
        loud = filter_(noisy, estimate)
    assert float((1e3 * quiet - loud).norm() / loud.norm()) < 1e-3
    assert float((loud - estimate).norm() / estimate.norm()) > 1e-2  # it does something


def test_channels_are_filtered_each_on_its_own() -> None:
    filter_ = trained()
    noisy, estimate = (part[None] for part in pair(50, channels=2))
    with torch.inference_mode():
        both = filter_(noisy, estimate)
        second = filter_(noisy[:, 1:], estimate[:, 1:])
    torch.testing.assert_close(both[:, 1:], second)


def test_what_was_removed_before_decides_what_is_removed_now() -> None:
    """The same second of a song, after noise that lasts and after none."""
    filter_ = trained()
    noisy, estimate = pair(200)
    other = estimate.clone()
    other[..., :100] = noisy[..., :100]  # nothing was removed there
    with torch.inference_mode():
        after_noise = filter_(noisy[None], estimate[None])[..., 150:]
        after_none = filter_(noisy[None], other[None])[..., 150:]
    assert float((after_noise - after_none).norm() / after_noise.norm()) > 1e-2


def test_silent_frames_do_not_count() -> None:
    noisy, estimate = pair(30)
    silence = torch.zeros_like(noisy)
    values, weights = moments(torch.cat([noisy, silence], -1), torch.cat([estimate, silence], -1))
    assert values.shape == (1, NUM_MOMENTS, FREQS, 60)
    assert bool(values.isfinite().all())
    assert weights[0].tolist() == [1.0] * 30 + [0.0] * 30
    filter_ = trained()
    with torch.inference_mode():
        silent = filter_(silence[None], silence[None])
    assert float(silent.abs().max()) == 0.0


def test_mixed_precision_leaves_the_averages_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    filter_ = trained()
    noisy, estimate = (part[None] for part in pair(60))
    seen = []
    monkeypatch.setattr(filter_, "gains", lambda *features: seen.append(features) or torch.zeros(1, 2, 1, 1))
    filter_(noisy, estimate)
    with torch.autocast("cpu", torch.bfloat16):
        filter_(noisy, estimate)
    for exact, mixed in zip(*seen, strict=True):
        assert torch.equal(exact, mixed)


def test_gradients_reach_all_weights_but_not_the_estimate() -> None:
    filter_ = trained()
    noisy, estimate = (part[None] for part in pair(40))
    filter_(noisy, estimate).abs().square().sum().backward()
    assert all(parameter.grad is not None for parameter in filter_.parameters())
    assert float(filter_.local.weight.grad.abs().max()) > 0.0


@pytest.mark.parametrize("frames", [0, 1, 15, 128, 129, 500, 1200])
def test_a_stream_returns_as_many_frames_as_it_took(frames: int) -> None:
    noisy, estimate = pair(frames)
    assert run(trained(), noisy, estimate, [frames]).shape == noisy.shape


@pytest.mark.parametrize("size", [1, 16, 63, 300])
def test_a_stream_does_not_depend_on_how_many_frames_arrive_at_once(size: int) -> None:
    filter_ = trained()
    noisy, estimate = pair(1200, channels=2)
    whole = run(filter_, noisy, estimate, [1200])
    sizes = [size] * (1200 // size) + ([1200 % size] if 1200 % size else [])
    torch.testing.assert_close(run(filter_, noisy, estimate, sizes), whole, rtol=1e-5, atol=1e-6)


def test_a_short_song_is_filtered_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicdenoise.core.profile_stream.MEMORY_SECONDS", 1e9)
    filter_ = trained()
    noisy, estimate = pair(300)  # shorter than what a stream waits for
    with torch.inference_mode():
        whole = filter_(noisy[None], estimate[None])[0]
    torch.testing.assert_close(run(filter_, noisy, estimate, [300]), whole, rtol=1e-4, atol=1e-5)


def test_a_stream_lags_by_what_it_waits_for_and_keeps_no_more() -> None:
    noisy, estimate = pair(3000)
    stream = ProfileStream(trained(), 1, FREQS, RATE, CPU)
    returned = 0
    with torch.inference_mode():
        for first in range(0, 3000, 50):
            returned += stream.push(noisy[..., first : first + 50], estimate[..., first : first + 50]).shape[
                -1
            ]
            lag = first + 50 - returned
            assert lag < AHEAD_SECONDS * RATE + 3 * BLOCK_FRAMES
            assert stream._frames.shape[-1] <= lag + BLOCK_FRAMES


def test_old_noise_is_forgotten() -> None:
    """Two songs whose ends are the same: long after, it no longer matters how they began."""
    filter_ = trained()
    end = int(8 * MEMORY_SECONDS * RATE)
    noisy, estimate = pair(200 + end)
    other = estimate.clone()
    other[..., :200] = noisy[..., :200]
    sizes = [200 + end]
    first, second = (run(filter_, noisy, part, sizes)[..., -200:] for part in (estimate, other))
    assert float((first - second).norm() / first.norm()) < 1e-3


def test_frames_of_a_fade_out_are_brought_to_the_level_of_the_noise() -> None:
    noisy, _ = pair(400)
    removed = 0.9 * noisy  # noise alone, nearly all of it removed
    values, weights = moments(noisy[..., :200], (noisy - removed)[..., :200])
    profile = weighted_sum(values, weights) / weights.sum(-1)[:, None, None]
    song, rest = noisy[..., 200:], (noisy - removed)[..., 200:]
    as_it_is, _ = lifted(song, rest, profile)
    torch.testing.assert_close(as_it_is, song)
    faded, faded_rest = lifted(1e-2 * song, 1e-2 * rest, profile)
    assert 0.3 < float(faded.norm() / song.norm()) < 1.0
    torch.testing.assert_close(faded_rest / faded, rest / song)


def test_a_fade_out_does_not_make_noise_of_a_song() -> None:
    filter_ = trained()
    noisy, _ = pair(1500)
    estimate = 0.1 * noisy
    steady = run(filter_, noisy, estimate, [1500])[..., -200:]
    fade = torch.logspace(0.0, -3.0, 1500)
    faded = (run(filter_, fade * noisy, fade * estimate, [1500]) / fade)[..., -200:]
    assert float((faded - steady).norm() / steady.norm()) < 0.3
