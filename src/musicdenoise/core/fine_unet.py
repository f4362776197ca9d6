"""A Deep Complex U-Net for noise that lasts: fine bins below 4 kHz, and a memory of half a minute.

Recordings of engines, air conditioners or tape differ from music below 2 kHz, bin by bin and over seconds.
So the transform has 10.8 Hz a bin (n_fft 4096), and the stem reads rows of three kinds: bins to 4.1 kHz one
by one, to 11 kHz four at a time, above eight at a time. Four encoders and four decoders with skips follow,
and between them blocks that see averages over time of up to 15 s to each side.

The output is a complex mask, as in Choi et al. 2019. The decoders are sub-pixel convolutions (Shi et al.,
"Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network",
2016): on processors they train twice as fast as transposed ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.complex_layers import ComplexBatchNorm2d, ComplexConv2d, polar_mask
from musicdenoise.core.fast_layers import Size, join_channels
from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.long_memory import LongMemory
from musicdenoise.core.stft import StftConfig
from musicdenoise.core.time_average import mean_around
from musicdenoise.errors import ConfigurationError

FINE_STFT = StftConfig(n_fft=4096, hop_length=1024)
TIME_STRIDE = 4
"""Product of the strides in time: outputs move with inputs if these are shifted by a multiple of it."""

LEAKY_SLOPE = 0.01  # PyTorch's default
_LEAST_POWER = 1e-8  # of a scaled bin, whose mean is 1
_NUM_INPUTS = 3


_BANDS = ((0, 384), (384, 1024), (1024, 2048))  # bins of each kind of row; the last bin has no row of its own
_BINS_PER_ROW = (1, 4, 8)
_STEM_KERNELS: tuple[Size, ...] = ((7, 3), (8, 3), (16, 3))
_STEM_PADDINGS: tuple[Size, ...] = ((3, 1), (2, 1), (4, 1))
_OUTPUT_KERNELS: tuple[Size, ...] = ((7, 3), (3, 3), (3, 3))
_STRIDES: tuple[Size, ...] = ((2, 1), (2, 2), (2, 1), (2, 2))
_FIRST_MASK = 2.0  # before the limit: training starts near "keep everything"
_FIRST_KERNELS = 0.1  # of the last layers, as a share of the usual


@dataclass(frozen=True, kw_only=True)
class FineUNetConfig:
    """Channels and memory of a `FineUNet`.

    Parameters
    ----------
    channels
        Complex channels of the stem and of the four encoders.
    memory_blocks
        Blocks with averages over time in the middle.
    memory_groups
        Groups of channels of the convolution along frequency in each block; must divide the channels.
    memory_reach
        Frames of the transform to each side over which the longest averages go.
    level_reach
        Frames to each side over which the level is smoothed before the network is scaled to it.
    compression
        Exponent, between 0 and 1, of the magnitudes of the second input.
    """

    channels: tuple[int, ...] = (8, 16, 24, 48, 80)
    memory_blocks: int = 2
    memory_groups: int = 4
    memory_reach: int = 646
    level_reach: int = 32
    compression: float = 0.3

    def __post_init__(self) -> None:
        count = len(_STRIDES) + 1
        if len(self.channels) != count or min(self.channels) < 1:
            raise ConfigurationError(f"channels is {self.channels}; it must be {count} positive numbers")
        if self.memory_blocks < 0:
            raise ConfigurationError(f"memory_blocks is {self.memory_blocks}; it must be 0 or more")
        if self.memory_groups < 1 or 2 * self.channels[-1] % self.memory_groups:
            raise ConfigurationError(
                f"memory_groups is {self.memory_groups}; it must divide twice the last of the channels "
                f"({2 * self.channels[-1]})"
            )
        for name in ("memory_reach", "level_reach"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)} frames; it must be at least 1")
        if not 0.0 < self.compression < 1.0:
            raise ConfigurationError(f"compression is {self.compression}; it must be between 0 and 1")

    @classmethod
    def mini(cls) -> FineUNetConfig:
        """The same layers with one or two channels each, for tests."""
        return cls(channels=(1, 1, 2, 2, 2), memory_blocks=1, memory_groups=2)


class FineUNet(nn.Module):
    """Maps noisy spectrograms (`FINE_STFT`) to estimates of the clean ones.

    Parameters
    ----------
    config
        Channels and memory.
    """

    def __init__(self, config: FineUNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.stem = _Stem(channels[0])
        self.encoders = nn.ModuleList(
            _Encoder(before, after, stride)
            for (before, after), stride in zip(pairwise(channels), _STRIDES, strict=True)
        )
        reach = config.memory_reach // TIME_STRIDE
        self.memory = nn.ModuleList(
            LongMemory(2 * channels[-1], config.memory_groups, reach) for _ in range(config.memory_blocks)
        )
        self.decoders = nn.ModuleList(
            _Decoder((after, after), before, stride)
            for (before, after), stride in reversed(list(zip(pairwise(channels), _STRIDES, strict=True)))
        )
        self.output = _Output(channels[0])

    def forward(self, spectrogram: Tensor, gains: Tensor | None = None) -> Tensor:
        """Estimate the clean spectrogram.

        Parameters
        ----------
        spectrogram
            Complex, ``(batch, channels, 2049, frames)``. Channels are denoised each on its own, at their
            common level.
        gains
            Level factors ``(batch, frames)``; by default those of the spectrogram itself.

        Returns
        -------
        Tensor
            Complex, same shape.
        """
        batch, channels, freqs, frames = spectrogram.shape
        if freqs != FINE_STFT.num_freqs:
            raise ConfigurationError(
                f"the spectrogram has {freqs} frequencies; the network needs {FINE_STFT.num_freqs} "
                f"(n_fft = {FINE_STFT.n_fft})"
            )
        if gains is None:
            gains = frame_gains(frame_powers(spectrogram), self.config.level_reach)
        scaled = (spectrogram * gains[:, None, None, :]).flatten(0, 1)
        mask = self.mask(self.features(scaled)).float()
        mask = mask.reshape(batch, channels, 2, freqs, frames)
        return torch.complex(mask[:, :, 0], mask[:, :, 1]) * spectrogram

    def features(self, scaled: Tensor) -> Tensor:
        """What the layers read: the spectrogram scaled; compressed; divided by each bin's long-term level.

        Parameters
        ----------
        scaled
            Complex, ``(items, 2049, frames)``, at a level of 1.

        Returns
        -------
        Tensor
            Real, ``(items, 6, 2049, frames)``: real parts of the three, then imaginary parts.
        """
        power = scaled.real.square() + scaled.imag.square() + _LEAST_POWER
        compressed = power.pow((self.config.compression - 1.0) / 2.0)
        flat = mean_around(power, self.config.memory_reach).rsqrt()
        factors = torch.stack([torch.ones_like(power), compressed, flat], 1)
        parts = [scaled.real[:, None] * factors, scaled.imag[:, None] * factors]
        return torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)

    def mask(self, features: Tensor) -> Tensor:
        """Mask ``(items, 2, 2049, frames)``, real and imaginary parts, for `features`."""
        skips = [self.stem(features)]
        for encoder in self.encoders:
            skips.append(encoder(skips[-1]))
        x = skips.pop()
        inner = x
        for block in self.memory:
            x = block(x)
        for decoder in self.decoders:
            outer = skips.pop()
            x = decoder(join_channels(x, inner), (outer.shape[2], outer.shape[3]))
            inner = outer
        return polar_mask(self.output(join_channels(x, inner)))


class _Stem(nn.Module):
    """Bins become rows, in three bands."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bands = nn.ModuleList(
            ComplexConv2d((_NUM_INPUTS,), channels, kernel, (bins, 1), padding)
            for kernel, bins, padding in zip(_STEM_KERNELS, _BINS_PER_ROW, _STEM_PADDINGS, strict=True)
        )
        self.norm = ComplexBatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        rows = [band(x[:, :, low:high]) for band, (low, high) in zip(self.bands, _BANDS, strict=True)]
        return F.leaky_relu_(self.norm(torch.cat(rows, 2)), LEAKY_SLOPE)


class _Encoder(nn.Module):
    def __init__(self, before: int, after: int, stride: Size) -> None:
        super().__init__()
        self.conv = ComplexConv2d((before,), after, (3, 3), stride, (1, 1))
        self.norm = ComplexBatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(self.norm(self.conv(x)), LEAKY_SLOPE)


class _SubPixelConv(nn.Module):
    """A complex convolution whose output channels become rows and frames."""

    def __init__(self, groups: Sequence[int], after: int, kernel: Size, stride: Size) -> None:
        super().__init__()
        self.stride = stride
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv = ComplexConv2d(groups, after * stride[0] * stride[1], kernel, (1, 1), padding)

    def start_open(self) -> None:
        """Begin with a mask of `_FIRST_MASK` and little else, as the last layer of a network."""
        real, imag = self.conv.real_conv, self.conv.im_conv
        assert real.bias is not None and imag.bias is not None
        with torch.no_grad():
            for kernel in (real.weight, imag.weight):
                kernel.mul_(_FIRST_KERNELS)
            real.bias.fill_(0.5 * _FIRST_MASK)  # the real part has the difference of both, the other the sum
            imag.bias.fill_(-0.5 * _FIRST_MASK)

    def forward(self, x: Tensor) -> Tensor:
        return _spread(self.conv(x), self.stride)


def _spread(x: Tensor, stride: Size) -> Tensor:
    """``(batch, 2 f t C, rows, frames)`` as ``(batch, 2 C, f rows, t frames)``."""
    (rows_each, frames_each), (batch, _, rows, frames) = stride, x.shape
    x = x.permute(0, 2, 3, 1).reshape(batch, rows, frames, 2, rows_each, frames_each, -1)
    x = x.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, rows * rows_each, frames * frames_each, -1)
    return x.permute(0, 3, 1, 2)


class _Decoder(nn.Module):
    def __init__(self, groups: Sequence[int], after: int, stride: Size) -> None:
        super().__init__()
        self.conv = _SubPixelConv(groups, after, (3, 3), stride)
        self.norm = ComplexBatchNorm2d(after)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        x = self.conv(x)[:, :, : size[0], : size[1]].contiguous(memory_format=torch.channels_last)
        return F.leaky_relu_(self.norm(x), LEAKY_SLOPE)


class _Output(nn.Module):
    """Rows become bins again, one channel of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        bands = [
            _SubPixelConv((channels, channels), 1, kernel, (bins, 1))
            for kernel, bins in zip(_OUTPUT_KERNELS, _BINS_PER_ROW, strict=True)
        ]
        for band in bands:
            band.start_open()
        self.bands = nn.ModuleList(bands)
        counts = [(high - low) // bins for (low, high), bins in zip(_BANDS, _BINS_PER_ROW, strict=True)]
        self._counts = counts

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.split(x, self._counts, 2)
        bins = [band(part) for band, part in zip(self.bands, rows, strict=True)]
        return torch.cat([*bins, bins[-1][:, :, -1:]], 2).float()
