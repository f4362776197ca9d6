"""The folder of an evaluation: metrics, plots, samples, and the page to look and listen.

``metrics.json``, ``metrics.csv``, ``plots/*.png``, ``samples/NN/*.wav`` and ``report.html``. Each file
appears when it is complete.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from musicdenoise.audio import open_writer
from musicdenoise.evaluation.evaluate import MetricReport
from musicdenoise.evaluation.html import build_page
from musicdenoise.evaluation.items import EvalItem
from musicdenoise.evaluation.metric_files import Provenance, report_to_csv, report_to_json
from musicdenoise.evaluation.plots import draw_histograms, draw_sample
from musicdenoise.evaluation.samples import Sample, choose_samples, make_sample
from musicdenoise.runtime.atomic import make_folder, write_bytes, write_text


def write_evaluation(
    folder: Path,
    report: MetricReport,
    provenance: Provenance,
    items: Sequence[EvalItem],
    *,
    num_samples: int,
    sample_seconds: float,
) -> None:
    """Write everything that an evaluation leaves behind.

    Parameters
    ----------
    folder
        Where to; made if missing.
    report, provenance, items
        The results, where the figures come from, and the items.
    num_samples
        Items to look at and listen to, from the least to the most improved.
    sample_seconds
        Longest stretch of each.

    Raises
    ------
    DataError, AudioError
        If a file cannot be written.
    """
    make_folder(folder)
    # First what took longest to find.
    write_text(folder / "metrics.json", report_to_json(report, provenance))
    write_text(folder / "metrics.csv", report_to_csv(report))
    histograms = _write_histograms(folder / "plots", report)
    shown = [system for system in provenance.systems if system.name != "identity"]
    networks = [system for system in provenance.systems if system.is_network]
    leader = (networks or provenance.systems)[0].name
    _remove_samples(folder)
    by_id = {item.id: item for item in items}
    samples = [
        make_sample(by_id[name], shown, sample_seconds, provenance.noise_sample_seconds)
        for name in choose_samples(report, leader, num_samples)
    ]
    for number, sample in enumerate(samples, start=1):
        _write_sample(folder, number, sample)
    write_text(folder / "report.html", build_page(report, provenance, histograms, samples))


def _remove_samples(folder: Path) -> None:
    """Remove the samples of an evaluation that was here before."""
    for pattern in ("samples/[0-9]*/*.wav", "plots/sample_[0-9]*_*.png"):
        for path in folder.glob(pattern):
            path.unlink()
    for place in folder.glob("samples/[0-9]*"):
        if not any(place.iterdir()):
            place.rmdir()


def _write_histograms(folder: Path, report: MetricReport) -> dict[str, bytes]:
    """Histograms of SNR and SNR improvement by their title; also as files."""
    make_folder(folder)
    pictures = {}
    for key, title in (("snr_db", "SNR [dB]"), ("snr_improvement_db", "SNR improvement [dB]")):
        values = {
            system: [
                value
                for row in report.rows
                if row.system == system and (value := row.values[key]) is not None
            ]
            for system in report.systems
        }
        pictures[title] = draw_histograms(values, title)
        write_bytes(folder / f"{key.removesuffix('_db')}.png", pictures[title])
    return pictures


def _write_sample(folder: Path, number: int, sample: Sample) -> None:
    place = folder / "samples" / f"{number:02d}"
    make_folder(place)
    for version in sample.versions:
        with open_writer(
            place / f"{_file_name(version.name)}.wav",
            sample_rate=sample.sample_rate,
            channels=version.samples.shape[0],
            container="WAV",
            subtype="FLOAT",
            overwrite=True,
        ) as writer:
            writer.write(version.samples.numpy())
        if version.gain_db is not None:
            picture = folder / "plots" / f"sample_{number:02d}_{_file_name(version.name)}.png"
            write_bytes(picture, draw_sample(sample, version.name))


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text).strip("_.") or "system"
