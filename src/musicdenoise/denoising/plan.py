"""Which file becomes which: inputs to outputs, before anything is opened for writing."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from musicdenoise.audio import AUDIO_SUFFIXES, FORMATS, container_for_suffix, find_audio, writable_container
from musicdenoise.denoising.ends import PIPE
from musicdenoise.errors import AudioReadError, UsageError

__all__ = ["SUFFIX", "Failure", "Job", "exists", "plan_jobs"]

SUFFIX = "_denoised"
RESIDUAL_SUFFIX = "_residual"

_WILDCARDS = re.compile(r"[*?\[]")
# Endings that look as if a format were meant: ".mpp3", but neither ".5" nor ". Live at Home".
_LIKE_A_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}")

Failure = tuple[Path, AudioReadError]
"""An input of which nothing can be denoised, and why."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One song to denoise.

    Parameters
    ----------
    source
        The noisy song.
    target
        Where the result goes.
    residual, picture
        Where what was removed and the spectrograms go; None where they are not wanted.
    folder
        Folder of the song in the input folder, or below the fixed part of the pattern, that it was found
        by; ``.`` otherwise.
    keeps_format
        Whether no format was asked for, so that the result has that of the song.
    """

    source: Path
    target: Path
    residual: Path | None = None
    picture: Path | None = None
    folder: Path = Path()
    keeps_format: bool = True

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files to be written, the result first; standard output is none."""
        paths = (self.target, self.residual, self.picture)
        return tuple(path for path in paths if path is not None and path != PIPE)


@dataclass(frozen=True)
class _Found:
    """A song, and its folder below what it was found by."""

    song: Path
    folder: Path = Path()


def plan_jobs(
    inputs: Sequence[Path],
    output: Path | None,
    suffix: str | None = None,
    *,
    residuals: bool = False,
    pictures: Path | None = None,
) -> tuple[list[Job], list[Failure]]:
    """Decide where the result of each input goes.

    A folder stands for all audio files in it and in its sub-folders. A name that does not exist and holds
    ``*``, ``?`` or ``[`` is a pattern, in which ``**`` stands for any folders; shells usually have
    replaced it. Both pass over hidden files and results of earlier runs (``..._denoised`` and
    ``..._residual``), unless the pattern names them. Results go beside their inputs, or into the folder
    ``output``, in which the folders below an input folder, or below the fixed part of a pattern, are
    mirrored. For a single input file ``output`` may be a file. ``-`` is standard input or output; it
    stands alone.

    Parameters
    ----------
    inputs
        Files, folders and patterns.
    output
        File or folder, or None for beside the input.
    suffix
        Suffix of the results, such as ``".flac"``; None for that of each input, or where that format is
        only read, of the one to write instead.
    residuals
        Whether what was removed is written, too, as ``NAME_residual.EXT`` beside the result.
    pictures
        Folder for spectrograms, as ``NAME_report.png``, folders mirrored, no name twice; None for none.

    Returns
    -------
    jobs : list of Job
        In the order of the inputs; what a folder or a pattern stands for is sorted by name.
    failures : list of Failure
        Inputs that are missing, folders without audio, folders that cannot be read.

    Raises
    ------
    UsageError
        If two outputs would have the same name, an output would replace an input, several inputs are to
        go into one file, that file has another suffix or one of no known format, or a pattern is none.
    """
    _check_output(inputs, output, suffix)
    if pictures is not None and exists(pictures) and not pictures.is_dir():
        raise UsageError(f"the reports' folder {pictures} is a file: give a folder")
    failures: list[Failure] = []
    if PIPE in inputs or output == PIPE:
        jobs = [_plan_pipe(inputs, output, suffix)]
    else:
        found: list[_Found] = []
        for given in inputs:
            songs, missing = _find(given)
            found += songs
            failures += missing
        if output is not None and _is_file_name(output):
            if len(inputs) > 1 or len(found) > 1 or _is_folder(inputs[0]):
                raise UsageError(
                    f"the output {output} is a file, but there are several inputs: give a folder with -o"
                )
            jobs = [Job(source=item.song, target=output, keeps_format=False) for item in found]
        else:
            jobs = [_job(item, output, suffix) for item in found]
    if residuals:
        jobs = [replace(job, residual=_residual(job.target)) for job in jobs]
    if pictures is not None:
        jobs = _with_pictures(jobs, pictures)
    _check_distinct(jobs)
    return jobs, failures


def exists(path: Path) -> bool:
    """Whether there is a file or folder of this name; no name is too long to ask."""
    try:
        return path.exists()
    except OSError:
        return False


def _is_folder(path: Path) -> bool:
    return exists(path) and path.is_dir()


def _is_file_name(output: Path) -> bool:
    return not _is_folder(output) and output.suffix.lower() in AUDIO_SUFFIXES


def _is_pattern(given: Path) -> bool:
    return _WILDCARDS.search(str(given)) is not None and not exists(given)


def _check_output(inputs: Sequence[Path], output: Path | None, suffix: str | None) -> None:
    """Refuse an output that can be neither a folder nor a file that is written."""
    if output is None or output == PIPE or _is_folder(output):
        return
    written = ", ".join(sorted({s for form in FORMATS.values() if form.subtypes for s in form.suffixes}))
    own = output.suffix.lower()
    if _is_file_name(output):
        if not FORMATS[container_for_suffix(own)].subtypes:
            raise UsageError(
                f"the output {output} cannot be written: {own} is only read; name it .m4a instead"
            )
        if suffix is not None and own != suffix:
            raise UsageError(
                f"the output {output} is no {suffix} file: leave the format out, or change the name"
            )
    elif exists(output):
        raise UsageError(
            f"the output {output} is no folder, and its name tells no format: give a folder, or a file name "
            f"that ends in one of {written}"
        )
    elif (
        len(inputs) == 1
        and not _is_folder(inputs[0])
        and not _is_pattern(inputs[0])
        and _LIKE_A_SUFFIX.fullmatch(own)
    ):
        raise UsageError(
            f"the output {output} has the suffix {own} of no known format: use one of {written}; "
            "if it is to be a folder, make it first"
        )


def _plan_pipe(inputs: Sequence[Path], output: Path | None, suffix: str | None) -> Job:
    if suffix not in (None, ".wav") and (output or PIPE) == PIPE:
        raise UsageError(f"standard output is a stream of WAV, not {suffix}: leave the format out")
    if len(inputs) > 1 or _is_folder(inputs[0]):
        raise UsageError("standard input and output (-) take a single song: give one input")
    if output is not None and output != PIPE and not _is_file_name(output):
        raise UsageError(f"standard input needs a file to go into, {output} is none: give -o FILE or -o -")
    return Job(source=inputs[0], target=output or PIPE, keeps_format=False)


def _find(given: Path) -> tuple[list[_Found], list[Failure]]:
    """The songs that one input stands for."""
    if _is_pattern(given):
        return _find_by_pattern(given)
    if _is_folder(given):
        songs, failures = _find_in_folder(given)
        if not songs and not failures:
            missing = AudioReadError(f"{given}: holds no audio files; give files, or another folder")
            failures = [(given, missing)]
        return songs, failures
    if not exists(given):
        return [], [(given, AudioReadError(f"{given}: there is no such file or folder"))]
    return [_Found(given)], []


def _find_in_folder(folder: Path) -> tuple[list[_Found], list[Failure]]:
    """Songs in a folder and those inside it; folders that cannot be read are failures."""
    errors: list[OSError] = []
    songs: list[Path] = []
    for place, inside, _ in os.walk(folder, onerror=errors.append):
        inside[:] = [name for name in inside if not name.startswith(".")]
        try:
            songs += find_audio(place, recursive=False)
        except OSError as error:  # its names may be read, but nothing about the files
            error.filename = place
            errors.append(error)
    found = [_Found(song, song.parent.relative_to(folder)) for song in sorted(songs) if not _is_result(song)]
    return found, _left_out(errors)


def _left_out(errors: list[OSError]) -> list[Failure]:
    """Folders that cannot be read."""
    return [
        (
            Path(error.filename),
            AudioReadError(f"{error.filename}: cannot be read: {error.strerror}; its songs are left out"),
        )
        for error in errors
    ]


def _find_by_pattern(pattern: Path) -> tuple[list[_Found], list[Failure]]:
    """Songs that fit a pattern, each once, and those in folders that do."""
    fixed = next(i for i, part in enumerate(pattern.parts) if _WILDCARDS.search(part))
    base = Path(*pattern.parts[:fixed])
    try:
        matches = sorted(base.glob(str(Path(*pattern.parts[fixed:]))))  # passes over folders it cannot read
    except ValueError as error:
        raise UsageError(
            f"the pattern {pattern} makes no sense: {error}; ** stands alone between slashes"
        ) from error
    is_result_wanted = SUFFIX in pattern.name or RESIDUAL_SUFFIX in pattern.name
    is_hidden_wanted = _is_hidden(Path(*pattern.parts[fixed:]))
    songs: dict[Path, _Found] = {}
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
        if _is_folder(match):
            inside, unreadable = _find_in_folder(match)
            songs |= {item.song: _Found(item.song, inner / item.folder) for item in inside}
            failures |= dict(unreadable)
        elif is_result_wanted or not _is_result(match):
            songs[match] = _Found(match, inner.parent)
    if not songs and not failures:
        reason = "there is no such file or folder"
        if any(_is_result(match) for match in matches):
            reason = "only results of earlier runs fit it; name them to denoise them again"
        failures[pattern] = AudioReadError(f"{pattern}: {reason}")
    return list(songs.values()), list(failures.items())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_result(song: Path) -> bool:
    return song.stem.endswith((SUFFIX, RESIDUAL_SUFFIX))


def _job(item: _Found, output: Path | None, suffix: str | None) -> Job:
    folder = item.song.parent if output is None else output / item.folder
    name = f"{item.song.stem}{SUFFIX}{suffix or _kept_suffix(item.song)}"
    return Job(source=item.song, target=folder / name, folder=item.folder, keeps_format=suffix is None)


def _kept_suffix(song: Path) -> str:
    """The suffix of a song, or where that format is only read, of the one that is written instead."""
    if song.suffix.lower() not in AUDIO_SUFFIXES:
        return song.suffix
    container = container_for_suffix(song.suffix)
    written = writable_container(container)
    return song.suffix if written == container else FORMATS[written].suffixes[0]


def _residual(target: Path) -> Path:
    return target.with_name(f"{target.stem.removesuffix(SUFFIX)}{RESIDUAL_SUFFIX}{target.suffix}")


def _with_pictures(jobs: Sequence[Job], folder: Path) -> list[Job]:
    taken: dict[Path, int] = {}
    drawn = []
    for job in jobs:
        name = "stdin" if job.source == PIPE else job.source.stem
        path = folder / job.folder / f"{name}_report.png"
        taken[path] = count = taken.get(path, 0) + 1
        picture = path if count == 1 else path.with_name(f"{name}_report-{count}.png")
        drawn.append(replace(job, picture=picture))
    return drawn


def _check_distinct(jobs: Sequence[Job]) -> None:
    """Refuse outputs that would replace inputs, or each other."""
    sources = {job.source.resolve() for job in jobs}
    written: dict[Path, Path] = {}
    for job in jobs:
        for output in job.outputs:
            place = output.resolve()
            if place == job.source.resolve():
                raise UsageError(
                    f"the output {output} would replace its own input: choose another name with -o"
                )
            if place in sources:
                raise UsageError(
                    f"the output {output} of {job.source} is an input, too: leave it out of the inputs, or "
                    "choose another folder with -o"
                )
            if place in written:
                raise UsageError(
                    f"{written[place]} and {job.source} would both be written to {output}: "
                    "denoise them one at a time, with different names"
                )
            written[place] = job.source
