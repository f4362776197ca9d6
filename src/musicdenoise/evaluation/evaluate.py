"""Measure several systems on any number of items, one item in memory at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from musicdenoise.errors import AudioError, DataError, Failure, UsageError
from musicdenoise.evaluation.aggregate import MetricRow, Stats, band_of, group_stats
from musicdenoise.evaluation.items import EvalItem, LoadedItem, load_item
from musicdenoise.evaluation.measures import Measure, improvements, measure_waves, speech_waves
from musicdenoise.evaluation.speech import SpeechPool
from musicdenoise.evaluation.systems import System


@dataclass(frozen=True, kw_only=True)
class MetricReport:
    """What an evaluation found.

    Parameters
    ----------
    measures
        What was measured.
    rows
        One per item and system, in the order of both.
    failures
        Items that could not be measured.
    """

    measures: tuple[Measure, ...]
    rows: tuple[MetricRow, ...]
    failures: tuple[Failure, ...]

    @property
    def systems(self) -> list[str]:
        """Names of the systems, in order."""
        return list(dict.fromkeys(row.system for row in self.rows))

    def overall(self) -> dict[str, dict[str, Stats]]:
        """Statistics over all items, by system and key."""
        return {name: groups["all"] for name, groups in group_stats(self.rows, lambda _: "all").items()}

    def by_kind(self) -> dict[str, dict[str, dict[str, Stats]]]:
        """Statistics by system, kind of noise, and key."""
        return group_stats(self.rows, lambda row: row.noise_kind)

    def by_band(self) -> dict[str, dict[str, dict[str, Stats]]]:
        """Statistics by system, band of input SNR (lowest first), and key."""
        ordered = sorted(self.rows, key=lambda row: row.input_snr_db)
        return group_stats(ordered, lambda row: band_of(row.input_snr_db))


def evaluate(
    items: Sequence[EvalItem],
    systems: Sequence[System],
    measures: Sequence[Measure],
    *,
    noise_sample_seconds: float | None = None,
    workers: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> MetricReport:
    """Measure every system on every item.

    Parameters
    ----------
    items
        What is measured on.
    systems
        What is measured; names must differ.
    measures
        From `musicdenoise.evaluation.measures.choose_measures`.
    noise_sample_seconds
        How much of each item's beginning gives a sample of its noise; what follows is measured. None for no
        sample.
    workers
        Processes for the speech measures; 0 computes them in this one.
    on_progress
        Called with the number of items done and of all items.

    Raises
    ------
    UsageError
        If two systems have the same name.
    DataError
        If no item could be measured.
    """
    names = [system.name for system in systems]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two systems are named {name!r}: give each only once")
    rows: list[MetricRow] = []
    failures: list[Failure] = []
    pending: deque[_Pending] = deque()
    # As many items as keep all workers busy, and no more: each holds its signals in memory.
    most_pending = workers // len(systems) + 2 if workers and systems else 0
    with SpeechPool(workers) as pool:
        for done, item in enumerate(items, start=1):
            try:
                loaded = load_item(item, noise_sample_seconds)
                pending.append(_start(loaded, systems, measures, pool))
            except (AudioError, DataError) as error:
                failures.append(Failure(what=item.id, reason=str(error)))
            while len(pending) > most_pending:
                rows += pending.popleft().finish(measures)
            if on_progress:
                on_progress(done, len(items))
        for waiting in pending:
            rows += waiting.finish(measures)
    if not rows:
        reason = failures[0].reason if failures else "there are none"
        raise DataError(f"none of the {len(items)} items could be measured: {reason}")
    return MetricReport(measures=tuple(measures), rows=tuple(rows), failures=tuple(failures))


Values = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class _Signal:
    """Measures of one signal, those of speech still under way."""

    values: Values
    speech: Future[dict[str, float | None]]

    def all_values(self) -> dict[str, float | None]:
        try:
            return {**self.values, **self.speech.result()}
        except BrokenProcessPool as error:
            raise DataError(
                "a process that measures PESQ or STOI died, perhaps because memory ran out: run again with "
                "fewer {workers}, or without these {metrics}",
                workers=None,
                metrics=None,
            ) from error


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """An item whose speech measures may still be under way."""

    item: EvalItem
    seconds: float
    noisy: _Signal
    estimates: Sequence[tuple[str, float, _Signal]]

    def finish(self, measures: Sequence[Measure]) -> Iterator[MetricRow]:
        before = self.noisy.all_values()
        for system, compute_seconds, signal in self.estimates:
            after = signal.all_values()
            values = {measure.key: after[measure.key] for measure in measures}
            yield MetricRow(
                item=self.item.id,
                system=system,
                noise_kind=self.item.noise_kind,
                input_snr_db=before["snr_db"] or 0.0,
                seconds=self.seconds,
                compute_seconds=compute_seconds,
                values={**values, **improvements(measures, before, after)},
            )


def _start(
    loaded: LoadedItem, systems: Sequence[System], measures: Sequence[Measure], pool: SpeechPool
) -> _Pending:
    clean = loaded.measured(loaded.clean)

    def measure(estimate: Tensor) -> _Signal:
        part = loaded.measured(estimate)
        waves: Any = speech_waves(measures, clean, part, loaded.sample_rate)
        return _Signal(values=measure_waves(measures, clean, part), speech=pool.submit(waves))

    noisy = measure(loaded.noisy)
    estimates = []
    for system in systems:
        began = time.monotonic()
        estimate = system.process(loaded)
        seconds = time.monotonic() - began
        estimates.append((system.name, seconds, noisy if estimate is loaded.noisy else measure(estimate)))
    return _Pending(
        item=loaded.item,
        seconds=loaded.clean.shape[-1] / loaded.sample_rate,
        noisy=noisy,
        estimates=estimates,
    )
