"""Complex-valued layers, computed as real ones.

Conventions: a complex feature map of ``C`` channels is a real tensor ``(batch, 2 C, freqs, frames)``
that holds the real parts of all channels first and their imaginary parts after them. A layer that
reads several such maps side by side (a skip connection) needs their channel counts.

A complex convolution with the kernel ``R + iI`` and the input ``x + iy`` is

    re = R x - I y          [ re ]   [ R  -I ] [ x ]
    im = I x + R y    or    [ im ] = [ I   R ] [ y ]

so that one real convolution with the block kernel on the right does the work of four. Both real
kernels have a bias: the real part gets ``b_R - b_I``, the imaginary part ``b_R + b_I``.

Modules are named as in the reference implementation (NoiseRemover), so that its weights load as
they are. Sources: Trabelsi et al., "Deep complex networks", 2018; Choi et al., "Phase-aware speech
enhancement with deep complex U-Net", 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.fast_layers import Size, conv_transpose2d

# Keeps the phase of a zero defined and the gradient of the magnitude finite; far below any mask
# value that could be heard (tanh(1e-6) is -120 dB).
_MAGNITUDE_FLOOR = 1e-12


def block_kernel(real: Tensor, imag: Tensor, groups: Sequence[int], *, transposed: bool) -> Tensor:
    """Real block kernel of a complex kernel.

    Parameters
    ----------
    real, imag
        Kernels ``(out, in, height, width)``, or ``(in, out, height, width)`` if ``transposed``.
    groups
        Channel counts of the complex maps that stand side by side in the input; their sum is ``in``.
    transposed
        Whether the kernels are those of a transposed convolution.

    Returns
    -------
    Tensor
        ``(2 out, 2 in, height, width)``, or ``(2 in, 2 out, height, width)`` if ``transposed``.
    """
    in_dim, out_dim = (0, 1) if transposed else (1, 0)
    columns = []
    parts = torch.split(real, list(groups), in_dim), torch.split(imag, list(groups), in_dim)
    for r, i in zip(*parts, strict=True):
        columns += [torch.cat([r, i], out_dim), torch.cat([-i, r], out_dim)]
    return torch.cat(columns, in_dim)


def block_bias(real: Tensor, imag: Tensor) -> Tensor:
    """Real bias ``(2 out,)`` of a complex layer whose two real layers have the given biases."""
    return torch.cat([real - imag, real + imag])


class ComplexConv2d(nn.Module):
    """Complex convolution over frequency and time.

    Parameters
    ----------
    in_groups
        Complex channels of each input map; maps stand side by side.
    out_channels
        Complex channels of the output.
    kernel, stride, padding
        Sizes as ``(freq, time)``.
    """

    def __init__(
        self, in_groups: Sequence[int], out_channels: int, kernel: Size, stride: Size, padding: Size
    ) -> None:
        super().__init__()
        self.in_groups = tuple(in_groups)
        self.stride, self.padding = stride, padding
        self.real_conv = nn.Conv2d(sum(in_groups), out_channels, kernel, stride, padding)
        self.im_conv = nn.Conv2d(sum(in_groups), out_channels, kernel, stride, padding)
        _initialise(self.real_conv.weight, self.im_conv.weight)

    def kernel_and_bias(self) -> tuple[Tensor, Tensor]:
        """Block kernel ``(2 out, 2 in, height, width)`` and bias ``(2 out,)``."""
        real, imag = self.real_conv, self.im_conv
        assert real.bias is not None and imag.bias is not None
        kernel = block_kernel(real.weight, imag.weight, self.in_groups, transposed=False)
        return kernel, block_bias(real.bias, imag.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, 2 in, freqs, frames)`` to ``(batch, 2 out, freqs', frames')``."""
        kernel, bias = self.kernel_and_bias()
        return F.conv2d(x, kernel, bias, self.stride, self.padding)


class ComplexConvTranspose2d(nn.Module):
    """Complex transposed convolution over frequency and time.

    Parameters
    ----------
    in_groups
        Complex channels of each input map; maps stand side by side.
    out_channels
        Complex channels of the output.
    kernel, stride, padding, output_padding
        Sizes as ``(freq, time)``.
    """

    def __init__(
        self,
        in_groups: Sequence[int],
        out_channels: int,
        kernel: Size,
        stride: Size,
        padding: Size,
        output_padding: Size,
    ) -> None:
        super().__init__()
        self.in_groups = tuple(in_groups)
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        sizes = (sum(in_groups), out_channels, kernel, stride, padding, output_padding)
        self.real_convt = nn.ConvTranspose2d(*sizes)
        self.im_convt = nn.ConvTranspose2d(*sizes)
        _initialise(self.real_convt.weight, self.im_convt.weight)

    def kernel_and_bias(self) -> tuple[Tensor, Tensor]:
        """Block kernel ``(2 in, 2 out, height, width)`` and bias ``(2 out,)``."""
        real, imag = self.real_convt, self.im_convt
        assert real.bias is not None and imag.bias is not None
        kernel = block_kernel(real.weight, imag.weight, self.in_groups, transposed=True)
        return kernel, block_bias(real.bias, imag.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, 2 in, freqs, frames)`` to ``(batch, 2 out, freqs', frames')``."""
        kernel, bias = self.kernel_and_bias()
        return conv_transpose2d(x, kernel, bias, self.stride, self.padding, self.output_padding)


def _initialise(*kernels: Tensor) -> None:
    for kernel in kernels:
        # Kernels without storage await their values from a file; drawing them would load PyTorch's compiler.
        if not kernel.is_meta:
            nn.init.xavier_normal_(kernel)


class ComplexBatchNorm2d(nn.Module):
    """Batch norm of the real and of the imaginary parts, each on its own.

    Parameters
    ----------
    channels
        Complex channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.real_b = nn.BatchNorm2d(channels)
        self.im_b = nn.BatchNorm2d(channels)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Factor and summand per real channel, each ``(2 C,)``, of the norm in evaluation mode."""
        variance = torch.cat([_buffer(self.real_b, "running_var"), _buffer(self.im_b, "running_var")])
        mean = torch.cat([_buffer(self.real_b, "running_mean"), _buffer(self.im_b, "running_mean")])
        scale = torch.cat([self.real_b.weight, self.im_b.weight]) * (variance + self.real_b.eps).rsqrt()
        return scale, torch.cat([self.real_b.bias, self.im_b.bias]) - mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, 2 C, freqs, frames)``."""
        parts = (self.real_b, self.im_b)
        if any(type(part) is not nn.BatchNorm2d for part in parts):
            # Converted for several processes (SyncBatchNorm): these need their own forward.
            return torch.cat([part(half) for part, half in zip(parts, x.chunk(2, 1), strict=True)], 1)
        # One call for both halves. The running statistics are updated in joined copies, which are
        # written back: vectors of a few dozen numbers, where two calls would copy the whole map.
        mean = torch.cat([_buffer(part, "running_mean") for part in parts])
        variance = torch.cat([_buffer(part, "running_var") for part in parts])
        weight = torch.cat([part.weight for part in parts])
        bias = torch.cat([part.bias for part in parts])
        momentum = self.real_b.momentum
        assert momentum is not None
        y = F.batch_norm(x, mean, variance, weight, bias, self.training, momentum, self.real_b.eps)
        if self.training:
            with torch.no_grad():
                for part, part_mean, part_variance in zip(
                    parts, mean.chunk(2), variance.chunk(2), strict=True
                ):
                    _buffer(part, "running_mean").copy_(part_mean)
                    _buffer(part, "running_var").copy_(part_variance)
                    _buffer(part, "num_batches_tracked").add_(1)
        return y


def kernel_pairs(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Real and imaginary kernel of every complex layer of a network, in order."""
    pairs = []
    for layer in network.modules():
        if isinstance(layer, ComplexConv2d):
            pairs.append((layer.real_conv.weight, layer.im_conv.weight))
        elif isinstance(layer, ComplexConvTranspose2d):
            pairs.append((layer.real_convt.weight, layer.im_convt.weight))
    return pairs


def _buffer(module: nn.Module, name: str) -> Tensor:
    buffer = getattr(module, name)
    assert isinstance(buffer, Tensor)
    return buffer


def polar_mask(output: Tensor) -> Tensor:
    """Polar bounded mask ``tanh(|O|) O / |O|`` (Choi et al. 2019, section 3.3).

    Parameters
    ----------
    output
        The network's output, real ``(batch, 2, freqs, frames)``.

    Returns
    -------
    Tensor
        Same shape; to be multiplied with the spectrogram as complex numbers. Its magnitude is below 1.
    """
    magnitude = (output.square().sum(1, keepdim=True) + _MAGNITUDE_FLOOR).sqrt()
    return output * (magnitude.tanh() / magnitude)


def component_mask(output: Tensor) -> Tensor:
    """Tanh of the real and of the imaginary part, each on its own (NoiseRemover's released networks).

    Parameters
    ----------
    output
        The network's output, real ``(batch, 2, freqs, frames)``.

    Returns
    -------
    Tensor
        Same shape; to be multiplied with the spectrogram's real and imaginary parts *separately*.
    """
    return output.tanh()
