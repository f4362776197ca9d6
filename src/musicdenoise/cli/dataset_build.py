"""``musicdenoise dataset build``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from musicdenoise.cli import build_options as options
from musicdenoise.cli.common import FAILED, choose_device, note, print_error, takes, warn
from musicdenoise.cli.log import is_quiet
from musicdenoise.cli.quoting import quoted
from musicdenoise.errors import UsageError

if TYPE_CHECKING:
    from musicdenoise.dataset.build import Build
    from musicdenoise.dataset.config import BuildConfig
    from musicdenoise.dataset.summary import BuildSummary

_BAR_WIDTH = 30

_Value = TypeVar("_Value")


@takes(options.Request, options.PANELS)
def build(request: options.Request) -> None:
    """Mix songs with noise into pairs for Noise2Noise training and for testing.

    A training pair is the same song with two independent noises; a test pair is a noisy song and the clean
    one. The folder gets the files, manifest.jsonl (one line per pair) and build.json (a summary).
    """
    from musicdenoise.dataset.build import plan_build
    from musicdenoise.dataset.config import BuildConfig

    if request.fleet is not None and request.jobs is not None:
        raise UsageError("--fleet has workers of its own and --jobs starts some here: give one of them")
    if request.resume and request.force:
        raise UsageError("--resume keeps what is there and --force removes it: give one of them")
    config = BuildConfig(
        kind=request.kind,
        songs=_either("--songs", request.songs, "--path-songs", request.path_songs) or options.DEFAULT_SONGS,
        noises=_either("--noises", request.noises, "--path-noises", request.path_noises)
        or options.DEFAULT_NOISES,
        noise_class=_either("--class", request.noise_class, "--class-num", request.class_num),
        split=request.split,
        max_songs=_either("--max-songs", request.max_songs, "--iter-songs", request.iter_songs),
        pairs_per_song=_first(
            _either("--max-noises", request.max_noises, "--iter-noise", request.iter_noise), 1
        ),
        seed=request.seed,
        snr_range_db=request.snr_range,
        same_class=request.same_class,
        file_format=request.file_format,
        **({} if request.shard_size is None else {"shard_megabytes": request.shard_size}),
        sample_rate=request.sample_rate,
    )
    _check_device(request.device, cuda=request.cuda or request.use_cuda)
    root = _root(request.out, request.input_dir, request.target_dir, config)
    note("Looking at songs and noises ...")
    planned = plan_build(config, root, request.input_dir, request.target_dir)
    for noise in planned.plan.skipped:
        tell = print_error if noise.is_damaged else warn
        tell(f"{noise.path}: {noise.reason}; skipped")
    if request.dry_run:
        _show_plan(planned)
        return
    _run(planned, request)


def _check_device(device: str | None, *, cuda: bool) -> None:
    """Refuse a device that is not there. A device that is there is not used."""
    if device is None and not cuda:
        return
    chosen = choose_device(device, cuda=cuda)
    if chosen != "cpu":
        note(f"Mixing runs on the CPU; {chosen} is not used.")


def _either(name: str, value: _Value | None, alias: str, other: _Value | None) -> _Value | None:
    if value is not None and other is not None:
        raise UsageError(f"{name} and {alias} mean the same: give one of them")
    return other if value is None else value


def _first(value: int | None, default: int) -> int:
    return default if value is None else value


def _root(out: Path | None, input_dir: Path | None, target_dir: Path | None, config: BuildConfig) -> Path:
    """Folder of the manifest: ``--out``, or the folder that holds both given folders."""
    if out is not None:
        return out
    if input_dir is None or target_dir is None:
        return Path(f"dataset_{config.kind}")
    try:
        common = Path(os.path.commonpath([input_dir.absolute(), target_dir.absolute()]))
    except ValueError:  # on different drives
        return input_dir
    if common == common.parent:
        raise UsageError(
            f"--input-dir {input_dir} and --target-dir {target_dir} have no folder in common for the "
            "manifest: give --out"
        )
    return common


def _run(planned: Build, request: options.Request) -> None:
    from contextlib import ExitStack

    from musicdenoise.cli.progress import song_progress
    from musicdenoise.dataset.build import build_dataset
    from musicdenoise.runtime.parallel import default_jobs

    with ExitStack() as stack:
        map_songs = None
        if request.fleet is not None:
            _check_absolute(planned)
            from musicdenoise.fleet.workers import connected, map_on_fleet

            map_songs = partial(map_on_fleet, stack.enter_context(connected(request.fleet)))
        label = f"Mixing {planned.plan.num_pairs} pairs"
        summary = build_dataset(
            planned,
            jobs=default_jobs() if request.jobs is None else request.jobs,
            resume=request.resume,
            force=request.force,
            on_progress=stack.enter_context(song_progress(label)),
            map_songs=map_songs,
        )
    for failure in summary.failures:
        print_error(f"{failure.what}: {failure.reason.removeprefix(f'{failure.what}: ')}")
    if not is_quiet():
        _show_summary(summary, planned)
    if not summary.is_complete:
        damaged = sum(noise.is_damaged for noise in summary.skipped)
        print_error(
            f"{len(summary.failures)} song(s) or pair(s) failed and {damaged} noise(s) could not be read; "
            f"the other {summary.num_pairs} pairs are complete"
        )
        raise typer.Exit(FAILED)


def _check_absolute(planned: Build) -> None:
    """Refuse folders that workers in another folder would not find."""
    songs = planned.plan.songs
    pairs = [pair for song in songs for pair in song.pairs]
    noises = [pick.path for pair in pairs for pick in (pair.input_noise, pair.target_noise) if pick]
    for path in (planned.layout.root, *(song.song.path for song in songs), *noises):
        if path is not None and not path.is_absolute():
            raise UsageError(
                f"--fleet needs folders that begin with /, and {path} does not: give whole names"
            )


def _show_plan(planned: Build) -> None:
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    from musicdenoise.dataset.build import estimate_build

    console = Console()
    console.print(
        f"Would be built in {quoted(planned.layout.root)}", markup=False, highlight=False, soft_wrap=True
    )
    table = Table()
    for heading in ("split", "songs", "pairs"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    songs = Counter(song.split for song in planned.plan.songs)
    for split, count in songs.items():
        pairs = sum(len(song.pairs) for song in planned.plan.songs if song.split == split)
        table.add_row(split, str(count), str(pairs))
    estimate = estimate_build(planned)
    console.print(table)
    console.print(f"about {estimate.hours:.2f} h of pairs, at most {estimate.megabytes:.0f} MB")


def _show_summary(summary: BuildSummary, planned: Build) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    heading = f"Dataset {quoted(planned.layout.root)} (noise: {planned.config.kind})"
    console.print(heading, markup=False, highlight=False, soft_wrap=True)
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for split, count in summary.pairs.items():
        table.add_row(f"{split} pairs", str(count))
        table.add_row(f"{split} hours", f"{summary.hours[split]:.2f}")
    table.add_row("megabytes", f"{summary.megabytes:.1f}")
    table.add_row("pairs scaled down", str(summary.scaled))
    table.add_row("noises skipped", str(len(summary.skipped)))
    table.add_row("songs or pairs failed", str(len(summary.failures)))
    console.print(table)
    bars = Table(title="SNRs of inputs and noisy targets")
    for heading in ("dB", "count", ""):
        bars.add_column(heading, justify="left" if not heading else "right")
    most = max(summary.snrs.values(), default=1)
    for low, count in summary.snrs.items():
        bars.add_row(f"{low} to {low + 5}", str(count), "█" * round(_BAR_WIDTH * count / most))
    console.print(bars)
    classes = Table(title="Noises mixed in, by class")
    classes.add_column("class")
    classes.add_column("count", justify="right")
    for label, count in summary.classes.items():
        classes.add_row(escape(quoted(label)), str(count))
    console.print(classes)
