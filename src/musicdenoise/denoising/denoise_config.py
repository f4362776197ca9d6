"""Settings of denoising, for every network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from musicdenoise.core.architecture import SEEN_FRAMES
from musicdenoise.core.overlap import SegmentPlan
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import ConfigurationError
from musicdenoise.runtime.precision import PRECISIONS

CHANNEL_MODES = ("auto", "linked", "independent", "mid-side")


@dataclass(frozen=True, kw_only=True)
class DenoiseConfig:
    """Settings for `Denoiser` and `AutoDenoiser`.

    Parameters
    ----------
    segment_seconds
        Length of the stretches that the network sees at once, in seconds at the network's rate, without
        context. Longer ones are slightly faster and take more memory. The result is the same.
    context_seconds
        What the network sees before and after each stretch. None for 96 STFT frames (1.1 s with the
        pretrained networks), which is all that matters. With 0.75 s results differ by -34 dB.
    strength
        Share of the estimated noise that is removed, 0 (none) to 1 (all).
    atten_limit_db
        The noise is lowered by at most this much, in dB. None for no limit. Some noise that stays hides
        what the network does to the music.
    gate
        Whether the song stays as it is if there is next to nothing to remove, which spares clean music; see
        `musicdenoise.denoising.gate`. The gate is off if the noise is known from a sample.
    find_noise
        Whether to look for noise alone in the song if no sample is given: before, after or between the
        music. In a stream only the first six seconds are searched.
    match_level
        Whether noise samples from other files are brought to the level of the song's noise.
    channels
        ``"linked"`` uses one gain to the network's level for all channels, ``"independent"`` one for each.
        ``"mid-side"`` denoises middle and side of a stereo song, each at its own level. That is better if
        the noise differs between left and right. Songs that are not stereo are linked then, and, with a
        refiner, those with a mono noise sample, which does not say what is in the side. ``"auto"`` is
        mid-side for networks for white noise, and for those with a refiner if the noise is known. It is
        linked otherwise.
    batch_size
        Stretches that are computed at once. None for 1 on processors and 8 on other devices. The output of a
        stream comes later by as many stretches.
    precision
        ``"float32"``, ``"tf32"`` or ``"bf16"``. ``"auto"`` is bf16 on processors with instructions
        for it (except for NoiseRemover's networks), tf32 on GPUs that have it, and float32 elsewhere. bf16 is
        nearly twice as fast, and changes the result by about -50 dB.
    compile
        Whether to compile the network with ``torch.compile``, on GPUs as CUDA graphs. That takes a minute for
        each number of channels, and is worth it for many songs.

    Raises
    ------
    ConfigurationError
        If a value is out of range.

    Examples
    --------
    >>> from musicdenoise import DenoiseConfig, Denoiser
    >>> gentle = DenoiseConfig(strength=0.8, atten_limit_db=12.0)
    >>> denoiser = Denoiser("white", device="cpu", config=gentle)
    >>> DenoiseConfig(strength=2.0)
    Traceback (most recent call last):
    musicdenoise.errors.ConfigurationError: strength is 2.0; it must be from 0 to 1
    """

    segment_seconds: float = 6.0
    context_seconds: float | None = None
    strength: float = 1.0
    atten_limit_db: float | None = None
    gate: bool = True
    find_noise: bool = True
    match_level: bool = True
    channels: str = "auto"
    batch_size: int | None = None
    precision: str = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("segment_seconds", "context_seconds"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value <= 600.0:
                raise ConfigurationError.wrong(name, value, "in (0, 600] seconds")
        if not 0.0 <= self.strength <= 1.0:
            raise ConfigurationError.wrong("strength", self.strength, "from 0 to 1")
        if self.atten_limit_db is not None and not self.atten_limit_db >= 0.0:
            raise ConfigurationError.wrong("atten_limit_db", self.atten_limit_db, "0 dB or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigurationError.wrong("batch_size", self.batch_size, "at least 1")
        for name, allowed in (("channels", CHANNEL_MODES), ("precision", PRECISIONS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigurationError.wrong(name, value, f"one of {', '.join(allowed)}", repr(value))

    @property
    def removed_share(self) -> float:
        """Share of the estimated noise's amplitude that is taken away, from strength and limit."""
        limit = 1.0 if self.atten_limit_db is None else 1.0 - math.pow(10.0, -self.atten_limit_db / 20.0)
        return min(self.strength, limit)

    def plan(self, stft: StftConfig, level_reach: int) -> SegmentPlan:
        """The lengths in STFT frames, rounded to the grid of 16."""

        def frames(seconds: float) -> int:
            return max(1, round(seconds * stft.sample_rate / stft.hop_length / 16)) * 16

        return SegmentPlan(
            segment_frames=frames(self.segment_seconds),
            context_frames=SEEN_FRAMES if self.context_seconds is None else frames(self.context_seconds),
            level_reach=level_reach,
        )
