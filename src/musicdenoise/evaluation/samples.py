"""Samples of an evaluation, to look at and to listen to: which items, which stretch, in which versions.

A sample is the middle stretch of what is measured of an item. Systems hear the whole item, as in the
evaluation, and the stretch is cut out afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from musicdenoise.core.metrics import snr
from musicdenoise.evaluation.aggregate import MetricRow
from musicdenoise.evaluation.evaluate import MetricReport
from musicdenoise.evaluation.items import EvalItem, load_item
from musicdenoise.evaluation.systems import System

RESIDUAL = " (residual)"
"""Ending of the name of what a network took away."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One way that a sample sounds.

    Parameters
    ----------
    name
        ``clean``, ``noisy``, the name of a system, or that with `` (residual)``: what a network took away.
    samples
        float32 ``(channels, samples)``.
    snr_db, gain_db
        SNR in dB within the stretch, and its improvement over the noisy stretch; None if they are not
        defined.
    """

    name: str
    samples: Tensor
    snr_db: float | None = None
    gain_db: float | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A stretch of an item in all its versions: clean, noisy, then each system, networks with their residual.

    Parameters
    ----------
    item
        Where it is from.
    start_seconds
        Where the stretch begins in the item.
    sample_rate
        Rate in Hz.
    versions
        See above.
    """

    item: EvalItem
    start_seconds: float
    sample_rate: int
    versions: tuple[Version, ...]


def choose_samples(report: MetricReport, system: str, count: int) -> list[str]:
    """Names of items from the least to the most improved by a system, spread evenly between both."""
    rows: list[MetricRow] = [row for row in report.rows if row.system == system]
    rows.sort(key=lambda row: (row.values["snr_improvement_db"] or 0.0, row.item))
    count = min(count, len(rows))
    if count == 1:
        return [rows[len(rows) // 2].item]
    return [rows[i * (len(rows) - 1) // (count - 1)].item for i in range(count)]


def make_sample(
    item: EvalItem, systems: Sequence[System], seconds: float, noise_sample_seconds: float | None = None
) -> Sample:
    """Run the systems on an item and cut out the middle of what is measured.

    Parameters
    ----------
    item, systems
        What to run on what.
    seconds
        Longest stretch.
    noise_sample_seconds
        As in the evaluation.

    Raises
    ------
    AudioError, DataError
        If the item cannot be read.
    """
    loaded = load_item(item, noise_sample_seconds)
    total = loaded.clean.shape[-1] - loaded.measured_from
    length = min(total, round(seconds * loaded.sample_rate))
    start = loaded.measured_from + (total - length) // 2

    def cut(waveform: Tensor) -> Tensor:
        return waveform[:, start : start + length]

    clean, noisy = cut(loaded.clean), cut(loaded.noisy)
    before = _snr(clean, noisy)
    versions = [Version(name="clean", samples=clean), Version(name="noisy", samples=noisy, snr_db=before)]
    for system in systems:
        estimate = cut(system.process(loaded))
        after = _snr(clean, estimate)
        gain = None if before is None or after is None else after - before
        versions.append(Version(name=system.name, samples=estimate, snr_db=after, gain_db=gain))
        if system.is_network:
            versions.append(Version(name=system.name + RESIDUAL, samples=noisy - estimate))
    return Sample(
        item=item,
        start_seconds=start / loaded.sample_rate,
        sample_rate=loaded.sample_rate,
        versions=tuple(versions),
    )


def _snr(clean: Tensor, estimate: Tensor) -> float | None:
    return snr(clean, estimate) if bool(clean.count_nonzero()) else None
