"""Pictures of an evaluation: histograms over the items, waveforms and spectrograms of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from musicdenoise.core.stft import levels_db
from musicdenoise.evaluation.samples import Sample, Version
from musicdenoise.runtime.figures import COLOURS, NO_FORMULAS, drawable, figure_to_png, levels_to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 100
_BINS = 30
_RANGE_DB = (-100.0, -20.0)  # of spectrograms, re full scale; chosen by eye
_WIDEST_PIXELS = 900  # of pictures; chosen by eye


def draw_histograms(values: Mapping[str, Sequence[float]], label: str) -> bytes:
    """One histogram per system, beneath each other on one scale, as PNG.

    Parameters
    ----------
    values
        By system.
    label
        Label of the axis, with the unit.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 0.8 + 1.5 * len(values)), layout="constrained", dpi=_DPI)
    rows = figure.subplots(len(values), 1, sharex=True, squeeze=False)[:, 0]
    everything = np.concatenate([np.asarray(numbers) for numbers in values.values()])
    low, high = float(everything.min()), float(everything.max())
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    for axis, (name, numbers) in zip(rows, values.items(), strict=True):
        mean = float(np.mean(numbers))
        axis.hist(numbers, bins=edges)
        axis.axvline(mean, color="tab:red", linestyle="--")
        axis.set_title(drawable(f"{name}: mean {mean:.2f}"), fontsize=9, loc="left", **NO_FORMULAS)
        axis.set_ylabel("items")
    rows[-1].set_xlabel(label)
    return figure_to_png(figure)


def draw_sample(sample: Sample, system: str) -> bytes:
    """Waveforms and spectrograms of the clean, the noisy and the denoised sample, as PNG."""
    from matplotlib.figure import Figure

    shown = [version for version in sample.versions if version.name in ("clean", "noisy", system)]
    figure = Figure(figsize=(11.0, 2.3 * len(shown) + 0.5), layout="constrained", dpi=_DPI)
    title = f"{sample.item.id} ({sample.item.noise_kind})"
    figure.suptitle(drawable(title), **NO_FORMULAS)
    axes = figure.subplots(len(shown), 2, squeeze=False)
    peak = max(float(version.samples.abs().max()) for version in shown)
    for (left, right), version in zip(axes, shown, strict=True):
        _draw_wave(left, version, sample.sample_rate, peak)
        seconds = version.samples.shape[-1] / sample.sample_rate
        right.imshow(
            levels_db(version.samples).numpy(),
            origin="lower",
            aspect="auto",
            cmap=COLOURS,
            vmin=_RANGE_DB[0],
            vmax=_RANGE_DB[1],
            extent=(0.0, seconds, 0.0, sample.sample_rate / 2000.0),
        )
        right.set_ylabel("kHz")
        for axis in (left, right):
            axis.set_title(drawable(title_of(version)), fontsize=9, **NO_FORMULAS)
    for axis in axes[-1]:
        axis.set_xlabel("s")
    return figure_to_png(figure)


def title_of(version: Version) -> str:
    """Name of a version, with its SNR and improvement where there are such."""
    title = version.name
    if version.snr_db is not None:
        title += f": SNR {version.snr_db:.1f} dB"
    if version.gain_db is not None:
        title += f" ({version.gain_db:+.1f} dB)"
    return title


def draw_spectrogram(samples: Tensor) -> bytes:
    """Spectrogram of ``(channels, samples)`` alone, without axes, as PNG."""
    return levels_to_png(levels_db(samples).numpy(), _RANGE_DB, _WIDEST_PIXELS)


def _draw_wave(axis: Axes, version: Version, sample_rate: int, peak: float) -> None:
    mono = version.samples.mean(0).numpy()
    axis.plot(np.arange(len(mono)) / sample_rate, mono, linewidth=0.4)
    axis.set_xlim(0.0, len(mono) / sample_rate)
    axis.set_ylim(-peak or -1.0, peak or 1.0)
