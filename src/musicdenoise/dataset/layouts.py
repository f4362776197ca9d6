"""Finding the songs and noises for a dataset on disk.

Songs: MUSDB18 (``Artist - Title.stem.mp4``, whose audio stream 0 is the mixture), MUSDB18-HQ (folders
``Artist - Title`` with ``mixture.wav`` and the stems beside it), or any folder of audio files. Noises:
UrbanSound8K, or folders that name the classes. Either may be divided into ``train`` and ``test``.

A noise recording belongs to training or to testing, never to both: UrbanSound8K's clips are slices of
longer recordings (the first number of the name), and slices of one recording stay together. The
division depends on the names of the files alone, so that datasets with other seeds agree with it.

References: Rafii et al., "MUSDB18 - a corpus for music separation", 2017; Salamon et al. 2014.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio import find_audio
from musicdenoise.data.catalogue import NoiseFile, find_noises
from musicdenoise.data.manifest import MANIFEST_NAME, SPLITS
from musicdenoise.dataset.config import WORK_NAME
from musicdenoise.errors import DataError, UsageError
from musicdenoise.kinds import NOISE_CLASSES, urbansound_ids

_STEM_SUFFIX = ".stem.mp4"
_HQ_MIXTURE = "mixture.wav"
_TEST_SHARE = 4  # one recording in four is kept for testing; chosen
_FEWEST_TO_DIVIDE = 3  # recordings of a class: two for the noises of a training pair, one for testing

_GET_SONGS = (
    "MUSDB18 and MUSDB18-HQ are at https://sigsep.github.io/datasets/musdb.html; "
    "point to your own folder of songs with {songs} DIR"
)
_GET_NOISES = (
    "UrbanSound8K is at https://urbansounddataset.weebly.com/urbansound8k.html; "
    "point to your own folder of noises with {noises} DIR"
)


@dataclass(frozen=True, kw_only=True)
class SongEntry:
    """A song of a collection: its file, and its name relative to the collection without the suffix."""

    path: Path
    name: str


def find_song_splits(folder: Path, split: str | None) -> dict[str, list[SongEntry]]:
    """Songs of the wanted splits.

    Parameters
    ----------
    folder
        The collection. With ``train`` and ``test`` in it these are the splits; otherwise all songs
        belong to the one split that is asked for.
    split
        ``train``, ``test``, ``both``, or None for both if the folder is divided, else ``train``.

    Raises
    ------
    DataError
        If the folder is missing, or there are no songs in a split.
    UsageError
        If both splits are asked for, but the folder is not divided.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder of songs; {_GET_SONGS}", songs=folder)
    is_divided = all((folder / name).is_dir() for name in SPLITS)
    if split == "both" and not is_divided:
        raise UsageError(
            f"{{split}} both needs the folders {folder}/train and {folder}/test; make them, or give one "
            "split",
            split=split,
        )
    wanted = SPLITS if split == "both" or (split is None and is_divided) else (split or "train",)
    found = {name: _find_songs(folder / name if is_divided else folder) for name in wanted}
    for name, songs in found.items():
        if not songs:
            place = folder / name if is_divided else folder
            raise DataError(
                f"{place}: holds no songs (looked for .stem.mp4, mixture.wav and other audio); {_GET_SONGS}",
                songs=folder,
            )
    return found


def _find_songs(folder: Path) -> list[SongEntry]:
    paths = _outside_datasets(find_audio(folder), folder)
    hq_folders = {path.parent for path in paths if path.name.lower() == _HQ_MIXTURE}
    songs = []
    for path in paths:
        relative = path.relative_to(folder)
        if path.parent in hq_folders:
            if path.name.lower() == _HQ_MIXTURE:
                songs.append(SongEntry(path=path, name=relative.parent.as_posix()))
        elif path.name.lower().endswith(_STEM_SUFFIX):
            songs.append(SongEntry(path=path, name=relative.as_posix()[: -len(_STEM_SUFFIX)]))
        else:
            songs.append(SongEntry(path=path, name=relative.with_suffix("").as_posix()))
    return songs


def _outside_datasets(paths: list[Path], folder: Path) -> list[Path]:
    """Files that are not in a dataset further inside the folder, finished or in progress."""
    inside = {folder: False}

    def is_inside(place: Path) -> bool:
        if place not in inside:
            inside[place] = is_inside(place.parent) or any(
                (place / name).exists() for name in (MANIFEST_NAME, WORK_NAME)
            )
        return inside[place]

    return [path for path in paths if not is_inside(path.parent)]


def find_split_noises(folder: Path, splits: Sequence[str]) -> dict[str, list[NoiseFile]]:
    """Noise recordings of each split: by the folders ``train`` and ``test``, or divided by `split_noises`.

    Raises
    ------
    DataError
        If the folder is missing or a split has none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder of noises; {_GET_NOISES}", noises=folder)
    if all((folder / name).is_dir() for name in SPLITS):
        return {name: find_noises(folder / name, "mixed") for name in splits}
    divided = split_noises(find_noises(folder, "mixed"), folder)
    return {name: divided[name] for name in splits}


def split_noises(noises: Sequence[NoiseFile], folder: Path) -> dict[str, list[NoiseFile]]:
    """Divide noises into ``train`` and ``test`` with no recording in common.

    A quarter of the recordings of each class, and at least one, is kept for testing; classes of one or
    two recordings are for training only. Which ones is decided by the SHA-256 of their names.

    Parameters
    ----------
    noises
        All noises.
    folder
        Folder that their names are relative to.
    """
    classes: dict[str, set[str]] = {}
    for noise in noises:
        classes.setdefault(noise.label, set()).add(recording_id(noise.path, folder))
    for_test: set[str] = set()
    settled: set[str] = set()
    # A recording may hold several classes; the smallest class has the least choice and goes first.
    for _, recordings in sorted(classes.items(), key=lambda item: (len(item[1]), item[0])):
        wanted = max(1, len(recordings) // _TEST_SHARE) if len(recordings) >= _FEWEST_TO_DIVIDE else 0
        missing = max(0, wanted - len(recordings & for_test))
        free = sorted(recordings - settled, key=lambda name: hashlib.sha256(os.fsencode(name)).hexdigest())
        for_test.update(free[:missing])
        settled |= recordings
    divided: dict[str, list[NoiseFile]] = {name: [] for name in SPLITS}
    for noise in noises:
        divided["test" if recording_id(noise.path, folder) in for_test else "train"].append(noise)
    return divided


def recording_id(path: Path, folder: Path) -> str:
    """Identity of a recording: its number in UrbanSound8K, otherwise the relative path."""
    ids = urbansound_ids(path.stem)
    return f"UrbanSound8K {ids[0]}" if ids else path.relative_to(folder).as_posix()


def match_class(text: str, noises: Mapping[str, Sequence[NoiseFile]]) -> str:
    """Label of a class given by number (UrbanSound8K, 0-9) or by name.

    Raises
    ------
    UsageError
        If neither UrbanSound8K nor the noises have such a class.
    """
    wanted = text.strip()
    if wanted.isdecimal() and int(wanted) < len(NOISE_CLASSES):
        wanted = NOISE_CLASSES[int(wanted)]
    present = sorted({noise.label for files in noises.values() for noise in files})
    by_name = {_plain(label): label for label in (*NOISE_CLASSES, *present)}
    if _plain(wanted) in by_name:
        return by_name[_plain(wanted)]
    numbered = ", ".join(f"{i} {name}" for i, name in enumerate(NOISE_CLASSES))
    own = [label for label in present if label not in NOISE_CLASSES]
    raise UsageError(
        f"there is no noise class {text!r}: give a number or name of UrbanSound8K ({numbered})"
        + (f" or a folder among the noises ({', '.join(own)})" if own else "")
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
