"""Where songs and noises lie, and how noises are divided."""

import os
from pathlib import Path

import pytest

from dataset_trees import hq_tree, musdb_tree
from musicdenoise.data.catalogue import NoiseFile
from musicdenoise.dataset.layouts import (
    find_song_splits,
    find_split_noises,
    match_class,
    recording_id,
    split_noises,
)
from musicdenoise.errors import DataError, UsageError

ROOT = Path("noises")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def clip(recording: int, class_id: int, piece: int = 0, label: str | None = None) -> NoiseFile:
    path = ROOT / "fold1" / f"{recording}-{class_id}-0-{piece}.wav"
    return NoiseFile(path=path, label=label or f"class{class_id}")


def test_musdb18(tmp_path: Path) -> None:
    found = find_song_splits(musdb_tree(tmp_path, songs=1, seconds=0.1), None)
    assert {split: [song.name for song in songs] for split, songs in found.items()} == {
        "train": ["Artist 0 - train song"],
        "test": ["Artist 0 - test song"],
    }


def test_musdb18_hq_gives_mixtures_only(tmp_path: Path) -> None:
    found = find_song_splits(hq_tree(tmp_path, songs=2, seconds=0.1), "both")
    assert [song.name for song in found["train"]] == ["Artist 0 - train song", "Artist 1 - train song"]
    assert {song.path.name for songs in found.values() for song in songs} == {"mixture.wav"}


def test_plain_folders_are_searched_below(tmp_path: Path) -> None:
    for name in ("a.flac", "deep/er/b.mp3", "notes.txt"):
        touch(tmp_path / name)
    assert [song.name for song in find_song_splits(tmp_path, None)["train"]] == ["a", "deep/er/b"]
    assert list(find_song_splits(tmp_path, "test")) == ["test"]


def test_songs_of_datasets_inside_the_folder_are_passed_over(tmp_path: Path) -> None:
    for name in ("a.wav", "dataset_white/train/clean/CLEAN-S1-(s0).wav", "begun/train/input/b.wav"):
        touch(tmp_path / name)
    touch(tmp_path / "dataset_white" / "manifest.jsonl")
    (tmp_path / "begun" / ".build").mkdir()
    assert [song.name for song in find_song_splits(tmp_path, None)["train"]] == ["a"]
    inside = find_song_splits(tmp_path / "dataset_white", None)["train"]
    assert [song.name for song in inside] == ["train/clean/CLEAN-S1-(s0)"]


def test_missing_songs_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder of songs; MUSDB18 .*https://.*with songs"):
        find_song_splits(tmp_path / "musdb18", None)
    with pytest.raises(DataError, match=r"holds no songs \(looked for .stem.mp4, mixture.wav"):
        find_song_splits(tmp_path, None)
    touch(tmp_path / "a.wav")
    with pytest.raises(UsageError, match="split both needs the folders"):
        find_song_splits(tmp_path, "both")


def test_missing_noises_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder of noises; UrbanSound8K .*https://.*with noises"):
        find_split_noises(tmp_path / "UrbanSound8K" / "audio", ["train"])


def test_given_train_and_test_noises_are_kept(tmp_path: Path) -> None:
    for split in ("train", "test"):
        touch(tmp_path / split / "rain" / f"{split}.wav")
    found = find_split_noises(tmp_path, ["train", "test"])
    assert {split: [noise.path.stem for noise in noises] for split, noises in found.items()} == {
        "train": ["train"],
        "test": ["test"],
    }
    assert found["test"][0].label == "rain"


def test_slices_of_a_recording_stay_together() -> None:
    noises = [clip(recording, recording % 3, piece) for recording in range(60) for piece in range(4)]
    divided = split_noises(noises, ROOT)
    sources = {split: {recording_id(noise.path, ROOT) for noise in found} for split, found in divided.items()}
    assert not sources["train"] & sources["test"]
    assert len(sources["test"]) == 15
    for label in ("class0", "class1", "class2"):
        assert sum(noise.label == label for noise in divided["test"]) == 5 * 4
    assert split_noises(noises[::-1], ROOT)["test"] == divided["test"][::-1]


def test_a_recording_of_two_classes_is_not_torn_apart() -> None:
    noises = [clip(recording, class_id) for recording in range(12) for class_id in (0, 1)]
    divided = split_noises(noises, ROOT)
    sources = {split: {recording_id(noise.path, ROOT) for noise in found} for split, found in divided.items()}
    assert not sources["train"] & sources["test"]
    assert len(sources["test"]) == 3


@pytest.mark.parametrize(("count", "for_test"), [(1, 0), (2, 0), (3, 1), (7, 1), (8, 2)])
def test_share_of_small_classes(count: int, for_test: int) -> None:
    assert len(split_noises([clip(i, 0) for i in range(count)], ROOT)["test"]) == for_test


def test_other_names_are_recordings_of_their_own() -> None:
    assert recording_id(ROOT / "rain" / "a.wav", ROOT) == "rain/a.wav"
    assert recording_id(ROOT / "rain" / "12-3-0-1.wav", ROOT) == "UrbanSound8K 12"


def test_names_that_are_no_text_are_divided_too() -> None:
    names = [os.fsdecode(b"rain \xe9%d.wav" % number) for number in range(4)]
    divided = split_noises([NoiseFile(path=ROOT / name, label="rain") for name in names], ROOT)
    assert [len(divided[split]) for split in ("train", "test")] == [3, 1]


def test_classes_by_number_and_name() -> None:
    noises = {"train": [clip(1, 3, label="dog_bark"), clip(2, 0, label="Heavy Rain")]}
    assert match_class("3", noises) == "dog_bark"
    assert match_class("3", {"train": [clip(1, 3, label="Dog Bark")]}) == "Dog Bark"
    assert match_class("Dog-Bark", noises) == "dog_bark"
    assert match_class("heavy rain", noises) == "Heavy Rain"
    with pytest.raises(UsageError, match=r"no noise class 'cat'.*0 air_conditioner.*\(Heavy Rain\)"):
        match_class("cat", noises)
    with pytest.raises(UsageError, match="no noise class '10'"):
        match_class("10", noises)
