"""Batches in a fixed order, from any position on, made in this process or by workers.

Example ``i`` of a source depends on ``i`` alone, and batch ``n`` holds the examples ``n * size`` to
``(n + 1) * size - 1``. So the order does not depend on the number of workers, a run that goes on after
``n`` steps starts with batch ``n``, and several processes share a batch by dividing its examples. Workers
compute with one thread each, and sums over several threads differ in their last bits. So runs with any number
of workers are equal to the bit, but not to a run without workers.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from musicdenoise.data.datasets import ExampleSource
from musicdenoise.data.mixer import Example
from musicdenoise.errors import MusicDenoiseError, TrainingError

_WAITING_PARTS = 4  # parts that each worker prepares ahead


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """Which examples this process computes, and in which order.

    Parameters
    ----------
    first_step
        Steps that are done already.
    batch_size
        Examples per step, over all processes and parts.
    part_size
        Examples that this process computes at once.
    rank, num_processes
        The number of this process, and how many there are.
    """

    first_step: int
    batch_size: int
    part_size: int
    rank: int = 0
    num_processes: int = 1

    def __iter__(self) -> Iterator[list[int]]:
        """Numbers of the examples of each part, endlessly."""
        stride = self.part_size * self.num_processes
        for step in itertools.count(self.first_step):
            begin = step * self.batch_size + self.rank * self.part_size
            for first in range(begin, (step + 1) * self.batch_size, stride):
                yield list(range(first, first + self.part_size))

    @property
    def parts_per_step(self) -> int:
        """Parts that this process computes per step."""
        return self.batch_size // (self.part_size * self.num_processes)


def feed(source: ExampleSource, plan: BatchPlan, workers: int) -> Generator[list[Example], None, None]:
    """Parts of each batch for one process: examples whose tensors have ``part_size`` in front.

    Parameters
    ----------
    source
        Where examples come from.
    plan
        Which examples, in which order.
    workers
        Processes that prepare examples ahead; 0 prepares them here.

    Raises
    ------
    MusicDenoiseError
        If an example cannot be read, wherever it was prepared.
    """
    loader: DataLoader[_Outcome] = DataLoader(
        _Examples(source),
        batch_sampler=plan,
        num_workers=workers,
        collate_fn=_collate,
        prefetch_factor=_WAITING_PARTS if workers else None,
        # Fork shares the decoded audio, which is mapped into memory; elsewhere each worker maps it anew.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        generator=torch.Generator(),  # the global one belongs to the run's state
    )
    parts = []
    iterator = iter(loader)
    while True:
        try:
            outcome = next(iterator)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(
                f"a worker that prepares examples died ({reason}): go on with {{resume}} and fewer "
                "{workers}",
                resume=False,
                workers=None,
            ) from error
        if isinstance(outcome, MusicDenoiseError):
            raise outcome
        parts.append(outcome)
        if len(parts) == plan.parts_per_step:
            yield parts
            parts = []


_Outcome = Example | MusicDenoiseError


class _Examples(Dataset[_Outcome]):
    """Examples by number; a failure is handed over as a value, so that its message stays one line."""

    def __init__(self, source: ExampleSource) -> None:
        self.source = source

    def __getitem__(self, index: int) -> _Outcome:
        try:
            return self.source.example(index)
        except MusicDenoiseError as error:
            return error


def _collate(outcomes: list[_Outcome]) -> _Outcome:
    examples = []
    for outcome in outcomes:
        if isinstance(outcome, MusicDenoiseError):
            return outcome
        examples.append(outcome)
    return Example(*(torch.stack(tensors) for tensors in zip(*examples, strict=True)))
