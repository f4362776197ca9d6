"""How pairs are cut into segments, and which of them are kept."""

from __future__ import annotations

from dataclasses import dataclass

from musicdenoise.dataset.segments.score import SegmentGrid, SegmentScore
from musicdenoise.errors import UsageError

SORTS = ("score", "random")
"""How segments are chosen: the best first, or at random."""


@dataclass(frozen=True, kw_only=True)
class SegmentConfig:
    """How pairs are cut and which segments are kept.

    Parameters
    ----------
    num_samples
        Length of a segment, at least 2048 samples (one STFT frame).
    skip_start_seconds, skip_end_seconds
        Left out at both ends of a song.
    max_train, max_test
        Keep at most this many segments of a split; 0 for none.
    overlap
        Share of a segment that the next one repeats, 0 to 0.95.
    sort
        One of `SORTS`.
    silence_db
        Segments whose music has a lower RMS, in dB re full scale, are dropped.
    min_score, min_diversity
        Segments with lower values are dropped.
    max_correlation
        Segments with a larger magnitude are dropped.
    with_clean
        Whether to write the clean music of training segments, too, if it is known.
    seed
        Seed of the choice at random.

    Raises
    ------
    UsageError
        If a value is out of range.
    """

    num_samples: int = 165_000
    skip_start_seconds: float = 6.0
    skip_end_seconds: float = 12.0
    max_train: int = 10_000
    max_test: int = 1_000
    overlap: float = 0.0
    sort: str = "score"
    silence_db: float = -60.0
    min_score: float | None = None
    min_diversity: float | None = None
    max_correlation: float | None = None
    with_clean: bool = False
    seed: int = 42

    def __post_init__(self) -> None:
        if self.num_samples < 2_048:
            count = self.num_samples
            raise UsageError.wrong("num_samples", count, "at least 2048", f"{count} samples")
        for name in ("skip_start_seconds", "skip_end_seconds"):
            value = getattr(self, name)
            if not 0.0 <= value < 86_400.0:
                raise UsageError.wrong(name, value, "at least 0 and less than a day", f"{value:g} s")
        for name in ("max_train", "max_test", "seed"):
            if getattr(self, name) < 0:
                raise UsageError.wrong(name, getattr(self, name), "at least 0")
        if not 0.0 <= self.overlap <= 0.95:
            raise UsageError.wrong("overlap", self.overlap, "0 to 0.95 of a segment", f"{self.overlap:g}")
        if self.sort not in SORTS:
            raise UsageError.wrong("sort", self.sort, f"one of {', '.join(SORTS)}", repr(self.sort))

    @property
    def grid(self) -> SegmentGrid:
        """Where the segments lie."""
        return SegmentGrid(
            num_samples=self.num_samples,
            hop_samples=max(1, round(self.num_samples * (1.0 - self.overlap))),
            skip_start_seconds=self.skip_start_seconds,
            skip_end_seconds=self.skip_end_seconds,
        )

    def rejects(self, segment: SegmentScore) -> bool:
        """Whether a segment is beyond a threshold."""
        return (
            (self.min_score is not None and segment.score < self.min_score)
            or (self.min_diversity is not None and segment.diversity < self.min_diversity)
            or (self.max_correlation is not None and abs(segment.correlation) > self.max_correlation)
        )
