"""The histogram of a segmented dataset."""

from pathlib import Path

import numpy as np
import pytest

from musicdenoise.dataset.segments.plot import plot_segments
from musicdenoise.dataset.segments.score import SegmentScore
from musicdenoise.errors import DataError


def segments(count: int) -> list[SegmentScore]:
    rng = np.random.default_rng(0)
    return [
        SegmentScore(
            start=i,
            diversity=float(rng.uniform()),
            correlation=complex(*rng.uniform(-0.5, 0.5, 2)),
            level_db=-20.0,
            input_snr_db=None,
            target_snr_db=None,
        )
        for i in range(count)
    ]


def test_a_png_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "segments.png"
    plot_segments(path, {"train": (segments(50), segments(10)), "test": ((), ())})
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG\r\n\x1a\n") and len(first) > 5_000
    plot_segments(path, {"train": (segments(50), segments(10)), "test": ((), ())})
    assert path.read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["segments.png"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written: No such file"):
        plot_segments(tmp_path / "nowhere" / "segments.png", {"train": (segments(3), ())})
