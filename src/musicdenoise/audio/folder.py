"""Audio files in a folder."""

from __future__ import annotations

from pathlib import Path

from musicdenoise.audio.formats import AUDIO_SUFFIXES
from musicdenoise.errors import AudioReadError


def find_audio(folder: str | Path, *, recursive: bool = True) -> list[Path]:
    """List the files in a folder whose suffix is that of an audio format.

    Parameters
    ----------
    folder
        Where to look.
    recursive
        Whether to look in the folders inside it, too.

    Returns
    -------
    list of Path
        Sorted. Hidden files and files in hidden folders are left out.

    Raises
    ------
    AudioReadError
        `folder` is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AudioReadError(f"{folder}: is not a folder; give the folder that holds the audio files")
    return sorted(
        path
        for path in (folder.rglob("*") if recursive else folder.glob("*"))
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
