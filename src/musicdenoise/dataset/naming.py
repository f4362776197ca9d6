"""Names of the files of a dataset: those of NoiseRemover, safe on every file system."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from musicdenoise.dataset.plan import NoisePick

_MOST_BYTES = 72  # two slugs and the rest stay below the 255 bytes that file systems allow


def slug(text: str) -> str:
    """Text with letters and digits of any script kept and everything else as single hyphens, cut short."""
    plain = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", text)).strip("-_")
    return plain.encode()[:_MOST_BYTES].decode(errors="ignore").strip("-_") or "unnamed"


def pair_name(role: str, song: int, pair: int, noise: NoisePick | None, song_name: str, suffix: str) -> str:
    """``INPUT-S1N2-(dog_bark-7061-6-0-0)-(Artist-Title).wav``; ``CLEAN`` stands for no noise.

    Parameters
    ----------
    role
        ``INPUT`` or ``TARGET``.
    song, pair
        Numbers, from 1.
    noise
        The noise, or None for a clean target.
    song_name, suffix
        Name of the song, and suffix of the file without its dot.
    """
    return f"{role}-S{song}N{pair}-({_noise_slug(noise)})-({slug(song_name)}).{suffix}"


def clean_name(song: int, song_name: str, suffix: str) -> str:
    """``CLEAN-S1-(Artist-Title).wav``."""
    return f"CLEAN-S{song}-({slug(song_name)}).{suffix}"


def _noise_slug(noise: NoisePick | None) -> str:
    if noise is None:
        return "CLEAN"
    if noise.path is None:
        return noise.label
    return slug(f"{noise.label}-{PurePosixPath(noise.name).stem}")
