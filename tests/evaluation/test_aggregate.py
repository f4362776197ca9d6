"""Statistics and their intervals against numpy, scipy and arithmetic by hand."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from musicdenoise.evaluation.aggregate import MetricRow, band_of, group_stats, summarise


def test_statistics_of_known_numbers() -> None:
    stats = summarise([1.0, 2.0, -3.0, 4.0], is_gain=True)
    assert (stats.count, stats.mean, stats.median, stats.min, stats.max) == (4, 1.0, 1.5, -3.0, 4.0)
    assert stats.sd == pytest.approx(math.sqrt(26 / 3))
    assert stats.share_improved == 0.75
    assert summarise([1.0], is_gain=False).share_improved is None
    single = summarise([2.5], is_gain=False)
    assert (single.sd, single.low, single.high) == (0.0, 2.5, 2.5)


def test_the_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, 80)
    ours = summarise(list(values), is_gain=True)
    theirs = scipy_stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9999, rng=1)
    # Both are random; their own spread is about 2 % of the width.
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.1 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.1 * width)
    assert summarise(list(values), is_gain=True) == ours, "the same values must give the same interval"


def test_bands_of_input_snr() -> None:
    bands = [band_of(snr) for snr in (-0.1, 0.0, 4.99, 5.0, 27.3)]
    assert bands == ["-5 to 0 dB", "0 to 5 dB", "0 to 5 dB", "5 to 10 dB", "25 to 30 dB"]


def test_groups_leave_out_what_is_not_defined() -> None:
    def row(item: str, kind: str, value: float | None) -> MetricRow:
        return MetricRow(
            item=item,
            system="network",
            noise_kind=kind,
            input_snr_db=3.0,
            seconds=1.0,
            compute_seconds=0.1,
            values={"snr_improvement_db": value, "stoi": None},
        )

    rows = [row("a", "white", 1.0), row("b", "white", 3.0), row("c", "siren", None)]
    groups = group_stats(rows, lambda each: each.noise_kind)["network"]
    assert groups["white"]["snr_improvement_db"].mean == 2.0
    assert groups["white"].keys() == {"snr_improvement_db"}
    assert groups["siren"] == {}
