"""Audio files of a dataset: complete or not there, and bytes that depend on the samples alone."""

from __future__ import annotations

from pathlib import Path

from musicdenoise.audio import AudioWriter
from musicdenoise.audio.containers.riff import clear_peak_time
from musicdenoise.runtime.digest import file_sha256

FILE_FORMATS = {"wav": ("WAV", "FLOAT"), "flac": ("FLAC", "PCM_24")}
"""Formats of the files by suffix: container and subtype. Neither rounds away what a pair is about."""


class DatasetFile(AudioWriter):
    """A file being written; a context manager.

    Parameters
    ----------
    path
        The file; one that exists is replaced.
    sample_rate, channels
        Rate in Hz and channels of the file.
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
        container, subtype = FILE_FORMATS[file_format]
        self.sha256 = ""
        super().__init__(
            path,
            sample_rate=sample_rate,
            channels=channels,
            container=container,
            subtype=subtype,
            overwrite=True,
            seal=self._note_digest,
        )

    def _note_digest(self, part: Path) -> None:
        clear_peak_time(part)
        self.sha256 = file_sha256(part)
