"""``musicdenoise correlate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicdenoise.cli.common import FAILED, note, print_error, warn
from musicdenoise.cli.config_file import Config
from musicdenoise.cli.log import LogLevel, is_quiet, quiet_option
from musicdenoise.cli.quoting import quoted, quoted_json

if TYPE_CHECKING:
    from musicdenoise.evaluation.correlation import CorrelationReport


def correlate(
    first: Annotated[Path, typer.Argument(metavar="DIR1", help="A folder of audio, or a file.")],
    second: Annotated[Path, typer.Argument(metavar="DIR2", help="Another one.")],
    output: Annotated[
        Path | None,
        typer.Argument(metavar="OUTPUT", help="Report: a name that ends in .txt, .csv or .json."),
    ] = None,
    max_lag: Annotated[
        float, typer.Option("--max-lag", metavar="S", help="Largest lag to look for, in seconds.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    jobs: Annotated[int, typer.Option("-j", "--jobs", metavar="N", help="Processes.")] = 1,
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace an existing report.")] = False,
    quiet: Annotated[bool, quiet_option("Print no table, only warnings and errors.")] = False,
    _config: Config = None,
    _log_level: LogLevel = None,
) -> None:
    """Compare the audio files of two folders pair by pair.

    Files are paired by name, or by the manifest of a dataset. For each pair: Pearson's correlation with a
    test of significance, covariance, means, powers, and the lag at which both match best (GCC-PHAT).
    """
    from musicdenoise.cli.progress import song_progress
    from musicdenoise.evaluation.correlation import correlate_files
    from musicdenoise.evaluation.correlation_report import check_report_path, report_to_json, write_report
    from musicdenoise.evaluation.file_pairs import find_file_pairs

    if output is not None:
        check_report_path(output, overwrite=force)
    pairs, unpaired = find_file_pairs(first, second)
    for path in unpaired:
        warn(f"{path}: has no partner in the other folder")
    with song_progress(f"Comparing {len(pairs)} pairs") as on_progress:
        report = correlate_files(
            pairs, unpaired=unpaired, most_lag_seconds=max_lag, jobs=jobs, on_progress=on_progress
        )
    if output is not None:
        write_report(output, report)
        note(f"Report: {output}")
    if as_json:
        typer.echo(quoted_json(report_to_json(report)))
    elif not is_quiet():
        _show(report)
    for failure in report.failures:
        print_error(f"{failure.what}: {failure.reason}")
    if report.failures:
        raise typer.Exit(FAILED)


def _show(report: CorrelationReport) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from musicdenoise.evaluation.correlation_report import statistics_lines

    table = Table(title="Correlation")
    table.add_column("pair", overflow="fold")
    for heading in ("r", "covariance", "p", "lag", "r at lag"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in report.pairs:
        table.add_row(
            escape(quoted(pair.key)),
            _number(pair.pearson, "+.4f"),
            _number(pair.covariance, "+.2e"),
            _number(pair.p_value, ".2g"),
            str(pair.lag_samples),
            _number(pair.lag_correlation, "+.4f"),
        )
    console = Console()
    console.print(table)
    for line in statistics_lines(report.statistics):
        console.print(line, markup=False, highlight=False)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
