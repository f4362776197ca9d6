"""Keep a native library from writing to the terminal.

mpg123, inside libsndfile, prints warnings about damaged MP3 files to the process's standard error
and offers no switch through libsndfile. What it has to say is reported as an exception instead.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# File descriptors belong to the process: two threads that swap one must take turns.
_lock = threading.Lock()


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Discard what is written to file descriptor 2 inside the block.

    This holds for every thread, so the block should be one short call into the library.
    """
    with _lock:
        try:
            saved = os.dup(2)
        except OSError:  # standard error is closed: there is nothing to silence
            yield
            return
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
