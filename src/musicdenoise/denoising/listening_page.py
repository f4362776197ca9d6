"""A page to listen to songs before and after, and to what was removed: ``index.html``.

Everything is in one file, so that the page needs no network: sound as FLAC of 16 bits, spectrograms as PNG.
It holds a stretch from the middle of each song, longer if there are few songs.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from musicdenoise.audio import probe, read_audio
from musicdenoise.audio.embedded import to_flac
from musicdenoise.audio.types import Samples
from musicdenoise.core.resample import resample
from musicdenoise.core.stft import levels_db
from musicdenoise.errors import AudioWriteError
from musicdenoise.runtime.atomic import make_folder, write_text
from musicdenoise.runtime.figures import levels_to_png
from musicdenoise.runtime.pages import content_policy, data_url, page_template

PAGE = "index.html"
"""Usual name of the page."""

_MOST_SECONDS = 120.0  # of all songs together: about 50 MB
_SONG_SECONDS = (5.0, 30.0)  # of one song, at least and at most; chosen
_HIGHEST_PEAK = 0.999  # of 16-bit samples; louder versions of a song are lowered together
_RANGE_DB = 90.0  # of spectrograms, below the loudest bin; chosen by eye
_WIDEST_PIXELS = 1_200  # of spectrograms; chosen, not measured
_MARK = '<meta name="generator" content="musicdenoise">'


@dataclass(frozen=True, kw_only=True)
class Listening:
    """A song on the page.

    Parameters
    ----------
    source, target
        Its files before and after.
    words
        What was done with it.
    start_seconds
        Where the result begins in the source.
    """

    source: Path
    target: Path
    words: str
    start_seconds: float = 0.0


def write_listening_page(folder: Path, songs: Sequence[Listening], *, name: str = PAGE) -> Path:
    """Write the page, or replace an earlier one of that name.

    Raises
    ------
    AudioError
        If a song cannot be read.
    AudioWriteError
        If the page cannot be written, or there is another file of its name.
    """
    path = folder / name
    try:
        if path.exists() and _MARK not in path.read_text("utf-8", "replace"):
            raise AudioWriteError(
                f"{path}: is not a page of this program, so it was left alone; choose another folder for "
                "the reports"
            )
    except OSError as error:
        raise AudioWriteError(f"{path}: cannot be read: {error.strerror}; choose another folder") from error
    seconds = float(np.clip(_MOST_SECONDS / max(len(songs), 1), *_SONG_SECONDS))
    make_folder(folder, AudioWriteError)
    template = page_template(_read("listening_page.html"), player())
    sections = "\n".join(song_section(song, seconds) for song in songs)
    page = template.substitute(policy=content_policy(template.template), songs=sections)
    write_text(path, page, AudioWriteError, "choose another folder")
    return path


def player() -> dict[str, str]:
    """Style and script that play the songs of a page, as `page_template` includes them."""
    return {name: _read(name) for name in ("player.css", "player.js")}


def _read(name: str) -> str:
    return (files("musicdenoise") / "denoising" / name).read_text("utf-8")


def song_section(song: Listening, seconds: float) -> str:
    """The part of a page for one song: HTML for the player, with some seconds from its middle.

    Raises
    ------
    AudioError
        If the song cannot be read.
    """
    versions, rate, start = _versions(song, seconds)
    length = versions["before"].shape[1] / rate
    peak = max(float(np.abs(samples).max(initial=0.0)) for samples in versions.values())
    scale = np.float32(min(1.0, _HIGHEST_PEAK / peak) if peak else 1.0)
    levels = {name: levels_db(torch.from_numpy(samples)).numpy() for name, samples in versions.items()}
    top = max(float(seen.max()) for seen in levels.values())
    range_db = (top - _RANGE_DB, top)  # the same for all versions
    name = escape(song.source.name)
    buttons = "".join(
        f'<button type="button" data-version="{version}" aria-pressed="false" '
        f'data-sound="{base64.b64encode(to_flac(samples * scale, rate)).decode()}">'
        f"{number} {version}</button>"
        for number, (version, samples) in enumerate(versions.items(), start=1)
    )
    pictures = "".join(
        f'<div class="picture" data-picture="{version}"><img alt="Spectrogram {version} of {name}" '
        f'src="{data_url(levels_to_png(seen, range_db, _WIDEST_PIXELS), "image/png")}">'
        f'<span>{version}</span><div class="cursor"></div></div>'
        for version, seen in levels.items()
    )
    words = escape(song.words[:1].upper() + song.words[1:])
    stretch = f"{length:.0f} s of it are here, from {start:.0f} s on." if start else ""
    return (
        f'<section class="song" aria-label="{name}"><h2>{name}</h2>\n<p>{words}. {stretch}</p>\n'
        f'<div class="controls"><button type="button" class="toggle">Play</button>{buttons}'
        f'<input type="range" min="0" max="{length:.3f}" step="0.01" value="0" aria-label="Place in {name}, '
        f'in seconds"></div>\n{pictures}</section>'
    )


def _versions(song: Listening, seconds: float) -> tuple[dict[str, Samples], int, float]:
    """Before, after and removed ``(channels, samples)``, their rate, and where they begin in s."""
    info = probe(song.target)
    start = max(0.0, (info.duration_seconds - seconds) / 2.0)
    rate = info.sample_rate
    after = read_audio(song.target, start=round(start * rate), num_samples=round(seconds * rate)).samples
    source_rate = probe(song.source).sample_rate
    before = read_audio(
        song.source,
        start=round((song.start_seconds + start) * source_rate),
        num_samples=round(seconds * source_rate),
    ).samples
    before = resample(torch.from_numpy(before), source_rate, rate).numpy()
    count = min(before.shape[1], after.shape[1])
    before, after = before[:, :count], after[:, :count]
    return {"before": before, "after": after, "removed": before - after}, rate, start
