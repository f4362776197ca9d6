"""The one writer of files: a file appears under its name when it is whole, or not at all.

A file is written as a hidden *part* in the folder of its target. When it is complete, it is brought to the
disk and renamed to the target. An error or an interrupt removes the part and leaves the target as it was.

A part is locked while it is written. So the part of a killed run can be told from one that is still
being written. The next run with the same target removes parts that nobody has locked, and parts in the same
folder that are older than an hour.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from musicdenoise.errors import DataError, MusicDenoiseError

_LOG = logging.getLogger(__name__)
_PREFIX = ".musicdenoise-"
_PATTERN = f"{_PREFIX}*.part*"
_ABANDONED_SECONDS = 3600.0  # chosen: no file without a lock takes that long to write
_ADVICE = "free some space or choose another folder"
Kind = type[MusicDenoiseError]
# A link under the name of a part is never followed: it could lead to any file of the user.
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class AtomicFile:
    """A file being written; a context manager that gives the open part.

    Leaving the block puts the file in its place; leaving it by an exception removes the part. To take the
    steps one by one, call `open`, `commit` and `discard`.

    Parameters
    ----------
    path
        The target.
    replace
        Whether a file of that name may be replaced.

    Attributes
    ----------
    part : Path
        Where it is written; not made before it is opened.
    """

    def __init__(self, path: Path, *, replace: bool = True) -> None:
        self.path = path
        self._replace = replace
        self.part = path.parent / f"{_stem(path)}{secrets.token_hex(8)}.part"
        self._lock: int | None = None
        self._file: BufferedRandom | None = None

    def __enter__(self) -> BufferedRandom:
        try:
            self._file = self.open()
        finally:
            if self._file is None:
                self.discard()
        return self._file

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            if self._file is not None:
                self._file.close()
            if error is None:
                self.commit()
        finally:
            self.discard()

    def open(self) -> BufferedRandom:
        """Make the part, and remove those that killed runs left.

        Returns
        -------
        BufferedRandom
            Open for reading and writing. Closing it does not unlock the part.

        Raises
        ------
        OSError
            If the part cannot be made.
        """
        _remove_left(self.path)
        descriptor = self._make()
        if os.fstat(descriptor).st_nlink == 0:  # removed by another run before it was locked
            os.close(descriptor)
            descriptor = self._make()
        return os.fdopen(descriptor, "w+b")

    def relock(self) -> None:
        """Lock the part again, after another file took its place."""
        self._unlock()
        if _HAS_LOCKS:
            self._lock = os.open(self.part, os.O_RDWR | _FLAGS)
            with contextlib.suppress(OSError):
                _lock(self._lock)

    def commit(self) -> None:
        """Put the part, which must be closed, in its place.

        Raises
        ------
        FileExistsError
            If there is a file that may not be replaced.
        OSError
            If it cannot be brought to the disk or renamed.
        """
        put_in_place(self.part, self.path, replace=self._replace)
        self._unlock()

    def discard(self) -> None:
        """Remove the part, if it is there; nothing after `commit`."""
        self._unlock()
        with contextlib.suppress(OSError):  # why it failed is on its way already
            self.part.unlink()

    def _make(self) -> int:
        # Unlike the functions of `tempfile`, this gives the file the usual permissions.
        descriptor = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks
            _lock(descriptor)
        if _HAS_LOCKS:
            self._unlock()
            self._lock = os.dup(descriptor)  # the lock lasts until both are closed
        return descriptor

    def _unlock(self) -> None:
        descriptor, self._lock = self._lock, None
        if descriptor is not None:
            os.close(descriptor)


def write_bytes(
    path: Path, content: bytes, kind: Kind = DataError, advice: str = _ADVICE, **fields: object
) -> None:
    """Write a file, whole or not at all; one of that name is replaced.

    Raises
    ------
    DataError
        If it cannot be written; or another ``kind`` of error, see `writing`.
    """
    with writing(path, kind, advice, **fields), AtomicFile(path) as file:
        file.write(content)


def write_text(
    path: Path, text: str, kind: Kind = DataError, advice: str = _ADVICE, **fields: object
) -> None:
    """Write a text file (UTF-8), as `write_bytes`. Bytes in file names that are not text become escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"), kind, advice, **fields)


@contextlib.contextmanager
def writing(path: Path, kind: Kind = DataError, advice: str = _ADVICE, **fields: object) -> Iterator[None]:
    """Turn system errors inside the block into errors that name the file and say what to do.

    Parameters
    ----------
    path
        The file.
    kind
        What is raised instead of `OSError`.
    advice
        What to do, with the fields that it names.
    fields
        See `MusicDenoiseError`.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{path}: cannot be written: {error.strerror}; {advice}", **fields) from error


def make_folder(folder: Path, kind: Kind = DataError) -> None:
    """Make a folder, and those above it if they are missing.

    Raises
    ------
    DataError
        If that is impossible; or another ``kind`` of error.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise kind(f"{folder}: cannot be made: {error.strerror}; choose another folder") from error


def put_in_place(part: Path, path: Path, *, replace: bool = True) -> None:
    """Bring a closed file to the disk and rename it, so that not even a power cut leaves half of it.

    Parameters
    ----------
    part, path
        The file, and its new name in the same folder.
    replace
        Whether a file of that name may be replaced.

    Raises
    ------
    FileExistsError
        If there is a file that may not be replaced.
    OSError
        If it cannot be brought to the disk or renamed.
    """
    _synchronise(part, os.O_RDWR | _FLAGS)
    if replace:
        part.replace(path)
    else:
        _rename_to_new(part, path)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # not every file system can do this for folders
            _synchronise(path.parent, os.O_RDONLY)


def open_resumable(part: Path, *, append: bool) -> BinaryIO:
    """Open a part with a known name, which a later run can go on with. A link of that name is removed.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    if part.is_symlink():  # somebody else may have put it there
        part.unlink()
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC) | _FLAGS
    return os.fdopen(os.open(part, flags, 0o666), "ab" if append else "wb")


def remove_abandoned(folder: Path) -> None:
    """Remove the parts of a folder that nobody is writing. The folder may be missing."""
    for part in folder.glob(_PATTERN):
        _remove_unlocked(part)


def claim_path(path: Path) -> Path:
    """The file that a run locks while it works on a target; it is removed as parts are."""
    return path.parent / f"{_stem(path)}claim.part"


def _stem(path: Path) -> str:
    """How the names of a target's parts begin: short, however long its own name is."""
    return f"{_PREFIX}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}-"


def _rename_to_new(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)  # fails if there is a file already; a rename does not
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.replace(path)
    else:
        part.unlink()


def _synchronise(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left(path: Path) -> None:
    """Remove the parts that killed runs left of a target, and those in its folder that are old."""
    stem, oldest = _stem(path), time.time() - _ABANDONED_SECONDS
    for part in path.parent.glob(_PATTERN):
        # FFmpeg writes beside a part, without a lock, so that only age tells of those files.
        is_own = _HAS_LOCKS and part.name.startswith(stem) and part.suffix == ".part"
        with contextlib.suppress(OSError):
            if is_own or part.lstat().st_mtime < oldest:
                _remove_unlocked(part)


def _remove_unlocked(part: Path) -> None:
    """Remove a part that nobody has locked. If it cannot be read or removed, it stays."""
    with contextlib.suppress(OSError):
        descriptor = os.open(part, os.O_RDWR | _FLAGS)
        try:
            _lock(descriptor)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        part.unlink()
        _LOG.warning("removed %s (%d bytes), which a killed run left", part.name, size)


if sys.platform == "win32":
    _HAS_LOCKS = False

    def _lock(descriptor: int) -> None:
        """Nothing to do: a file that is open cannot be removed."""

else:
    import fcntl

    _HAS_LOCKS = True

    def _lock(descriptor: int) -> None:
        """Lock a file until it is closed; `BlockingIOError` if another has."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
