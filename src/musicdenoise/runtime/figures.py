"""What all figures share: how they become PNG, and names of files as texts in them.

Figures are made without matplotlib's global state. It is loaded only by functions that draw, because that
takes half a second.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
