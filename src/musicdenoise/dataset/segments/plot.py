"""Histograms of the segments of a dataset: all that passed, and those that were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from musicdenoise.dataset.segments.score import SegmentScore
from musicdenoise.runtime.atomic import write_bytes
from musicdenoise.runtime.figures import figure_to_png

_BINS = 40
_DOTS_PER_INCH = 110


def plot_segments(
    path: Path, scores: Mapping[str, tuple[Sequence[SegmentScore], Sequence[SegmentScore]]]
) -> None:
    """Draw scores and noise correlations of each split as a PNG file, atomically.

    Parameters
    ----------
    path
        The file; one that exists is replaced.
    scores
        By split: all segments that passed, and those that were kept.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 3.4 * len(scores)), dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots(len(scores), 2, squeeze=False)
    for (split, groups), (left, right) in zip(scores.items(), axes, strict=True):
        for segments, name in zip(groups, ("all", "kept"), strict=True):
            left.hist(
                [segment.score for segment in segments], _BINS, histtype="stepfilled", alpha=0.6, label=name
            )
            right.hist(
                [segment.correlation.real for segment in segments],
                _BINS,
                histtype="stepfilled",
                alpha=0.6,
                label=name,
            )
        left.set(title=f"{split}: score", xlabel="diversity - |correlation|", ylabel="segments")
        right.set(title=f"{split}: correlation of the noises", xlabel="real part", ylabel="segments")
        left.legend()
        right.legend()
    write_bytes(path, figure_to_png(figure))
