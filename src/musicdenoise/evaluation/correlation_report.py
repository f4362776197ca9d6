"""Reports of a correlation analysis: text to read, CSV, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from musicdenoise.errors import DataError, UsageError
from musicdenoise.evaluation.correlation import (
    FIXED_COVARIANCE,
    SIGNIFICANCE,
    CorrelationReport,
    CorrelationStatistics,
    PairCorrelation,
)
from musicdenoise.evaluation.csv_cells import csv_text
from musicdenoise.runtime.atomic import make_folder, write_text


def check_report_path(path: Path, *, overwrite: bool) -> None:
    """Check, before the work begins, that a report can be written there.

    Raises
    ------
    UsageError
        If the suffix is not .txt, .csv or .json.
    DataError
        If the file exists and may not be replaced.
    """
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(f"{path}: the report's name must end in one of {', '.join(_WRITERS)}")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give the name of a file")
    if path.exists() and not overwrite:
        raise DataError(f"{path}: already exists; give {{overwrite}} to replace it", overwrite=False)


def write_report(path: Path, report: CorrelationReport) -> None:
    """Write a report in the format of its suffix, atomically.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    make_folder(path.parent)
    write_text(path, _WRITERS[path.suffix.lower()](report))


def report_to_json(report: CorrelationReport) -> str:
    """The report as one JSON object: pairs, statistics, unpaired files and failures."""
    return json.dumps(
        {
            "pairs": [_as_dict(pair) for pair in report.pairs],
            "statistics": None if report.statistics is None else asdict(report.statistics),
            "unpaired": list(report.unpaired),
            "failures": [{"key": failure.what, "reason": failure.reason} for failure in report.failures],
            "significance": SIGNIFICANCE,
            "fixed_covariance": FIXED_COVARIANCE,
        },
        indent=2,
        ensure_ascii=False,
    )


def report_to_csv(report: CorrelationReport) -> str:
    """One line per pair under a line of headings; statistics, unpaired files and failures are left out."""
    file = io.StringIO()
    rows = [_as_dict(pair) for pair in report.pairs]
    if rows:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {key: csv_text(value) if isinstance(value, str) else value for key, value in row.items()}
            for row in rows
        )
    return file.getvalue()


def report_to_text(report: CorrelationReport) -> str:
    """The report for people: a block per pair, then the statistics, then what is missing."""
    blocks = [_pair_text(pair) for pair in report.pairs]
    blocks.append(
        "\n".join(
            ["Statistics over all pairs", *(f"  {line}" for line in statistics_lines(report.statistics))]
        )
    )
    if report.unpaired:
        blocks.append("\n".join(["Files without a partner", *(f"  {name}" for name in report.unpaired)]))
    if report.failures:
        blocks.append("\n".join(["Failed", *(f"  {item.what}: {item.reason}" for item in report.failures)]))
    return "\n\n".join(blocks) + "\n"


def statistics_lines(statistics: CorrelationStatistics | None) -> list[str]:
    """Statistics of the correlations, one line each."""
    if statistics is None:
        return ["no pair has a correlation"]
    return [
        f"pairs with a correlation    {statistics.count}",
        f"r mean / median             {statistics.mean:+.6f} / {statistics.median:+.6f}",
        f"r standard deviation        {statistics.sd:.6f}",
        f"r min / max                 {statistics.minimum:+.6f} / {statistics.maximum:+.6f}",
        f"|r| mean                    {statistics.mean_magnitude:.6f}",
        f"|r| > 0.8                   {statistics.above_08}",
        f"0.5 < |r| <= 0.8            {statistics.from_05_to_08}",
        f"|r| <= 0.5                  {statistics.up_to_05}",
        f"|r| < 0.1                   {statistics.below_01}",
        f"uncorrelated, p >= {SIGNIFICANCE:g}     {statistics.uncorrelated}",
        f"|covariance| < {FIXED_COVARIANCE:g}        {statistics.uncorrelated_fixed}",
        f"better aligned at a lag     {statistics.misaligned}",
    ]


def _as_dict(pair: PairCorrelation) -> dict[str, object]:
    return {
        **asdict(pair),
        "lag_seconds": pair.lag_seconds,
        "uncorrelated": pair.is_uncorrelated,
        "uncorrelated_fixed": pair.is_uncorrelated_fixed,
        "misaligned": pair.is_misaligned,
    }


def _pair_text(pair: PairCorrelation) -> str:
    verdict = {None: "a file is constant", True: "uncorrelated", False: "correlated"}[pair.is_uncorrelated]
    fixed = "yes" if pair.is_uncorrelated_fixed else "no"
    p_text = "none" if pair.p_value is None else f"{pair.p_value:.3g}"
    return "\n".join(
        [
            pair.key,
            f"  first                       {pair.first}",
            f"  second                      {pair.second}",
            f"  compared                    {pair.num_samples} samples in {pair.channels} channel(s) at "
            f"{pair.sample_rate} Hz (lengths {pair.first_samples} and {pair.second_samples})",
            f"  Pearson correlation r       {_signed(pair.pearson)}",
            f"  covariance                  {pair.covariance:+.6e}",
            f"  cross-correlation at lag 0  {pair.cross_correlation:+.6e}",
            f"  means                       {pair.first_mean:+.6e}  {pair.second_mean:+.6e}",
            f"  powers                      {pair.first_power:.6e}  {pair.second_power:.6e}",
            f"  standard deviations         {pair.first_sd:.6e}  {pair.second_sd:.6e}",
            f"  test                        p = {p_text}: {verdict}",
            f"  effective samples           {pair.effective_samples:.0f}",
            f"  |covariance| < {FIXED_COVARIANCE:g}        {fixed}",
            f"  lag (GCC-PHAT)              {pair.lag_samples} samples ({1000 * pair.lag_seconds:.3f} ms), "
            f"peak {pair.lag_peak:+.3f}, r there {_signed(pair.lag_correlation)}",
        ]
    )


def _signed(value: float | None) -> str:
    return "none" if value is None else f"{value:+.6f}"


_WRITERS: dict[str, Callable[[CorrelationReport], str]] = {
    ".txt": report_to_text,
    ".csv": report_to_csv,
    ".json": lambda report: report_to_json(report) + "\n",
}
