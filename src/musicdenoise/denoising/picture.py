"""The picture of a report: spectrograms of a song before and after, and of what was removed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from musicdenoise.denoising.meter import Spectra
from musicdenoise.errors import AudioWriteError
from musicdenoise.runtime.atomic import make_folder, write_bytes
from musicdenoise.runtime.figures import COLOURS, NO_FORMULAS, drawable, figure_to_png

_RANGE_DB = 90.0  # chosen by eye
_SECONDS_TO_MINUTES = 180.0  # for longer songs, the axis counts minutes


def draw_spectra(spectra: Spectra, title: str) -> bytes:
    """Three spectrograms beneath each other on one scale of levels, as PNG.

    The scale ends at the loudest bin and reaches 90 dB down.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 8.0), layout="constrained", dpi=100)
    figure.suptitle(drawable(title), **NO_FORMULAS)
    top = 10.0 * np.log10(max(float(spectra.before.max(initial=0.0)), 1e-12))
    seconds = spectra.frame_seconds * spectra.before.shape[0]
    unit, scale = ("min", 60.0) if seconds > _SECONDS_TO_MINUTES else ("s", 1.0)
    axes = figure.subplots(3, 1, sharex=True, sharey=True)
    panels = {"before": spectra.before, "after": spectra.after, "removed": spectra.removed}
    for axis, (name, powers) in zip(axes, panels.items(), strict=True):
        image = axis.imshow(
            10.0 * np.log10(np.maximum(powers.T, 1e-12)),
            origin="lower",
            aspect="auto",
            cmap=COLOURS,
            vmin=top - _RANGE_DB,
            vmax=top,
            extent=(0.0, max(seconds, 1e-3) / scale, 0.0, spectra.high_hz / 1000.0),
        )
        axis.set_title(name, fontsize=10, loc="left")
        axis.set_ylabel("kHz")
    axes[-1].set_xlabel(unit)
    figure.colorbar(image, ax=axes, label="dB")
    return figure_to_png(figure)


def write_picture(path: Path, spectra: Spectra, title: str) -> None:
    """Write the picture of `draw_spectra`; an existing file is replaced, missing folders are made.

    Raises
    ------
    AudioWriteError
        If it cannot be written.
    """
    make_folder(path.parent, AudioWriteError)
    picture = draw_spectra(spectra, title)
    write_bytes(path, picture, AudioWriteError, "choose another folder")
