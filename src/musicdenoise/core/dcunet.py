"""The 20-layer Deep Complex U-Net.

A spectrogram goes through ten complex convolutions (encoders) and ten complex transposed
convolutions (decoders). Decoder ``i`` also reads the *input* of encoder ``10 - i``. The output is
bounded to a complex mask that multiplies the spectrogram.

The table of the layers is in `musicdenoise.core.architecture`. Numbers of frames that do not fit are padded
with zeros and cropped back. If the input is shifted by a multiple of 16 frames, the output is shifted by as
many.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.architecture import (
    DECODERS,
    ENCODERS,
    MASKS,
    NUM_DECODERS,
    NUM_ENCODERS,
    NUM_FREQS,
    DCUNetConfig,
    Frames,
    decoder_groups,
    encoder_inputs,
    pad_frames_to_fit,
)
from musicdenoise.core.complex_layers import ComplexBatchNorm2d, ComplexConv2d, ComplexConvTranspose2d
from musicdenoise.core.fast_layers import join_channels
from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.profile import ProfileFilter
from musicdenoise.errors import ConfigurationError

LEAKY_SLOPE = 0.01  # PyTorch's default, as in the reference
LEAST_POWER = 1e-8  # below which nothing is compressed further; the mean of a bin is 1


class DCUNet(nn.Module):
    """Deep Complex U-Net that maps noisy spectrograms to estimates of the clean ones.

    Modules are named as in the reference, so that a state dict with its key names loads strictly.
    (Its last decoder carries a norm that is never applied; such entries are accepted and dropped.)

    Parameters
    ----------
    config
        Channels, mask and level scaling.

    Examples
    --------
    >>> import torch
    >>> from musicdenoise import DCUNet, DCUNetConfig
    >>> network = DCUNet(DCUNetConfig.mini()).eval()
    >>> noisy = torch.randn(1, 1, 1025, 131, dtype=torch.complex64)  # (batch, channels, freqs, frames)
    >>> network(noisy).shape
    torch.Size([1, 1, 1025, 131])
    """

    def __init__(self, config: DCUNetConfig) -> None:
        super().__init__()
        self.config = config
        self._layers_are_frozen = False
        layers = encoder_inputs(config)
        for i, (layer, out) in enumerate(zip(ENCODERS, config.encoder_channels, strict=True)):
            conv = ComplexConv2d((layers[i],), out, layer.kernel, layer.stride, layer.padding)
            self.add_module(f"encoder{i}", _EncoderLayer(conv, ComplexBatchNorm2d(out)))
        groups = decoder_groups(config)
        for i, (dec, out) in enumerate(zip(DECODERS, config.decoder_channels, strict=True)):
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
        """Let training change only the profile filter, not the kernels, the norms, or their statistics."""
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
    spectrogram: Tensor,
    config: DCUNetConfig,
    mask: Callable[[Tensor], Tensor],
    gains: Tensor | None = None,
    wanted: Frames | None = None,
) -> Tensor:
    """Scale, pad, find the mask, crop and apply it: all of `DCUNet.forward` except the layers.

    Parameters
    ----------
    spectrogram
        Complex, ``(batch, channels, 1025, frames)``.
    config
        The network's configuration.
    mask
        Maps features ``(batch * channels, 2 C, 1025, frames')`` of ``C`` inputs to a mask
        ``(batch * channels, 2, 1025, frames')``, or to that of the wanted frames.
    gains
        Level factors ``(batch, frames)``; by default those of the spectrogram itself.
    wanted
        The frames to which the mask belongs; all by default.

    Returns
    -------
    Tensor
        Complex, the estimate of the wanted frames.
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
    if wanted is not None:
        spectrogram = spectrogram[..., wanted.first : wanted.beyond]
    frames = spectrogram.shape[-1]
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
        power = scaled.real.square() + scaled.imag.square() + LEAST_POWER
        inputs += [scaled * power.pow((exponent - 1.0) / 2.0) for exponent in compressions]
    return torch.stack(inputs, dim=1)


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
