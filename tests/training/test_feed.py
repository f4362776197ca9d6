"""Batches: the same order from any position, with any number of workers and processes."""

import itertools
import os
import signal
from dataclasses import dataclass

import pytest
import torch

from musicdenoise.data.mixer import Example
from musicdenoise.errors import DataError, TrainingError
from musicdenoise.training.feed import BatchPlan, feed

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # where there is one processor


@dataclass
class Numbers:
    """Example ``i`` is the number ``i``; one of them may be unreadable, or kill who prepares it."""

    broken: int = -1
    deadly: int = -1
    epoch_size: int = 10

    def example(self, index: int) -> Example:
        if index == self.broken:
            raise DataError(f"example {index} cannot be read")
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return Example.without_sample(torch.full((1, 1), float(index)), torch.full((1, 1), -float(index)))


def numbers(plan: BatchPlan, steps: int, workers: int = 0) -> list[list[int]]:
    batches = feed(Numbers(), plan, workers)
    taken = list(itertools.islice(batches, steps))
    batches.close()
    for parts in taken:
        assert all(torch.equal(noisy, -target) for noisy, target, *_ in parts)
    return [[int(number) for noisy, *_ in parts for number in noisy.flatten()] for parts in taken]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_continue_where_a_run_stopped(workers: int) -> None:
    plan = BatchPlan(first_step=3, batch_size=4, part_size=2)
    assert plan.parts_per_step == 2
    assert numbers(plan, 2, workers) == [[12, 13, 14, 15], [16, 17, 18, 19]]


@pytest.mark.parametrize("part_size", [1, 2])
def test_processes_share_each_batch(part_size: int) -> None:
    hands = [
        numbers(
            BatchPlan(first_step=1, batch_size=4, part_size=part_size, rank=rank, num_processes=2), steps=2
        )
        for rank in range(2)
    ]
    assert all(len(hand[0]) == 2 for hand in hands)
    for step in range(2):
        assert sorted(hands[0][step] + hands[1][step]) == list(range(4 * (step + 1), 4 * (step + 2)))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_example_is_named_in_one_line(workers: int) -> None:
    batches = feed(Numbers(broken=5), BatchPlan(first_step=0, batch_size=4, part_size=4), workers)
    next(batches)
    with pytest.raises(DataError) as caught:
        next(batches)
    assert str(caught.value) == "example 5 cannot be read"


def test_a_worker_that_dies_is_no_mystery() -> None:
    batches = feed(Numbers(deadly=0), BatchPlan(first_step=0, batch_size=2, part_size=2), 1)
    with pytest.raises(TrainingError, match=r"worker.*resume"):
        next(batches)
