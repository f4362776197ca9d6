"""Pairs in folders: with a manifest, or as ``input`` and ``target`` files paired by name.

Two files are partners if their names agree, apart from the suffix. Names such as
``INPUT-S1N2-(noise)-(song).wav`` and ``TARGET-S1N2-(other noise)-(song).wav`` agree if song number, pair
number and song do. Files are never paired by their position in a listing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio import find_audio, probe
from musicdenoise.data.manifest import MANIFEST_NAME, SPLITS, PairRow, check_places, read_manifest
from musicdenoise.errors import DataError

_PAIR_NAME = re.compile(r"(?:INPUT|TARGET)-(S\d+N\d+)-\([^()]*\)-\((.*)\)", re.IGNORECASE)
_LISTED = 5  # files that a message names


@dataclass(frozen=True, kw_only=True)
class Matches:
    """Files of two folders by the key that joins them, and those without a partner."""

    pairs: Mapping[str, tuple[Path, Path]]
    unpaired: tuple[Path, ...]


def pair_key(path: Path) -> str:
    """The part that the names of a pair's two files have in common (the folders do not matter)."""
    match = _PAIR_NAME.fullmatch(path.stem)
    return f"{match[1].upper()}-({match[2]})" if match else path.stem


def match_by_name(first: Path, second: Path) -> Matches:
    """Pair the audio files of two folders, sub-folders included, by name.

    Raises
    ------
    DataError
        If two names in a folder differ only in the suffix.
    AudioReadError
        If a folder is missing.
    """
    left, right = _by_key(first), _by_key(second)
    unpaired = [path for key, path in left.items() if key not in right]
    unpaired += [path for key, path in right.items() if key not in left]
    pairs = {key: (left[key], right[key]) for key in left if key in right}
    return Matches(pairs=pairs, unpaired=tuple(unpaired))


def load_pairs(folder: Path, root: Path | None = None) -> list[PairRow]:
    """Pairs of a dataset: the rows of its manifest, or of ``input`` and ``target`` folders.

    Without a manifest, ``train/input`` with ``train/target`` and ``test/input`` with ``test/target``
    are read, or ``input`` with ``target`` in the folder itself as ``train``. Test targets are clean.

    Parameters
    ----------
    folder
        Folder of the dataset; the paths of the rows are relative to it.
    root
        Another folder in which files of a manifest may be; see `check_places`.

    Raises
    ------
    DataError
        If there are no pairs, or a file has no partner; the message says which.
    AudioError
        If a file cannot be read.
    """
    if (folder / MANIFEST_NAME).is_file():
        rows = read_manifest(folder)
        check_places(rows, folder, root)
        return rows
    parts = {split: folder / split for split in SPLITS if (folder / split / "input").is_dir()}
    if (folder / "input").is_dir():
        parts = {"train": folder}
    if not parts:
        raise DataError(
            f"{folder}: holds no dataset: neither {MANIFEST_NAME} nor the folders train/input and "
            "train/target were found; give the folder that `dataset build` made"
        )
    return [row for split, part in parts.items() for row in _rows_of(folder, split, part)]


def _rows_of(root: Path, split: str, part: Path) -> list[PairRow]:
    if not (part / "target").is_dir():
        raise DataError(f"{part}: has a folder input but none named target; put the targets there")
    matches = match_by_name(part / "input", part / "target")
    if matches.unpaired:
        listed = ", ".join(str(path) for path in matches.unpaired[:_LISTED])
        more = f" and {len(matches.unpaired) - _LISTED} more" if len(matches.unpaired) > _LISTED else ""
        raise DataError(
            f"{part}: {len(matches.unpaired)} file(s) have no partner of the same name: {listed}{more}; "
            "add the missing files or move these away"
        )
    rows = []
    for key, (source, target) in sorted(matches.pairs.items()):
        first, second = probe(source), probe(target)
        if (first.sample_rate, first.channels, first.num_samples) != (
            second.sample_rate,
            second.channels,
            second.num_samples,
        ):
            raise DataError(
                f"{source} has {first.num_samples} samples in {first.channels} channel(s) at "
                f"{first.sample_rate} Hz, but {target} has {second.num_samples} in {second.channels} at "
                f"{second.sample_rate} Hz; the files of a pair must agree"
            )
        name = target.relative_to(root).as_posix()
        rows.append(
            PairRow(
                id=f"{split}-{key}",
                split=split,
                input=source.relative_to(root).as_posix(),
                target=name,
                clean=name if split == "test" else None,
                sample_rate=first.sample_rate,
                num_samples=first.num_samples,
            )
        )
    return rows


def _by_key(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in find_audio(folder):
        parent = path.parent.relative_to(folder).as_posix()
        name = pair_key(path) if parent == "." else f"{parent}/{pair_key(path)}"
        if name in found:
            raise DataError(f"{found[name]} and {path} have the same name; rename one of them")
        found[name] = path
    return found
