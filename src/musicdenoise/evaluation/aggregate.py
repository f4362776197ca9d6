"""Statistics over items, with intervals that say how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2_000  # chosen, not measured
CONFIDENCE = 0.95  # by convention
BAND_DB = 5  # chosen, not measured: wide enough for several items
_SEED = 0
_PIECE = 50  # resamples at a time, to bound memory


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """What one system did to one item, in figures.

    Parameters
    ----------
    item, system
        Names.
    noise_kind
        Class of the noise.
    input_snr_db
        SNR of the noisy input in dB.
    seconds
        Length of the item.
    compute_seconds
        Time that the system took.
    values
        Measures and improvements by key; None if not defined.
    """

    item: str
    system: str
    noise_kind: str
    input_snr_db: float
    seconds: float
    compute_seconds: float
    values: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Statistics of one value.

    Parameters
    ----------
    count
        Items for which the value is defined.
    mean, sd, median, min, max
        Over these items. The standard deviation is that of the sample (0 for one item).
    low, high
        Bootstrap interval of the mean that covers it with 95 % probability.
    share_improved
        For improvements: share of the items with a positive one.
    """

    count: int
    mean: float
    sd: float
    median: float
    min: float
    max: float
    low: float
    high: float
    share_improved: float | None = None


def summarise(values: Sequence[float], *, is_gain: bool) -> Stats:
    """Statistics of at least one value.

    The interval is the percentile bootstrap (Efron & Tibshirani, "An introduction to the bootstrap", 1993,
    section 13.3) with 2000 resamples from a fixed seed.
    """
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(_SEED)
    # In pieces, because the random numbers of a large evaluation need much memory.
    draws = (rng.integers(len(array), size=(_PIECE, len(array))) for _ in range(RESAMPLES // _PIECE))
    means = np.concatenate([array[drawn].mean(axis=1) for drawn in draws])
    tail = 100.0 * (1.0 - CONFIDENCE) / 2.0
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return Stats(
        count=len(array),
        mean=float(array.mean()),
        sd=float(array.std(ddof=1)) if len(array) > 1 else 0.0,
        median=float(np.median(array)),
        min=float(array.min()),
        max=float(array.max()),
        low=float(low),
        high=float(high),
        share_improved=float((array > 0.0).mean()) if is_gain else None,
    )


def band_of(snr_db: float) -> str:
    """The band of 5 dB of an input SNR, such as ``"5 to 10 dB"``."""
    low = math.floor(snr_db / BAND_DB) * BAND_DB
    return f"{low} to {low + BAND_DB} dB"


def group_stats(
    rows: Iterable[MetricRow], group: Callable[[MetricRow], str]
) -> dict[str, dict[str, dict[str, Stats]]]:
    """Statistics by system, group and key.

    Parameters
    ----------
    rows
        What was measured.
    group
        Name of the group that a row belongs to.
    """
    collected: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        keys = collected.setdefault(row.system, {}).setdefault(group(row), {})
        for key, value in row.values.items():
            if value is not None:
                keys.setdefault(key, []).append(value)
    return {
        system: {
            name: {key: summarise(values, is_gain="_improvement" in key) for key, values in keys.items()}
            for name, keys in groups.items()
        }
        for system, groups in collected.items()
    }
