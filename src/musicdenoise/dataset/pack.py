"""The last step of a build in shards: files of pairs are put into tar files.

A shard is written whole or not at all. The same pairs give the same bytes: members have no times and no
owners, and their order is that of the plan. The files of the pairs are removed only when all shards and
``build.json`` are there, so a build that was stopped can go on.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from musicdenoise.data.manifest import SPLITS, PairRow
from musicdenoise.data.shards import PARTS
from musicdenoise.errors import DataError
from musicdenoise.runtime.atomic import AtomicFile, writing

_BLOCK = tarfile.BLOCKSIZE


def find_shards(root: Path) -> list[Path]:
    """The shards that a build made in a folder."""
    pattern = "-" + 6 * "[0-9]" + ".tar"
    return [path for split in SPLITS for path in sorted(root.glob(split + pattern))]


def pack(root: Path, rows: Sequence[PairRow], megabytes: int) -> list[Path]:
    """Write the shards of a dataset: ``train-000000.tar`` and so on.

    Parameters
    ----------
    root
        Folder of the files and of the shards.
    rows
        The pairs, in order.
    megabytes
        Largest size of a shard; one that holds a single pair may be larger.

    Raises
    ------
    DataError
        If a shard cannot be written.
    """
    shards = []
    for split in SPLITS:
        chosen = [row for row in rows if row.split == split]
        for number, part in enumerate(_parts(root, chosen, megabytes * 1_000_000)):
            shards.append(root / f"{split}-{number:06d}.tar")
            with (
                writing(shards[-1]),
                AtomicFile(shards[-1]) as file,
                tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive,
            ):
                for row in part:
                    _add(archive, root, row)
    for left in set(find_shards(root)) - set(shards):  # of a build with other sizes
        left.unlink()
    return shards


def packed_rows(root: Path) -> list[PairRow]:
    """The pairs in the shards of a folder; none if a shard is broken."""
    rows = []
    try:
        for shard in find_shards(root):
            with tarfile.open(shard, "r:") as archive:
                texts = (archive.extractfile(member) for member in archive if member.name.endswith(".json"))
                rows += [PairRow.from_json(text.read().decode()) for text in texts if text is not None]
    except (tarfile.TarError, EOFError, OSError, UnicodeDecodeError, DataError):
        return []
    return rows


def _parts(root: Path, rows: Iterable[PairRow], most_bytes: int) -> Iterator[list[PairRow]]:
    part: list[PairRow] = []
    total = 0
    for row in rows:
        size = sum((root / name).stat().st_size for name in (row.input, row.target)) + 8 * _BLOCK
        if part and total + size > most_bytes:
            yield part
            part, total = [], 0
        part.append(row)
        total += size
    if part:
        yield part


def _add(archive: tarfile.TarFile, root: Path, row: PairRow) -> None:
    names = (row.input, row.target)
    for part, name in zip(PARTS, names, strict=False):
        with (root / name).open("rb") as file:
            archive.addfile(_member(f"{row.id}.{part}", (root / name).stat().st_size), file)
    text = row.to_json().encode()
    archive.addfile(_member(f"{row.id}.{PARTS[-1]}", len(text)), io.BytesIO(text))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # of nobody, at the beginning of time
    member.size = size
    return member
