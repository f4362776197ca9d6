"""What a run leaves behind beside its weights: history and pictures.

After every validation, ``history.jsonl`` is written again, atomically, from the history in the run's state.
So it never disagrees with the checkpoint.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from musicdenoise.errors import TrainingError
from musicdenoise.runtime.atomic import write_bytes

CONFIG = "config.json"
HISTORY = "history.jsonl"
CURVES = "curves.png"
HISTOGRAM = "improvements.png"
_LOCK = ".lock"
_LAUNCH = ".launch"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a run folder. Makes the folder if it is missing.

    Raises
    ------
    TrainingError
        If another process trains there, or the folder cannot be made.
    """
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise TrainingError(
            f"{folder}: another process is training there; wait for it, or choose another {{out}}", out=folder
        ) from error
    except OSError as error:
        raise TrainingError(
            f"{folder}: cannot be made: {error.strerror}; choose another {{out}}", out=folder
        ) from error
    try:
        yield
    finally:
        lock.release()


def note_launch(folder: Path, name: str | None) -> None:
    """Note which call of ``torchrun`` trains in a folder. Errors as those of `write_record`."""
    if name is not None:
        write_record(folder / _LAUNCH, name)


def is_noted(folder: Path, name: str | None) -> bool:
    """Whether this call of ``torchrun`` trained in the folder before it was started again."""
    try:
        return name is not None and (folder / _LAUNCH).read_text(encoding="utf-8") == name
    except (OSError, UnicodeDecodeError):
        return False


def write_record(path: Path, content: str | bytes) -> None:
    """Write a file of a run, whole or not at all.

    Raises
    ------
    TrainingError
        If it cannot be written; an earlier one is left as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    write_bytes(path, data, TrainingError, "free some space and go on with {resume}", resume=True)


def write_history(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write ``history.jsonl``: one line per validation."""
    write_record(folder / HISTORY, "".join(json.dumps(dict(record)) + "\n" for record in history))
