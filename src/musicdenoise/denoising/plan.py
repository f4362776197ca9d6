"""Which file becomes which: inputs to outputs, before anything is opened for writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio import AUDIO_SUFFIXES, find_audio
from musicdenoise.denoising.ends import PIPE
from musicdenoise.errors import AudioReadError, UsageError

__all__ = ["SUFFIX", "Job", "exists", "picture_paths", "plan_jobs"]

SUFFIX = "_denoised"
RESIDUAL_SUFFIX = "_residual"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One song to denoise.

    Parameters
    ----------
    source
        The noisy song.
    target
        Where the result goes.
    folder
        Folder of the song in the input folder that it was found in; ``.`` otherwise.
    """

    source: Path
    target: Path
    folder: Path = Path()

    @property
    def residual(self) -> Path:
        """Beside the target: ``NAME_residual.EXT``, where NAME is that without ``_denoised``."""
        return self.target.with_name(
            f"{self.target.stem.removesuffix(SUFFIX)}{RESIDUAL_SUFFIX}{self.target.suffix}"
        )


def plan_jobs(
    inputs: Sequence[Path], output: Path | None, suffix: str | None = None
) -> tuple[list[Job], list[AudioReadError]]:
    """Decide where the result of each input goes.

    A folder stands for all audio files in it and in its sub-folders, but for results of earlier runs
    (``..._denoised`` and ``..._residual``). Results go beside their inputs, or into the folder
    ``output``, in which the sub-folders of an input folder are mirrored. For a single input file
    ``output`` may be a file. ``-`` is standard input or output; it stands alone. A name that does not
    exist and holds ``*``, ``?`` or ``[`` is a pattern, in which ``**`` stands for any folders; shells
    usually have replaced it.

    Parameters
    ----------
    inputs
        Files and folders.
    output
        File or folder, or None for beside the input.
    suffix
        Suffix of the results, such as ``".flac"``; None for that of each input.

    Returns
    -------
    jobs : list of Job
        In the order of the inputs; folders sorted by name.
    failures : list of AudioReadError
        Inputs that are missing or folders without audio.

    Raises
    ------
    UsageError
        If two results would have the same name, a result would replace its input, several inputs are to
        go into one file, or that file has another suffix.
    """
    if output is not None and suffix is not None and _is_file_name(output) and output.suffix != suffix:
        raise UsageError(f"the output {output} is no {suffix} file: leave the format out, or change the name")
    if PIPE in inputs or output == PIPE:
        if suffix not in (None, ".wav") and (output or PIPE) == PIPE:
            raise UsageError(f"standard output is a stream of WAV, not {suffix}: leave the format out")
        return [_plan_pipe(inputs, output)], []
    inputs = [path for pattern in inputs for path in _expand(pattern)]
    jobs: list[Job] = []
    failures: list[AudioReadError] = []
    as_file = output is not None and _is_file_name(output)
    if as_file and (len(inputs) > 1 or _is_folder(inputs[0])):
        raise UsageError(
            f"the output {output} is a file, but there are several inputs: give a folder with -o"
        )
    for path in inputs:
        if _is_folder(path):
            found = [file for file in find_audio(path) if not file.stem.endswith((SUFFIX, RESIDUAL_SUFFIX))]
            if not found:
                failures.append(
                    AudioReadError(f"{path}: holds no audio files; give files, or another folder")
                )
            for file in found:
                inner = file.parent.relative_to(path)
                folder = file.parent if output is None else output / inner
                jobs.append(Job(source=file, target=folder / _result_name(file, suffix), folder=inner))
        elif not exists(path):
            failures.append(AudioReadError(f"{path}: there is no such file or folder"))
        elif output is not None and as_file:
            jobs.append(Job(source=path, target=output))
        else:
            jobs.append(Job(source=path, target=(output or path.parent) / _result_name(path, suffix)))
    _check_distinct(jobs)
    return jobs, failures


def picture_paths(jobs: Sequence[Job], folder: Path) -> list[Path]:
    """Where the picture of each song goes: ``NAME_report.png``, sub-folders mirrored, no name twice."""
    taken: dict[Path, int] = {}
    paths = []
    for job in jobs:
        name = "stdin" if job.source == PIPE else job.source.stem
        path = folder / job.folder / f"{name}_report.png"
        taken[path] = count = taken.get(path, 0) + 1
        paths.append(path if count == 1 else path.with_name(f"{name}_report-{count}.png"))
    return paths


def exists(path: Path) -> bool:
    """Whether there is a file or folder of this name; no name is too long to ask."""
    try:
        return path.exists()
    except OSError:
        return False


def _is_folder(path: Path) -> bool:
    return exists(path) and path.is_dir()


def _plan_pipe(inputs: Sequence[Path], output: Path | None) -> Job:
    if len(inputs) > 1 or _is_folder(inputs[0]):
        raise UsageError("standard input and output (-) take a single song: give one input")
    if output is not None and output != PIPE and not _is_file_name(output):
        raise UsageError(f"standard input needs a file to go into, {output} is none: give -o FILE or -o -")
    return Job(source=inputs[0], target=output or PIPE)


def _is_file_name(output: Path) -> bool:
    return not _is_folder(output) and output.suffix.lower() in AUDIO_SUFFIXES


def _result_name(source: Path, suffix: str | None) -> str:
    return f"{source.stem}{SUFFIX}{suffix or source.suffix}"


def _expand(pattern: Path) -> list[Path]:
    """What a pattern stands for; the path itself where it is none, or nothing fits."""
    if not any(character in str(pattern) for character in "*?[") or exists(pattern):
        return [pattern]
    found = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
    return sorted(found) or [pattern]


def _check_distinct(jobs: Sequence[Job]) -> None:
    sources: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target == job.source.resolve():
            raise UsageError(
                f"the output {job.target} would replace its own input: choose another name with -o"
            )
        if target in sources:
            raise UsageError(
                f"{sources[target]} and {job.source} would both be written to {job.target}: "
                "denoise them one at a time, with different names"
            )
        sources[target] = job.source
