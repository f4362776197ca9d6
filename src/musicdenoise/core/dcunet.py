"""The 20-layer Deep Complex U-Net.

A spectrogram goes through ten complex convolutions (encoders) and ten complex transposed
convolutions (decoders). Decoder ``i`` also reads the *input* of encoder ``10 - i``. The output is
bounded to a complex mask that multiplies the spectrogram.

The sizes close exactly for 1025 frequencies and ``16 k + 3`` frames, at least 99; other numbers of
frames are padded with zeros and cropped back. Strides in time multiply to 16: outputs move with
inputs for shifts by multiples of 16 frames.

References: Choi et al., "Phase-aware speech enhancement with deep complex U-Net", ICLR 2019
(DCUNet-20); Kashyap et al., "Speech denoising without clean training data: a Noise2Noise approach",
Interspeech 2021 (these kernels and strides).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.complex_layers import (
    ComplexBatchNorm2d,
    ComplexConv2d,
    ComplexConvTranspose2d,
    component_mask,
    polar_mask,
)
from musicdenoise.core.fast_layers import join_channels
from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.profile import ProfileFilter
from musicdenoise.errors import ConfigurationError

__all__ = ["MASKS", "NUM_FREQS", "TIME_STRIDE", "DCUNet", "DCUNetConfig", "pad_frames_to_fit"]

NUM_FREQS = 1025  # the only number of frequencies for which the layers' sizes close
TIME_STRIDE = 16  # product of the strides in time
FEWEST_FRAMES = 99
LEAKY_SLOPE = 0.01
_LEAST_POWER = 1e-8  # below which nothing is compressed further; the mean of a bin is 1

MASKS: dict[str, Callable[[Tensor], Tensor]] = {"polar": polar_mask, "component": component_mask}

Size = tuple[int, int]


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


_ENCODERS = (
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

_DECODERS = (
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

NUM_ENCODERS = len(_ENCODERS)
NUM_DECODERS = len(_DECODERS)


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
        Exponents, between 0 and 1, of further inputs: the scaled spectrogram, its magnitudes raised to each.
        In the spectrogram itself bass outweighs treble by 30 to 60 dB.
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
                raise ConfigurationError(f"{name} is {channels}; it must be {count} positive numbers")
        if self.decoder_channels[-1] != 1:
            raise ConfigurationError(
                f"the last decoder has {self.decoder_channels[-1]} channels, must have 1"
            )
        if self.mask not in MASKS:
            raise ConfigurationError(f"mask is {self.mask!r}; it must be one of {', '.join(MASKS)}")
        if self.level_reach < 0:
            raise ConfigurationError(f"level_reach is {self.level_reach} frames; it must be 0 or more")
        if self.profile_width < 0:
            raise ConfigurationError(f"profile_width is {self.profile_width}; it must be 0 or more")
        if not all(0.0 < exponent < 1.0 for exponent in self.compressions):
            raise ConfigurationError(f"compressions is {self.compressions}; each must be between 0 and 1")

    @classmethod
    def of_complexity(cls, complexity: int, **changes: Any) -> DCUNetConfig:
        """Configuration of the published table at complexity ``C`` (32 in the reference)."""
        return cls(
            encoder_channels=tuple(layer.width * complexity for layer in _ENCODERS),
            decoder_channels=tuple(max(layer.width * complexity, 1) for layer in _DECODERS),
            **changes,
        )

    @classmethod
    def tapered(cls, **changes: Any) -> DCUNetConfig:
        """Few channels where the maps are large, many where they are small.

        At 8 GFLOP per second of audio it has four times the parameters of complexity 8 (6 GFLOP).
        """
        return cls(
            encoder_channels=(8, 8, 16, 24, 48, 48, 64, 64, 96, 96),
            decoder_channels=(96, 64, 64, 48, 48, 24, 16, 8, 8, 1),
            **changes,
        )

    @classmethod
    def mini(cls, **changes: Any) -> DCUNetConfig:
        """The same twenty layers with one or two channels each, for tests."""
        return replace(cls.of_complexity(1), **changes)


class DCUNet(nn.Module):
    """Deep Complex U-Net that maps noisy spectrograms to estimates of the clean ones.

    Modules are named as in the reference, so that a state dict with its key names loads strictly.
    (Its last decoder carries a norm that is never applied; such entries are accepted and dropped.)

    Parameters
    ----------
    config
        Channels, mask and level scaling.
    """

    def __init__(self, config: DCUNetConfig) -> None:
        super().__init__()
        self.config = config
        self._layers_are_frozen = False
        layers = encoder_inputs(config)
        for i, (layer, out) in enumerate(zip(_ENCODERS, config.encoder_channels, strict=True)):
            conv = ComplexConv2d((layers[i],), out, layer.kernel, layer.stride, layer.padding)
            self.add_module(f"encoder{i}", _EncoderLayer(conv, ComplexBatchNorm2d(out)))
        groups = decoder_groups(config)
        for i, (dec, out) in enumerate(zip(_DECODERS, config.decoder_channels, strict=True)):
            convt = ComplexConvTranspose2d(
                groups[i], out, dec.kernel, dec.stride, dec.padding, dec.output_padding
            )
            last = i == NUM_DECODERS - 1
            self.add_module(f"decoder{i}", _DecoderLayer(convt, None if last else ComplexBatchNorm2d(out)))
        self.profile = ProfileFilter(config.profile_width) if config.profile_width else None
        self.register_load_state_dict_pre_hook(_drop_unused_norm)  # type: ignore[no-untyped-call]

    def layers(self) -> tuple[list[_EncoderLayer], list[_DecoderLayer]]:
        """Encoders and decoders, in order."""
        encoders = [self.get_submodule(f"encoder{i}") for i in range(NUM_ENCODERS)]
        decoders = [self.get_submodule(f"decoder{i}") for i in range(NUM_DECODERS)]
        return encoders, decoders  # type: ignore[return-value]

    def freeze_layers(self) -> None:
        """Let training change the profile filter only: neither kernels nor norms, nor their statistics."""
        self._layers_are_frozen = True
        for layer in chain(*self.layers()):
            layer.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> DCUNet:
        """Switch to training or evaluation; frozen layers stay in evaluation."""
        super().train(mode)
        if self._layers_are_frozen:
            for layer in chain(*self.layers()):
                layer.eval()
        return self

    def mask(self, features: Tensor) -> Tensor:
        """Mask for input that is already scaled, and whose number of frames fits.

        Parameters
        ----------
        features
            Real ``(batch, 2 C, 1025, frames)``: real parts of the ``C`` inputs, then imaginary parts;
            ``frames`` as given by `pad_frames_to_fit`.

        Returns
        -------
        Tensor
            ``(batch, 2, 1025, frames)``; real and imaginary parts of the mask.
        """
        encoders, decoders = self.layers()
        x = features
        inputs: list[Tensor] = []
        for encoder in encoders:
            inputs.append(x)
            x = encoder(x)
        for i, decoder in enumerate(decoders):
            x = decoder(x if i == 0 else join_channels(x, inputs[NUM_ENCODERS - i]))
        return MASKS[self.config.mask](x)

    def forward(self, spectrogram: Tensor, gains: Tensor | None = None) -> Tensor:
        """Estimate the clean spectrogram.

        Parameters
        ----------
        spectrogram
            Complex, ``(batch, channels, 1025, frames)``, any number of frames. Channels are
            denoised each on its own, at their common level.
        gains
            Level factors ``(batch, frames)``; by default those of the spectrogram itself.

        Returns
        -------
        Tensor
            Complex, same shape.
        """
        estimate = masked_estimate(spectrogram, self.config, self.mask, gains)
        return estimate if self.profile is None else self.profile(spectrogram, estimate)


def masked_estimate(
    spectrogram: Tensor, config: DCUNetConfig, mask: Callable[[Tensor], Tensor], gains: Tensor | None = None
) -> Tensor:
    """Scale, pad, find the mask, crop and apply it: all of `DCUNet.forward` but the layers.

    Parameters
    ----------
    spectrogram
        Complex, ``(batch, channels, 1025, frames)``.
    config
        The network's configuration.
    mask
        Maps features ``(batch * channels, 2 C, 1025, frames')`` of ``C`` inputs to a mask
        ``(batch * channels, 2, 1025, frames')``.
    gains
        Level factors ``(batch, frames)``; by default those of the spectrogram itself.

    Returns
    -------
    Tensor
        Complex, same shape as the spectrogram.
    """
    batch, channels, freqs, frames = spectrogram.shape
    if freqs != NUM_FREQS:
        raise ConfigurationError(
            f"the spectrogram has {freqs} frequencies; the network needs {NUM_FREQS} (n_fft = 2048)"
        )
    scaled = spectrogram
    if config.level_reach:
        if gains is None:
            gains = frame_gains(frame_powers(spectrogram), config.level_reach)
        scaled = spectrogram * gains[:, None, None, :]
    features = torch.view_as_real(_inputs(scaled.flatten(0, 1), config.compressions))
    features = features.permute(0, 4, 1, 2, 3).flatten(1, 2)  # (batch * channels, 2 C, freqs, frames)
    features = F.pad(features, (0, pad_frames_to_fit(frames) - frames))
    bounded = mask(features.contiguous(memory_format=torch.channels_last))[..., :frames].float()
    bounded = bounded.reshape(batch, channels, 2, freqs, frames)
    mask_re, mask_im = bounded[:, :, 0], bounded[:, :, 1]
    if config.mask == "component":
        return torch.complex(mask_re * spectrogram.real, mask_im * spectrogram.imag)
    return torch.complex(mask_re, mask_im) * spectrogram


def _inputs(scaled: Tensor, compressions: tuple[float, ...]) -> Tensor:
    """Spectrograms ``(items, freqs, frames)`` as they are and compressed, ``(items, C, freqs, frames)``."""
    inputs = [scaled]
    if compressions:
        power = scaled.real.square() + scaled.imag.square() + _LEAST_POWER
        inputs += [scaled * power.pow((exponent - 1.0) / 2.0) for exponent in compressions]
    return torch.stack(inputs, dim=1)


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


class _EncoderLayer(nn.Module):
    def __init__(self, conv: ComplexConv2d, norm: ComplexBatchNorm2d) -> None:
        super().__init__()
        self.cconv = conv
        self.cbn = norm

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(self.cbn(self.cconv(x)), LEAKY_SLOPE)


class _DecoderLayer(nn.Module):
    def __init__(self, conv: ComplexConvTranspose2d, norm: ComplexBatchNorm2d | None) -> None:
        super().__init__()
        self.cconvt = conv
        if norm is not None:
            self.cbn = norm
        self.has_norm = norm is not None

    def forward(self, x: Tensor) -> Tensor:
        x = self.cconvt(x)
        return F.leaky_relu_(self.cbn(x), LEAKY_SLOPE) if self.has_norm else x


def _drop_unused_norm(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    for key in [key for key in state_dict if key.startswith(f"{prefix}decoder{NUM_DECODERS - 1}.cbn.")]:
        del state_dict[key]
