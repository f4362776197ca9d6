"""Raising exceptions from the handler of a signal, even where they would be lost; ending with the parent.

libsndfile reads and writes Python objects through callbacks, and native code cannot pass an exception on.
An exception there is printed and forgotten, and the program would go on as if nobody had interrupted it.

Only the standard library is imported, because handlers are set before everything else.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

_CALLBACKS = "vio_"  # soundfile names all of them so
_CALLBACKS_FILE = "soundfile.py"
_RETRY_SECONDS = 0.05  # chosen: nobody notices it, and a callback takes less


def raise_when_possible(error: BaseException, number: int, frame: FrameType | None) -> None:
    """Raise from a signal's handler; within a callback of soundfile send the signal again a moment later.

    Parameters
    ----------
    error
        What to raise.
    number, frame
        As the handler has them: the signal, and what it interrupts.
    """
    if not _is_in_callback(frame):
        raise error
    timer = threading.Timer(_RETRY_SECONDS, signal.raise_signal, (number,))
    timer.daemon = True
    timer.start()


def _is_in_callback(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if code.co_name.startswith(_CALLBACKS) and code.co_filename.endswith(_CALLBACKS_FILE):
            return True
        frame = frame.f_back
    return False


def follow_parent() -> None:
    """End this process when the one that started it is gone, even if that one was killed."""
    from multiprocessing import parent_process

    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
