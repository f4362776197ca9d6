"""An evaluation as files: ``metrics.json`` with everything, ``metrics.csv`` with the rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from musicdenoise.evaluation.aggregate import Stats
from musicdenoise.evaluation.csv_cells import csv_text
from musicdenoise.evaluation.evaluate import MetricReport
from musicdenoise.evaluation.systems import System

FORMAT_VERSION = 1

_PACKAGES = ("musicdenoise", "torch", "torchaudio", "numpy", "scipy", "pesq", "pystoi", "noisereduce")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the figures of an evaluation come from.

    Parameters
    ----------
    command
        Words of the command line.
    data
        Folders that were measured on.
    data_sha256
        Digest of the items; see `musicdenoise.evaluation.items.data_digest`.
    systems
        What was measured.
    device
        Where the networks were computed.
    gate
        Whether the gate was on, as in ``denoise``.
    noise_sample_seconds
        How much of each item's beginning gave a noise sample; None for no sample.
    """

    command: Sequence[str]
    data: Sequence[str]
    data_sha256: str
    systems: Sequence[System]
    device: str
    gate: bool = True
    noise_sample_seconds: float | None = None


def software_versions() -> dict[str, str]:
    """Versions of the installed packages that the figures depend on."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def report_to_json(report: MetricReport, provenance: Provenance) -> str:
    """The whole report as one JSON document, floats in full."""
    document = {
        "format_version": FORMAT_VERSION,
        "command": list(provenance.command),
        "data": {"folders": list(provenance.data), "sha256": provenance.data_sha256},
        "device": provenance.device,
        "gate": provenance.gate,
        "noise_sample_seconds": provenance.noise_sample_seconds,
        "versions": software_versions(),
        "systems": [
            {
                "name": system.name,
                "weights": None if system.weights is None else str(system.weights),
                "sha256": system.sha256,
            }
            for system in provenance.systems
        ],
        "metrics": [measure.name for measure in report.measures],
        "aggregates": {
            "all": {name: _stats(keys) for name, keys in report.overall().items()},
            "by_noise_kind": _groups(report.by_kind()),
            "by_input_snr": _groups(report.by_band()),
        },
        "failures": [{"item": failure.what, "reason": failure.reason} for failure in report.failures],
        "rows": [asdict(row) for row in report.rows],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _groups(
    systems: Mapping[str, Mapping[str, Mapping[str, Stats]]],
) -> dict[str, dict[str, dict[str, object]]]:
    return {
        system: {name: _stats(keys) for name, keys in groups.items()} for system, groups in systems.items()
    }


def _stats(keys: Mapping[str, Stats]) -> dict[str, object]:
    return {
        key: {name: value for name, value in asdict(stats).items() if value is not None}
        for key, stats in keys.items()
    }


def report_to_csv(report: MetricReport) -> str:
    """The rows as CSV, one line per item and system. Measures that are not defined stay empty."""
    keys = [key for measure in report.measures for key in (measure.key, measure.gain_key)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["item", "system", "noise_kind", "input_snr_db", "seconds", "compute_seconds", *keys])
    for row in report.rows:
        values = [row.values[key] for key in keys]
        writer.writerow(
            [
                *map(csv_text, (row.item, row.system, row.noise_kind)),
                f"{row.input_snr_db:.4f}",
                f"{row.seconds:.4f}",
            ]
            + [f"{row.compute_seconds:.4f}"]
            + ["" if value is None else f"{value:.4f}" for value in values]
        )
    return stream.getvalue()
