"""Whether a file is still the same: by its digest, or for a short time by its state."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

_READ_BYTES = 1 << 20


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if path.exists() and not path.is_file():  # a device might never end
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True)
class FileState:
    """Size, time and place of a file, which tell whether it is still the same."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState | None:
        """The state of a regular file; None for anything else."""
        if not stat.S_ISREG(status.st_mode):
            return None
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def copy_if_same(source: Path, state: FileState, path: Path) -> bool:
    """Copy a file over a part. Do nothing and return False if the file has changed or is gone.

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
