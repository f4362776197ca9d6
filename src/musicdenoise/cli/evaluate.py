"""``musicdenoise eval``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from musicdenoise.cli import eval_options as options
from musicdenoise.cli.common import FAILED, choose_device, note, print_error, reports_errors
from musicdenoise.errors import DataError, UsageError

if TYPE_CHECKING:
    from musicdenoise.evaluation.evaluate import MetricReport
    from musicdenoise.evaluation.items import EvalItem
    from musicdenoise.evaluation.metric_files import Provenance
    from musicdenoise.evaluation.systems import System

__all__ = ["evaluate"]

_REFERENCE = "reference:"


@reports_errors
def evaluate(
    data: options.Data,
    clean: options.Clean = None,
    weights: options.Weights = None,
    baselines: options.Baselines = None,
    out: options.Out = None,
    metrics: options.Metrics = None,
    split: options.Split = "test",
    limit: options.Limit = None,
    samples: options.Samples = 3,
    sample_seconds: options.SampleSeconds = 6.0,
    workers: options.Workers = None,
    device: options.Device = None,
    cuda: options.Cuda = False,
    force: options.Force = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure networks and baselines on noisy music whose clean music is known.

    Prints a table of means with 95 % intervals. With --out, writes metrics.json, metrics.csv, plots, samples
    and report.html, a page to look and listen.
    """
    from musicdenoise.evaluation.folder import write_evaluation
    from musicdenoise.evaluation.items import data_digest
    from musicdenoise.evaluation.metric_files import Provenance

    if out is not None and (out / "metrics.json").exists() and not force:
        raise UsageError(
            f"{out} already holds an evaluation: replace it with --force, or choose another --out"
        )
    chosen = choose_device(device, cuda=cuda)
    items = _find_items(data, clean, split, limit)
    systems = _systems(weights or [], baselines, chosen)
    report = _measure(items, systems, metrics, workers, quiet=quiet)
    provenance = Provenance(
        command=["musicdenoise", *sys.argv[1:]],
        data=[str(path) for path in (data, clean) if path is not None],
        data_sha256=data_digest(items),
        systems=systems,
        device=chosen,
    )
    if out is not None:
        write_evaluation(out, report, provenance, items, num_samples=samples, sample_seconds=sample_seconds)
        note(f"Report: {out / 'report.html'}", quiet=quiet)
    _print(report, provenance, as_json=as_json, quiet=quiet)
    for failure in report.failures:
        print_error(f"{failure.item}: {failure.reason}")
    if report.failures:
        raise typer.Exit(FAILED)


def _measure(
    items: list[EvalItem], systems: list[System], metrics: str | None, workers: int | None, *, quiet: bool
) -> MetricReport:
    from musicdenoise.cli.progress import song_progress
    from musicdenoise.data.parallel import default_jobs
    from musicdenoise.evaluation.evaluate import evaluate as run_evaluation
    from musicdenoise.evaluation.measures import choose_measures

    measures = choose_measures(metrics)
    workers = default_jobs() if workers is None else workers
    with song_progress(f"Measuring {len(items)} items", quiet=quiet) as on_progress:
        return run_evaluation(items, systems, measures, workers=workers, on_progress=on_progress)


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
    from musicdenoise.denoising.auto import AUTO
    from musicdenoise.evaluation.systems import baseline, installed_baselines
    from musicdenoise.weights.index import default_weights

    names = installed_baselines() if baselines is None else _names(baselines)
    chosen = [baseline(name) for name in names]
    networks = [
        _automatic(device) if name == AUTO else _network(name, device)
        for name in weights or [default_weights()]
    ]
    # What is measured first, the ceiling last.
    ceiling = [system for system in chosen if system.name == "oracle"]
    return [*(system for system in chosen if system not in ceiling), *networks, *ceiling]


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _automatic(device: str) -> System:
    """What ``denoise --noise auto`` does: each item chooses its network by its beginning."""
    import torch
    from torch import Tensor

    from musicdenoise.denoising.auto import AUTO, HEAD_SECONDS, AutoDenoiser
    from musicdenoise.evaluation.systems import network_system

    chooser = AutoDenoiser(device=device)

    def denoise(noisy: Tensor, sample_rate: int) -> Tensor:
        samples = noisy.numpy()
        chosen = chooser.choose(samples[:, : round(HEAD_SECONDS * sample_rate)], sample_rate)
        return torch.from_numpy(chosen.denoise(samples, sample_rate))

    return network_system(AUTO, denoise)


def _network(name: str, device: str) -> System:
    import torch
    from torch import Tensor

    from musicdenoise.data.files import file_sha256
    from musicdenoise.denoising.denoiser import Denoiser
    from musicdenoise.evaluation.systems import network_system
    from musicdenoise.weights.loading import load_network
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
        network, metadata = load_network(path)
    denoiser = Denoiser.from_network(network, metadata.stft, device=device)

    def denoise(noisy: Tensor, sample_rate: int) -> Tensor:
        return torch.from_numpy(denoiser.denoise(noisy, sample_rate))

    return network_system(label, denoise, path, file_sha256(path))


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
