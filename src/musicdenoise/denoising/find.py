"""Finding the songs of an input, which is a file, a folder, or a pattern."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio import AUDIO_SUFFIXES, find_audio
from musicdenoise.errors import AudioReadError, UsageError
from musicdenoise.runtime.remote import RemotePath

SUFFIX = "_denoised"
"""Ending of the name of a result."""

RESIDUAL_SUFFIX = "_residual"
"""Ending of the name of what was removed."""

PREVIEW_SUFFIX = "_preview"
"""Ending of the name of a result that is only a stretch of the song."""

_RESULT_SUFFIXES = (SUFFIX, RESIDUAL_SUFFIX, PREVIEW_SUFFIX)
_WILDCARDS = re.compile(r"[*?\[]")
Missing = tuple[Path, AudioReadError]
"""An input without songs, and the reason."""


@dataclass(frozen=True)
class Found:
    """A song, and its folder below the input that led to it."""

    song: Path
    folder: Path = Path()


def exists(path: Path) -> bool:
    """Whether there is a file or folder of this name, even if the name is too long for one."""
    try:
        return path.exists()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder of this name."""
    return exists(path) and path.is_dir()


def is_pattern(given: Path) -> bool:
    """Whether a name is that of no file and holds ``*``, ``?`` or ``[``."""
    return _WILDCARDS.search(str(given)) is not None and not exists(given)


def find_songs(given: Path) -> tuple[list[Found], list[Missing]]:
    """The songs of one input, and what is missing or cannot be read.

    A folder means all audio files in it and its sub-folders, also those that links lead to.

    Raises
    ------
    UsageError
        If a pattern makes no sense, or a package for a remote path is not installed.
    """
    if isinstance(given, RemotePath):
        return _find_remote(given)
    if is_pattern(given):
        return _find_by_pattern(given)
    if is_folder(given):
        songs, failures = _find_in_folder(given)
        if not songs and not failures:
            missing = AudioReadError(f"{given}: holds no audio files; give files, or another folder")
            failures = [(given, missing)]
        return songs, failures
    if not exists(given):
        return [], [(given, AudioReadError(f"{given}: there is no such file or folder"))]
    return [Found(given)], []


def _find_in_folder(folder: Path) -> tuple[list[Found], list[Missing]]:
    """Songs in a folder and those inside it; folders that cannot be read are failures."""
    errors: list[OSError] = []
    songs: list[Path] = []
    known = {folder.resolve()}
    for place, inside, _ in os.walk(folder, onerror=errors.append, followlinks=True):
        inside[:] = [name for name in inside if not name.startswith(".") and _is_new(place, name, known)]
        try:
            songs += find_audio(place, recursive=False)
        except OSError as error:  # its names may be read, but nothing about the files
            error.filename = place
            errors.append(error)
    found = [Found(song, song.parent.relative_to(folder)) for song in sorted(songs) if not _is_result(song)]
    return found, _left_out(errors)


def _is_new(place: str, name: str, known: set[Path]) -> bool:
    """Whether to enter a folder: not if it is a link to a place that holds a known folder, or is in one."""
    path = Path(place, name)
    if not path.is_symlink():
        return True
    real = path.resolve()
    if any(real.is_relative_to(other) or other.is_relative_to(real) for other in known):
        return False
    known.add(real)
    return True


def _left_out(errors: list[OSError]) -> list[Missing]:
    """Folders that cannot be read."""
    return [
        (
            Path(error.filename),
            AudioReadError(f"{error.filename}: cannot be read: {error.strerror}; its songs are left out"),
        )
        for error in errors
    ]


def _find_by_pattern(pattern: Path) -> tuple[list[Found], list[Missing]]:
    """Songs that fit a pattern, each once, and those in folders that do."""
    fixed = next(i for i, part in enumerate(pattern.parts) if _WILDCARDS.search(part))
    base = Path(*pattern.parts[:fixed])
    try:
        matches = sorted(base.glob(str(Path(*pattern.parts[fixed:]))))  # passes over folders it cannot read
    except ValueError as error:
        raise UsageError(
            f"the pattern {pattern} makes no sense: {error}; ** stands alone between slashes"
        ) from error
    is_result_wanted = any(suffix in pattern.name for suffix in _RESULT_SUFFIXES)
    is_hidden_wanted = _is_hidden(Path(*pattern.parts[fixed:]))
    songs: dict[Path, Found] = {}
    failures: dict[Path, AudioReadError] = {}
    if "**" in pattern.parts:
        errors: list[OSError] = []
        for _ in os.walk(base, onerror=errors.append):
            pass
        failures = dict(_left_out(errors))
    for match in matches:
        inner = match.relative_to(base)
        if _is_hidden(inner) and not is_hidden_wanted:
            continue
        if is_folder(match):
            inside, unreadable = _find_in_folder(match)
            songs |= {item.song: Found(item.song, inner / item.folder) for item in inside}
            failures |= dict(unreadable)
        elif is_result_wanted or not _is_result(match):
            songs[match] = Found(match, inner.parent)
    if not songs and not failures:
        reason = "there is no such file or folder"
        if any(_is_result(match) for match in matches):
            reason = "only results of earlier runs fit it; name them to denoise them again"
        failures[pattern] = AudioReadError(f"{pattern}: {reason}")
    return list(songs.values()), list(failures.items())


def _find_remote(given: RemotePath) -> tuple[list[Found], list[Missing]]:
    """The same for an address; a pattern finds files only, not folders."""
    if given.suffix.lower() in AUDIO_SUFFIXES and not _WILDCARDS.search(given.name):
        return [Found(given)], []  # fetching it tells whether it is there
    try:
        files = given.files()
    except AudioReadError as error:
        return [], [(given, error)]
    fixed = next((i for i, part in enumerate(given.parts) if _WILDCARDS.search(part)), len(given.parts))
    is_result_wanted = any(suffix in given.name for suffix in _RESULT_SUFFIXES)
    found = [
        Found(file, Path(*file.parent.parts[fixed:]))
        for file in files
        if file.suffix.lower() in AUDIO_SUFFIXES
        and not _is_hidden(Path(*file.parts[fixed:]))
        and (is_result_wanted or not _is_result(file))
    ]
    if not found:
        return [], [(given, AudioReadError(f"{given}: there are no audio files; give others, or a folder"))]
    return found, []


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_result(song: Path) -> bool:
    return song.stem.endswith(_RESULT_SUFFIXES)
