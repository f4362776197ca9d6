"""The plan of a dataset: which song gets which noises. It is made before anything is mixed.

The plan depends only on the configuration and the files. Songs and noises are drawn without replacement
from shuffled decks; a deck is shuffled again when it is used up. A noise is tried before it enters the plan,
so a recording that cannot be used is replaced at once.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicdenoise.data.catalogue import NoiseFile
from musicdenoise.data.manifest import SPLITS
from musicdenoise.dataset.layouts import SongEntry, recording_id
from musicdenoise.errors import DataError
from musicdenoise.kinds import ANY_NOISE, WHITE_NOISE, WHITE_SHARE_IN_DATASETS


@dataclass(frozen=True, kw_only=True)
class NoisePick:
    """A noise of a pair: a recording, or a generated one if ``path`` is None."""

    name: str
    label: str
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class PairPlan:
    """The noises of a pair; ``target_noise`` is None if the target is the clean song."""

    number: int
    input_noise: NoisePick
    target_noise: NoisePick | None


@dataclass(frozen=True, kw_only=True)
class SongPlan:
    """A song and its pairs; ``number`` counts from 1 in each split."""

    split: str
    number: int
    song: SongEntry
    pairs: tuple[PairPlan, ...]


@dataclass(frozen=True, kw_only=True)
class SkippedNoise:
    """A recording that cannot be used, and why. ``is_damaged`` is false if it is only silent."""

    path: Path
    reason: str
    is_damaged: bool


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """Songs in the order of the manifest, and the noises that were passed over."""

    songs: tuple[SongPlan, ...]
    skipped: tuple[SkippedNoise, ...] = ()

    @property
    def num_pairs(self) -> int:
        """Number of pairs."""
        return sum(len(song.pairs) for song in self.songs)

    def digest(self) -> str:
        """SHA-256 of everything in the plan that decides what is written, sizes of files included."""
        content = [
            [
                song.split,
                song.number,
                song.song.name,
                _size(song.song.path),
                [
                    [
                        [noise.name, _size(noise.path)]
                        for noise in (pair.input_noise, pair.target_noise)
                        if noise
                    ]
                    for pair in song.pairs
                ],
            ]
            for song in self.songs
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def plan_pairs(
    songs: Mapping[str, Sequence[SongEntry]],
    noises: Mapping[str, Sequence[NoiseFile]],
    *,
    kind: str,
    noise_folder: Path,
    max_songs: int | None,
    pairs_per_song: int,
    same_class: bool | None,
    seed: int,
    try_noise: Callable[[Path], SkippedNoise | None],
) -> BuildPlan:
    """Choose the noises of every song.

    Parameters
    ----------
    songs, noises
        By split; ``noises`` may be empty for white noise.
    kind
        ``white``, ``mixed`` (each noise is white or a recording with probability 1/2), or anything else
        for recordings only.
    noise_folder
        Folder that the names of the noises are relative to.
    max_songs
        Most songs of a split; None for all.
    pairs_per_song
        Pairs of each song.
    same_class
        Whether both noises of a pair come from the same class, or from different ones. None: from
        different ones, unless a split has recordings of one class only.
    seed
        Seed of every choice.
    try_noise
        Returns why a recording cannot be used, or None if it can.

    Raises
    ------
    DataError
        If a split has too few usable recordings for two different noises.
    """
    plans: list[SongPlan] = []
    skipped: dict[Path, SkippedNoise] = {}
    for split, found in songs.items():
        rng = np.random.default_rng((seed, SPLITS.index(split)))
        order = rng.permutation(len(found))[:max_songs]
        deck = _NoiseDeck(noises.get(split, ()), noise_folder, split, rng, try_noise, skipped)
        one_class = len({noise.label for noise in noises.get(split, ())}) == 1
        rule = one_class if same_class is None else same_class
        for number, index in enumerate(order, start=1):
            pairs = tuple(
                _plan_pair(pair, split, kind, deck, rng, same_class=rule)
                for pair in range(1, pairs_per_song + 1)
            )
            plans.append(SongPlan(split=split, number=number, song=found[int(index)], pairs=pairs))
    return BuildPlan(songs=tuple(plans), skipped=tuple(skipped.values()))


def _plan_pair(
    number: int, split: str, kind: str, deck: _NoiseDeck, rng: np.random.Generator, *, same_class: bool
) -> PairPlan:
    share = {WHITE_NOISE: 1.0, ANY_NOISE: WHITE_SHARE_IN_DATASETS}.get(kind, 0.0)
    white = NoisePick(name=WHITE_NOISE, label=WHITE_NOISE)
    first = white if rng.random() < share else deck.draw()
    if split == "test":
        return PairPlan(number=number, input_noise=first, target_noise=None)
    second = white if rng.random() < share else deck.draw(beside=first, same_class=same_class)
    return PairPlan(number=number, input_noise=first, target_noise=second)


class _NoiseDeck:
    """Recordings of one split, drawn without replacement until all were used."""

    def __init__(
        self,
        noises: Sequence[NoiseFile],
        folder: Path,
        split: str,
        rng: np.random.Generator,
        try_noise: Callable[[Path], SkippedNoise | None],
        skipped: dict[Path, SkippedNoise],
    ) -> None:
        self._noises = list(noises)
        self._folder, self._split, self._rng = folder, split, rng
        self._try, self._skipped = try_noise, skipped
        self._usable: set[Path] = set()
        self._deck: deque[NoiseFile] = deque()

    def draw(self, beside: NoisePick | None = None, *, same_class: bool = False) -> NoisePick:
        """The next recording that may be paired with another one."""
        for _ in range(2):  # what is left of the deck, then all of it
            passed_over: list[NoiseFile] = []
            while self._deck:
                noise = self._deck.popleft()
                if not self._fits(noise, beside, same_class=same_class):
                    passed_over.append(noise)
                elif self._is_usable(noise):
                    self._deck.extendleft(reversed(passed_over))
                    name = noise.path.relative_to(self._folder).as_posix()
                    return NoisePick(name=name, label=noise.label, path=noise.path)
            self._noises = [noise for noise in self._noises if noise.path not in self._skipped]
            used = [noise for noise in self._noises if noise not in passed_over]
            self._deck = deque(passed_over + [used[i] for i in self._rng.permutation(len(used))])
        raise DataError(self._explain(beside, same_class=same_class), same_class=same_class)

    def _fits(self, noise: NoiseFile, beside: NoisePick | None, *, same_class: bool) -> bool:
        if beside is None or beside.path is None:
            return True
        if recording_id(noise.path, self._folder) == recording_id(beside.path, self._folder):
            return False
        return (noise.label == beside.label) is same_class

    def _is_usable(self, noise: NoiseFile) -> bool:
        if noise.path in self._usable:
            return True
        problem = self._try(noise.path)
        if problem is None:
            self._usable.add(noise.path)
            return True
        self._skipped[noise.path] = problem
        return False

    def _explain(self, beside: NoisePick | None, *, same_class: bool) -> str:
        reasons = "; ".join(
            f"{skipped.path}: {skipped.reason}" for skipped in list(self._skipped.values())[:3]
        )
        unusable = f" ({reasons})" if reasons else ""
        if beside is None:
            return (
                f"{self._folder}: holds no usable noise recording for the split {self._split}{unusable}; "
                "add recordings: one in four is kept for testing, of classes with three or more"
            )
        rule = (
            f"another recording of {beside.label}"
            if same_class
            else f"a recording of another class than {beside.label}"
        )
        return (
            f"{self._folder}: the split {self._split} has no usable second noise beside {beside.name}: "
            f"{rule} is needed{unusable}; add recordings, or change {{same_class}}"
        )


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None else 0


def limit_to_class(noises: Mapping[str, Sequence[NoiseFile]], label: str) -> dict[str, list[NoiseFile]]:
    """Only the recordings of one class, split by split."""
    return {split: [noise for noise in files if noise.label == label] for split, files in noises.items()}
