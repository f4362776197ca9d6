"""Audio files of a dataset: complete or not there, and bytes that depend on the samples alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from musicdenoise.audio import open_writer
from musicdenoise.data.files import PARTIAL_SUFFIX, clear_peak_time, file_sha256
from musicdenoise.errors import AudioWriteError

__all__ = ["FILE_FORMATS", "DatasetFile"]

FILE_FORMATS = {"wav": ("WAV", "FLOAT"), "flac": ("FLAC", "PCM_24")}
"""Formats of the files by suffix: container and subtype. Neither rounds away what a pair is about."""


class DatasetFile:
    """A file being written; a context manager.

    Parameters
    ----------
    path
        The file; one that exists is replaced.
    sample_rate, channels
        Of the file.
    file_format
        A key of `FILE_FORMATS`.

    Attributes
    ----------
    sha256 : str
        Digest of the file, once the block is left.

    Raises
    ------
    AudioWriteError
        If the file cannot be written.
    """

    def __init__(self, path: Path, *, sample_rate: int, channels: int, file_format: str = "wav") -> None:
        self._path = path
        self._hidden = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
        container, subtype = FILE_FORMATS[file_format]
        self._writer = open_writer(
            self._hidden,
            sample_rate=sample_rate,
            channels=channels,
            container=container,
            subtype=subtype,
            overwrite=True,
        )
        self.sha256 = ""

    def __enter__(self) -> DatasetFile:
        with self._named():
            self._writer.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._named():
            self._writer.__exit__(exc_type, exc_value, traceback)
        if exc_type is not None:
            return
        try:
            clear_peak_time(self._hidden)
            self.sha256 = file_sha256(self._hidden)
            self._hidden.replace(self._path)
        except OSError as error:
            raise AudioWriteError(f"{self._path}: cannot be put in place: {error.strerror}") from error

    def write(self, block: NDArray[np.float32]) -> None:
        """Append samples, float32 ``(channels, n)``."""
        with self._named():
            self._writer.write(block)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors name the file itself and not the hidden name that it has for now."""
        try:
            yield
        except AudioWriteError as error:
            raise AudioWriteError(str(error).replace(str(self._hidden), str(self._path))) from error
