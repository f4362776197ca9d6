"""Segments: where they lie, what their scores are, and which are kept."""

import json
import math
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dataset_trees import save, tune
from musicdenoise.audio import AudioReader, probe, read_audio
from musicdenoise.cli import fields
from musicdenoise.data.manifest import PairRow, read_manifest, write_manifest
from musicdenoise.dataset.segments.config import SegmentConfig
from musicdenoise.dataset.segments.score import (
    MAX_PAIRS_AT_ONCE,
    SegmentGrid,
    correlation_method,
    score_song,
    songs_of,
)
from musicdenoise.dataset.segments.segment import SegmentResult, segment_dataset
from musicdenoise.dataset.segments.statistics import describe, statistics_to_text
from musicdenoise.dataset.segments.tracks import ChosenTrack, OrderedTrack, decoded_folder
from musicdenoise.errors import DataError, UsageError
from musicdenoise.runtime.digest import file_sha256

RATE = 44_100
LENGTH = 16_384


def white(seed: int, shape: tuple[int, ...], level: float = 0.05) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(shape)


def add_pair(
    root: Path,
    number: int,
    seconds: float = 3.0,
    weight: float = 0.0,
    split: str = "train",
    scale: float = 1.0,
) -> PairRow:
    """A pair whose noises are white and correlate by ``weight``."""
    music = tune(seconds, seed=number)
    first, other = white(2 * number, music.shape), white(2 * number + 1, music.shape)
    second = weight * first + math.sqrt(1 - weight**2) * other
    files = {"input": scale * (music + first), "target": scale * music}
    if split == "train":
        files = {**files, "target": scale * (music + second), "clean": music}
    names = {role: f"{split}/{role}/pair{number}.wav" for role in files}
    for role, samples in files.items():
        save(root / names[role], samples, subtype="FLOAT")
    return PairRow(
        id=f"{split}-{number}",
        split=split,
        input=names["input"],
        target=names["target"],
        clean=names.get("clean", names["target"]),
        clean_scale=scale if split == "train" else 1.0,
        sample_rate=RATE,
        num_samples=music.shape[1],
        kind="white",
        song=str(number),
        input_class="white",
        seed=1,
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training pairs of correlations 0, 0.5 and -0.8, and a test pair."""
    root = tmp_path_factory.mktemp("dataset")
    rows = [add_pair(root, number, weight=weight) for number, weight in enumerate((0.0, 0.5, -0.8))]
    write_manifest(root, [*rows, add_pair(root, 3, split="test")])
    return root


def cut(dataset: Path, out: Path, *, jobs: int = 1, force: bool = False, **options: object) -> SegmentResult:
    settings = {"num_samples": LENGTH, "skip_start_seconds": 0.2, "skip_end_seconds": 0.3, **options}
    return segment_dataset(dataset, out, SegmentConfig(**settings), jobs=jobs, force=force)  # type: ignore[arg-type]


def mono(path: Path) -> np.ndarray:
    return read_audio(path).samples.astype(np.float64).mean(axis=0)


def test_segments_are_stretches_of_their_pairs(dataset: Path, tmp_path: Path) -> None:
    result = cut(dataset, tmp_path / "out", with_clean=True)
    rows = read_manifest(tmp_path / "out")
    assert rows == list(result.rows)
    pairs = {row.id: row for row in read_manifest(dataset)}
    inside = 3 * RATE - round(0.2 * RATE) - round(0.3 * RATE)
    assert len(rows) == 4 * (inside // LENGTH)
    for row in rows:
        pair = pairs[row.source]
        assert row.start >= 0.2 * RATE and row.start + LENGTH <= pair.num_samples - 0.3 * RATE
        for role in ("input", "target", *(["clean"] if row.split == "train" else [])):
            path = tmp_path / "out" / getattr(row, role)
            assert (probe(path).channels, probe(path).num_samples, probe(path).subtype) == (
                1,
                LENGTH,
                "FLOAT",
            )
            expected = mono(dataset / getattr(pair, role))[row.start : row.start + LENGTH]
            assert np.abs(mono(path) - expected).max() < 1e-6
            assert file_sha256(path) == getattr(row, f"{role}_sha256")
        clean = mono(tmp_path / "out" / row.clean)
        noise = mono(tmp_path / "out" / row.input) - clean
        assert row.input_snr_db == pytest.approx(
            10 * np.log10(np.mean(clean**2) / np.mean(noise**2)), abs=0.05
        )
    assert {row.input for row in rows if row.split == "test"} == {
        f"test/input/segment_{number:05d}.wav" for number in range(inside // LENGTH)
    }
    assert all(row.clean == row.target for row in rows if row.split == "test")


def test_the_correlation_is_that_of_the_real_noises(dataset: Path, tmp_path: Path) -> None:
    result = cut(dataset, tmp_path / "out")
    expected = {"train-0": 0.0, "train-1": 0.5, "train-2": -0.8, "test-3": 0.0}
    for row in result.rows:
        assert row.correlation == pytest.approx(expected[row.source], abs=0.04)
        assert row.score == pytest.approx(row.diversity - abs(row.correlation), abs=0.02)
    assert result.splits["train"].methods == {"known": 18}
    assert result.splits["test"].methods == {"clean target": 6}


def test_white_noise_is_uncorrelated_where_the_reference_measures_1(tmp_path: Path) -> None:
    root = tmp_path / "white"
    row = add_pair(root, 0, seconds=8.0)
    write_manifest(root, [row])
    result = cut(root, tmp_path / "out", num_samples=60_000)
    magnitudes = result.splits["train"].kept.correlation_magnitude
    assert magnitudes.mean < 0.02
    noisy, target = mono(root / row.input), mono(root / row.target)
    guess = (noisy + target) / 2
    assert np.corrcoef(np.abs(noisy - guess), np.abs(target - guess))[0, 1] == pytest.approx(1.0)


def test_the_gain_of_a_pair_is_taken_into_account(tmp_path: Path) -> None:
    write_manifest(tmp_path / "in", [add_pair(tmp_path / "in", 0, weight=0.5, scale=0.25)])
    result = cut(tmp_path / "in", tmp_path / "out", with_clean=True)
    for row in result.rows:
        assert row.correlation == pytest.approx(0.5, abs=0.04)
        difference = mono(tmp_path / "out" / row.input) - mono(tmp_path / "out" / row.clean)
        assert difference.std() == pytest.approx(0.25 * 0.05 / math.sqrt(2), rel=0.05)
        assert row.clean_scale == 1.0


def test_the_best_are_kept_and_beat_a_random_pick(dataset: Path, tmp_path: Path) -> None:
    result = cut(dataset, tmp_path / "best", max_train=6, max_test=2)
    train = result.splits["train"]
    assert (train.kept.count, result.splits["test"].kept.count, len(result.rows)) == (6, 2, 8)
    assert train.kept.correlation_magnitude.mean < train.random_pick.correlation_magnitude.mean
    assert train.kept.score.minimum >= train.all_segments.score.median
    scores = [row.score for row in result.rows if row.split == "train"]
    assert scores == sorted(scores, reverse=True)
    assert {row.source for row in result.rows if row.split == "train"} == {"train-0"}


def test_random_segments_follow_from_the_seed(dataset: Path, tmp_path: Path) -> None:
    picks = [
        [
            (row.source, row.start)
            for row in cut(dataset, tmp_path / str(i), sort="random", max_train=9, seed=s).rows
        ]
        for i, s in enumerate((1, 1, 2))
    ]
    assert picks[0] == picks[1] != picks[2]
    assert len({source for source, _ in picks[0]}) == 4


def test_thresholds(dataset: Path, tmp_path: Path) -> None:
    result = cut(dataset, tmp_path / "out", max_correlation=0.6)
    assert {row.source for row in result.rows if row.split == "train"} == {"train-0", "train-1"}
    assert result.splits["train"].rejected == 6
    median = result.splits["train"].all_segments.score.median
    strict = cut(dataset, tmp_path / "strict", min_score=median, max_correlation=0.6)
    assert strict.splits["train"].kept.score.minimum >= median
    assert strict.splits["train"].rejected == 12
    diverse = cut(dataset, tmp_path / "diverse", min_diversity=0.2)
    assert all(row.diversity >= 0.2 for row in diverse.rows)
    with pytest.raises(DataError, match=r"of 24 segments 0 are silent and 24 beyond the thresholds"):
        cut(dataset, tmp_path / "none", min_score=5.0)
    assert not (tmp_path / "none").exists()


def test_silent_segments_are_dropped(tmp_path: Path) -> None:
    root = tmp_path / "in"
    row = add_pair(root, 0)
    for role in ("input", "target", "clean"):
        path = root / getattr(row, role)
        music = read_audio(path).samples.copy()
        if role == "clean":
            music[:, :RATE] = 0.0
        else:
            music[:, :RATE] = white(5, music[:, :RATE].shape)
        path.unlink()
        save(path, music, subtype="FLOAT")
    write_manifest(root, [row])
    result = cut(root, tmp_path / "out")
    assert result.splits["train"].silent == 2
    assert min(row.start for row in result.rows) > RATE - LENGTH


@pytest.mark.parametrize("overlap", [0.0, 0.6])
def test_overlap(dataset: Path, tmp_path: Path, overlap: float) -> None:
    result = cut(dataset, tmp_path / "out", overlap=overlap)
    starts = sorted(row.start for row in result.rows if row.source == "train-0")
    hop = round(LENGTH * (1 - overlap))
    assert set(np.diff(starts)) == {hop}
    (plain,) = score_song(
        (read_manifest(dataset)[0],),
        dataset,
        SegmentGrid(
            num_samples=LENGTH, hop_samples=LENGTH, skip_start_seconds=starts[1] / RATE, skip_end_seconds=0
        ),
    )
    alike = next(row for row in result.rows if row.source == "train-0" and row.start == starts[1])
    assert plain.scores[0].score == pytest.approx(alike.score, rel=1e-5)


@pytest.mark.parametrize("ending", ["flac", "wav"])
def test_each_song_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Two takes of one song; what is decoded of each file is counted, in both passes."""
    music = tune(3.0, seed=1)
    save(tmp_path / "in" / f"train/clean/song.{ending}", music, container=ending.upper())
    rows = []
    for number in range(2):
        names = {role: f"train/{role}/take{number}.{ending}" for role in ("input", "target")}
        for seed, name in enumerate(names.values(), start=2 * number):
            save(tmp_path / "in" / name, music + white(seed, music.shape), container=ending.upper())
        rows.append(
            PairRow(
                id=f"train-{number}",
                split="train",
                **names,
                clean=f"train/clean/song.{ending}",
                sample_rate=RATE,
                num_samples=music.shape[1],
                kind="white",
                song="song",
                input_class="white",
                seed=1,
            )
        )
    write_manifest(tmp_path / "in", rows)
    decoded: Counter[str] = Counter()
    read = AudioReader.read

    def counted(reader: AudioReader, num_samples: int) -> np.ndarray:
        samples = read(reader, num_samples)
        decoded[reader.info.path.name] += samples.shape[1]
        return samples

    monkeypatch.setattr(AudioReader, "read", counted)
    result = cut(tmp_path / "in", tmp_path / "out", overlap=0.5, max_train=6, with_clean=True)
    assert len(result.rows) == 6
    passed_over = 0 if ending == "flac" else 6 * 3 * LENGTH  # plain files are read again at their places
    segments = (music.shape[1] - round(0.5 * RATE) - LENGTH) // (LENGTH // 2) + 1
    heard = (segments + 1) * (LENGTH // 2)
    assert sum(decoded.values()) == 5 * heard + passed_over
    assert decoded[f"song.{ending}"] == heard + passed_over // 3
    assert not list((tmp_path / "out").glob(".*"))
    for row in result.rows:
        source = next(pair for pair in rows if pair.id == row.source)
        expected = read_audio(tmp_path / "in" / source.input).samples.mean(axis=0)
        cut_out = mono(tmp_path / "out" / row.input)
        np.testing.assert_allclose(cut_out, expected[row.start : row.start + LENGTH], atol=1e-7)


def test_pairs_of_a_song_go_together(dataset: Path) -> None:
    first, _, other, test = (read_manifest(dataset)[index] for index in (0, 1, 2, 3))
    takes = [replace(first, id=str(number)) for number in range(MAX_PAIRS_AT_ONCE + 1)]
    songs = songs_of([*takes, other, test, test])
    assert [len(song) for song in songs] == [MAX_PAIRS_AT_ONCE, 1, 1, 1, 1]


def test_the_number_of_processes_leaves_no_trace(dataset: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        cut(dataset, tmp_path / str(jobs), jobs=jobs, max_train=8)
    first, second = (
        {
            path.relative_to(tmp_path / jobs).as_posix(): file_sha256(path)
            for path in (tmp_path / jobs).rglob("*")
            if path.is_file()
        }
        for jobs in ("1", "2")
    )
    assert first == second
    assert len(first) == 2 * (8 + 6) + 3


def test_folders_without_a_manifest_use_the_estimate(dataset: Path, tmp_path: Path) -> None:
    for split, numbers in (("train", (0, 1, 2)), ("test", (3,))):
        for role in ("input", "target"):
            for number in numbers:
                name = f"{split}/{role}/pair{number}.wav"
                (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "in" / name).write_bytes((dataset / name).read_bytes())
    result = cut(tmp_path / "in", tmp_path / "out")
    assert result.splits["train"].methods == {"estimated": 18}
    assert result.splits["test"].methods == {"clean target": 6}
    by_pair: dict[str, list[float]] = {}
    for row in result.rows:
        by_pair.setdefault(row.source, []).append(row.correlation)
        assert row.input_snr_db is None or row.split == "test"
    means = {name: float(np.mean(values)) for name, values in by_pair.items()}
    assert means["train-pair2"] < means["train-pair0"] < means["train-pair1"] < 0.9
    assert means["train-pair0"] < 0.4


def test_statistics_are_written_and_readable(dataset: Path, tmp_path: Path) -> None:
    result = cut(dataset, tmp_path / "out", max_train=5)
    stored = json.loads((tmp_path / "out" / "segments.json").read_text(encoding="utf-8"))
    train = stored["splits"]["train"]
    assert (train["pairs"], train["candidates"], train["silent"], train["kept"]["count"]) == (3, 18, 0, 5)
    assert train["kept"]["score"]["mean"] == pytest.approx(
        np.mean([row.score for row in result.rows if row.split == "train"])
    )
    assert stored["options"]["num_samples"] == LENGTH
    text = (tmp_path / "out" / "segments.txt").read_text(encoding="utf-8")
    assert "candidates  18; 0 silent, 0 beyond the thresholds" in text
    assert "kept |correlation|" in text and "known: 18" in text
    assert describe([]) is None
    empty = {"test": result.splits["test"].__class__(**{**vars(result.splits["test"]), "kept": None})}
    assert "kept                          0" in statistics_to_text(empty)


def test_short_and_broken_pairs_are_named(dataset: Path, tmp_path: Path) -> None:
    root = tmp_path / "in"
    rows = [add_pair(root, 0), add_pair(root, 1, seconds=0.6), add_pair(root, 2)]
    write_manifest(root, rows)
    (root / rows[2].target).write_bytes(b"broken")
    result = cut(root, tmp_path / "out")
    assert result.too_short == ("train-1",)
    assert result.splits["train"].pairs_too_short == 1
    (failure,) = result.failures
    assert failure.startswith("train-2: ") and "is not an audio file" in failure
    with pytest.raises(DataError, match=r"no segment is left of 3 pair\(s\): 3 too short"):
        cut(root, tmp_path / "none", num_samples=1_000_000)


def test_files_that_are_not_as_the_manifest_says_are_named(tmp_path: Path) -> None:
    root = tmp_path / "in"
    rows = [add_pair(root, number) for number in range(4)]
    write_manifest(root, rows)
    samples = white(9, (2, 3 * RATE))
    assert rows[3].clean is not None
    for name in (rows[1].input, rows[2].target, rows[3].clean):
        (root / name).unlink()
    save(root / rows[1].input, samples[:, : 2 * RATE], subtype="FLOAT")
    save(root / rows[2].target, samples, sample_rate=RATE // 2, subtype="FLOAT")
    save(root / rows[3].clean, samples[:, :RATE], subtype="FLOAT")
    result = cut(root, tmp_path / "out")
    assert {row.source for row in result.rows} == {"train-0"}
    assert len(result.failures) == 3
    for failure, number, has in zip(result.failures, (1, 2, 3), (2 * RATE, 3 * RATE, RATE), strict=True):
        assert failure.startswith(f"train-{number}: ") and f"has {has} samples at " in failure


def test_names_that_are_no_text_are_decoded_once(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xe9.flac")
    try:
        save(path, tune(1.0), container="FLAC")
    except OSError:
        pytest.skip("this file system has no such names")
    with decoded_folder(tmp_path / "out") as folder:
        with OrderedTrack(path, folder) as track:
            first = track.segment(100, LENGTH, LENGTH)
        path.unlink()
        with ChosenTrack(path, folder, 100) as track:
            assert torch.equal(track.segment(100, LENGTH), first)


def test_output_folders(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = cut(dataset, out, overlap=0.5)
    with pytest.raises(DataError, match="is not empty; give force"):
        cut(dataset, out)
    (out / "diary.txt").touch()
    second = cut(dataset, out, force=True)
    assert len(first.rows) > len(second.rows) == len(list(out.rglob("segment_*.wav"))) // 2
    assert (out / "diary.txt").exists()
    with pytest.raises(UsageError, match="is the dataset itself"):
        cut(dataset, dataset, force=True)
    (out / "build.json").touch()
    with pytest.raises(UsageError, match="is a dataset of whole songs"):
        cut(dataset, out, force=True)


def test_an_empty_manifest_is_an_error(tmp_path: Path) -> None:
    write_manifest(tmp_path, [])
    with pytest.raises(DataError, match="holds no pairs"):
        cut(tmp_path, tmp_path / "out")


def test_methods() -> None:
    values = {
        "id": "a",
        "split": "train",
        "input": "i",
        "target": "t",
        "sample_rate": 8_000,
        "num_samples": 1,
    }
    assert correlation_method(PairRow(**values)) == "estimated"
    assert correlation_method(PairRow(**values, clean="c")) == "known"
    assert correlation_method(PairRow(**values, clean="t")) == "clean target"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 100}, "--length is 100 samples; it must be at least 2048"),
        ({"overlap": 1.0}, "--overlap is 1; it must be 0 to 0.95"),
        ({"sort": "name"}, "--sort is 'name'; it must be one of score, random"),
        ({"skip_end_seconds": -1.0}, "--skip-end is -1 s"),
        ({"max_train": -1}, "--max-train is -1"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        SegmentConfig(**options)  # type: ignore[arg-type]
    assert message in fields.describe(caught.value)
    assert "--" not in str(caught.value)
