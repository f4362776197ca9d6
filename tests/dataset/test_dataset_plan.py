"""Which songs and noises meet."""

from collections import Counter
from pathlib import Path

import pytest

from musicdenoise.data.catalogue import NoiseFile
from musicdenoise.dataset.layouts import SongEntry, recording_id
from musicdenoise.dataset.naming import clean_name, pair_name, slug
from musicdenoise.dataset.plan import BuildPlan, NoisePick, SkippedNoise, plan_pairs
from musicdenoise.errors import DataError

ROOT = Path("noises")


def noises(classes: int, per_class: int) -> list[NoiseFile]:
    return [
        NoiseFile(path=ROOT / f"fold1/{100 * c + i}-{c}-0-{piece}.wav", label=f"class{c}")
        for c in range(classes)
        for i in range(per_class)
        for piece in range(2)
    ]


@pytest.fixture
def songs(tmp_path: Path) -> list[SongEntry]:
    for number in range(8):
        (tmp_path / f"{number}.wav").write_bytes(bytes(number))
    return [SongEntry(path=tmp_path / f"{number}.wav", name=str(number)) for number in range(8)]


def plan(
    songs: list[SongEntry], found: list[NoiseFile], split: str = "train", **changes: object
) -> BuildPlan:
    options = {
        "kind": "real",
        "noise_folder": ROOT,
        "max_songs": None,
        "pairs_per_song": 3,
        "same_class": None,
        "seed": 1,
        "try_noise": lambda path: None,
    }
    return plan_pairs({split: songs}, {split: found}, **{**options, **changes})


def picks(made: BuildPlan) -> list[tuple[NoisePick, NoisePick | None]]:
    return [(pair.input_noise, pair.target_noise) for song in made.songs for pair in song.pairs]


def test_both_noises_differ_in_recording_and_class(songs: list[SongEntry]) -> None:
    for first, second in picks(plan(songs, noises(4, 5))):
        assert second is not None and first.path is not None and second.path is not None
        assert first.label != second.label
        assert recording_id(first.path, ROOT) != recording_id(second.path, ROOT)


def test_same_class_means_other_recordings_of_it(songs: list[SongEntry]) -> None:
    for first, second in picks(plan(songs, noises(4, 5), same_class=True)):
        assert second is not None and first.path is not None and second.path is not None
        assert first.label == second.label
        assert recording_id(first.path, ROOT) != recording_id(second.path, ROOT)


def test_one_class_is_enough_where_no_rule_was_given(songs: list[SongEntry]) -> None:
    assert len(picks(plan(songs, noises(1, 3)))) == 24
    with pytest.raises(DataError, match="a recording of another class than class0"):
        plan(songs, noises(1, 3), same_class=False)


def test_noises_are_not_used_again_before_all_were(songs: list[SongEntry]) -> None:
    made = picks(plan(songs, noises(4, 6)))  # 48 draws from 48 clips
    used = Counter(noise.name for pair in made for noise in pair if noise is not None)
    assert sum(used.values()) == 48
    assert len(used) >= 46  # only the last pairs may find nothing that fits beside the first noise
    more = picks(plan(songs, noises(2, 3), pairs_per_song=6))
    counts = Counter(noise.name for pair in more for noise in pair if noise is not None)
    assert max(counts.values()) - min(counts.values()) <= 2


def test_test_targets_are_clean_and_songs_are_all_used_once(songs: list[SongEntry]) -> None:
    made = plan(songs, noises(2, 3), split="test", pairs_per_song=2)
    assert all(second is None for _, second in picks(made))
    assert sorted(song.song.name for song in made.songs) == [song.name for song in songs]
    assert [song.number for song in made.songs] == list(range(1, 9))
    assert made.num_pairs == 16


def test_max_songs_takes_some(songs: list[SongEntry]) -> None:
    made = plan(songs, noises(2, 3), max_songs=3)
    assert len(made.songs) == 3 == len({song.song.name for song in made.songs})


def test_mixed_noise_is_white_half_of_the_time(songs: list[SongEntry]) -> None:
    made = picks(plan(songs, noises(4, 10), kind="mixed", pairs_per_song=50))
    white = sum(noise.path is None for pair in made for noise in pair if noise is not None)
    assert 340 < white < 460  # 800 noises; 5 standard deviations are 71
    assert {(a.path is None, b is not None and b.path is None) for a, b in made} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }


def test_white_needs_no_recordings(songs: list[SongEntry]) -> None:
    assert {noise.name for pair in picks(plan(songs, [], kind="white")) for noise in pair if noise} == {
        "white"
    }


def test_the_plan_follows_from_the_seed(songs: list[SongEntry]) -> None:
    first, again, other = (plan(songs, noises(4, 5), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_digest_knows_the_files(songs: list[SongEntry]) -> None:
    before = plan(songs, [], kind="white").digest()
    assert plan(songs, [], kind="white").digest() == before
    songs[3].path.write_bytes(b"a longer song")
    assert plan(songs, [], kind="white").digest() != before


def test_unusable_noises_are_replaced_and_named(songs: list[SongEntry]) -> None:
    bad = {ROOT / "fold1/0-0-0-0.wav", ROOT / "fold1/100-1-0-1.wav"}

    def try_noise(path: Path) -> SkippedNoise | None:
        return SkippedNoise(path=path, reason="is silent", is_damaged=False) if path in bad else None

    made = plan(songs, noises(3, 3), try_noise=try_noise)
    assert {skipped.path for skipped in made.skipped} == bad
    assert len(picks(made)) == 24
    assert not bad & {noise.path for pair in picks(made) for noise in pair if noise}


def test_too_few_noises_are_an_error(songs: list[SongEntry]) -> None:
    with pytest.raises(DataError, match=r"no usable second noise beside .*: another recording of class0"):
        plan(songs, noises(1, 1))
    with pytest.raises(DataError, match="no usable noise recording for the split train"):
        plan(songs, [])


def test_names() -> None:
    noise = NoisePick(name="fold1/7-3-0-1.wav", label="dog_bark", path=Path("fold1/7-3-0-1.wav"))
    white = NoisePick(name="white", label="white")
    assert (
        pair_name("INPUT", 1, 2, noise, "A & B - Song!", "wav")
        == "INPUT-S1N2-(dog_bark-7-3-0-1)-(A-B-Song).wav"
    )
    assert pair_name("INPUT", 1, 2, white, "x/y", "flac") == "INPUT-S1N2-(white)-(x-y).flac"
    assert pair_name("TARGET", 1, 2, None, "é", "wav") == "TARGET-S1N2-(CLEAN)-(é).wav"
    assert clean_name(3, "a b", "wav") == "CLEAN-S3-(a-b).wav"


@pytest.mark.parametrize("text", ["夜に駆ける" * 40, "x" * 500, "../../etc/passwd", "???", ""])
def test_slugs_are_safe_names(text: str) -> None:
    name = slug(text)
    assert 0 < len(name.encode()) <= 72
    assert not set(name) & set('/\\:*?"<>|()')
