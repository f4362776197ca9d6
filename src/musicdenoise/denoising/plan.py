"""Decide which input goes to which output, before anything is opened for writing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from musicdenoise.audio import (
    AUDIO_SUFFIXES,
    FORMATS,
    READ_SUFFIXES,
    container_for_suffix,
    writable_container,
)
from musicdenoise.denoising.find import (
    PREVIEW_SUFFIX,
    RESIDUAL_SUFFIX,
    SUFFIX,
    Found,
    Missing,
    exists,
    find_songs,
    is_folder,
    is_pattern,
)
from musicdenoise.denoising.song_input import PIPE
from musicdenoise.errors import UsageError
from musicdenoise.runtime.remote import RemotePath

# Endings that look as if a format were meant: ".mpp3", but neither ".5" nor ". Live at Home".
_LIKE_A_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}")


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
        Where what was removed and the spectrograms go; None if they are not wanted.
    folder
        Folder of the song relative to the input folder, or to the fixed part of the pattern; ``.`` otherwise.
    keeps_format
        Whether the result has the song's format because no other was asked for.
    """

    source: Path
    target: Path
    residual: Path | None = None
    picture: Path | None = None
    folder: Path = Path()
    keeps_format: bool = True

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files to be written, the result first. Standard output does not count."""
        paths = (self.target, self.residual, self.picture)
        return tuple(path for path in paths if path is not None and path != PIPE)


def plan_jobs(
    inputs: Sequence[Path],
    output: Path | None,
    suffix: str | None = None,
    *,
    residuals: bool = False,
    pictures: Path | None = None,
    previews: bool = False,
) -> tuple[list[Job], list[Missing]]:
    """Decide where the result of each input goes.

    A folder means all audio files in it and in its sub-folders. A name with ``*``, ``?`` or ``[`` that does
    not exist is a pattern; ``**`` in it means any folders. Both skip hidden files and results of earlier
    runs (``..._denoised``, ``..._residual`` and ``..._preview``), unless the pattern names them. Results go
    beside their inputs, or into the folder ``output``, which keeps the folders below an input folder or
    below the fixed part of a pattern. For a single input file ``output`` may be a file. ``-`` is standard
    input or output, and must be the only one. A `RemotePath` is treated in the same way.

    Parameters
    ----------
    inputs
        Files, folders and patterns.
    output
        File or folder, or None for beside the input.
    suffix
        Suffix of the results, such as ``".flac"``. None for that of each input, or for the format to write
        instead if the input's is only read.
    residuals
        Whether to write what was removed, as ``NAME_residual.EXT`` beside the result.
    pictures
        Folder for spectrograms, as ``NAME_report.png``; None for no pictures.
    previews
        Whether only a stretch of each song is denoised. Then the files are called ``NAME_preview.EXT``,
        ``NAME_preview_residual.EXT`` and ``NAME_preview_report.png``, so that they do not pass for the song.
        An output file keeps the name that it was given.

    Returns
    -------
    jobs : list of Job
        In the order of the inputs; the songs of a folder or a pattern are sorted by name.
    failures : list of Missing
        Inputs that are missing, folders without audio, folders that cannot be read.

    Raises
    ------
    UsageError
        If two outputs have the same name, an output would replace an input, several inputs would go into
        one file, its suffix is wrong or unknown, or a pattern makes no sense.
    """
    for place in inputs if output is None else (output,):
        if isinstance(place, RemotePath):
            place.check_writable()
    _check_output(inputs, output, suffix)
    if pictures is not None and exists(pictures) and not pictures.is_dir():
        raise UsageError(f"the reports' folder {pictures} is a file: give a folder")
    jobs, failures = _jobs(inputs, output, suffix, PREVIEW_SUFFIX if previews else SUFFIX)
    if residuals:
        jobs = [replace(job, residual=_residual(job.target)) for job in jobs]
    if pictures is not None:
        jobs = _with_pictures(jobs, pictures, PREVIEW_SUFFIX if previews else "")
    _check_distinct(jobs)
    return jobs, failures


def _jobs(
    inputs: Sequence[Path], output: Path | None, suffix: str | None, ending: str
) -> tuple[list[Job], list[Missing]]:
    """A job for each song of the inputs, and the inputs without songs."""
    if PIPE in inputs or output == PIPE:
        return [_plan_pipe(inputs, output, suffix)], []
    found: list[Found] = []
    failures: list[Missing] = []
    for given in inputs:
        songs, missing = find_songs(given)
        found += songs
        failures += missing
    if output is None or not _is_file_name(output):
        return [_job(item, output, suffix, ending) for item in found], failures
    if len(inputs) > 1 or len(found) > 1 or is_folder(inputs[0]):
        raise UsageError(
            f"the output {output} is a file, but there are several inputs: give a folder with {{output}}",
            output=output,
        )
    return [Job(source=item.song, target=output, keeps_format=False) for item in found], failures


def _is_file_name(output: Path) -> bool:
    return not is_folder(output) and output.suffix.lower() in AUDIO_SUFFIXES


def _check_output(inputs: Sequence[Path], output: Path | None, suffix: str | None) -> None:
    """Refuse an output that can be neither a folder nor a file that is written."""
    if output is None or output == PIPE or is_folder(output):
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
                f"the output {output} is not a {suffix} file: leave the format out, or change the name"
            )
    elif exists(output):
        raise UsageError(
            f"the output {output} is not a folder, and its name says no format: give a folder, or a file "
            f"name that ends in one of {written}"
        )
    elif (
        len(inputs) == 1
        and not is_folder(inputs[0])
        and not is_pattern(inputs[0])
        and _LIKE_A_SUFFIX.fullmatch(own)
    ):
        raise UsageError(
            f"the output {output} has the suffix {own}, which is not a known format: use one of {written}; "
            "if it is to be a folder, make it first"
        )


def _plan_pipe(inputs: Sequence[Path], output: Path | None, suffix: str | None) -> Job:
    if suffix not in (None, ".wav") and (output or PIPE) == PIPE:
        raise UsageError(f"standard output is a stream of WAV, not {suffix}: leave the format out")
    if len(inputs) > 1 or is_folder(inputs[0]):
        raise UsageError("standard input and output (-) take a single song: give one input")
    if output is not None and output != PIPE and not _is_file_name(output):
        raise UsageError(
            f"the result of standard input needs a file, and {output} is not one: give {{output}} FILE, or - "
            "for standard output",
            output=output,
        )
    return Job(source=inputs[0], target=output or PIPE, keeps_format=False)


def _job(item: Found, output: Path | None, suffix: str | None, ending: str) -> Job:
    folder = item.song.parent if output is None else output / item.folder
    name = f"{item.song.stem}{ending}{suffix or _kept_suffix(item.song)}"
    return Job(source=item.song, target=folder / name, folder=item.folder, keeps_format=suffix is None)


def _kept_suffix(song: Path) -> str:
    """The suffix of a song. If its format is only read, that of the format to write instead."""
    if song.suffix.lower() not in AUDIO_SUFFIXES:
        return READ_SUFFIXES.get(song.suffix.lower(), song.suffix)
    container = container_for_suffix(song.suffix)
    written = writable_container(container)
    return song.suffix if written == container else FORMATS[written].suffixes[0]


def _residual(target: Path) -> Path:
    return target.with_name(f"{target.stem.removesuffix(SUFFIX)}{RESIDUAL_SUFFIX}{target.suffix}")


def _with_pictures(jobs: Sequence[Job], folder: Path, ending: str) -> list[Job]:
    taken: dict[Path, int] = {}
    drawn = []
    for job in jobs:
        name = f"{'stdin' if job.source == PIPE else job.source.stem}{ending}"
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
                    f"the output {output} would replace its own input: choose another name with {{output}}",
                    output=output,
                )
            if place in sources:
                raise UsageError(
                    f"the output {output} of {job.source} is an input, too: leave it out of the inputs, or "
                    "choose another folder with {output}",
                    output=output,
                )
            if place in written:
                raise UsageError(
                    f"{written[place]} and {job.source} would both be written to {output}: "
                    "denoise them one at a time, with different names"
                )
            written[place] = job.source
