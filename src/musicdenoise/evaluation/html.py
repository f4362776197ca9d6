"""The page of an evaluation: one file with everything in it, to look and to listen.

Pictures and sound are embedded as data URLs, so the page needs no connection and no other file. Sound is
FLAC, which browsers play and which is lossless at 16 bits. Names of files and other text from outside is
escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from musicdenoise.audio.embedded import to_flac
from musicdenoise.evaluation.aggregate import Stats
from musicdenoise.evaluation.evaluate import MetricReport
from musicdenoise.evaluation.metric_files import Provenance, software_versions
from musicdenoise.evaluation.plots import draw_spectrogram, title_of
from musicdenoise.evaluation.samples import Sample, Version
from musicdenoise.evaluation.tables import table_rows
from musicdenoise.runtime.pages import content_policy, data_url

_GAIN = "snr_improvement_db"
_HIGHEST_PEAK = 0.999  # of 16-bit samples; louder versions of a sample are lowered together


def build_page(
    report: MetricReport, provenance: Provenance, plots: Mapping[str, bytes], samples: Sequence[Sample]
) -> str:
    """The page as HTML.

    Parameters
    ----------
    report, provenance
        The results, and where the figures come from.
    plots
        PNG pictures by their title.
    samples
        Pictures and sounds.
    """
    template = Template((files("musicdenoise") / "evaluation" / "report_page.html").read_text("utf-8"))
    count = len({row.item for row in report.rows})
    minutes = sum(row.seconds for row in report.rows) / len(report.systems) / 60.0
    failed = f"; {len(report.failures)} could not be measured" if report.failures else ""
    return template.substitute(
        policy=content_policy(template.template),
        title=escape(f"Evaluation of {', '.join(report.systems)}"),
        summary=escape(f"{count} items, {minutes:.1f} min of {', '.join(provenance.data)}{failed}."),
        table=_overall(report),
        kinds=_grouped(report.by_kind(), "kind of noise"),
        bands=_grouped(report.by_band(), "input SNR"),
        plots="\n".join(
            f'<img alt="{escape(title)}" src="{data_url(picture, "image/png")}">'
            for title, picture in plots.items()
        ),
        samples="\n".join(_sample(number, sample) for number, sample in enumerate(samples, start=1)),
        provenance=escape(_provenance(provenance)),
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
    sound = data_url(to_flac((version.samples * scale).numpy(), sample_rate), "audio/flac")
    picture = data_url(draw_spectrogram(version.samples), "image/png")
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
