"""The layers of the Deep Complex U-Net as a table, and the choices of a network: channels, mask, inputs.

The sizes close exactly for 1025 frequencies and ``16 k + 3`` frames, at least 99. Strides in time multiply
to 16.

References: Choi et al., "Phase-aware speech enhancement with deep complex U-Net", ICLR 2019
(DCUNet-20); Kashyap et al., "Speech denoising without clean training data: a Noise2Noise approach",
Interspeech 2021 (these kernels and strides).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Tensor

from musicdenoise.core.complex_layers import component_mask, polar_mask
from musicdenoise.core.fast_layers import Size
from musicdenoise.errors import ConfigurationError

NUM_FREQS = 1025  # the only number of frequencies for which the layers' sizes close
TIME_STRIDE = 16  # product of the strides in time
FEWEST_FRAMES = 99  # 16 k + 3, and the lowest map still has a frame
SEEN_FRAMES = 96
"""Frames to each side that matter for one; the kernels reach four further, with next to no weight."""

MOST_COMPLEXITY = 128
"""Widest network, four times the reference's: its maps take a few gigabytes for a segment of six seconds.

Weights and recipes say how wide a network is before any memory is asked for.
"""
MOST_LEVEL_REACH = 1024  # frames, 12 s; each segment is read with this many more on both sides
MOST_PROFILE_WIDTH = 256  # the pretrained networks have 16
MOST_COMPRESSIONS = 8  # each is one more input as large as the spectrogram

MASKS: dict[str, Callable[[Tensor], Tensor]] = {"polar": polar_mask, "component": component_mask}


class Frames(NamedTuple):
    """Frames from ``first`` to the one before ``beyond``."""

    first: int
    beyond: int


class _Encoder(NamedTuple):
    width: int  # output channels as a multiple of the complexity C
    kernel: Size  # (freq, time), as all sizes here
    stride: Size
    padding: Size


class _Decoder(NamedTuple):
    width: int
    kernel: Size
    stride: Size
    padding: Size
    output_padding: Size


ENCODERS = (
    #        width kernel stride  padding   freqs: 1025
    _Encoder(1, (7, 1), (1, 1), (3, 0)),  # 1025
    _Encoder(1, (1, 7), (1, 1), (0, 3)),  # 1025
    _Encoder(2, (6, 4), (2, 2), (0, 0)),  # 510
    _Encoder(2, (7, 5), (2, 1), (0, 0)),  # 252
    _Encoder(2, (5, 3), (2, 2), (0, 0)),  # 124
    _Encoder(2, (5, 3), (2, 1), (0, 0)),  # 60
    _Encoder(2, (5, 3), (2, 2), (0, 0)),  # 28
    _Encoder(2, (5, 3), (2, 1), (0, 0)),  # 12
    _Encoder(2, (5, 3), (2, 2), (2, 0)),  # 6
    _Encoder(4, (5, 3), (2, 1), (0, 0)),  # 1
)

DECODERS = (
    #        width kernel stride  padding out pad   freqs: 1
    _Decoder(2, (6, 3), (2, 1), (0, 0), (0, 0)),  # 6
    _Decoder(2, (3, 3), (2, 2), (1, 0), (1, 0)),  # 12
    _Decoder(2, (6, 3), (2, 1), (0, 0), (0, 0)),  # 28
    _Decoder(2, (6, 3), (2, 2), (0, 0), (0, 0)),  # 60
    _Decoder(2, (6, 3), (2, 1), (0, 0), (0, 0)),  # 124
    _Decoder(2, (6, 4), (2, 2), (0, 0), (0, 0)),  # 252
    _Decoder(2, (8, 5), (2, 1), (0, 0), (0, 0)),  # 510
    _Decoder(1, (7, 5), (2, 2), (0, 0), (0, 0)),  # 1025
    _Decoder(1, (1, 7), (1, 1), (0, 3), (0, 0)),  # 1025
    _Decoder(0, (7, 1), (1, 1), (3, 0), (0, 0)),  # 1025; one channel, the mask
)

NUM_ENCODERS = len(ENCODERS)
NUM_DECODERS = len(DECODERS)


@dataclass(frozen=True, kw_only=True)
class DCUNetConfig:
    """Channels, mask and level scaling of a `DCUNet`; the kernels and strides are always the same.

    Parameters
    ----------
    encoder_channels, decoder_channels
        Complex output channels of the ten encoders and of the ten decoders (the last is 1).
    mask
        ``"polar"`` (Choi et al. 2019) or ``"component"`` (NoiseRemover's released networks).
    level_reach
        Frames to each side over which the level is smoothed before the network is scaled to it;
        0 switches the scaling off (NoiseRemover's released networks).
    profile_width
        Channels of the `ProfileFilter` behind the layers; 0 for none.
    compressions
        Exponents, between 0 and 1, of further inputs: the scaled spectrogram with its magnitudes raised to
        each of them. In the spectrogram itself, bass outweighs treble by 30 to 60 dB.

    Examples
    --------
    >>> from musicdenoise import DCUNetConfig
    >>> DCUNetConfig.mini().encoder_channels
    (1, 1, 2, 2, 2, 2, 2, 2, 2, 4)
    """

    encoder_channels: tuple[int, ...]
    decoder_channels: tuple[int, ...]
    mask: str = "polar"
    level_reach: int = 64
    profile_width: int = 0
    compressions: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, channels, count in (
            ("encoder_channels", self.encoder_channels, NUM_ENCODERS),
            ("decoder_channels", self.decoder_channels, NUM_DECODERS),
        ):
            if len(channels) != count or min(channels) < 1:
                raise ConfigurationError.wrong(name, channels, f"{count} positive numbers")
            table = ENCODERS if name == "encoder_channels" else DECODERS
            limits = tuple(max(layer.width, 1) * MOST_COMPLEXITY for layer in table)
            if any(channel > limit for channel, limit in zip(channels, limits, strict=True)):
                raise ConfigurationError(
                    f"{{{name}}} is {channels}; the layers may have up to {limits} channels, which is "
                    f"complexity {MOST_COMPLEXITY}",
                    **{name: channels},
                )
        if self.decoder_channels[-1] != 1:
            raise ConfigurationError(
                f"the last decoder has {self.decoder_channels[-1]} channels; {{decoder_channels}} must "
                "end with 1",
                decoder_channels=self.decoder_channels,
            )
        if self.mask not in MASKS:
            raise ConfigurationError.wrong("mask", self.mask, f"one of {', '.join(MASKS)}", repr(self.mask))
        for name, most in (("level_reach", MOST_LEVEL_REACH), ("profile_width", MOST_PROFILE_WIDTH)):
            if not 0 <= getattr(self, name) <= most:
                raise ConfigurationError.wrong(name, getattr(self, name), f"from 0 to {most}")
        if len(self.compressions) > MOST_COMPRESSIONS:
            raise ConfigurationError(
                f"there are {len(self.compressions)} {{compressions}}; there may be "
                f"up to {MOST_COMPRESSIONS}",
                compressions=self.compressions,
            )
        if not all(0.0 < exponent < 1.0 for exponent in self.compressions):
            raise ConfigurationError(
                f"{{compressions}} is {self.compressions}; each must be between 0 and 1",
                compressions=self.compressions,
            )
        if self.compressions and self.level_reach == 0:
            raise ConfigurationError(
                f"{{compressions}} is {self.compressions} and {{level_reach}} is 0; what is compressed must "
                "be at a known level: set {level_reach}, or leave {compressions} out",
                compressions=self.compressions,
                level_reach=0,
            )

    @classmethod
    def of_complexity(cls, complexity: int, **changes: Any) -> DCUNetConfig:
        """Configuration of the published table at complexity ``C`` (32 in the reference)."""
        return cls(
            encoder_channels=tuple(layer.width * complexity for layer in ENCODERS),
            decoder_channels=tuple(max(layer.width * complexity, 1) for layer in DECODERS),
            **changes,
        )

    @classmethod
    def tapered(cls, **changes: Any) -> DCUNetConfig:
        """Few channels for large maps, many for small ones.

        At 8 GFLOP per second of audio it has four times the parameters of complexity 8 (6 GFLOP).
        """
        return cls(
            encoder_channels=(8, 8, 16, 24, 48, 48, 64, 64, 96, 96),
            decoder_channels=(96, 64, 64, 48, 48, 24, 16, 8, 8, 1),
            **changes,
        )

    @classmethod
    def deep(cls, **changes: Any) -> DCUNetConfig:
        """The tapered table with twice the channels below 124 frequencies, because they cost least there.

        Three and a half times the parameters, for three tenths more arithmetic.
        """
        return cls(
            encoder_channels=(8, 8, 16, 24, 48, 96, 128, 128, 192, 192),
            decoder_channels=(192, 128, 128, 96, 48, 24, 16, 8, 8, 1),
            **changes,
        )

    @classmethod
    def mini(cls, **changes: Any) -> DCUNetConfig:
        """The same twenty layers with one or two channels each, for tests."""
        return replace(cls.of_complexity(1), **changes)


def pad_frames_to_fit(frames: int) -> int:
    """Smallest number of frames ``16 k + 3 >= 99`` that is at least ``frames``."""
    return max(FEWEST_FRAMES, -((3 - frames) // TIME_STRIDE) * TIME_STRIDE + 3)


def encoder_inputs(config: DCUNetConfig) -> list[int]:
    """Complex input channels of each encoder."""
    return [1 + len(config.compressions), *config.encoder_channels[:-1]]


def decoder_groups(config: DCUNetConfig) -> list[tuple[int, ...]]:
    """Complex channels of the maps that each decoder reads: its predecessor's output and the skip."""
    inputs = encoder_inputs(config)
    skips = [(config.decoder_channels[i - 1], inputs[NUM_ENCODERS - i]) for i in range(1, NUM_DECODERS)]
    return [(config.encoder_channels[-1],), *skips]
