"""Figures of a segmented dataset: all candidates, those that were kept, and a random choice to compare."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from musicdenoise.dataset.segments.score import SegmentScore


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Mean, median, standard deviation and range of some numbers."""

    mean: float
    median: float
    sd: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution:
        """Distribution of at least one number."""
        return cls(
            mean=statistics.fmean(values),
            median=statistics.median(values),
            sd=statistics.pstdev(values),
            minimum=min(values),
            maximum=max(values),
        )


@dataclass(frozen=True, kw_only=True)
class SegmentStatistics:
    """Distributions over some segments; ``correlation`` is the real part, with its sign."""

    count: int
    score: Distribution
    diversity: Distribution
    correlation: Distribution
    correlation_magnitude: Distribution


@dataclass(frozen=True, kw_only=True)
class SplitStatistics:
    """Figures of one split.

    Parameters
    ----------
    pairs, pairs_too_short
        Pairs, and those of them that are too short for a segment.
    candidates, silent, rejected
        Segments in all pairs, those that are silent, and those beyond the thresholds.
    methods
        How the correlations were found, see `correlation_method`: number of candidates by method.
    all_segments, kept, random_pick
        Scores of the candidates that passed, of those that were kept, and of as many chosen at random. None
        if there are none.
    """

    pairs: int
    pairs_too_short: int
    candidates: int
    silent: int
    rejected: int
    methods: Mapping[str, int]
    all_segments: SegmentStatistics | None
    kept: SegmentStatistics | None
    random_pick: SegmentStatistics | None


def describe(segments: Sequence[SegmentScore]) -> SegmentStatistics | None:
    """Statistics of some segments; None without segments."""
    if not segments:
        return None
    return SegmentStatistics(
        count=len(segments),
        score=Distribution.of([segment.score for segment in segments]),
        diversity=Distribution.of([segment.diversity for segment in segments]),
        correlation=Distribution.of([segment.correlation.real for segment in segments]),
        correlation_magnitude=Distribution.of([abs(segment.correlation) for segment in segments]),
    )


def pick_at_random(segments: Sequence[SegmentScore], count: int, seed: int) -> list[SegmentScore]:
    """As many segments as stated, in random order and without repetition."""
    order = np.random.default_rng(seed).permutation(len(segments))[:count]
    return [segments[int(index)] for index in order]


def statistics_to_json(splits: Mapping[str, SplitStatistics], options: Mapping[str, object]) -> str:
    """The statistics, and the options that led to them, as JSON."""
    content = {"options": dict(options), "splits": {name: asdict(split) for name, split in splits.items()}}
    return json.dumps(content, indent=2) + "\n"


def statistics_to_text(splits: Mapping[str, SplitStatistics]) -> str:
    """The statistics as tables to read."""
    return "\n\n".join(_split_text(name, split) for name, split in splits.items()) + "\n"


def summarise(splits: Mapping[str, SplitStatistics]) -> list[str]:
    """The statistics in a line for each split."""
    lines = []
    for name, split in splits.items():
        kept = split.kept
        dropped = f"{split.silent} silent, {split.rejected} beyond the thresholds"
        line = f"{name}: {0 if kept is None else kept.count} of {split.candidates} segments kept ({dropped})"
        if kept is not None and split.all_segments is not None:
            line += f"; median score {kept.score.median:.3f}, of all {split.all_segments.score.median:.3f}"
        lines.append(line)
    return lines


def _split_text(name: str, split: SplitStatistics) -> str:
    methods = ", ".join(f"{method}: {count}" for method, count in split.methods.items()) or "none"
    lines = [
        f"{name}",
        f"  pairs       {split.pairs} ({split.pairs_too_short} too short for a segment)",
        f"  candidates  {split.candidates}; {split.silent} silent, {split.rejected} beyond the thresholds",
        f"  noises      {methods}",
        "",
        f"  {'':<24}{'count':>7}{'mean':>11}{'median':>11}{'sd':>11}{'min':>11}{'max':>11}",
    ]
    for title, group in (("all", split.all_segments), ("kept", split.kept), ("random", split.random_pick)):
        if group is None:
            lines.append(f"  {title:<24}{0:>7}")
            continue
        for measure, values in (
            ("score", group.score),
            ("diversity", group.diversity),
            ("correlation", group.correlation),
            ("|correlation|", group.correlation_magnitude),
        ):
            figures = (values.mean, values.median, values.sd, values.minimum, values.maximum)
            lines.append(
                f"  {title + ' ' + measure:<24}{group.count:>7}" + "".join(f"{x:>11.5f}" for x in figures)
            )
    return "\n".join(lines)
