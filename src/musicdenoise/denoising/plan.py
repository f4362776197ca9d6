"""Which file becomes which: inputs to outputs, before anything is opened for writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio import AUDIO_SUFFIXES, find_audio
from musicdenoise.denoising.ends import PIPE
from musicdenoise.errors import AudioReadError, UsageError

__all__ = ["SUFFIX", "Job", "plan_jobs"]

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
    """

    source: Path
    target: Path

    @property
    def residual(self) -> Path:
        """Beside the target: ``NAME_residual.EXT``, where NAME is that without ``_denoised``."""
        return self.target.with_name(
            f"{self.target.stem.removesuffix(SUFFIX)}{RESIDUAL_SUFFIX}{self.target.suffix}"
        )


def plan_jobs(inputs: Sequence[Path], output: Path | None) -> tuple[list[Job], list[AudioReadError]]:
    """Decide where the result of each input goes.

    A folder stands for all audio files in it and in its sub-folders, but for results of earlier runs
    (``..._denoised`` and ``..._residual``). Results go beside their inputs, or into the folder
    ``output``, in which the sub-folders of an input folder are mirrored. For a single input file
    ``output`` may be a file. ``-`` is standard input or output; it stands alone.

    Parameters
    ----------
    inputs
        Files and folders.
    output
        File or folder, or None for beside the input.

    Returns
    -------
    jobs : list of Job
        In the order of the inputs; folders sorted by name.
    failures : list of AudioReadError
        Inputs that are missing or folders without audio.

    Raises
    ------
    UsageError
        If two results would have the same name, a result would replace its input, or several inputs
        are to go into one file.
    """
    if PIPE in inputs or output == PIPE:
        return [_plan_pipe(inputs, output)], []
    jobs: list[Job] = []
    failures: list[AudioReadError] = []
    as_file = output is not None and _is_file_name(output)
    if as_file and (len(inputs) > 1 or inputs[0].is_dir()):
        raise UsageError(
            f"the output {output} is a file, but there are several inputs: give a folder with -o"
        )
    for path in inputs:
        if path.is_dir():
            found = [file for file in find_audio(path) if not file.stem.endswith((SUFFIX, RESIDUAL_SUFFIX))]
            if not found:
                failures.append(
                    AudioReadError(f"{path}: holds no audio files; give files, or another folder")
                )
            for file in found:
                folder = file.parent if output is None else output / file.parent.relative_to(path)
                jobs.append(Job(source=file, target=folder / _result_name(file)))
        elif not path.exists():
            failures.append(AudioReadError(f"{path}: there is no such file or folder"))
        elif output is not None and as_file:
            jobs.append(Job(source=path, target=output))
        else:
            jobs.append(Job(source=path, target=(output or path.parent) / _result_name(path)))
    _check_distinct(jobs)
    return jobs, failures


def _plan_pipe(inputs: Sequence[Path], output: Path | None) -> Job:
    if len(inputs) > 1 or inputs[0].is_dir():
        raise UsageError("standard input and output (-) take a single song: give one input")
    if output is not None and output != PIPE and not _is_file_name(output):
        raise UsageError(f"standard input needs a file to go into, {output} is none: give -o FILE or -o -")
    return Job(source=inputs[0], target=output or PIPE)


def _is_file_name(output: Path) -> bool:
    return not output.is_dir() and output.suffix.lower() in AUDIO_SUFFIXES


def _result_name(source: Path) -> str:
    return f"{source.stem}{SUFFIX}{source.suffix}"


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
