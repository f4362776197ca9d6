"""Writing the chosen segments of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from musicdenoise.data.manifest import PairRow
from musicdenoise.dataset.output import DatasetFile
from musicdenoise.dataset.segments.config import SegmentConfig
from musicdenoise.dataset.segments.score import SegmentScore
from musicdenoise.dataset.segments.tracks import ChosenTrack


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The segments of one pair to write, with their numbers."""

    row: PairRow
    segments: tuple[tuple[int, SegmentScore], ...]


def write_segments(
    choice: Choice, root: Path, out: Path, kept: Path, config: SegmentConfig
) -> tuple[PairRow, ...]:
    """Write the chosen segments of a pair, in their order.

    Samples of compressed files come from the folder ``kept``; see `musicdenoise.dataset.segments.tracks`.
    """
    row = choice.row
    if not choice.segments:
        return ()
    keeps_clean = config.with_clean and row.split == "train" and row.clean is not None
    sources = {"input": row.input, "target": row.target}
    if keeps_clean and row.clean is not None:
        sources["clean"] = row.clean
    rows = []
    with ExitStack() as stack:
        first = config.grid.starts(row).start
        tracks = {
            role: stack.enter_context(ChosenTrack(root / name, kept, first)) for role, name in sources.items()
        }
        for number, segment in choice.segments:
            digests = {}
            for role, track in tracks.items():
                samples = track.segment(segment.start, config.num_samples)
                scale = row.clean_scale if role == "clean" else 1.0
                path = out / _name(row.split, role, number)
                with DatasetFile(path, sample_rate=row.sample_rate, channels=1) as file:
                    file.write((samples * scale).numpy())
                digests[role] = file.sha256
            rows.append(_segment_row(row, number, segment, digests, config))
    return tuple(rows)


def _name(split: str, role: str, number: int) -> str:
    return f"{split}/{role}/segment_{number:05d}.wav"


def _segment_row(
    row: PairRow, number: int, segment: SegmentScore, digests: Mapping[str, str], config: SegmentConfig
) -> PairRow:
    clean = _name(row.split, "clean", number) if "clean" in digests else None
    if row.split == "test" and row.clean == row.target:
        clean = _name("test", "target", number)
    return replace(
        row,
        id=f"{row.split}-{number:05d}",
        input=_name(row.split, "input", number),
        target=_name(row.split, "target", number),
        clean=clean,
        start=row.start + segment.start,
        num_samples=config.num_samples,
        input_snr_db=segment.input_snr_db,
        target_snr_db=segment.target_snr_db,
        clean_scale=1.0,
        input_sha256=digests["input"],
        target_sha256=digests["target"],
        clean_sha256=digests.get("clean", digests["target"] if clean is not None else None),
        source=row.id,
        score=segment.score,
        diversity=segment.diversity,
        correlation=segment.correlation.real,
    )
