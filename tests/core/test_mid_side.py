"""Middle and side in place of left and right."""

import pytest
import torch
from torch import Tensor

from musicdenoise.core.mid_side import MidSideStream, mid_side


class OneChannel:
    """Keeps one of the channels that it gets, and holds back 3000 samples."""

    def __init__(self, kept: int) -> None:
        self._kept, self._waiting = kept, torch.zeros(2, 0)

    def push(self, block: Tensor) -> Tensor:
        self._waiting = torch.cat([self._waiting, block * torch.eye(2)[self._kept][:, None]], dim=1)
        ready = max(0, self._waiting.shape[1] - 3000)
        done, self._waiting = self._waiting[:, :ready], self._waiting[:, ready:]
        return done

    def flush(self) -> Tensor:
        return self._waiting


def through(stream: MidSideStream, x: Tensor) -> Tensor:
    return torch.cat([*[stream.push(piece) for piece in x.split(997, dim=1)], stream.flush()], dim=1)


def noise(num_samples: int) -> Tensor:
    return 0.1 * torch.randn(2, num_samples, generator=torch.Generator().manual_seed(0))


def test_middle_and_side_keep_the_power_and_turn_back() -> None:
    x = noise(5000)
    torch.testing.assert_close(mid_side(mid_side(x)), x)
    torch.testing.assert_close(mid_side(x).square().sum(), x.square().sum())


@pytest.mark.parametrize(("kept", "sign"), [(0, 1.0), (1, -1.0)])
def test_the_inner_stream_gets_middle_and_side(kept: int, sign: float) -> None:
    x = noise(20_000)
    part = 0.5 * (x[0] + sign * x[1])
    y = through(MidSideStream(OneChannel(kept), 1024), x)
    torch.testing.assert_close(y, torch.stack([part, sign * part]))


def test_a_silent_channel_stays_silent() -> None:
    x = noise(20_000)
    x[1, 5_000:12_000] = 0.0
    x[1, 15_000:15_500] = 0.0  # too short to count
    y = through(MidSideStream(OneChannel(0), 1024), x)
    assert not y[1, 5_000:12_000].any()
    assert y[0, 5_000:12_000].all() and y[1, 12_000:].all() and y[1, 15_000:15_500].all()
