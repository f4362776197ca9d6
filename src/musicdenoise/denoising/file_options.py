"""Settings for files: what is replaced, what else is written, and which format the result has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio import AudioInfo
from musicdenoise.errors import AudioError, ConfigurationError

BIT_DEPTHS = {"16": ("PCM_16", "ALAC_16"), "24": ("PCM_24", "ALAC_24"), "32f": ("FLOAT",)}
"""Bit depths that can be chosen, and their subtypes; 32f is floating point."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are treated.

    Parameters
    ----------
    overwrite
        Whether existing files are replaced.
    overwrite_extras
        Whether existing residuals are replaced, because an interrupted run left them.
    keep_format
        Whether a target with the song's suffix gets the format of the song's content, even if the suffix is
        wrong. Otherwise the suffix decides.
    residual
        Where to write what was removed, or None.
    picture
        Where to draw the spectrograms, as PNG, or None; an existing file is replaced.
    start_seconds, duration_seconds
        Stretch of the song to denoise, for a preview; all of it by default.
    bit_depth
        One of `BIT_DEPTHS` for lossless results; None for that of the song.
    bitrate
        Bits per second over all channels, for lossy results. None for that of the song, or for a high one
        if the song has another codec.
    """

    overwrite: bool = False
    overwrite_extras: bool = False
    keep_format: bool = False
    residual: Path | None = None
    picture: Path | None = None
    start_seconds: float = 0.0
    duration_seconds: float | None = None
    bit_depth: str | None = None
    bitrate: int | None = None

    def __post_init__(self) -> None:
        for name in ("residual", "picture"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        if not 0.0 <= self.start_seconds < math.inf:
            raise ConfigurationError.wrong("start_seconds", self.start_seconds, "0 or more")
        if self.duration_seconds is not None and not 0.0 < self.duration_seconds < math.inf:
            raise ConfigurationError.wrong("duration_seconds", self.duration_seconds, "positive")
        if self.bit_depth is not None and self.bit_depth not in BIT_DEPTHS:
            raise ConfigurationError.wrong(
                "bit_depth", self.bit_depth, f"one of {', '.join(BIT_DEPTHS)}", repr(self.bit_depth)
            )
        if self.bitrate is not None and self.bitrate <= 0:
            raise ConfigurationError.wrong("bitrate", self.bitrate, "positive")

    @property
    def is_cut(self) -> bool:
        """Whether only a stretch of the song is denoised."""
        return self.start_seconds > 0.0 or self.duration_seconds is not None

    def stretch(self, info: AudioInfo) -> tuple[int, int]:
        """First sample and number of samples to denoise.

        Raises
        ------
        AudioError
            If the stretch begins after the end of the song.
        """
        start = round(min(self.start_seconds, info.duration_seconds) * info.sample_rate)
        if start and start >= info.num_samples:
            raise AudioError(
                f"{info.path}: is {info.duration_seconds:.2f} s long; it cannot be denoised from "
                f"{self.start_seconds:g} s on"
            )
        rest = info.num_samples - start
        if self.duration_seconds is None:
            return start, rest
        return start, round(min(self.duration_seconds * info.sample_rate, rest))
