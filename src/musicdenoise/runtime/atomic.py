"""The hidden file that is written beside a result until it is whole.

A process that is killed leaves its own behind. The next result in that folder removes it: a part that nobody
has locked or touched for an hour is nobody's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import sys
import time
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

__all__ = ["FileState", "copy_if_same", "open_part_file", "part_path"]

_PATTERN = ".musicdenoise-*.part*"
_ABANDONED_SECONDS = 3600.0


def part_path(folder: Path) -> Path:
    """A name for a part file in a folder, one that no other has."""
    return folder / f".musicdenoise-{secrets.token_hex(8)}.part"


def open_part_file(path: Path) -> BufferedRandom:
    """Make the file, and remove those that killed processes left in its folder.

    Parameters
    ----------
    path
        From `part_path`.

    Returns
    -------
    BufferedRandom
        Open for reading and writing, and locked as long as it is.

    Raises
    ------
    OSError
        If the file cannot be made.
    """
    _remove_abandoned(path.parent)
    # Unlike the functions of `tempfile`, this gives the file the usual permissions.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with contextlib.suppress(OSError):  # a file system without locks; that the file is new protects it, too
        _lock(descriptor)
    return os.fdopen(descriptor, "w+b")


@dataclass(frozen=True)
class FileState:
    """What tells whether a name still stands for the same file with the same content."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState | None:
        """The state; None for what is no regular file."""
        if not stat.S_ISREG(status.st_mode):
            return None
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def copy_if_same(source: Path, state: FileState, path: Path) -> bool:
    """Copy a file over a part file; False, and nothing done, if it is not there any more as it was.

    Raises
    ------
    OSError
        If it cannot be copied to its end.
    """
    try:
        if FileState.of(source.stat()) != state:
            return False
        original = source.open("rb")
    except OSError:
        return False
    with original:
        if FileState.of(os.fstat(original.fileno())) != state:
            return False
        with path.open("wb") as copy:
            shutil.copyfileobj(original, copy)
    return True


def _remove_abandoned(folder: Path) -> None:
    """Best effort: what cannot be looked at or removed stays."""
    oldest = time.time() - _ABANDONED_SECONDS
    for path in folder.glob(_PATTERN):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                with path.open("r+b") as part:
                    _lock(part.fileno())
                path.unlink()


if sys.platform == "win32":

    def _lock(descriptor: int) -> None:
        """Nothing to do: a file that is open cannot be removed."""

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        """Lock a file until it is closed; `BlockingIOError` if another has."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
