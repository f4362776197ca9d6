import pytest
import torch
from torch import Tensor

from musicdenoise.core.window_stream import WindowPlan, WindowStream
from musicdenoise.errors import ConfigurationError

PLAN = WindowPlan(stretch=20_000, context=6_000, fade=2_000)


def noise(samples: int, seed: int = 0) -> Tensor:
    return torch.randn(2, samples, generator=torch.Generator().manual_seed(seed))


def run(estimator, signal: Tensor, block: int) -> Tensor:
    stream = WindowStream(estimator, PLAN, signal.shape[0])
    done = [stream.push(part) for part in signal.split(block, -1)]
    return torch.cat([*done, stream.flush()], -1)


LENGTHS = [1, 2, 500, 6_000, 19_999, 26_000, 26_001, 40_000, 46_000, 46_001, 100_000]


@pytest.mark.parametrize("length", LENGTHS)
def test_what_goes_in_comes_out(length: int) -> None:
    signal = noise(length)
    torch.testing.assert_close(run(lambda window: window, signal, 7_001), signal, rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", LENGTHS)
def test_blocks_do_not_matter(length: int) -> None:
    signal = noise(length)

    def centred(window: Tensor) -> Tensor:  # differs from window to window
        assert window.shape[-1] >= 16_384
        return window - window.mean(-1, keepdim=True)

    whole = run(centred, signal, length)
    assert all(torch.equal(run(centred, signal, block), whole) for block in (997, 26_000, 50_000))


def test_windows_end_softly() -> None:
    signal = torch.ones(1, 90_000)
    count = iter(range(100))
    stepped = run(lambda window: window * next(count), signal, 90_000)[0]
    assert stepped[0] == 0
    assert stepped[-1] > 1
    assert float(stepped.diff().abs().max()) < 2.0 * torch.pi / PLAN.fade


def test_windows_reach_as_far_as_planned_and_memory_does_not_grow() -> None:
    lengths = []

    def estimate(window: Tensor) -> Tensor:
        lengths.append(window.shape[-1])
        return window

    stream = WindowStream(estimate, PLAN, 1)
    for part in noise(200_000)[:1].split(1_000, -1):
        stream.push(part)
        assert stream._buffer.shape[-1] <= PLAN.stretch + 2 * PLAN.context
    stream.flush()
    assert lengths[0] == PLAN.stretch + PLAN.context
    assert set(lengths[1:-1]) == {PLAN.stretch + 2 * PLAN.context}
    assert sum(lengths) > 200_000


def test_silence_stays_silence_unasked() -> None:
    def never(window: Tensor) -> Tensor:
        raise AssertionError("asked")

    assert not run(never, torch.zeros(1, 60_000), 60_000).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"stretch": 100}, "stretch is 100"), ({"context": 0}, "context is 0"), ({"fade": 3}, "fade is 3")],
)
def test_plans_out_of_range_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WindowPlan(**{"stretch": 20_000, "context": 6_000, "fade": 2_000, **changes})
