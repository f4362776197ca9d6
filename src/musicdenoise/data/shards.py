"""Pairs in WebDataset shards: tar files with ``KEY.input.flac``, ``KEY.target.flac`` and ``KEY.json``.

Training takes stretches of any pair in any order, and tar files can only be read in theirs. So shards are
unpacked once into the cache folder, as an ordinary dataset. ``KEY.json`` is a line of a manifest. No tar file
is trusted: members get new names, and links and folders are left out.

Reference: https://github.com/webdataset/webdataset (names of members, patterns of names).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import math
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from filelock import FileLock

from musicdenoise.data.manifest import MANIFEST_NAME, PairRow, write_manifest
from musicdenoise.errors import DataError
from musicdenoise.runtime.atomic import make_folder, write_text, writing
from musicdenoise.runtime.remote import RemotePath, parse_path

_LOG = logging.getLogger(__name__)
PARTS = ("input.flac", "target.flac", "json")
"""What each pair has in a shard, behind its key and a dot."""

_LEFT_OUT = "left_out.json"
_RANGE = re.compile(r"\{([0-9]{1,9})\.\.([0-9]{1,9})\}")
_MOST_SHARDS = 1_000_000  # chosen: names that a range in braces may stand for
# What `tarfile` raises, also for wrong headers: with negative sizes, or larger than all memory.
_DAMAGE = (tarfile.TarError, EOFError, ValueError, MemoryError, OverflowError)
_MOST_TEXT = 1 << 20  # bytes of a description; those of this package have less than 2000


def dataset_folder(place: str, cache: Path, on_left_out: Callable[[str], None] | None = None) -> Path:
    """Folder of a dataset, which is unpacked into the cache folder if it comes in shards.

    Parameters
    ----------
    place
        A folder, a shard, or several shards: joined by ``::``, or with ranges in braces
        (``train-{000000..000009}.tar``). Shards may be at addresses.
    cache
        The cache folder.
    on_left_out
        Called with the reason for each pair that lacks a part.

    Raises
    ------
    DataError
        If there is no shard, one cannot be read or is broken, or none holds a whole pair.
    AudioReadError
        If one cannot be fetched.
    """
    shards = _find(place)
    if shards is None:
        return Path(place)
    folder = cache / "shards" / _digest(shards)
    make_folder(folder.parent)
    with FileLock(f"{folder}.lock"):
        if not (folder / MANIFEST_NAME).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            _unpack(shards, folder)
    if on_left_out is not None:
        for reason in json.loads((folder / _LEFT_OUT).read_text(encoding="utf-8")):
            on_left_out(reason)
    return folder


def _find(place: str) -> list[Path] | None:
    """The shards at a place; None if it is a dataset of another kind."""
    if "::" not in place and not place.endswith(".tar"):
        folder = Path(place)
        shards = sorted(folder.glob("*.tar"))
        return None if (folder / MANIFEST_NAME).is_file() or not shards else shards
    found = [parse_path(name) for part in place.split("::") for name in _expand(part)]
    for path in found:
        if not isinstance(path, RemotePath) and not path.is_file():
            raise DataError(f"{path}: there is no such shard; give a folder of .tar files, or their names")
    return found


def _expand(pattern: str) -> list[str]:
    """``a-{08..10}`` as ``a-08``, ``a-09``, ``a-10``."""
    pieces = _RANGE.split(pattern)
    ends = list(zip(pieces[1::3], pieces[2::3], strict=True))
    if not 1 <= math.prod(max(0, int(high) - int(low) + 1) for low, high in ends) <= _MOST_SHARDS:
        raise DataError(
            f"{pattern}: a range in braces goes up, and all together stand for {_MOST_SHARDS} shards at most"
        )
    choices = [
        [str(number).zfill(len(low)) for number in range(int(low), int(high) + 1)] for low, high in ends
    ]
    return [
        "".join(itertools.chain.from_iterable(zip(pieces[::3], (*chosen, ""), strict=True)))
        for chosen in itertools.product(*choices)
    ]


def _digest(shards: list[Path]) -> str:
    """Digest of which files these are. The content at an address is assumed not to change."""
    facts = []
    for path in shards:
        if isinstance(path, RemotePath):
            facts.append(str(path))
        else:
            status = path.stat()
            facts.append(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode(errors="surrogateescape")).hexdigest()[:24]


def _unpack(shards: list[Path], folder: Path) -> None:
    rows: list[PairRow] = []
    left_out: list[str] = []
    for number, shard in enumerate(shards):
        place = folder / f"{number:06d}"
        make_folder(place)
        for key, parts in _pairs(shard, place):
            missing = [part for part in PARTS if part not in parts]
            if missing:
                left_out.append(f"{shard}: the pair {key} has no {' and no '.join(missing)}; it is left out")
                continue
            text = (place / parts["json"]).read_text(encoding="utf-8", errors="replace")
            try:
                row = PairRow.from_json(text)
            except DataError as error:
                raise DataError(f"{shard}, {key}.json: {error}; build the shards again") from error
            target = f"{place.name}/{parts['target.flac']}"
            rows.append(
                replace(
                    row,
                    input=f"{place.name}/{parts['input.flac']}",
                    target=target,
                    clean=target if row.split == "test" else None,
                    clean_sha256=row.target_sha256 if row.split == "test" else None,
                )
            )
    if not rows:
        first = f": {left_out[0]}" if left_out else ""
        raise DataError(f"{shards[0]}: no shard holds a whole pair{first}")
    write_text(folder / _LEFT_OUT, json.dumps(left_out))
    write_manifest(folder, rows)


def _pairs(shard: Path, place: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Unpack a shard into a folder; for each pair, its key and the names of its files by part."""
    found: dict[str, dict[str, str]] = {}
    numbers: dict[str, int] = {}
    with _opened(shard) as archive:
        try:
            for member in archive:
                if member.size < 0 or member.issparse():  # a small file could fill the disk
                    raise _broken(shard, f"{member.name} has an impossible size")
                key, _, part = member.name.rpartition("/")[2].partition(".")
                if not member.isfile() or part not in PARTS:
                    continue
                if part == "json" and member.size > _MOST_TEXT:
                    raise DataError(f"{shard}: {member.name} is too long for a description of a pair")
                number = numbers.setdefault(key, len(numbers))
                files = found.setdefault(key, {})
                files[part] = f"{number:06d}.{part}"
                content = archive.extractfile(member)
                assert content is not None  # it is a file
                with writing(place / files[part]), (place / files[part]).open("wb") as file:
                    _copy(content, file, shard)
        except _DAMAGE as error:
            raise _broken(shard, error) from error
    yield from found.items()


def _copy(source: IO[bytes], target: IO[bytes], shard: Path) -> None:
    try:
        shutil.copyfileobj(source, target, 1 << 20)
    except tarfile.TarError as error:  # a kind of `OSError` in some versions of Python
        raise _broken(shard, error) from error


@contextmanager
def _opened(shard: Path) -> Iterator[tarfile.TarFile]:
    with TemporaryDirectory(prefix="musicdenoise-") as folder:
        path = shard
        if isinstance(shard, RemotePath):
            path = Path(folder) / "shard.tar"
            shard.fetch(path)
        try:
            archive = tarfile.open(path, "r:")  # noqa: SIM115
        except _DAMAGE as error:
            raise _broken(shard, error) from error
        except OSError as error:
            raise DataError(f"{shard}: cannot be read: {error.strerror}") from error
        with archive:
            yield archive


def _broken(shard: Path, error: Exception | str) -> DataError:
    return DataError(f"{shard}: is not a whole tar file ({error}); get a complete copy")
