"""The songs that a browser has sent: each in a folder of its own, for as long as the server runs.

A name from a browser is text from outside. Only what any file system takes is left of it, so that the result
and messages can still be called after the song.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio import probe
from musicdenoise.denoising.plan import Job, plan_jobs
from musicdenoise.errors import AudioError, AudioWriteError, UsageError

MOST_BYTES = 2**30
"""Largest song that is taken: an hour and a half of stereo at 96 kHz and 16 bits. Chosen."""
MOST_SONGS = 4
"""Songs that are kept at a time: a few open pages. Chosen."""

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\[\]]')
_LONGEST_NAME = 60  # characters; in UTF-8 up to 240 bytes, and systems take 255 with what is added


@dataclass(frozen=True, kw_only=True)
class StoredSong:
    """A song on the shelf.

    Parameters
    ----------
    key
        What the browser calls it; nobody can guess it.
    job
        Its file, and where the result goes.
    seconds
        Its length.
    """

    key: str
    job: Job
    seconds: float

    @property
    def name(self) -> str:
        """Name of its file."""
        return self.job.source.name

    @property
    def preview(self) -> Path:
        """Where a preview goes."""
        return self.job.source.with_name("preview") / "preview.wav"

    def plain(self, error: object) -> str:
        """The message of an error, without the folder that nobody knows."""
        return str(error).replace(f"{self.job.source.parent}", "").replace(f"/{self.name}", self.name)


class Shelf:
    """Songs in a folder; the oldest goes when there are too many.

    Parameters
    ----------
    folder
        An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._songs: dict[str, StoredSong] = {}

    def get(self, key: str) -> StoredSong | None:
        """A song, or None if it is no longer there."""
        return self._songs.get(key)

    def remove(self, key: str) -> None:
        """Delete a song and all that was made of it."""
        if self._songs.pop(key, None) is not None:
            shutil.rmtree(self._folder / key, ignore_errors=True)

    async def take(self, name: str, chunks: AsyncIterator[bytes]) -> StoredSong:
        """Store a song that arrives in chunks.

        Raises
        ------
        UsageError
            If it is larger than `MOST_BYTES`.
        AudioError
            If it cannot be stored, or is no song that can be read.
        """
        key = secrets.token_urlsafe(16)
        path = self._folder / key / _plain_name(name)
        try:
            path.parent.mkdir(mode=0o700)
            await _store(path, chunks)
            song = _song(key, path)
        except BaseException:  # also if the browser goes away
            shutil.rmtree(path.parent, ignore_errors=True)
            raise
        self._songs[key] = song
        for oldest in list(self._songs)[:-MOST_SONGS]:
            self.remove(oldest)
        return song


async def _store(path: Path, chunks: AsyncIterator[bytes]) -> None:
    size = 0
    try:
        with path.open("xb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise UsageError(
                        f"{path.name}: is larger than {MOST_BYTES / 2**30:.0f} GiB; "
                        "use 'musicdenoise denoise' for such files"
                    )
                file.write(chunk)
    except OSError as error:
        raise AudioWriteError(
            f"{path.name}: cannot be stored in {path.parents[1]}: {error.strerror}; make room there"
        ) from error


def _song(key: str, path: Path) -> StoredSong:
    try:
        seconds = probe(path).duration_seconds
        jobs, failures = plan_jobs([path], None)
    except AudioError as error:
        raise type(error)(str(error).replace(str(path), path.name)) from error
    assert not failures  # it could be read
    return StoredSong(key=key, job=jobs[0], seconds=seconds)


def _plain_name(name: str) -> str:
    """A file name that stands for nothing but a file in any folder, with the suffix of ``name``."""
    plain = _NOT_IN_NAMES.sub("_", name).strip(" .") or "song"
    stem, dot, suffix = plain.rpartition(".")
    return f"{stem[:_LONGEST_NAME]}.{suffix[:8]}" if dot else plain[:_LONGEST_NAME]
