"""Small things that every writer of a dataset needs: whole text files, digests, equal bytes.

A file appears under its name when it is complete: it is written beside its place under a hidden
name and renamed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from musicdenoise.errors import DataError

__all__ = ["PARTIAL_SUFFIX", "clear_peak_time", "file_sha256", "make_folder", "remove_partial", "write_text"]

PARTIAL_SUFFIX = ".part"
"""Ending of the hidden names that files have while they are written."""

_READ_BYTES = 1 << 20


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) atomically; what is no text in a file's name becomes an escape, as in JSON.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror}; free some space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises
    ------
    DataError
        If that is impossible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made: {error.strerror}; choose another folder") from error


def remove_partial(folder: Path) -> None:
    """Remove what a killed run left half written in a folder; nothing if there is no such folder."""
    for path in folder.glob(f".*{PARTIAL_SUFFIX}"):
        path.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def clear_peak_time(path: Path) -> None:
    """Set the time in the PEAK chunk of a floating-point WAV file to 0; other files stay as they are.

    libsndfile stores there when the file was written, so that equal samples would give unequal bytes.
    The layout of the chunk is ``"PEAK", size, version, time stamp, peaks`` (32-bit little-endian each);
    see ``PEAK_CHUNK`` in libsndfile's ``wavlike.c``.
    """
    with path.open("r+b") as file:
        if file.read(4) != b"RIFF":
            return
        offset = 12
        while True:
            file.seek(offset)
            name, size = file.read(4), int.from_bytes(file.read(4), "little")
            if name == b"PEAK":
                file.seek(offset + 12)
                file.write(bytes(4))
            if name in (b"PEAK", b"data", b""):
                return
            offset += 8 + size + size % 2
