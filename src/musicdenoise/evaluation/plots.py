"""Pictures of an evaluation: histograms over the items, waveforms and spectrograms of samples.

Figures are made without pyplot, so that nothing global is left behind; matplotlib takes half a second to
load and is imported by the functions that draw. Levels are in dB relative to full scale.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musicdenoise.core.stft import StftConfig, stft
from musicdenoise.evaluation.samples import Sample, Version
from musicdenoise.runtime.figures import NO_FORMULAS, drawable, figure_to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 100
_BINS = 30
_COLOURS = "magma"
_RANGE_DB = (-100.0, -20.0)  # of spectrograms; chosen by eye
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
            _levels(version.samples),
            origin="lower",
            aspect="auto",
            cmap=_COLOURS,
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
    """Spectrogram of ``(channels, samples)`` alone, without axes, as PNG: time to the right, frequency up."""
    from matplotlib import image

    levels = _levels(samples)
    levels = levels[:, :: max(1, -(-levels.shape[1] // _WIDEST_PIXELS))]
    rows = levels[: levels.shape[0] // 4 * 4].reshape(-1, 4, levels.shape[1]).mean(axis=1)
    stream = io.BytesIO()
    image.imsave(
        stream, rows, cmap=_COLOURS, vmin=_RANGE_DB[0], vmax=_RANGE_DB[1], origin="lower", format="png"
    )
    return stream.getvalue()


def _draw_wave(axis: Axes, version: Version, sample_rate: int, peak: float) -> None:
    mono = version.samples.mean(0).numpy()
    axis.plot(np.arange(len(mono)) / sample_rate, mono, linewidth=0.4)
    axis.set_xlim(0.0, len(mono) / sample_rate)
    axis.set_ylim(-peak or -1.0, peak or 1.0)


def _levels(samples: Tensor) -> NDArray[np.float32]:
    """Level of each bin of the mono mix in dB, ``(freqs, frames)``."""
    mono = samples.mean(0)
    config = StftConfig()
    if mono.shape[-1] <= config.half_window:
        mono = mono.new_zeros(config.n_fft)
    powers = stft(mono, config).abs().square() / config.n_fft
    levels: NDArray[np.float32] = (10.0 * powers.clamp_min(1e-20).log10()).numpy()
    return levels
