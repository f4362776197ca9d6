"""What a finished dataset holds: ``build.json``, and the figures of the table at the end of a build."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.data.manifest import PairRow
from musicdenoise.dataset.config import BuildConfig
from musicdenoise.dataset.plan import BuildPlan, SkippedNoise
from musicdenoise.errors import Failure

SUMMARY_NAME = "build.json"
_BIN_DB = 5


@dataclass(frozen=True, kw_only=True)
class BuildSummary:
    """What was built.

    Parameters
    ----------
    pairs
        Pairs by split.
    hours
        Length of all pairs by split, in hours.
    megabytes
        Size of all audio files, in 10^6 bytes.
    snrs
        How many inputs and noisy targets have an SNR in each bin of 5 dB, by the bin's lower edge in dB.
    classes
        How many noises of each class were mixed in.
    scaled
        Pairs whose level was lowered because they exceeded full scale.
    skipped
        Noises that could not be used.
    failures
        Songs and pairs that could not be made.
    """

    pairs: Mapping[str, int]
    hours: Mapping[str, float]
    megabytes: float
    snrs: Mapping[int, int]
    classes: Mapping[str, int]
    scaled: int
    skipped: tuple[SkippedNoise, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def num_pairs(self) -> int:
        """Number of pairs."""
        return sum(self.pairs.values())

    @property
    def is_complete(self) -> bool:
        """Whether everything could be made and read; silent noises do not count."""
        return not self.failures and not any(noise.is_damaged for noise in self.skipped)

    def to_json(self, config: BuildConfig, plan: BuildPlan) -> str:
        """The content of ``build.json``. It holds no times, so that equal datasets have equal files."""
        return json.dumps(
            {
                "options": config.to_dict(),
                "plan_sha256": plan.digest(),
                "pairs": dict(self.pairs),
                "hours": dict(self.hours),
                "megabytes": self.megabytes,
                "snr_histogram": [
                    {"from_db": low, "to_db": low + _BIN_DB, "count": count}
                    for low, count in self.snrs.items()
                ],
                "noises_per_class": dict(self.classes),
                "pairs_scaled_down": self.scaled,
                "skipped_noises": [
                    {"path": str(noise.path), "reason": noise.reason, "damaged": noise.is_damaged}
                    for noise in self.skipped
                ],
                "failures": [{"what": failure.what, "reason": failure.reason} for failure in self.failures],
            },
            indent=2,
            ensure_ascii=False,
        )


def summarise(
    rows: Sequence[PairRow], files: Iterable[Path], plan: BuildPlan, failures: Iterable[Failure]
) -> BuildSummary:
    """Summary of the rows of a dataset that has these files."""
    hours: dict[str, float] = {}
    for row in rows:
        hours[row.split] = hours.get(row.split, 0.0) + row.duration_seconds / 3600.0
    classes = Counter(
        label for row in rows for label in (row.input_class, row.target_class) if label is not None
    )
    return BuildSummary(
        pairs=Counter(row.split for row in rows),
        hours={split: round(value, 4) for split, value in hours.items()},
        megabytes=round(sum(path.stat().st_size for path in files) / 1e6, 3),
        snrs=snr_histogram(rows),
        classes=dict(sorted(classes.items())),
        scaled=sum(row.gain != 1.0 for row in rows),
        skipped=plan.skipped,
        failures=tuple(failures),
    )


def snr_histogram(rows: Iterable[PairRow]) -> dict[int, int]:
    """Number of SNRs in each bin of 5 dB, by its lower edge; lowest first, without gaps."""
    values = [snr for row in rows for snr in (row.input_snr_db, row.target_snr_db) if snr is not None]
    if not values:
        return {}
    counts = Counter(math.floor(value / _BIN_DB) * _BIN_DB for value in values)
    return {low: counts[low] for low in range(min(counts), max(counts) + 1, _BIN_DB)}
