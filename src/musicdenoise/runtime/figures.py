"""What all figures share: how they become PNG, names of files as texts in them, spectrograms without axes.

Figures are made without matplotlib's global state. It is loaded only by functions that draw, because that
takes half a second.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = "magma"
"""Colours of spectrograms."""

NO_FORMULAS: dict[str, Any] = {"parse_math": False}
"""Arguments for a text that may hold dollar signs, between which matplotlib reads formulas otherwise."""


def drawable(name: str) -> str:
    """A file's name as a text that can be drawn. Bytes that are not text become question marks."""
    return name.encode("utf-8", "replace").decode()


def figure_to_png(figure: Figure) -> bytes:
    """Draw a figure as PNG; characters that the font does not have become boxes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)
        FigureCanvasAgg(figure).print_png(stream)  # type: ignore[no-untyped-call]
    return stream.getvalue()


def levels_to_png(levels_db: NDArray[np.float32], range_db: tuple[float, float], widest: int) -> bytes:
    """Draw levels ``(freqs, frames)`` as PNG without axes: time to the right, frequency up.

    Four bins share a row. If there are more than ``widest`` frames, only every second or third, ... is drawn.
    """
    from matplotlib import image

    levels_db = levels_db[: len(levels_db) // 4 * 4, :: max(1, -(-levels_db.shape[1] // widest))]
    rows = levels_db.reshape(-1, 4, levels_db.shape[1]).mean(axis=1)
    stream = io.BytesIO()
    low, high = range_db
    image.imsave(stream, rows, cmap=COLOURS, vmin=low, vmax=high, origin="lower", format="png")
    return stream.getvalue()
