"""Signals that end a run: while the program loads, while a command works, and after that.

Only modules that load at once are imported, because this comes before everything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from musicdenoise.runtime.interrupts import raise_when_possible

INTERRUPTED = 130

# SIGHUP: the terminal is gone. Windows does not have it.
_ENDS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def leave_when_interrupted() -> None:
    """Make an interrupt end the process at once, while there is nothing to clean up.

    An exception would pass through half-loaded modules, and print a traceback.
    """
    # A program in the background of a shell ignores interrupts. Keep it so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Turn signals that end the process into exceptions, so that temporary files are removed.

    An interrupt is a `KeyboardInterrupt`, other signals are a `SystemExit` with 128 and their number.
    Signals that are ignored, for example after ``nohup``, stay ignored.
    """
    wanted = {signal.SIGINT: _interrupt, **dict.fromkeys(_ENDS, _terminate)}
    previous = {}
    try:
        for number, handler in wanted.items():
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                previous[number] = signal.signal(number, handler)
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"error: interrupted\n")
    os._exit(INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise_when_possible(KeyboardInterrupt(), number, frame)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise_when_possible(SystemExit(128 + number), number, frame)
