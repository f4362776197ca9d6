"""Whether a result may replace what is there: only plain files are ever replaced."""

from __future__ import annotations

from pathlib import Path

from musicdenoise.errors import AudioWriteError


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check that a file may be put at a path.

    Parameters
    ----------
    path
        The file to be.
    overwrite
        Whether a plain file that is there may be replaced.

    Raises
    ------
    AudioWriteError
        If a file is there and may not be replaced, or there is a folder, a pipe, a device, or a link to
        nothing.
    """
    try:
        is_folder, exists = path.is_dir(), path.exists()
        is_link_to_nothing = path.is_symlink() and not exists
        is_special = exists and not is_folder and not path.is_file()
    except OSError as error:  # a name that is too long, say
        raise AudioWriteError(f"{path}: cannot be written: {error.strerror}; choose another name") from error
    if is_folder:
        raise AudioWriteError(f"{path}: is a folder; give the name of a file")
    if is_link_to_nothing:
        raise AudioWriteError(
            f"{path}: is a link to {path.readlink()}, which is missing; remove the link, or bring its "
            "target back"
        )
    if is_special:
        raise AudioWriteError(
            f"{path}: is a pipe or a device, not a file; give the name of a file, or - to write to standard "
            "output"
        )
    if exists and not overwrite:
        raise already_exists(path)


def already_exists(path: Path) -> AudioWriteError:
    """The error for a file that may not be replaced."""
    return AudioWriteError(f"{path}: already exists; give {{overwrite}} to replace it", overwrite=False)
