"""Which files of two folders belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musicdenoise.data.folders import match_by_name
from musicdenoise.data.manifest import MANIFEST_NAME, read_manifest
from musicdenoise.errors import DataError, UsageError

_MANIFEST_LEVELS = 3  # DATASET/train/input: the folder itself and two above


@dataclass(frozen=True, kw_only=True)
class FilePair:
    """Two files to be compared, and the key that joined them."""

    key: str
    first: Path
    second: Path


def find_file_pairs(first: Path, second: Path) -> tuple[list[FilePair], list[Path]]:
    """Pairs of two files, or of two folders by manifest or name, and the files without a partner.

    Folders of a dataset are paired by its manifest: inputs, targets and clean songs with each other.

    Raises
    ------
    UsageError
        If one is a file and the other a folder.
    DataError
        If something is missing, or there are no pairs.
    """
    for path in (first, second):
        if not path.exists():
            raise DataError(
                f"{path}: there is no such file or folder; give two folders of audio, or two files"
            )
    if first.is_file() is not second.is_file():
        raise UsageError(f"{first} and {second}: one is a file and one a folder; give two of a kind")
    if first.is_file():
        return [FilePair(key=first.stem, first=first, second=second)], []
    matches = match_by_name(first, second)
    pairs = _manifest_pairs(first, second)
    if pairs:
        paired = {path.resolve() for pair in pairs for path in (pair.first, pair.second)}
        everything = {path for two in matches.pairs.values() for path in two} | set(matches.unpaired)
        return pairs, sorted(path for path in everything if path.resolve() not in paired)
    pairs = [FilePair(key=key, first=a, second=b) for key, (a, b) in sorted(matches.pairs.items())]
    if not pairs:
        raise DataError(
            f"{first} and {second}: no file of one has the name of a file of the other "
            f"({len(matches.unpaired)} files without partner); files are paired by name or {MANIFEST_NAME}"
        )
    return pairs, list(matches.unpaired)


def _manifest_pairs(first: Path, second: Path) -> list[FilePair]:
    folders = [first.resolve(), *first.resolve().parents][:_MANIFEST_LEVELS]
    root = next((folder for folder in folders if (folder / MANIFEST_NAME).is_file()), None)
    if root is None:
        return []
    pairs = []
    for row in read_manifest(root):
        files = [(root / name).resolve() for name in (row.input, row.target, row.clean) if name is not None]
        left = next((path for path in files if path.is_relative_to(first.resolve())), None)
        right = next((path for path in files if path != left and path.is_relative_to(second.resolve())), None)
        if left is not None and right is not None:
            pairs.append(FilePair(key=row.id, first=left, second=right))
    return pairs
