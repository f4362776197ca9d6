"""Datasets: the construction, its bookkeeping, and what becomes of bad input."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from dataset_trees import CLASSES, hq_tree, musdb_tree, save, tune, urbansound_tree
from musicdenoise.audio import probe, read_audio
from musicdenoise.cli.fields import describe
from musicdenoise.data.manifest import PairRow, read_manifest
from musicdenoise.dataset.build import build_dataset, estimate_build, plan_build
from musicdenoise.dataset.config import BuildConfig
from musicdenoise.dataset.layouts import recording_id
from musicdenoise.dataset.render import _measure_song, default_snr_range
from musicdenoise.dataset.summary import BuildSummary
from musicdenoise.dataset.tracks import Track
from musicdenoise.errors import AudioWriteError, DataError, UsageError
from musicdenoise.runtime.digest import file_sha256

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return musdb_tree(tmp_path_factory.mktemp("songs") / "musdb18", songs=2, seconds=3.0)


@pytest.fixture(scope="module")
def noises(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return urbansound_tree(tmp_path_factory.mktemp("noises"))


def build(
    out: Path, *, resume: bool = False, force: bool = False, jobs: int = 1, **options: object
) -> tuple[BuildSummary, list[PairRow]]:
    planned = plan_build(BuildConfig(**options), out)  # type: ignore[arg-type]
    summary = build_dataset(planned, resume=resume, force=force, jobs=jobs)
    return summary, read_manifest(out)


def samples(path: Path) -> np.ndarray:
    return read_audio(path).samples.astype(np.float64)


def snr_db(signal: np.ndarray, noise: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(signal**2) / np.sum(noise**2)))


def one_song(folder: Path, music: np.ndarray, **options: object) -> Path:
    save(folder / "song.wav", music, subtype="FLOAT", **options)  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize("kind", ["real", "class", "mixed", "white"])
def test_pairs_are_what_the_manifest_says(tmp_path: Path, songs: Path, noises: Path, kind: str) -> None:
    options = {"noise_class": "dog-bark"} if kind == "class" else {}
    summary, rows = build(
        tmp_path / "out", kind=kind, songs=songs, noises=noises, pairs_per_song=2, seed=3, **options
    )
    assert summary.is_complete
    assert dict(summary.pairs) == {"train": 4, "test": 4}
    for row in rows:
        noisy, target, clean = (
            samples(tmp_path / "out" / name) for name in (row.input, row.target, row.clean)
        )
        assert noisy.shape == target.shape == clean.shape == (2, row.num_samples)
        clean *= row.clean_scale
        first = noisy - clean
        assert row.input_snr_db == pytest.approx(snr_db(clean, first), abs=0.05)
        assert np.abs(first.mean(axis=1)).max() < 1e-5
        if row.split == "test":
            assert row.clean == row.target and row.target_snr_db is None and row.target_noise is None
        else:
            second = target - clean
            assert row.target_snr_db == pytest.approx(snr_db(clean, second), abs=0.05)
            if row.input_noise == row.target_noise == "white":
                assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
        for name in ("input", "target", "clean"):
            assert file_sha256(tmp_path / "out" / getattr(row, name)) == getattr(row, f"{name}_sha256")
    labels = {label for row in rows for label in (row.input_class, row.target_class)} - {None}
    assert (
        labels
        <= {"real": {*CLASSES}, "class": {"dog_bark"}, "mixed": {*CLASSES, "white"}, "white": {"white"}}[kind]
    )
    assert not list((tmp_path / "out").rglob(".*"))


def test_test_targets_are_the_song_bit_for_bit(tmp_path: Path, songs: Path) -> None:
    _, rows = build(tmp_path / "out", kind="white", songs=songs)
    checked = 0
    for row in rows:
        song = samples(songs / row.split / f"{row.song}.stem.mp4")
        clean = samples(tmp_path / "out" / row.clean)
        assert np.array_equal(
            clean, song * (row.gain / row.clean_scale if row.split == "train" else row.gain)
        )
        checked += row.split == "test"
    assert checked == 2


def test_stream_0_of_stem_files_is_used(tmp_path: Path, songs: Path) -> None:
    _, rows = build(tmp_path / "out", kind="white", songs=songs, split="test")
    for row in rows:
        number = int(row.song.split()[1])
        mixture = tune(3.0, seed=10 * number + 1)
        assert np.corrcoef(samples(tmp_path / "out" / row.target)[0], mixture[0])[0, 1] > 0.99


def test_noises_of_testing_never_occur_in_training(tmp_path: Path, songs: Path, noises: Path) -> None:
    heard: dict[str, set[str]] = {"train": set(), "test": set()}
    for seed in (0, 1):
        options = {"kind": "real", "songs": songs, "noises": noises, "pairs_per_song": 6, "seed": seed}
        _, rows = build(tmp_path / str(seed), **options)
        for row in rows:
            for name in (row.input_noise, row.target_noise):
                if name is not None:
                    heard[row.split].add(recording_id(noises / name, noises))
    assert len(heard["test"]) == len(CLASSES)
    assert len(heard["train"]) > 8
    assert not heard["train"] & heard["test"]


def test_loud_pairs_are_scaled_down_together(tmp_path: Path) -> None:
    music = tune(3.0)
    music *= np.float32(0.98) / np.abs(music).max()
    source = one_song(tmp_path / "songs", music)
    summary, (row,) = build(tmp_path / "out", kind="white", songs=source, snr_range_db=(5.0, 5.0))
    noisy, target, clean = (samples(tmp_path / "out" / name) for name in (row.input, row.target, row.clean))
    assert summary.scaled == 1
    assert row.gain == 0.5 and row.clean_scale == 0.5
    assert 0.5 < max(np.abs(noisy).max(), np.abs(target).max()) <= 1.0
    assert np.array_equal(clean, music)
    assert row.input_snr_db == pytest.approx(5.0, abs=1e-3)
    assert row.input_snr_db == pytest.approx(snr_db(0.5 * clean, noisy - 0.5 * clean), abs=0.05)


def test_a_song_beyond_full_scale_is_scaled_in_its_clean_file_too(tmp_path: Path) -> None:
    source = one_song(tmp_path / "songs", 5.0 * tune(2.5))
    _, (row,) = build(tmp_path / "out", kind="white", songs=source, file_format="flac")
    noisy, clean = (samples(tmp_path / "out" / name) for name in (row.input, row.clean))
    assert max(np.abs(noisy).max(), np.abs(clean).max()) < 1.0
    assert row.input_snr_db == pytest.approx(snr_db(clean, noisy / row.clean_scale - clean), abs=0.05)


@pytest.mark.parametrize(("file_format", "subtype"), [("wav", "FLOAT"), ("flac", "PCM_24")])
def test_formats(tmp_path: Path, file_format: str, subtype: str) -> None:
    source = one_song(tmp_path / "songs", tune(2.5, channels=1))
    _, (row,) = build(tmp_path / "out", kind="white", songs=source, file_format=file_format)
    for name in (row.input, row.target, row.clean):
        info = probe(tmp_path / "out" / name)
        assert (info.subtype, info.channels, info.sample_rate) == (subtype, 2, 44_100)
        assert name.endswith(file_format)
    left, right = samples(tmp_path / "out" / row.clean)
    assert np.array_equal(left, right)


def test_other_rates_are_converted(tmp_path: Path) -> None:
    source = one_song(tmp_path / "songs", tune(2.5, sample_rate=32_000), sample_rate=32_000)
    _, (row,) = build(tmp_path / "out", kind="white", songs=source)
    clean = read_audio(tmp_path / "out" / row.clean)
    assert clean.sample_rate == row.sample_rate == 44_100
    assert row.num_samples == math.ceil(2.5 * 44_100)
    spectrum = np.abs(np.fft.rfft(clean.samples[0] * np.hanning(row.num_samples)))
    before = np.abs(np.fft.rfft(tune(2.5, sample_rate=32_000)[0] * np.hanning(80_000)))
    assert abs(int(spectrum.argmax()) - int(before.argmax())) <= 1  # bins of 0.4 Hz


def test_dynamic_range_is_that_of_the_one_second_chunks(tmp_path: Path) -> None:
    def dynamic_range(samples: np.ndarray) -> float:
        path = tmp_path / "song.raw"
        path.write_bytes(np.repeat(samples[:, None], 2, axis=1).astype(np.float32).tobytes())
        return _measure_song(Track(path=path, num_samples=len(samples)), 100)[2]

    levels = np.concatenate([np.repeat([0.1, 0.5, 0.05], 100), np.zeros(50)])
    assert dynamic_range(levels) == pytest.approx(10.0)
    assert dynamic_range(np.full(30, 0.2)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("ratio", "expected"), [(20.0, (4, 30)), (9.0, (2, 27)), (4.0, (2, 27)), (1.5, (0, 25))]
)
def test_snr_rule(tmp_path: Path, ratio: float, expected: tuple[float, float]) -> None:
    time = np.arange(4 * 44_100) / 44_100
    tone = np.sin(2 * np.pi * 441.0 * time) * np.where(time < 1.0, 0.4 / ratio, 0.4)
    music = np.stack([tone, tone]).astype(np.float32)
    levels = np.sqrt(np.square(music.astype(float)).reshape(2, 4, 44_100).mean(axis=(0, 2)))
    assert levels.max() / levels.min() == pytest.approx(ratio, rel=2e-3)
    source = one_song(tmp_path / "songs", music)
    _, rows = build(tmp_path / "out", kind="white", songs=source, pairs_per_song=12)
    drawn = [snr for row in rows for snr in (row.input_snr_db, row.target_snr_db)]
    assert default_snr_range(ratio) == expected
    assert expected[0] - 0.01 <= min(drawn) <= max(drawn) <= expected[1] + 0.01
    assert max(drawn) - min(drawn) > 12.0


def test_the_number_of_processes_and_interruptions_leave_no_trace(
    tmp_path: Path, songs: Path, noises: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"kind": "mixed", "songs": songs, "noises": noises}
    build(tmp_path / "one", jobs=1, **options)
    build(tmp_path / "two", jobs=2, **options)
    expected = digests(tmp_path / "one")
    assert digests(tmp_path / "two") == expected
    assert len(expected) == 2 * 3 + 2 * 2 + 2
    build(tmp_path / "other", seed=43, **options)
    assert digests(tmp_path / "other").keys() != expected.keys() or digests(tmp_path / "other") != expected

    planned = plan_build(BuildConfig(**options), tmp_path / "stopped")

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_dataset(planned, on_progress=stop)
    assert not (tmp_path / "stopped" / "manifest.jsonl").exists()
    (tmp_path / "stopped" / "train" / "input" / ".musicdenoise-half.part").write_bytes(b"half")
    calls: list[int] = []
    build_dataset(planned, resume=True, on_progress=lambda done, total: calls.append(done))
    assert calls == [3, 4]
    assert digests(tmp_path / "stopped") == expected


def digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): file_sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_resuming_what_is_finished_changes_nothing(tmp_path: Path, songs: Path) -> None:
    build(tmp_path / "out", kind="white", songs=songs)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.wav")}
    build(tmp_path / "out", kind="white", songs=songs, resume=True)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.wav")} == before
    lost = next(iter(before))
    digest = file_sha256(lost)
    lost.unlink()
    build(tmp_path / "out", kind="white", songs=songs, resume=True)
    assert file_sha256(lost) == digest


def test_resuming_needs_the_same_request(tmp_path: Path, songs: Path) -> None:
    build(tmp_path / "out", kind="white", songs=songs)
    with pytest.raises(DataError, match=r"other options \(seed was 42 and is 1\)"):
        build(tmp_path / "out", kind="white", songs=songs, seed=1, resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").touch()
    with pytest.raises(DataError, match="holds no dataset that was begun"):
        build(tmp_path / "mine", kind="white", songs=songs, resume=True)


def test_changed_songs_are_noticed(tmp_path: Path) -> None:
    source = one_song(tmp_path / "songs", tune(2.5))
    build(tmp_path / "out", kind="white", songs=source)
    (source / "song.wav").unlink()
    one_song(source, tune(2.6))
    with pytest.raises(DataError, match="held other songs or noises"):
        build(tmp_path / "out", kind="white", songs=source, resume=True)


def test_folders_are_not_overwritten_unless_asked(tmp_path: Path, songs: Path) -> None:
    out = tmp_path / "out"
    build(out, kind="white", songs=songs, pairs_per_song=2)
    (out / "diary.txt").touch()
    with pytest.raises(DataError, match=r"is not empty; give resume .* force"):
        build(out, kind="white", songs=songs)
    _, rows = build(out, kind="white", songs=songs, split="test", force=True)
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    expected = {name for row in rows for name in (row.input, row.target)}
    assert files == expected | {"manifest.jsonl", "build.json", "diary.txt"}
    (out / "build.json").unlink()
    with pytest.raises(UsageError, match="holds pairs that no build made"):
        build(out, kind="white", songs=songs, force=True)
    assert (out / "manifest.jsonl").exists()


def test_given_folders_for_inputs_and_targets(tmp_path: Path, songs: Path) -> None:
    config = BuildConfig(kind="white", songs=songs)
    first, second = tmp_path / "in", tmp_path / "out"
    planned = plan_build(config, tmp_path / "list", first, second)
    build_dataset(planned)
    rows = read_manifest(tmp_path / "list")
    assert {Path(row.input).parent.as_posix() for row in rows} == {"../in/train", "../in/test"}
    assert all((tmp_path / "list" / row.target).is_file() for row in rows)
    assert {path.parent for path in second.rglob("*.wav")} == {second / "train", second / "test"}
    with pytest.raises(UsageError, match="are the same folder"):
        plan_build(config, tmp_path, first, first)
    with pytest.raises(UsageError, match="give both or neither"):
        plan_build(config, tmp_path, first)
    with pytest.raises(DataError, match=r"in/train: is not empty"):
        build_dataset(plan_build(config, tmp_path / "list2", first, second))


def test_bad_songs_are_named_and_the_others_done(tmp_path: Path) -> None:
    source = one_song(tmp_path / "songs", tune(2.5))
    save(source / "short.wav", tune(1.0))
    save(source / "silent.wav", np.zeros((2, 3 * 44_100)))
    (source / "broken.mp3").write_bytes(b"no music at all" * 100)
    whole = (source / "song.wav").read_bytes()
    (source / "cut.wav").write_bytes(whole[: len(whole) // 2])
    summary, rows = build(tmp_path / "out", kind="white", songs=source)
    assert [row.song for row in rows] == ["song"]
    assert not summary.is_complete
    reasons = {Path(failure.what).name: failure.reason for failure in summary.failures}
    assert set(reasons) == {"short.wav", "silent.wav", "broken.mp3", "cut.wav"}
    assert "lasts 1.00 s; a song needs at least 2 s" in reasons["short.wav"]
    assert "is silent" in reasons["silent.wav"]
    assert "is not an audio file" in reasons["broken.mp3"]
    assert "ends too early" in reasons["cut.wav"]
    stored = json.loads((tmp_path / "out" / "build.json").read_text(encoding="utf-8"))
    assert len(stored["failures"]) == 4
    for name in ("short", "silent", "broken", "cut"):
        next(source.glob(f"{name}.*")).unlink()
    with pytest.raises(DataError, match="other songs"):
        build(tmp_path / "out", kind="white", songs=source, resume=True)


def test_no_usable_song_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    source = one_song(tmp_path / "songs", tune(1.0))
    with pytest.raises(DataError, match=r"no pair could be made; the first reason of 1: .*lasts 1\.00 s"):
        build(tmp_path / "out", kind="white", songs=source)
    assert not list((tmp_path / "out").iterdir())


def test_bad_noises_are_skipped_and_named(tmp_path: Path) -> None:
    source = one_song(tmp_path / "songs", tune(2.5))
    hum = tmp_path / "noises" / "hum"
    rng = np.random.default_rng(0)
    save(hum / "8bit.wav", 0.2 * rng.standard_normal((1, 9000)), subtype="PCM_U8", sample_rate=8_000)
    save(hum / "float.wav", 3.0 * rng.standard_normal((2, 50_000)), subtype="FLOAT", sample_rate=48_000)
    save(hum / "surround.wav", 0.1 * rng.standard_normal((6, 50_000)))
    save(hum / "empty.wav", np.zeros((1, 0)))
    save(hum / "silent.wav", np.full((1, 20_000), 0.25))
    (hum / "broken.wav").write_bytes(b"RIFF....WAVEjunk")
    noises = tmp_path / "noises"
    summary, rows = build(tmp_path / "out", kind="real", songs=source, noises=noises, pairs_per_song=6)
    assert len(rows) == 6
    skipped = {noise.path.name: noise for noise in summary.skipped}
    usable = {Path(name).name for row in rows for name in (row.input_noise, row.target_noise)}
    assert usable <= {"8bit.wav", "float.wav", "surround.wav"} and len(usable) >= 2
    assert set(skipped) <= {"empty.wav", "silent.wav", "broken.wav"} and len(skipped) >= 2
    assert all(noise.is_damaged == (name != "silent.wav") for name, noise in skipped.items())
    if "empty.wav" in skipped:
        assert "holds no samples" in skipped["empty.wav"].reason
    for row in rows:
        clean = samples(tmp_path / "out" / row.clean) * row.clean_scale
        assert row.input_snr_db == pytest.approx(
            snr_db(clean, samples(tmp_path / "out" / row.input) - clean), abs=0.05
        )


def test_silent_noises_alone_do_not_fail_a_build(tmp_path: Path) -> None:
    source = one_song(tmp_path / "songs", tune(2.5))
    for name in ("a", "b", "c", "d", "e"):
        save(
            tmp_path / "noises" / "hum" / f"{name}.wav",
            0.1 * np.random.default_rng(1).standard_normal((1, 9000)),
        )
    save(tmp_path / "noises" / "hum" / "f.wav", np.zeros((1, 9000)))
    summary, _ = build(
        tmp_path / "out", kind="real", songs=source, noises=tmp_path / "noises", pairs_per_song=4
    )
    assert [noise.path.name for noise in summary.skipped] == ["f.wav"]
    assert summary.is_complete


def test_a_class_without_noises_is_an_error(tmp_path: Path, songs: Path, noises: Path) -> None:
    with pytest.raises(DataError, match="holds no noise recordings of the class siren for the split train"):
        build(tmp_path / "out", kind="class", noise_class="8", songs=songs, noises=noises)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_stops_the_build(tmp_path: Path, songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def full(*_: object) -> str:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise AudioWriteError("target.wav: cannot be written: No space left on device")
        return file_sha256(*_)  # type: ignore[arg-type]

    monkeypatch.setattr("musicdenoise.dataset.output.file_sha256", full)
    with pytest.raises(AudioWriteError, match="No space left"):
        build(tmp_path / "out", kind="white", songs=songs)
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    monkeypatch.undo()
    build(tmp_path / "out", kind="white", songs=songs, resume=True)
    build(tmp_path / "whole", kind="white", songs=songs)
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_estimate(tmp_path: Path) -> None:
    source = hq_tree(tmp_path / "songs", songs=2, seconds=2.5)
    planned = plan_build(BuildConfig(kind="white", songs=source), tmp_path / "out")
    estimate = estimate_build(planned)
    summary = build_dataset(planned)
    assert estimate.hours == pytest.approx(sum(summary.hours.values()), abs=1e-4)
    assert estimate.megabytes == pytest.approx(summary.megabytes, rel=1e-3)


def test_summary(tmp_path: Path, songs: Path, noises: Path) -> None:
    summary, _ = build(tmp_path / "out", kind="mixed", songs=songs, noises=noises, pairs_per_song=3)
    stored = json.loads((tmp_path / "out" / "build.json").read_text(encoding="utf-8"))
    assert stored["pairs"] == {"train": 6, "test": 6}
    assert sum(item["count"] for item in stored["snr_histogram"]) == 6 * 2 + 6
    assert sum(stored["noises_per_class"].values()) == 6 * 2 + 6
    assert summary.hours["train"] == pytest.approx(6 * 3.0 / 3600, abs=1e-4)
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.wav"))
    assert stored["megabytes"] == pytest.approx(size / 1e6, abs=0.001)
    assert stored["options"]["kind"] == "mixed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pink"}, "--kind is 'pink'; it must be one of real, class, mixed, white"),
        ({"kind": "class"}, "--kind class needs a class"),
        ({"kind": "white", "noise_class": "3"}, "--class belongs to --kind class"),
        ({"kind": "white", "same_class": True}, "--same-class makes no sense with --kind white"),
        ({"kind": "class", "noise_class": "3", "same_class": False}, "--different-class makes no sense"),
        ({"kind": "white", "max_songs": 0}, "--max-songs is 0; it must be at least 1"),
        ({"kind": "white", "pairs_per_song": -1}, "--max-noises is -1"),
        ({"kind": "white", "snr_range_db": (9.0, 3.0)}, "--snr-range is 9 3; give the lower limit first"),
        ({"kind": "white", "file_format": "mp3"}, "--format is 'mp3'; it must be one of wav, flac"),
        ({"kind": "white", "split": "dev"}, "--split is 'dev'; it must be one of train, test, both"),
        ({"kind": "white", "seed": -1}, "--seed is -1"),
        ({"kind": "white", "sample_rate": 100}, "--sample-rate is 100 Hz"),
    ],
)
def test_requests_that_make_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        BuildConfig(**options)  # type: ignore[arg-type]
    assert message in describe(caught.value)
    assert "--" not in str(caught.value)
