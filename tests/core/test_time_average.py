import pytest
import torch
from torch import Tensor

from musicdenoise.core.time_average import mean_around, moments_around


def slow_windows(x: Tensor, reach: int) -> list[Tensor]:
    frames = x.shape[-1]
    return [x[..., max(0, k - reach) : k + reach + 1] for k in range(frames)]


@pytest.mark.parametrize("frames", [1, 5, 6, 7, 40])
def test_windows_cover_what_there_is(frames: int) -> None:
    x = torch.randn(2, 3, frames, generator=torch.Generator().manual_seed(frames))
    windows = slow_windows(x, 5)
    means = torch.stack([window.mean(-1) for window in windows], -1)
    spreads = torch.stack([window.std(-1, correction=0) for window in windows], -1)
    torch.testing.assert_close(mean_around(x, 5), means, rtol=1e-5, atol=1e-6)
    found = moments_around(x, 5)
    torch.testing.assert_close(found[0], means, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1], spreads, rtol=1e-3, atol=1e-4)


def test_a_loud_past_does_not_blur_a_quiet_present() -> None:
    x = torch.cat([torch.full((5_000,), 1e6), torch.full((100,), 1e-2)])
    assert mean_around(x, 3)[-1] == pytest.approx(1e-2, rel=1e-3)
