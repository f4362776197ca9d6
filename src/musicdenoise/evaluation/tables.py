"""The overall table of an evaluation, for the terminal and the page.

One column per system, one row per measure: the mean with the mean improvement, and beneath it the interval
that holds that improvement with 95 % probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from musicdenoise.evaluation.aggregate import Stats
from musicdenoise.evaluation.measures import Measure

_MISSING = "-"
_SHARE_KEY = "snr_improvement_db"


def table_rows(
    systems: Mapping[str, Mapping[str, Stats]], measures: Sequence[Measure]
) -> list[tuple[str, list[str]]]:
    """Rows of the table: label, and one text per system.

    Parameters
    ----------
    systems
        Statistics by system and key.
    measures
        What was measured.
    """
    rows = []
    for measure in measures:
        digits = 2 if measure.key.endswith("_db") else 3
        means, intervals = [], []
        for keys in systems.values():
            value, gain = keys.get(measure.key), keys.get(measure.gain_key)
            if value is None or gain is None:
                means.append(_MISSING)
                intervals.append(_MISSING)
            else:
                means.append(f"{value.mean:.{digits}f} ({gain.mean:+.{digits}f})")
                intervals.append(f"{gain.low:+.{digits}f} to {gain.high:+.{digits}f}")
        rows.append((measure.label, means))
        rows.append(("  gain, 95 %", intervals))
    shares = [keys.get(_SHARE_KEY) for keys in systems.values()]
    rows.append(("SNR improved", [_percent(None if s is None else s.share_improved) for s in shares]))
    return rows


def _percent(share: float | None) -> str:
    return _MISSING if share is None else f"{100.0 * share:.0f} %"
