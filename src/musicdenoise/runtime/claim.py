"""One run at a time for each file: a run claims a file before it writes it, and other runs can tell.

A claim is a lock on a hidden file beside the target. The system releases it when the process ends in any
way. If a run is killed, its hidden file is removed with its parts (`musicdenoise.runtime.atomic`).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from musicdenoise.runtime.atomic import claim_path

_TRIES = 100  # chosen: nobody loses a race that often by chance


if sys.platform == "win32":

    @contextlib.contextmanager
    def claimed(path: Path) -> Iterator[bool]:
        """Nothing to claim with: files that are open cannot be replaced here anyway."""
        yield True

else:
    import fcntl

    @contextlib.contextmanager
    def claimed(path: Path) -> Iterator[bool]:
        """Claim a file until the block ends.

        The folder of the file is made, and removed again if nothing is in it at the end.

        Parameters
        ----------
        path
            The file; it need not be there.

        Yields
        ------
        bool
            False if another run has claimed it. Also True if that is unknown, as on a file system
            without locks, or in a folder that cannot be written: writing will say why.
        """
        made = _missing_folders(path.parent)
        try:
            descriptor = _lock(path)
        except BlockingIOError:
            yield False
            return
        except OSError:
            descriptor = None
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                if descriptor is not None:
                    claim_path(path).unlink()  # before the lock goes: who waits for it sees that it is void
                    os.close(descriptor)
                for folder in made:
                    folder.rmdir()

    def _lock(path: Path) -> int:
        """Descriptor of the locked claim; `BlockingIOError` if another has it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        for _ in range(_TRIES):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = os.open(claim_path(path), flags, 0o666)
            except FileNotFoundError:  # another run has just removed the empty folder
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                raise
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # void: its owner was done between the two calls
        raise OSError(f"{path}: cannot be claimed")

    def _missing_folders(folder: Path) -> list[Path]:
        """Folders that are not there, the innermost first."""
        return [place for place in (folder, *folder.parents) if not place.exists()]
