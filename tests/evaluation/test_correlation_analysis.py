"""Correlation of files: known weights, known lags, pairing, reports."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from musicdenoise.audio import open_writer
from musicdenoise.data.manifest import PairRow, write_manifest
from musicdenoise.errors import DataError, UsageError
from musicdenoise.evaluation.correlation import (
    CorrelationReport,
    correlate_files,
    correlate_pair,
    summarise_correlations,
)
from musicdenoise.evaluation.correlation_report import check_report_path, report_to_text, write_report
from musicdenoise.evaluation.file_pairs import FilePair, find_file_pairs

RATE = 44_100


def save(path: Path, samples: np.ndarray, sample_rate: int = RATE, subtype: str = "FLOAT") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "sample_rate": sample_rate,
        "channels": samples.shape[0],
        "container": "WAV",
        "subtype": subtype,
    }
    with open_writer(path, **options) as writer:  # type: ignore[arg-type]
        writer.write(samples.astype(np.float32))
    return path


def white(seed: int, *shape: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def orthogonal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The second signal with everything of the first taken away, at the level of the first."""
    second = second - second.mean() - (first * second).sum() / (first**2).sum() * first
    return second * first.std() / second.std()


def pair(first: Path, second: Path) -> FilePair:
    return FilePair(key="x", first=first, second=second)


@pytest.mark.parametrize("weight", [-0.8, 0.0, 0.25, 0.6])
@pytest.mark.parametrize("channels", [1, 2])
def test_known_weights_are_found_to_three_digits(tmp_path: Path, weight: float, channels: int) -> None:
    first = white(0, channels, 3 * RATE)
    first -= first.mean()
    second = weight * first + math.sqrt(1 - weight**2) * orthogonal(first, white(1, channels, 3 * RATE))
    found = correlate_pair(pair(save(tmp_path / "a.wav", first), save(tmp_path / "b.wav", second + 0.05)))
    assert found.pearson == pytest.approx(weight, abs=5e-4)
    assert found.covariance == pytest.approx(weight * first.var(), abs=1e-5)
    assert found.second_mean == pytest.approx(0.05, abs=1e-6)
    assert found.first_power == pytest.approx(np.mean(first**2), rel=1e-5)
    assert found.second_sd == pytest.approx(second.std(), rel=1e-5)
    assert found.is_uncorrelated is (weight == 0.0)
    assert found.is_uncorrelated_fixed is (weight == 0.0)
    assert (found.num_samples, found.channels) == (3 * RATE, channels)


@pytest.mark.parametrize("lag", [-12_345, -1, 1_000, 40_000])
def test_known_lags_are_found_with_the_correlation_there(tmp_path: Path, lag: int) -> None:
    weight, length, edge = 0.7, 8 * RATE, 50_000
    whole = white(0, 1, length + 2 * edge)
    noise = orthogonal(whole, white(1, 1, length + 2 * edge))
    first = whole[:, edge : edge + length]
    mixed = weight * whole + math.sqrt(1 - weight**2) * noise
    second = mixed[:, edge - lag : edge - lag + length]
    found = correlate_pair(pair(save(tmp_path / "a.wav", first), save(tmp_path / "b.wav", second)))
    assert found.lag_samples == lag
    assert found.lag_seconds == pytest.approx(lag / RATE)
    ahead, behind = max(lag, 0), max(-lag, 0)
    common = length - abs(lag)
    expected = np.corrcoef(first[0, behind : behind + common], second[0, ahead : ahead + common])[0, 1]
    assert found.lag_correlation == pytest.approx(expected, abs=1e-5)
    assert found.lag_correlation == pytest.approx(weight, abs=5e-3)
    assert abs(found.pearson or 0.0) < 0.02
    assert found.is_misaligned


def test_other_rates_channels_and_lengths_are_compared(tmp_path: Path) -> None:
    time = np.arange(2 * RATE) / RATE
    low = np.arange(2 * 16_000) / 16_000
    first = save(tmp_path / "a.wav", 0.5 * np.stack([np.sin(2 * np.pi * 1_000 * time)] * 2), subtype="PCM_16")
    second = save(
        tmp_path / "b.wav", 0.25 * np.sin(2 * np.pi * 1_000 * low)[None, :-3_000], sample_rate=16_000
    )
    found = correlate_pair(pair(first, second), most_lag_seconds=0.05)
    assert (found.sample_rate, found.channels) == (RATE, 1)
    assert found.num_samples == found.second_samples == math.ceil((2 * 16_000 - 3_000) * RATE / 16_000)
    assert found.first_samples == 2 * RATE
    assert found.pearson == pytest.approx(1.0, abs=1e-3)
    assert found.second_power == pytest.approx(0.25**2 / 2, rel=1e-2)


def test_length_decides_what_is_significant(tmp_path: Path) -> None:
    first, other = white(0, 1, 5 * RATE), white(1, 1, 5 * RATE)
    second = 0.02 * first + orthogonal(first, other)
    long = pair(save(tmp_path / "a.wav", first), save(tmp_path / "b.wav", second))
    short = pair(save(tmp_path / "c.wav", first[:, :5_000]), save(tmp_path / "d.wav", second[:, :5_000]))
    assert correlate_pair(long).is_uncorrelated is False
    assert correlate_pair(short).is_uncorrelated is True


def test_a_constant_file_has_no_correlation(tmp_path: Path) -> None:
    found = correlate_pair(
        pair(save(tmp_path / "a.wav", np.full((1, 9_000), 0.5)), save(tmp_path / "b.wav", white(0, 1, 9_000)))
    )
    assert found.pearson is None and found.p_value is None and found.is_uncorrelated is None
    assert summarise_correlations([found]) is None
    assert "a file is constant" in report_to_text(
        CorrelationReport(pairs=(found,), statistics=None, unpaired=(), failures=())
    )


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    files = pair(save(tmp_path / "a.wav", white(0, 1, 0)), save(tmp_path / "b.wav", white(0, 1, 9_000)))
    with pytest.raises(DataError, match="at least one of them holds no samples"):
        correlate_pair(files)


def test_pairs_by_name(tmp_path: Path) -> None:
    for name in ("one/b", "one/c", "two/b", "two/d"):
        save(tmp_path / f"{name}.wav", white(0, 1, 100))
    pairs, unpaired = find_file_pairs(tmp_path / "one", tmp_path / "two")
    assert [(item.key, item.first.name, item.second.name) for item in pairs] == [("b", "b.wav", "b.wav")]
    assert [path.name for path in unpaired] == ["c.wav", "d.wav"]
    files, none = find_file_pairs(tmp_path / "one" / "b.wav", tmp_path / "two" / "d.wav")
    assert [(item.first.name, item.second.name) for item in files] == [("b.wav", "d.wav")] and not none


def test_pairs_by_manifest(tmp_path: Path) -> None:
    rows = []
    for number in (1, 2):
        names = {"input": f"train/input/i{number}.wav", "target": f"train/target/t{number}.wav"}
        for name in names.values():
            save(tmp_path / name, white(0, 1, 100))
        rows.append(
            PairRow(
                id=f"p{number}",
                split="train",
                clean="train/clean/c.wav",
                sample_rate=RATE,
                num_samples=100,
                **names,
            )
        )
    save(tmp_path / "train/clean/c.wav", white(0, 1, 100))
    save(tmp_path / "train/input/extra.wav", white(0, 1, 100))
    write_manifest(tmp_path, rows)
    pairs, unpaired = find_file_pairs(tmp_path / "train/input", tmp_path / "train/target")
    assert [(item.key, item.first.name, item.second.name) for item in pairs] == [
        ("p1", "i1.wav", "t1.wav"),
        ("p2", "i2.wav", "t2.wav"),
    ]
    assert [path.name for path in unpaired] == ["extra.wav"]
    pairs, _ = find_file_pairs(tmp_path / "train/input", tmp_path / "train/clean")
    assert [item.second.name for item in pairs] == ["c.wav", "c.wav"]


def test_what_cannot_be_paired_is_an_error(tmp_path: Path) -> None:
    one = save(tmp_path / "one" / "a.wav", white(0, 1, 100))
    save(tmp_path / "two" / "b.wav", white(0, 1, 100))
    with pytest.raises(DataError, match="no file of one has the name of a file of the other"):
        find_file_pairs(tmp_path / "one", tmp_path / "two")
    with pytest.raises(DataError, match="nowhere: there is no such file or folder"):
        find_file_pairs(tmp_path / "one", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="one is a file and one a folder"):
        find_file_pairs(one, tmp_path / "two")


@pytest.fixture
def report(tmp_path: Path) -> CorrelationReport:
    base = white(9, 1, 20_000)
    base -= base.mean()
    for index, weight in enumerate((0.9, 0.6, 0.3, 0.0)):
        mixed = weight * base + math.sqrt(1 - weight**2) * orthogonal(base, white(index, 1, 20_000))
        save(tmp_path / "one" / f"{index}.wav", base)
        save(tmp_path / "two" / f"{index}.wav", mixed)
    for folder in ("one", "two"):
        (tmp_path / folder / "broken.wav").write_bytes(b"nothing")
    save(tmp_path / "one" / "alone.wav", base)
    pairs, unpaired = find_file_pairs(tmp_path / "one", tmp_path / "two")
    calls: list[tuple[int, int]] = []
    made = correlate_files(pairs, unpaired=unpaired, on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 5) for done in range(1, 6)]
    return made


def test_statistics_and_counts(report: CorrelationReport) -> None:
    found = report.statistics
    assert found is not None
    assert (found.count, found.above_08, found.from_05_to_08, found.up_to_05, found.below_01) == (
        4,
        1,
        1,
        2,
        1,
    )
    assert found.mean == pytest.approx(0.45, abs=1e-4)
    assert found.median == pytest.approx(0.45, abs=1e-4)
    assert found.sd == pytest.approx(np.std([0.9, 0.6, 0.3, 0.0]), abs=1e-4)
    assert (found.minimum, found.maximum) == (pytest.approx(0.0, abs=1e-4), pytest.approx(0.9, abs=1e-4))
    assert (found.uncorrelated, found.uncorrelated_fixed, found.misaligned) == (1, 1, 0)
    assert [failure.what for failure in report.failures] == ["broken"]
    assert "is not an audio file" in report.failures[0].reason


def test_reports(tmp_path: Path, report: CorrelationReport) -> None:
    for suffix in ("txt", "csv", "json"):
        write_report(tmp_path / "new" / f"report.{suffix}", report)
    text = (tmp_path / "new" / "report.txt").read_text(encoding="utf-8")
    assert "Pearson correlation r       +0.900" in text
    assert "0.5 < |r| <= 0.8            1" in text
    assert "alone.wav" in text and "broken: " in text
    with (tmp_path / "new" / "report.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == ["0", "1", "2", "3"]
    assert float(rows[1]["pearson"]) == pytest.approx(0.6, abs=1e-4)
    stored = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"))
    assert stored["statistics"]["count"] == len(stored["pairs"]) == 4
    assert stored["pairs"][3]["uncorrelated"] is True
    assert stored["unpaired"][0].endswith("alone.wav")


def test_report_paths_are_checked_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in one of \.txt, \.csv, \.json"):
        check_report_path(tmp_path / "report.pdf", overwrite=False)
    (tmp_path / "old.txt").touch()
    with pytest.raises(DataError, match="already exists; give overwrite"):
        check_report_path(tmp_path / "old.txt", overwrite=False)
    check_report_path(tmp_path / "old.txt", overwrite=True)


def test_lags_out_of_range_are_errors() -> None:
    with pytest.raises(UsageError, match="most_lag_seconds is 0 s"):
        correlate_files([], most_lag_seconds=0.0)
