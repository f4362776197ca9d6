"""Pairs on disk as training examples and as mixes to measure on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musicdenoise.core.metrics import snr
from musicdenoise.core.resample import resample
from musicdenoise.data.datasets import PairFiles, fixed_pairs
from musicdenoise.data.manifest import PairRow
from musicdenoise.errors import AudioReadError, DataError

RATE = 44_100
LENGTH = 30_000


@pytest.fixture
def dataset(write_wav, tmp_path: Path) -> tuple[Path, list[PairRow]]:
    """Four stereo pairs whose samples tell pair, file, channel and position apart."""
    rows = []
    position = np.arange(LENGTH) / (4 * LENGTH)
    for number in range(4):
        files = {}
        for offset, name in enumerate(("input", "target", "clean")):
            base = 0.1 * number + 0.03 * offset
            path = write_wav(
                f"{name}{number}.wav", np.stack([base + position, -base - position]), subtype="FLOAT"
            )
            files[name] = path.name
        split = "train" if number < 3 else "test"
        rows.append(
            PairRow(
                id=f"{split}-{number}",
                split=split,
                sample_rate=RATE,
                num_samples=LENGTH,
                clean_scale=0.5,
                **files,
            )
        )
    return tmp_path, rows


def examples(dataset, **options) -> PairFiles:
    folder, rows = dataset
    return PairFiles(folder, rows, **{"num_samples": 1_000, "sample_rate": RATE, "seed": 5, **options})


def test_examples_depend_on_seed_and_number_only(dataset) -> None:
    first, again = examples(dataset), examples(dataset)
    again.pair(3)
    for index in (0, 9):
        for a, b in zip(first.pair(index), again.pair(index), strict=True):
            assert a.shape == (1, 1_000)
            assert torch.equal(a, b)
    other = examples(dataset, seed=6)
    assert any(not torch.equal(first.pair(i)[0], other.pair(i)[0]) for i in range(3))


def test_both_files_are_cut_at_the_same_place_in_the_same_channel(dataset) -> None:
    source = examples(dataset)
    signs = set()
    for index in range(24):
        noisy, target = source.pair(index)
        level = float(noisy.mean())
        signs.add(int(np.sign(round(level, 6))))
        # Target minus input is +-0.03 in the channels and 0 in their mean.
        expected = 0.03 * np.sign(level) if abs(level) > 1e-6 else 0.0
        assert float((target - noisy).abs().max()) == pytest.approx(abs(expected), abs=1e-4)
    assert signs == {-1, 0, 1}


def test_every_pair_comes_once_per_pass_in_a_new_order(dataset, write_wav) -> None:
    folder, rows = dataset
    for row in rows:  # mono, so that the level names the pair
        for name in (row.input, row.target):
            (folder / name).unlink()
            write_wav(name, np.full((1, LENGTH), 0.1 * int(row.id[-1])), subtype="FLOAT")
    source = examples(dataset)
    assert source.epoch_size == 4
    passes = [[round(float(source.pair(4 * n + i)[0][0, 0]) * 10) for i in range(4)] for n in range(6)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in passes)
    assert len({tuple(order) for order in passes}) > 1


def test_clean_targets_are_at_the_level_of_the_pair(dataset) -> None:
    index = next(i for i in range(20) if float(examples(dataset, seed=1).pair(i)[0].mean()) > 0.01)
    noisy, target = examples(dataset, targets="clean", seed=1).pair(index)
    assert torch.allclose(target, 0.5 * (noisy + 0.06), atol=1e-5)


def test_other_rates_are_converted(dataset) -> None:
    noisy, target = examples(dataset, sample_rate=48_000).pair(0)
    assert noisy.shape == target.shape == (1, 1_000)


def test_measuring_needs_clean_music(dataset) -> None:
    folder, rows = dataset
    unknown = [replace(row, clean=None) for row in rows]
    with pytest.raises(DataError, match="no test pairs with clean music"):
        fixed_pairs(folder, unknown, num_samples=10, sample_rate=RATE, most=2)


def test_mixes_to_measure_on_are_the_middle_as_mono(tmp_path: Path, write_wav, tune, noisy_tune) -> None:
    write_wav("clean.wav", tune, subtype="FLOAT")
    write_wav("noisy.wav", noisy_tune, subtype="FLOAT")
    row = PairRow(
        id="test-1",
        split="test",
        input="noisy.wav",
        target="clean.wav",
        clean="clean.wav",
        sample_rate=RATE,
        num_samples=tune.shape[1],
    )
    (item,) = fixed_pairs(tmp_path, [row], num_samples=44_100, sample_rate=RATE, most=5)
    start = (tune.shape[1] - 44_100) // 2
    assert torch.allclose(item.clean, tune[:, start : start + 44_100].mean(0, keepdim=True), atol=1e-6)
    assert item.snr_db == 5 * round(snr(item.clean, item.noisy) / 5)
    (item,) = fixed_pairs(tmp_path, [row], num_samples=22_050, sample_rate=22_050, most=5)
    whole = resample(tune.mean(0, keepdim=True), RATE, 22_050)
    assert abs(item.clean.shape[-1] - 22_050) <= 1
    middle = whole[:, whole.shape[-1] // 2 - 5_000 : whole.shape[-1] // 2 + 5_000]
    ours = item.clean[:, item.clean.shape[-1] // 2 - 5_000 : item.clean.shape[-1] // 2 + 5_000]
    assert snr(middle, ours) > 30.0


def test_bad_datasets_are_explained(dataset) -> None:
    folder, rows = dataset
    with pytest.raises(DataError, match="no training pairs"):
        PairFiles(folder, [], num_samples=10, sample_rate=RATE)
    with pytest.raises(DataError, match=r"train-0 has 30000 samples.*segment_seconds"):
        examples(dataset, num_samples=LENGTH + 1)
    with pytest.raises(DataError, match="no clean file; use targets noisy"):
        PairFiles(folder, [replace(rows[0], clean=None)], num_samples=10, sample_rate=RATE, targets="clean")
    (folder / rows[1].target).unlink()
    with pytest.raises(DataError, match=r"target1\.wav: is missing, but the pair train-1"):
        examples(dataset)


def test_files_that_do_not_fit_are_named(dataset, write_wav) -> None:
    folder, rows = dataset
    source = PairFiles(folder, rows[:1], num_samples=LENGTH, sample_rate=RATE)
    (folder / "target0.wav").unlink()
    write_wav("target0.wav", np.zeros((2, LENGTH - 5)))
    with pytest.raises(DataError, match=r"target0\.wav: has 29995 samples.*train-0 should have 30000"):
        source.pair(0)
    (folder / "target0.wav").write_bytes(b"RIFF of nothing")
    with pytest.raises(AudioReadError, match=r"target0\.wav"):
        source.pair(0)
