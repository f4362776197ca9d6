"""``musicdenoise eval``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicdenoise.cli.common import FAILED, choose_device, note, print_error, reports_errors
from musicdenoise.errors import DataError, UsageError

if TYPE_CHECKING:
    from musicdenoise.evaluation.evaluate import MetricReport
    from musicdenoise.evaluation.items import EvalItem
    from musicdenoise.evaluation.metric_files import Provenance
    from musicdenoise.evaluation.systems import System

__all__ = ["evaluate"]

_REFERENCE = "reference:"
_COLUMNS = ("snr", "ssnr", "si_sdr", "lsd", "pesq_wb", "pesq_nb", "stoi")


@reports_errors
def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA|NOISY_DIR",
            help="Dataset (its test pairs), or a folder of noisy recordings.",
            show_default=False,
        ),
    ],
    clean: Annotated[
        Path | None,
        typer.Argument(metavar="[CLEAN_DIR]", help="Folder of the clean ones, of the same names."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            metavar="NAME|PATH",
            help="Network: pretrained, a .safetensors file, or reference:FILE.pth. May be repeated. "
            "Default: the default network.",
        ),
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            "--baselines",
            metavar="NAMES",
            help="identity, noisereduce, afftdn, oracle, with commas; none for none. Default: all there are.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for metrics, plots, samples and report.html.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="NAMES", help=f"{', '.join(_COLUMNS)}, with commas. Default: all."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Part of a dataset: test or train.")] = "test",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Measure at most so many items, spread evenly.")
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", min=0, help="Items to look at and listen to in the report.")
    ] = 3,
    sample_seconds: Annotated[
        float, typer.Option("--sample-seconds", min=0.1, help="Longest stretch of a sample.")
    ] = 6.0,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, help="Processes for PESQ and STOI. Default: one per core."),
    ] = None,
    device: Annotated[
        str | None, typer.Option("-d", "--device", help="auto, cpu, cuda, cuda:N or mps.")
    ] = None,
    cuda: Annotated[bool, typer.Option("--cuda", help="Use a CUDA device if there is one.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace an evaluation in --out.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print metrics.json in place of the table.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print no table, only errors.")] = False,
) -> None:
    """Measure networks and baselines on noisy music whose clean music is known.

    Prints a table of means with 95 % intervals. With --out, writes metrics.json, metrics.csv, plots, samples
    and report.html, a page to look and listen.
    """
    from musicdenoise.cli.progress import song_progress
    from musicdenoise.data.parallel import default_jobs
    from musicdenoise.evaluation.evaluate import evaluate as run_evaluation
    from musicdenoise.evaluation.items import data_digest
    from musicdenoise.evaluation.measures import choose_measures
    from musicdenoise.evaluation.metric_files import Provenance

    if out is not None and (out / "metrics.json").exists() and not force:
        raise UsageError(
            f"{out} already holds an evaluation: replace it with --force, or choose another --out"
        )
    chosen = choose_device(device, cuda=cuda)
    measures = choose_measures(metrics)
    items = _find_items(data, clean, split, limit)
    systems = _systems(weights or [], baselines, chosen)
    with song_progress(f"Measuring {len(items)} items", quiet=quiet) as on_progress:
        report = run_evaluation(
            items,
            systems,
            measures,
            workers=default_jobs() if workers is None else workers,
            on_progress=on_progress,
        )
    provenance = Provenance(
        command=["musicdenoise", *sys.argv[1:]],
        data=[str(path) for path in (data, clean) if path is not None],
        data_sha256=data_digest(items),
        systems=systems,
        device=chosen,
    )
    if out is not None:
        _write(out, report, provenance, items, samples, sample_seconds)
        note(f"Report: {out / 'report.html'}", quiet=quiet)
    _print(report, provenance, as_json=as_json, quiet=quiet)
    for failure in report.failures:
        print_error(f"{failure.item}: {failure.reason}")
    if report.failures:
        raise typer.Exit(FAILED)


def _find_items(data: Path, clean: Path | None, split: str, limit: int | None) -> list[EvalItem]:
    from musicdenoise.data.manifest import SPLITS
    from musicdenoise.evaluation.items import find_items, items_of_folders, spread

    if split not in SPLITS:
        raise UsageError(f"--split is {split!r}; it must be one of {', '.join(SPLITS)}")
    for folder in (data, clean):
        if folder is not None and not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; give a dataset, or NOISY_DIR and CLEAN_DIR")
    return spread(find_items(data, split) if clean is None else items_of_folders(data, clean), limit)


def _systems(weights: list[str], baselines: str | None, device: str) -> list[System]:
    from musicdenoise.evaluation.systems import baseline, installed_baselines
    from musicdenoise.weights.index import default_weights

    names = installed_baselines() if baselines is None else _names(baselines)
    chosen = [baseline(name) for name in names]
    networks = [_network(name, device) for name in weights or [default_weights()]]
    # What is measured first, the ceiling last.
    ceiling = [system for system in chosen if system.name == "oracle"]
    return [*(system for system in chosen if system not in ceiling), *networks, *ceiling]


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _network(name: str, device: str) -> System:
    import torch
    from torch import Tensor

    from musicdenoise.data.files import file_sha256
    from musicdenoise.denoising.denoiser import Denoiser
    from musicdenoise.evaluation.systems import network_system
    from musicdenoise.weights.checkpoint import load_weights
    from musicdenoise.weights.reference import load_reference
    from musicdenoise.weights.store import resolve_weights

    if name.startswith(_REFERENCE):
        path = Path(name.removeprefix(_REFERENCE))
        network, metadata = load_reference(path)
        label = f"{_REFERENCE}{path.stem}"
    else:
        resolved = resolve_weights(name)
        path, label = resolved.path, resolved.name
        if label == path.name:  # a file; runs all call theirs best.safetensors
            label = f"{path.resolve().parent.name}/{path.stem}"
        network, metadata = load_weights(path)
    denoiser = Denoiser.from_network(network, metadata.stft, device=device)

    def denoise(noisy: Tensor, sample_rate: int) -> Tensor:
        return torch.from_numpy(denoiser.denoise(noisy, sample_rate))

    return network_system(label, denoise, path, file_sha256(path))


def _write(
    out: Path,
    report: MetricReport,
    provenance: Provenance,
    items: list[EvalItem],
    samples: int,
    sample_seconds: float,
) -> None:
    from musicdenoise.evaluation.folder import write_evaluation

    write_evaluation(out, report, provenance, items, num_samples=samples, sample_seconds=sample_seconds)


def _print(report: MetricReport, provenance: Provenance, *, as_json: bool, quiet: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from musicdenoise.evaluation.metric_files import report_to_json
    from musicdenoise.evaluation.tables import table_rows

    if as_json:
        typer.echo(report_to_json(report, provenance), nl=False)
        return
    if quiet:
        return
    count = len({row.item for row in report.rows})
    table = Table(title=f"Means over {count} items, in brackets the improvement over the noisy input")
    systems = report.overall()
    table.add_column("")
    for system in systems:
        table.add_column(escape(system), justify="right")
    for number, (label, cells) in enumerate(table_rows(systems, report.measures)):
        if number == 1 or not label.startswith(" "):  # of the intervals only that of the SNR
            table.add_row(escape(label), *cells)
    Console().print(table)
