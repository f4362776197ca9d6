"""Songs and results that are not on this machine: songs are fetched first, results are stored at the end.

In between they are files in a temporary folder, which is removed in any case.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from musicdenoise.denoising.denoise_report import DenoiseReport
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.files import denoise_file
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.errors import MusicDenoiseError
from musicdenoise.runtime.remote import RemotePath


def denoise_staged(
    denoiser: SongDenoiser,
    source: Path,
    target: Path,
    *,
    options: FileOptions,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> DenoiseReport:
    """Denoise a file as `denoise_file` does; source, target and residual may be a `RemotePath`.

    Raises
    ------
    AudioError
        As `denoise_file`, and if a file cannot be fetched or stored.
    UsageError
        If a package for a remote path is not installed.
    """
    places = (source, target, options.residual)
    if not any(isinstance(place, RemotePath) for place in places):
        return denoise_file(denoiser, source, target, options=options, on_progress=on_progress)
    with tempfile.TemporaryDirectory(prefix="musicdenoise-") as folder:
        local = {
            place: Path(folder, role, place.name) if isinstance(place, RemotePath) else place
            for role, place in zip(("source", "target", "residual"), places, strict=True)
            if place is not None
        }
        if isinstance(target, RemotePath):
            target.check_writable()  # before the work, not after it
        if isinstance(source, RemotePath):
            local[source].parent.mkdir()
            source.fetch(local[source])
        residual = None if options.residual is None else local[options.residual]
        try:
            report = denoise_file(
                denoiser,
                local[source],
                local[target],
                options=replace(options, residual=residual),
                on_progress=on_progress,
            )
        except MusicDenoiseError as error:
            raise _with_names(error, local) from error.__cause__
        # The result comes last: once it is there, nothing is missing.
        for place, is_kept in ((options.residual, not options.overwrite_extras), (target, True)):
            if isinstance(place, RemotePath):
                place.store(local[place], replace=options.overwrite or not is_kept)
    return replace(report, source=source, target=target, residual=options.residual)


def _with_names(error: MusicDenoiseError, local: dict[Path, Path]) -> MusicDenoiseError:
    """The error, about the files as the user knows them."""
    message = error.args[0]
    for place, path in local.items():
        message = message.replace(str(path), str(place))
    return type(error)(message, **error.fields)
