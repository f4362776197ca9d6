"""Pairs in folders: joined by name, never by position."""

from pathlib import Path

import pytest

from dataset_trees import save, tune
from musicdenoise.data.folders import load_pairs, match_by_name, pair_key
from musicdenoise.data.manifest import PairRow, write_manifest
from musicdenoise.errors import AudioReadError, DataError

MUSIC = tune(0.1)


def test_files_are_paired_by_name_not_by_position(tmp_path: Path) -> None:
    for name in ("b", "c"):
        save(tmp_path / "input" / f"{name}.wav", MUSIC)
    for name in ("a", "b", "c"):
        save(tmp_path / "target" / f"{name}.flac", MUSIC, container="FLAC")
    matches = match_by_name(tmp_path / "input", tmp_path / "target")
    assert {key: (a.stem, b.stem) for key, (a, b) in matches.pairs.items()} == {
        "b": ("b", "b"),
        "c": ("c", "c"),
    }
    assert [path.name for path in matches.unpaired] == ["a.flac"]


def test_names_of_the_reference_agree_though_their_noises_differ() -> None:
    first = Path("INPUT-S3N12-(dog_bark-1-3-0-0)-(Some-Song).wav")
    second = Path("TARGET-S3N12-(white)-(Some-Song).wav")
    assert pair_key(first) == pair_key(second) == "S3N12-(Some-Song)"
    assert pair_key(Path("INPUT-S3N1-(white)-(Some-Song).wav")) != pair_key(second)
    assert pair_key(Path("INPUT-S3N12-(white)-(Other).wav")) != pair_key(second)


def test_sub_folders_are_part_of_the_name(tmp_path: Path) -> None:
    for folder in ("input", "target"):
        for disc in ("1", "2"):
            save(tmp_path / folder / disc / "x.wav", MUSIC)
    assert sorted(match_by_name(tmp_path / "input", tmp_path / "target").pairs) == ["1/x", "2/x"]


def test_two_files_of_one_name_are_an_error(tmp_path: Path) -> None:
    save(tmp_path / "input" / "x.wav", MUSIC)
    save(tmp_path / "input" / "x.flac", MUSIC, container="FLAC")
    (tmp_path / "target").mkdir()
    with pytest.raises(DataError, match=r"x\.flac and .*x\.wav have the same name"):
        match_by_name(tmp_path / "input", tmp_path / "target")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioReadError, match="is not a folder"):
        match_by_name(tmp_path / "nowhere", tmp_path)


def test_reference_folders_are_read(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for role in ("input", "target"):
            save(tmp_path / split / role / "segment_00000.wav", MUSIC)
    rows = load_pairs(tmp_path)
    assert [(row.split, row.input, row.target, row.clean) for row in rows] == [
        ("train", "train/input/segment_00000.wav", "train/target/segment_00000.wav", None),
        (
            "test",
            "test/input/segment_00000.wav",
            "test/target/segment_00000.wav",
            "test/target/segment_00000.wav",
        ),
    ]
    assert {(row.sample_rate, row.num_samples) for row in rows} == {(44_100, MUSIC.shape[1])}


def test_plain_input_and_target_are_training_pairs(tmp_path: Path) -> None:
    for role in ("input", "target"):
        save(tmp_path / role / "a.wav", MUSIC)
    assert [row.id for row in load_pairs(tmp_path)] == ["train-a"]


def test_an_unpaired_name_is_an_error_that_says_which(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / "train" / "input" / f"{name}.wav", MUSIC)
    save(tmp_path / "train" / "target" / "a.wav", MUSIC)
    with pytest.raises(DataError, match=r"1 file\(s\) have no partner.*input/b\.wav"):
        load_pairs(tmp_path)


def test_files_of_a_pair_must_agree(tmp_path: Path) -> None:
    save(tmp_path / "input" / "a.wav", MUSIC)
    save(tmp_path / "target" / "a.wav", MUSIC[:, :-1])
    with pytest.raises(DataError, match=r"has 4410 samples .* has 4409"):
        load_pairs(tmp_path)


def test_a_manifest_goes_before_the_folders(tmp_path: Path) -> None:
    save(tmp_path / "input" / "a.wav", MUSIC)
    row = PairRow(id="x", split="test", input="i.wav", target="t.wav", sample_rate=8000, num_samples=8)
    write_manifest(tmp_path, [row])
    assert load_pairs(tmp_path) == [row]


def test_a_folder_without_pairs_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither manifest\.jsonl nor the folders train/input"):
        load_pairs(tmp_path)
    save(tmp_path / "input" / "a.wav", MUSIC)
    with pytest.raises(DataError, match="none named target"):
        load_pairs(tmp_path)
