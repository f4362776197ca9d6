"""Build a dataset of noisy pairs: plan, mix song by song, and go on where a former run stopped.

The work is divided by songs. When all files of a song are there, its rows go into a small file in the
hidden folder of the build, so a killed run loses only the songs in progress. The manifest is made at the
end, in the order of the plan, so it does not depend on the number of processes or on interruptions.
A dataset in shards has no manifest: its files become shards at the end (`musicdenoise.dataset.pack`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from musicdenoise.audio import probe
from musicdenoise.data.manifest import (
    MANIFEST_NAME,
    PairRow,
    read_manifest,
    rows_to_text,
    write_manifest,
)
from musicdenoise.dataset.config import WEBDATASET, BuildConfig, BuildLayout
from musicdenoise.dataset.folder import (
    STATE_NAME,
    check_own,
    check_same,
    occupied_places,
    remove_files,
    remove_own,
)
from musicdenoise.dataset.layouts import find_song_splits, find_split_noises, match_class
from musicdenoise.dataset.pack import find_shards, pack, packed_rows
from musicdenoise.dataset.plan import BuildPlan, SongPlan, limit_to_class, plan_pairs
from musicdenoise.dataset.render import RenderedSong, render_song, try_noise
from musicdenoise.dataset.summary import SUMMARY_NAME, BuildSummary, summarise
from musicdenoise.errors import DataError, Failure, MusicDenoiseError, UsageError
from musicdenoise.runtime.atomic import make_folder, remove_abandoned, write_text
from musicdenoise.runtime.parallel import map_jobs

MapSongs = Callable[
    [Callable[[SongPlan], RenderedSong], Sequence[SongPlan]], Iterator[tuple[int, RenderedSong]]
]
"""Results of a function on songs, with the index of each, as they become ready."""

_PARTS = "parts"
_BYTES_PER_SAMPLE = {"wav": 4, "flac": 3}


@dataclass(frozen=True, kw_only=True)
class Build:
    """A planned dataset: its sources, its folder, and its pairs."""

    config: BuildConfig
    layout: BuildLayout
    plan: BuildPlan

    @property
    def is_packed(self) -> bool:
        """Whether it comes in shards."""
        return self.config.file_format == WEBDATASET


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Size of a dataset before it is built; FLAC files are smaller than this."""

    hours: float
    megabytes: float


def plan_build(
    config: BuildConfig, root: Path, input_dir: Path | None = None, target_dir: Path | None = None
) -> Build:
    """Look at songs and noises and choose the pairs. Nothing is written.

    Parameters
    ----------
    config
        What to build.
    root, input_dir, target_dir
        Where, see `BuildLayout`.

    Raises
    ------
    DataError
        If songs or noises are missing or too few.
    UsageError
        If the noise class is unknown, or the folders contradict each other.
    """
    BuildLayout(root=root, splits=(), input_dir=input_dir, target_dir=target_dir)  # before any long work
    if config.file_format == WEBDATASET and input_dir is not None:
        raise UsageError(
            f"{{file_format}} {WEBDATASET} puts inputs and targets into the same files: leave {{input_dir}} "
            "and {target_dir} out",
            file_format=WEBDATASET,
            input_dir=input_dir,
            target_dir=target_dir,
        )
    songs = find_song_splits(config.songs, config.split)
    noises = {} if config.kind == "white" else find_split_noises(config.noises, tuple(songs))
    same_class = config.same_class
    if config.kind == "class":
        label = match_class(config.noise_class or "", noises)
        noises, same_class = limit_to_class(noises, label), True
        for split, files in noises.items():
            if not files:
                raise DataError(
                    f"{config.noises}: holds no noise recordings of the class {label} for the split {split}; "
                    "choose another class, or add recordings (three at least, one in four is for testing)"
                )
    plan = plan_pairs(
        songs,
        noises,
        kind=config.kind,
        noise_folder=config.noises,
        max_songs=config.max_songs,
        pairs_per_song=config.pairs_per_song,
        same_class=same_class,
        seed=config.seed,
        try_noise=partial(try_noise, sample_rate=config.sample_rate),
    )
    layout = BuildLayout(root=root, splits=tuple(songs), input_dir=input_dir, target_dir=target_dir)
    sources = [song.path for found in songs.values() for song in found]
    _check_apart(layout, [*sources, *(noise.path for files in noises.values() for noise in files)])
    return Build(config=config, layout=layout, plan=plan)


def _check_apart(layout: BuildLayout, sources: list[Path]) -> None:
    """Check that no song or noise is where files of the dataset are written and removed."""
    places = {folder.resolve() for folder in (*layout.cleared(), layout.work)}
    for folder in {path.parent for path in sources}:
        if not places.isdisjoint((resolved := folder.resolve(), *resolved.parents)):
            raise UsageError(
                f"{folder}: holds songs or noises, but files of the dataset go there, too; choose another "
                "{out}",
                out=layout.root,
            )


def estimate_build(build: Build) -> Estimate:
    """Hours and megabytes that a build will make, from the headers of the songs.

    Songs that cannot be read count nothing.
    """
    seconds, files_seconds = 0.0, 0.0
    for song in build.plan.songs:
        try:
            duration = probe(song.song.path).duration_seconds
        except MusicDenoiseError:
            continue  # the build itself will name it
        seconds += len(song.pairs) * duration
        files_seconds += (2 * len(song.pairs) + (song.split == "train")) * duration
    size = 2 * _BYTES_PER_SAMPLE[build.config.audio_format] * build.config.sample_rate
    return Estimate(hours=seconds / 3600.0, megabytes=files_seconds * size / 1e6)


def build_dataset(
    build: Build,
    *,
    jobs: int = 1,
    resume: bool = False,
    force: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    map_songs: MapSongs | None = None,
) -> BuildSummary:
    """Make the files of a planned dataset, its manifest and ``build.json``.

    Parameters
    ----------
    build
        From `plan_build`.
    jobs
        Number of processes; the result does not depend on it.
    resume
        Go on with a dataset that was begun with the same plan, or confirm one that is finished.
    force
        Remove what a former build left in the folder.
    on_progress
        Called with the number of pairs done and of all pairs.
    map_songs
        Makes the songs instead of processes here, such as other machines that see the same folders.

    Raises
    ------
    DataError
        If the folder is not empty, was begun with another plan, or no pair at all could be made.
    AudioWriteError
        If a file cannot be written; what is done is kept for ``resume``.
    """
    layout, plan = build.layout, build.plan
    _prepare(build, resume=resume, force=force)
    rows = _packed_rows(build) if resume else []
    failed: list[Failure] = []
    if not rows:
        rows, failed = _make_pairs(build, map_songs or partial(map_jobs, jobs=jobs), on_progress)
        if build.is_packed:
            pack(layout.root, rows, build.config.shard_megabytes)
        else:
            write_manifest(layout.root, rows)
    summary = summarise(rows, _files(build, rows), plan, failed)
    write_text(layout.root / SUMMARY_NAME, summary.to_json(build.config, plan) + "\n")
    if not failed:
        if build.is_packed:
            remove_files(layout)
        shutil.rmtree(layout.work)
    return summary


def _make_pairs(
    build: Build, mapping: MapSongs, on_progress: Callable[[int, int], None] | None
) -> tuple[list[PairRow], list[Failure]]:
    """Write the files of all pairs that are not there yet."""
    layout, plan = build.layout, build.plan
    done = _known_rows(build)
    remaining = [song for song in plan.songs if _key(song) not in done]
    finished = plan.num_pairs - sum(len(song.pairs) for song in remaining)
    failures: dict[str, tuple[Failure, ...]] = {}
    render = partial(_render_and_store, config=build.config, layout=layout)
    for index, result in mapping(render, remaining):
        done[_key(remaining[index])] = result.rows
        failures[_key(remaining[index])] = result.failures
        finished += len(remaining[index].pairs)
        if on_progress:
            on_progress(finished, plan.num_pairs)
    rows = [row for song in plan.songs for row in done[_key(song)]]
    failed = [failure for song in plan.songs for failure in failures.get(_key(song), ())]
    if not rows:
        remove_own(layout)
        raise DataError(f"no pair could be made; the first reason of {len(failed)}: {failed[0].reason}")
    return rows, failed


def _packed_rows(build: Build) -> list[PairRow]:
    """The pairs of a dataset in shards that is finished; none if it is not."""
    if not build.is_packed or not (build.layout.root / SUMMARY_NAME).is_file():
        return []
    rows = packed_rows(build.layout.root)
    planned = sorted(name for song in build.plan.songs for name in _ids(song))
    return rows if sorted(row.id for row in rows) == planned else []


def _files(build: Build, rows: list[PairRow]) -> set[Path]:
    """The files that hold the sound of a dataset."""
    root = build.layout.root
    if build.is_packed:
        return set(find_shards(root))
    return {root / name for row in rows for name in (row.input, row.target, row.clean) if name is not None}


def _render_and_store(plan: SongPlan, config: BuildConfig, layout: BuildLayout) -> RenderedSong:
    result = render_song(plan, config, layout)
    if not result.failures:
        write_text(_part(layout, plan), rows_to_text(result.rows))
    return result


def _key(plan: SongPlan) -> str:
    return f"{plan.split}-S{plan.number}"


def _part(layout: BuildLayout, plan: SongPlan) -> Path:
    return layout.work / _PARTS / f"{_key(plan)}.jsonl"


def _prepare(build: Build, *, resume: bool, force: bool) -> None:
    """Make the folders, and check that what is in them belongs to this build."""
    layout = build.layout
    state: dict[str, object] = {"options": build.config.to_dict(), "plan_sha256": build.plan.digest()}
    if force:
        check_own(layout)
        remove_own(layout)
    elif resume:
        check_same(layout, state)
    occupied = [] if resume or force else occupied_places(layout)
    if occupied:
        raise DataError(
            f"{occupied[0]}: is not empty; give {{resume}} to go on with the dataset in it, {{force}} to "
            "replace that, or choose another folder",
            resume=resume,
            force=force,
        )
    for folder in (*layout.folders(), layout.work / _PARTS):
        make_folder(folder)
        remove_abandoned(folder)
    for scratch in layout.work.glob("*.raw"):
        scratch.unlink()
    write_text(layout.work / STATE_NAME, json.dumps(state, ensure_ascii=False))


def _known_rows(build: Build) -> dict[str, tuple[PairRow, ...]]:
    """Rows of the songs whose files are all there, by song."""
    layout, known = build.layout, {}
    manifest = layout.root / MANIFEST_NAME
    stored = {row.id: row for row in read_manifest(manifest)} if manifest.is_file() else {}
    for song in build.plan.songs:
        part = _part(layout, song)
        rows = read_manifest(part) if part.is_file() else []
        rows = rows or [stored[name] for name in _ids(song) if name in stored]
        files = [layout.root / name for row in rows for name in (row.input, row.target, row.clean) if name]
        if len(rows) == len(song.pairs) and all(path.is_file() for path in files):
            known[_key(song)] = tuple(rows)
    return known


def _ids(song: SongPlan) -> list[str]:
    return [f"{_key(song)}N{pair.number}" for pair in song.pairs]
