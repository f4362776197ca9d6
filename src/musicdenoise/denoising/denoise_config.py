"""How songs are denoised, whatever the network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from musicdenoise.core.architecture import SEEN_FRAMES
from musicdenoise.core.overlap import SegmentPlan
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import ConfigurationError
from musicdenoise.runtime.precision import PRECISIONS

__all__ = ["CHANNEL_MODES", "DenoiseConfig"]

CHANNEL_MODES = ("auto", "linked", "independent", "mid-side")


@dataclass(frozen=True, kw_only=True)
class DenoiseConfig:
    """How songs are denoised.

    The lengths do not change the result, unless ``context_seconds`` is given.

    Parameters
    ----------
    segment_seconds
        Length of the stretches that the network sees at once, context not counted. Longer ones
        recompute less and take more memory. It counts at the network's rate: of a song at half of it
        that is not converted (see `Denoiser.stream`) a stretch is twice as long.
    context_seconds
        What the network sees beside each stretch; None for all that matters, 96 STFT frames, which are 1.1 s
        with the pretrained networks. With less the results depend on the segments, by -34 dB with 0.75 s.
    strength
        Share of the estimated noise that is taken away, 0 (none) to 1 (all).
    atten_limit_db
        Noise is lowered by at most this much, in dB; None for no limit. Some noise that is left masks
        what the network does to the music.
    gate
        Whether the song passes as it came where there is next to nothing to remove, which spares clean music;
        see `musicdenoise.denoising.gate`. Where the noise is known from a sample there is no need for it.
    find_noise
        Whether noise alone is looked for in the song where no sample of it is given, before, after or
        between the music. In a stream it is looked for in the first six seconds.
    match_level
        Whether noise samples that are no stretches of the song are brought to the level of its noise.
    channels
        ``"linked"`` brings all channels to the network's level together, ``"independent"`` each on its own.
        ``"mid-side"`` denoises stereo as middle and side, each at its own level, which is better where the
        noise differs between left and right; other numbers of channels are linked. ``"auto"`` is mid-side
        for networks that know white noise alone and any level, and linked for others.
    batch_size
        Stretches that are computed at once; None for 1 on processors, which are busy with one, and 8 on
        other devices. Output lags by so many.
    precision
        ``"float32"``, ``"tf32"`` or ``"bf16"``; ``"auto"`` for tf32 on GPUs that have it, float32 elsewhere.
        On processors with instructions for it bf16 is about half as fast again; the result differs by less
        than -50 dB.
    compile
        Whether whole segments go through ``torch.compile``, on GPUs as CUDA graphs. That takes a minute
        for each number of channels, and pays for many songs.

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
