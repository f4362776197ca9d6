"""``musicdenoise eval``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from musicdenoise.cli import eval_options as options
from musicdenoise.cli.common import FAILED, choose_device, note, print_error, takes, warn
from musicdenoise.cli.log import is_quiet
from musicdenoise.cli.quoting import quoted, quoted_json
from musicdenoise.errors import DataError, UsageError

if TYPE_CHECKING:
    from musicdenoise.evaluation.evaluate import MetricReport
    from musicdenoise.evaluation.items import EvalItem
    from musicdenoise.evaluation.metric_files import Provenance
    from musicdenoise.evaluation.systems import System


@takes(options.Request, options.PANELS)
def evaluate(request: options.Request) -> None:
    """Measure networks and baselines on noisy music whose clean music is known.

    Networks run as they do in `denoise`, with the gate (see --always).
    Prints a table of means with 95 % intervals. With --out, writes metrics.json, metrics.csv, plots, samples
    and report.html, a page to look and listen.
    """
    from musicdenoise.cli.eval_systems import choose_systems
    from musicdenoise.denoising.denoise_config import DenoiseConfig
    from musicdenoise.evaluation.folder import write_evaluation
    from musicdenoise.evaluation.items import data_digest, spread
    from musicdenoise.evaluation.metric_files import Provenance
    from musicdenoise.runtime.atomic import make_folder

    if request.out is not None and (request.out / "metrics.json").exists() and not request.force:
        raise UsageError(
            f"{request.out} already holds an evaluation: replace it with --force, or choose another --out"
        )
    chosen = choose_device(request.device, cuda=request.cuda)
    if request.out is not None:
        make_folder(request.out)
    items = spread(_find_items(request), request.limit)
    systems = choose_systems(
        request.weights or [],
        request.baselines,
        chosen,
        DenoiseConfig(gate=not request.always),
        with_sample=request.noise_sample is not None,
    )
    report = _measure(items, systems, request)
    provenance = Provenance(
        command=["musicdenoise", *sys.argv[1:]],
        data=[str(path) for path in (request.data, request.clean) if path is not None],
        data_sha256=data_digest(items),
        systems=systems,
        device=chosen,
        gate=not request.always,
        noise_sample_seconds=request.noise_sample,
    )
    _print(report, provenance, as_json=request.as_json)
    if request.out is not None:
        write_evaluation(
            request.out,
            report,
            provenance,
            items,
            num_samples=request.samples,
            sample_seconds=request.sample_seconds,
        )
        note(f"Report: {request.out / 'report.html'}")
    for failure in report.failures:
        print_error(f"{failure.what}: {failure.reason}")
    if report.failures:
        raise typer.Exit(FAILED)


def _measure(items: list[EvalItem], systems: list[System], request: options.Request) -> MetricReport:
    from musicdenoise.cli.progress import song_progress
    from musicdenoise.evaluation.evaluate import evaluate as run_evaluation
    from musicdenoise.evaluation.measures import choose_measures, missing_measures
    from musicdenoise.runtime.parallel import default_jobs

    measures = choose_measures(request.metrics)
    if request.metrics is None and (missing := missing_measures()):
        names = ", ".join(measure.label for measure in missing)
        note(f"Without {names}: pip install 'musicdenoise[eval]' adds them", without_terminal=True)
    workers = default_jobs() if request.workers is None else request.workers
    with song_progress(f"Measuring {len(items)} items") as on_progress:
        return run_evaluation(
            items,
            systems,
            measures,
            noise_sample_seconds=request.noise_sample,
            workers=workers,
            on_progress=on_progress,
        )


def _find_items(request: options.Request) -> list[EvalItem]:
    from musicdenoise.data.manifest import SPLITS
    from musicdenoise.data.shards import dataset_folder
    from musicdenoise.evaluation.items import find_items, items_of_folders
    from musicdenoise.weights.store import cache_folder

    if request.split not in SPLITS:
        raise UsageError(f"--split is {request.split!r}; it must be one of {', '.join(SPLITS)}")
    for folder in (request.data, request.clean):
        if folder is not None and not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; give a dataset, or NOISY_DIR and CLEAN_DIR")
    if request.clean is not None:
        return items_of_folders(request.data, request.clean)
    data = dataset_folder(str(request.data), cache_folder(), warn)
    return find_items(data, request.split, root=request.root, verify=request.verify)


def _print(report: MetricReport, provenance: Provenance, *, as_json: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from musicdenoise.evaluation.metric_files import report_to_json
    from musicdenoise.evaluation.tables import table_rows

    if as_json:
        typer.echo(quoted_json(report_to_json(report, provenance)), nl=False)
        return
    if is_quiet():
        return
    count = len({row.item for row in report.rows})
    table = Table(title=f"Means over {count} items, in brackets the improvement over the noisy input")
    if provenance.noise_sample_seconds is not None:
        table.caption = (
            f"Measured from {provenance.noise_sample_seconds:g} s on; the noise before is the sample"
        )
    systems = report.overall()
    table.add_column("")
    for system in systems:
        table.add_column(escape(quoted(system)), justify="right")
    for number, (label, cells) in enumerate(table_rows(systems, report.measures)):
        if number == 1 or not label.startswith(" "):  # only the SNR's interval, not the others
            table.add_row(escape(label), *cells)
    Console().print(table)
