"""Cut the pairs of a dataset into segments and keep the best.

Two passes: the first reads every file once and scores its segments, the second writes the chosen ones
(`musicdenoise.dataset.segments.tracks` says where their samples come from). Neither holds more of the audio
than one segment of each file that is open. The result does not depend on the number of processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from musicdenoise.data.folders import load_pairs
from musicdenoise.data.manifest import MANIFEST_NAME, SPLITS, PairRow, write_manifest
from musicdenoise.dataset.config import WORK_NAME
from musicdenoise.dataset.segments.config import SegmentConfig
from musicdenoise.dataset.segments.score import (
    PairScores,
    SegmentScore,
    correlation_method,
    score_song,
    songs_of,
)
from musicdenoise.dataset.segments.statistics import (
    SplitStatistics,
    describe,
    pick_at_random,
    statistics_to_json,
    statistics_to_text,
)
from musicdenoise.dataset.segments.tracks import decoded_folder
from musicdenoise.dataset.segments.write import Choice, write_segments
from musicdenoise.dataset.summary import SUMMARY_NAME
from musicdenoise.errors import DataError, UsageError
from musicdenoise.runtime.atomic import make_folder, remove_abandoned, write_text
from musicdenoise.runtime.parallel import map_jobs

STATISTICS_NAMES = ("segments.json", "segments.txt", "segments.png")
"""Files that describe the segments; the plot is drawn by `musicdenoise.dataset.segments.plot`."""


@dataclass(frozen=True, kw_only=True)
class SegmentResult:
    """What was cut.

    Parameters
    ----------
    rows
        Rows of the new manifest.
    splits
        Statistics of each split.
    scores
        Scores of all candidates that passed, and of those that were kept, by split.
    too_short
        Ids of pairs that are too short for a segment.
    failures
        Reasons why pairs could not be read.
    """

    rows: tuple[PairRow, ...]
    splits: Mapping[str, SplitStatistics]
    scores: Mapping[str, tuple[tuple[SegmentScore, ...], tuple[SegmentScore, ...]]]
    too_short: tuple[str, ...]
    failures: tuple[str, ...]


def segment_dataset(
    dataset: Path,
    out: Path,
    config: SegmentConfig,
    *,
    jobs: int = 1,
    force: bool = False,
    root: Path | None = None,
    verify: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> SegmentResult:
    """Cut a dataset into segments.

    ``out`` gets ``train|test/input|target/segment_00000.wav``, the best (or first picked) first, as mono
    32-bit float, a manifest, and the statistics as ``segments.json`` and ``segments.txt``.

    Parameters
    ----------
    dataset
        Folder with a manifest, or with ``input`` and ``target`` folders.
    out
        Another folder, empty or missing.
    config
        How to cut.
    jobs
        Number of processes.
    force
        Whether segments in ``out`` may be replaced.
    root
        Another folder that the files may lie in; see `musicdenoise.data.manifest.check_places`.
    verify
        Whether the files must have the digests that the manifest states.
    on_progress
        Called with the number of steps done and of all: two for each pair.

    Raises
    ------
    DataError, AudioError
        If there are no pairs or no segments, ``out`` is not empty, or a segment cannot be written.
    """
    rows = _load(dataset, root, verify=verify)
    _check_out(dataset, out, force=force)
    step = _step_counter(2 * len(rows), on_progress)
    with decoded_folder(out) as kept:
        scores = _score(rows, partial(score_song, root=dataset, keep=kept), config, jobs, step)
        chosen, statistics, segments = _choose(rows, scores, config)
        failures = tuple(f"{row.id}: {scores[i].failure}" for i, row in enumerate(rows) if scores[i].failure)
        if not any(choice.segments for choice in chosen):
            raise _nothing_left(dataset, statistics, failures, config)
        _make_folders(out, config)
        write = partial(write_segments, root=dataset, out=out, kept=kept, config=config)
        new_rows = _write(write, chosen, jobs, step)
    _describe(out, new_rows, statistics, config)
    return SegmentResult(
        rows=tuple(new_rows),
        splits=statistics,
        scores=segments,
        too_short=tuple(row.id for row in rows if not config.grid.starts(row)),
        failures=failures,
    )


def _load(dataset: Path, root: Path | None, *, verify: bool) -> list[PairRow]:
    rows = load_pairs(dataset, root)
    if not rows:
        raise DataError(f"{dataset}: its manifest holds no pairs; build the dataset again")
    if verify:
        return rows
    return [replace(row, input_sha256=None, target_sha256=None, clean_sha256=None) for row in rows]


def _step_counter(total: int, on_progress: Callable[[int, int], None] | None) -> Callable[[int], None]:
    """A function that adds to the number of steps done and tells it."""
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if on_progress:
            on_progress(done, total)

    return step


def _score(
    rows: Sequence[PairRow],
    score: Callable[..., tuple[PairScores, ...]],
    config: SegmentConfig,
    jobs: int,
    step: Callable[[int], None],
) -> dict[int, PairScores]:
    """Scores of every pair, by its number; pairs of one song are scored together."""
    scores: dict[int, PairScores] = {}
    songs = songs_of(rows)
    tasks = [tuple(rows[index] for index in song) for song in songs]
    score = partial(score, grid=config.grid, keep_clean=config.with_clean)
    for number, results in map_jobs(score, tasks, jobs):
        scores.update(zip(songs[number], results, strict=True))
        step(len(results))
    return scores


def _write(
    write: Callable[[Choice], tuple[PairRow, ...]],
    chosen: Sequence[Choice],
    jobs: int,
    step: Callable[[int], None],
) -> list[PairRow]:
    """Write the chosen segments; their rows in the order of the manifest."""
    rows: list[PairRow] = []
    for _, written in map_jobs(write, chosen, jobs):
        rows += written
        step(1)
    return sorted(rows, key=lambda row: (SPLITS.index(row.split), row.id))


def _describe(
    out: Path, rows: Sequence[PairRow], statistics: Mapping[str, SplitStatistics], config: SegmentConfig
) -> None:
    write_manifest(out, rows)
    texts = (statistics_to_json(statistics, asdict(config)), statistics_to_text(statistics))
    for name, text in zip(STATISTICS_NAMES, texts, strict=False):
        write_text(out / name, text)


def _choose(
    rows: Sequence[PairRow], found: Mapping[int, PairScores], config: SegmentConfig
) -> tuple[
    list[Choice],
    dict[str, SplitStatistics],
    dict[str, tuple[tuple[SegmentScore, ...], tuple[SegmentScore, ...]]],
]:
    """Choose the segments of each split; returned by pair, with statistics and scores."""
    picked: dict[int, list[tuple[int, SegmentScore]]] = {index: [] for index in range(len(rows))}
    statistics, scores = {}, {}
    for split, most in zip(SPLITS, (config.max_train, config.max_test), strict=True):
        pairs = [index for index, row in enumerate(rows) if row.split == split]
        if not pairs:
            continue
        candidates = [(index, segment) for index in pairs for segment in found[index].scores]
        heard = [item for item in candidates if item[1].level_db >= config.silence_db]
        passed = [item for item in heard if not config.rejects(item[1])]
        if config.sort == "score":
            order = sorted(passed, key=lambda item: -item[1].score)  # stable: ties stay in order
        else:
            rng = np.random.default_rng((config.seed, SPLITS.index(split)))
            order = [passed[int(index)] for index in rng.permutation(len(passed))]
        kept = order[:most]
        for number, (index, segment) in enumerate(kept):
            picked[index].append((number, segment))
        scores[split] = tuple(item[1] for item in passed), tuple(item[1] for item in kept)
        statistics[split] = SplitStatistics(
            pairs=len(pairs),
            pairs_too_short=sum(not config.grid.starts(rows[index]) for index in pairs),
            candidates=len(candidates),
            silent=len(candidates) - len(heard),
            rejected=len(heard) - len(passed),
            methods=dict(Counter(correlation_method(rows[index]) for index, _ in candidates)),
            all_segments=describe(scores[split][0]),
            kept=describe(scores[split][1]),
            random_pick=describe(pick_at_random(scores[split][0], len(kept), config.seed)),
        )
    choices = [
        Choice(row=rows[index], segments=tuple(sorted(segments, key=lambda item: item[1].start)))
        for index, segments in picked.items()
    ]
    return choices, statistics, scores


def _check_out(dataset: Path, out: Path, *, force: bool) -> None:
    if out.resolve() == dataset.resolve():
        raise UsageError(
            f"{out}: is the dataset itself; segments need a folder of their own, see {{out}}", out=out
        )
    if any((out / name).exists() for name in (SUMMARY_NAME, WORK_NAME)):
        raise UsageError(
            f"{out}: is a dataset of whole songs; segments need a folder of their own, see {{out}}", out=out
        )
    if out.is_dir() and any(out.iterdir()) and not force:
        raise DataError(
            f"{out}: is not empty; give {{force}} to replace the segments in it, or another {{out}}",
            force=force,
            out=out,
        )


def _make_folders(out: Path, config: SegmentConfig) -> None:
    """Make the folders, and remove what a former run left in them."""
    for split in SPLITS:
        for role in ("input", "target", "clean"):
            folder = out / split / role
            for path in folder.glob("segment_*.wav"):
                path.unlink()
            remove_abandoned(folder)
            if role != "clean" or (config.with_clean and split == "train"):
                make_folder(folder)
    for name in (MANIFEST_NAME, *STATISTICS_NAMES):
        (out / name).unlink(missing_ok=True)


def _nothing_left(
    dataset: Path, splits: Mapping[str, SplitStatistics], failures: Sequence[str], config: SegmentConfig
) -> DataError:
    total = {
        name: sum(getattr(split, name) for split in splits.values())
        for name in ("pairs", "pairs_too_short", "candidates", "silent", "rejected")
    }
    first = f"; first failure: {failures[0]}" if failures else ""
    return DataError(
        f"{dataset}: no segment is left of {total['pairs']} pair(s): {total['pairs_too_short']} too short, "
        f"{len(failures)} unreadable; of {total['candidates']} segments {total['silent']} are silent and "
        f"{total['rejected']} beyond the thresholds; use a smaller {{num_samples}}, "
        f"{{skip_start_seconds}} or {{skip_end_seconds}}{first}",
        num_samples=config.num_samples,
        skip_start_seconds=config.skip_start_seconds,
        skip_end_seconds=config.skip_end_seconds,
    )
