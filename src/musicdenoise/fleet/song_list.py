"""Lists of songs, and files of results: text that people and other programs read and write.

A list is UTF-8 text with one song in each line: INPUT, a tab, OUTPUT. Results are JSON objects, one in each
line. They are appended one by one, so a run that is killed loses none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from musicdenoise.errors import DataError
from musicdenoise.runtime.atomic import writing
from musicdenoise.runtime.remote import RemotePath, parse_path


@dataclass(frozen=True, kw_only=True)
class ListedSong:
    """A song and where its result goes; either may be a `RemotePath`."""

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True)
class SongResult:
    """What came of a song.

    Parameters
    ----------
    source, target
        As they stand in the list.
    status
        ``"done"``, ``"there"`` (its result was there already) or ``"failed"``.
    seconds
        Time that the last worker took.
    error
        Why it failed; None otherwise.
    warnings
        What is odd about it.
    worker
        Address of the last worker; empty if it was killed.
    tries
        How often it was tried.
    """

    source: str
    target: str
    status: str
    seconds: float
    error: str | None
    warnings: tuple[str, ...]
    worker: str
    tries: int


def read_songs(path: Path) -> list[ListedSong]:
    """The songs of a list, in its order. Empty lines are left out.

    Raises
    ------
    DataError
        If it cannot be read, a line is wrong, two songs have the same output, an output is an input, or there
        is no song.
    UsageError
        If an address is of an unknown kind.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # names may hold other line ends
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    songs: dict[str, ListedSong] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        source, _, target = line.removesuffix("\r").partition("\t")
        if not source or not target or "\t" in target:
            raise DataError(f"{path}: line {number} is not a song: it must be INPUT, a tab, OUTPUT")
        song = ListedSong(source=parse_path(source), target=parse_path(target))
        if (place := _place(song.target)) in songs:
            raise DataError(f"{path}: line {number} has the output of another line: {song.target}")
        songs[place] = song
    if not songs:
        raise DataError(f"{path}: holds no songs; 'musicdenoise denoise' lists them on a dry run")
    for song in songs.values():
        if _place(song.source) in songs:
            raise DataError(f"{path}: {song.source} is the input of one line and the output of another")
    return list(songs.values())


def _place(path: Path) -> str:
    """The same for all names of a file, as far as names tell: links may lead elsewhere on each worker."""
    return path.address if isinstance(path, RemotePath) else os.path.abspath(path)  # noqa: PTH100


def read_results(path: Path) -> dict[tuple[str, str], str]:
    """The last status of each song, by source and target; nothing if there is no such file.

    A line that is cut or damaged counts for nothing: its song is looked at again.

    Raises
    ------
    DataError
        If it cannot be read, or is a file of another kind, which nothing must be appended to.
    """
    known: dict[tuple[str, str], str] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if lines[0] and not lines[0].startswith("{"):
        raise DataError(f"{path}: is no file of results; choose another one with {{results}}", results=path)
    for line in lines:
        try:
            row = json.loads(line)
            known[str(row["in"]), str(row["out"])] = str(row["status"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return known


def open_results(path: Path) -> BinaryIO:
    """Open a file of results to append to it; a line that a killed run left unfinished is ended.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    try:
        file = path.open("ab+")
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}; choose another file") from error
    return file


def append_result(file: BinaryIO, result: SongResult) -> None:
    """Append a result, and bring it to the disk.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    row = asdict(result)
    row = {"in": row.pop("source"), "out": row.pop("target"), **row}
    with writing(Path(file.name), DataError, "free some space, and run again to go on"):
        file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def left_to_do(
    songs: Iterable[ListedSong], known: dict[tuple[str, str], str], *, retry_failed: bool
) -> tuple[list[ListedSong], int, int]:
    """Songs that are still to be done, and how many are done, and failed before and stay so."""
    rest, done, failed = [], 0, 0
    for song in songs:
        status = known.get((str(song.source), str(song.target)))
        if status in ("done", "there"):
            done += 1
        elif status == "failed" and not retry_failed:
            failed += 1
        else:
            rest.append(song)
    return rest, done, failed
