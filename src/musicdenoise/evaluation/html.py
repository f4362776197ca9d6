"""The page of an evaluation: one file with everything in it, to look and to listen.

Pictures and sound are embedded as data URLs, so the page needs no connection and no other file. Sound is
FLAC, which browsers play and which is lossless at 16 bits. Names of files and other text from outside is
escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from torch import Tensor

from musicdenoise.audio import open_writer
from musicdenoise.evaluation.aggregate import Stats
from musicdenoise.evaluation.evaluate import MetricReport
from musicdenoise.evaluation.metric_files import Provenance, software_versions
from musicdenoise.evaluation.plots import draw_spectrogram, title_of
from musicdenoise.evaluation.samples import Sample, Version
from musicdenoise.evaluation.tables import table_rows

__all__ = ["build_page"]

_GAIN = "snr_improvement_db"
_HIGHEST_PEAK = 0.999  # of 16-bit samples; louder versions of a sample are lowered together


def build_page(
    report: MetricReport, provenance: Provenance, plots: Mapping[str, bytes], samples: Sequence[Sample]
) -> str:
    """The page as HTML.

    Parameters
    ----------
    report, provenance
        What was found, and where the figures come from.
    plots
        PNG pictures by their title.
    samples
        What there is to look at and to listen to.
    """
    template = Template((files("musicdenoise") / "evaluation" / "report_page.html").read_text("utf-8"))
    count = len({row.item for row in report.rows})
    minutes = sum(row.seconds for row in report.rows) / len(report.systems) / 60.0
    failed = f"; {len(report.failures)} could not be measured" if report.failures else ""
    return template.substitute(
        policy=_policy(template.template),
        title=escape(f"Evaluation of {', '.join(report.systems)}"),
        summary=escape(f"{count} items, {minutes:.1f} min of {', '.join(provenance.data)}{failed}."),
        table=_overall(report),
        kinds=_grouped(report.by_kind(), "kind of noise"),
        bands=_grouped(report.by_band(), "input SNR"),
        plots="\n".join(
            f'<img alt="{escape(title)}" src="{_data_url(picture, "image/png")}">'
            for title, picture in plots.items()
        ),
        samples="\n".join(_sample(number, sample) for number, sample in enumerate(samples, start=1)),
        provenance=escape(_provenance(provenance)),
    )


def _policy(template: str) -> str:
    """What the page may load and run: its own pictures and sound, and its own script, known by its digest.

    So a file name cannot smuggle in a script, and nothing leaves the page.
    """
    script = template.partition("<script>")[2].partition("</script>")[0].replace("$$", "$")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _overall(report: MetricReport) -> str:
    systems = report.overall()
    lines = ["<table>", _row("th", ["", *systems])]
    for label, cells in table_rows(systems, report.measures):
        is_interval = label.startswith(" ")
        lines.append(_row("td", [label.strip(), *cells], "interval" if is_interval else ""))
    return "\n".join([*lines, "</table>"])


def _grouped(systems: Mapping[str, Mapping[str, Mapping[str, Stats]]], label: str) -> str:
    """Table of SNR improvements: one row per group, one column per system."""
    groups = list(dict.fromkeys(name for groups in systems.values() for name in groups))
    first = next(iter(systems.values()))
    lines = ["<table>", _row("th", [label, "items", *systems])]
    for group in groups:
        cells = []
        for by_group in systems.values():
            stats = by_group.get(group, {}).get(_GAIN)
            cells.append(
                "-" if stats is None else f"{stats.mean:+.2f} ({stats.low:+.2f} to {stats.high:+.2f})"
            )
        counted = first.get(group, {}).get("snr_db")
        lines.append(_row("td", [group, str(counted.count if counted else 0), *cells]))
    return "\n".join([*lines, "</table>"])


def _row(tag: str, cells: Sequence[str], style: str = "") -> str:
    inner = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
    return f'<tr class="{style}">{inner}</tr>' if style else f"<tr>{inner}</tr>"


def _sample(number: int, sample: Sample) -> str:
    peak = max(float(version.samples.abs().max()) for version in sample.versions)
    scale = min(1.0, _HIGHEST_PEAK / peak) if peak > 0.0 else 1.0
    versions = "\n".join(_version(version, sample.sample_rate, scale) for version in sample.versions)
    heading = f"{number}. {sample.item.id} ({sample.item.noise_kind}, from {sample.start_seconds:.1f} s)"
    return (
        f'<section class="sample"><h3>{escape(heading)}</h3>\n'
        f'<div class="versions">\n{versions}\n</div></section>'
    )


def _version(version: Version, sample_rate: int, scale: float) -> str:
    title = escape(title_of(version))
    sound = _data_url(_to_flac(version.samples * scale, sample_rate), "audio/flac")
    picture = _data_url(draw_spectrogram(version.samples), "image/png")
    return (
        f'<figure class="version" data-name="{escape(version.name)}">'
        f'<button type="button" aria-pressed="false">{title}</button>'
        f'<div class="picture"><img alt="Spectrogram of {title}" src="{picture}">'
        f'<div class="cursor"></div></div>'
        f'<audio controls preload="auto" src="{sound}"></audio></figure>'
    )


def _provenance(provenance: Provenance) -> str:
    return json.dumps(
        {
            "command": " ".join(provenance.command),
            "data": list(provenance.data),
            "data_sha256": provenance.data_sha256,
            "systems": {
                system.name: {"weights": str(system.weights), "sha256": system.sha256}
                for system in provenance.systems
                if system.weights is not None
            },
            "device": provenance.device,
            "versions": software_versions(),
        },
        indent=2,
        ensure_ascii=False,
    )


def _data_url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _to_flac(samples: Tensor, sample_rate: int) -> bytes:
    """``(channels, samples)`` as a FLAC file of 16 bits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.flac"
        with open_writer(
            path, sample_rate=sample_rate, channels=samples.shape[0], container="FLAC", subtype="PCM_16"
        ) as writer:
            writer.write(samples.numpy())
        return path.read_bytes()
