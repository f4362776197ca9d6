"""Two operations of the network with PyTorch's results, but faster on processors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]

_FEW_CHANNELS = 96
"""Up to this many output channels, a transposed convolution with strides in bfloat16 is slower than one
convolution for all phases: it has a quarter of the speed with 16, and half of it with 96 (Zen 5)."""


def conv_transpose2d(
    x: Tensor, kernel: Tensor, bias: Tensor, stride: Size, padding: Size, output_padding: Size
) -> Tensor:
    """Transposed convolution, as `torch.nn.functional.conv_transpose2d`.

    Parameters
    ----------
    x
        ``(batch, in, height, width)``.
    kernel
        ``(in, out, kernel height, kernel width)``.
    bias
        ``(out,)``.
    stride, padding, output_padding
        Sizes as ``(height, width)``.

    Returns
    -------
    Tensor
        ``(batch, out, height', width')``.
    """
    is_slow = min(stride) > 1 and kernel.shape[1] <= _FEW_CHANNELS and x.dtype is torch.bfloat16
    if is_slow and x.device.type == "cpu":
        return _by_phases(x, kernel, bias, stride, padding, output_padding)
    return F.conv_transpose2d(x, kernel, bias, stride, padding, output_padding)


def _by_phases(
    x: Tensor, kernel: Tensor, bias: Tensor, stride: Size, padding: Size, output_padding: Size
) -> Tensor:
    """One convolution that gives all phases of the output as channels, which are then interleaved.

    Output ``s m + r`` of phase ``r`` sums ``x[m - d] kernel[s d + r + p]`` over ``d``, with stride ``s`` and
    padding ``p``: the kernel, filled up with zeros to whole strides, is one ordinary kernel per phase.
    """
    kernel_paddings, input_paddings, lengths, sizes = [], [], [], []
    for taps, s, p, more, length in zip(
        kernel.shape[2:], stride, padding, output_padding, x.shape[2:], strict=True
    ):
        future = -(-p // s)  # inputs after the m-th that count
        before = s * future - p
        after = -(taps + before) % s
        size = (length - 1) * s - 2 * p + taps + more
        phase_length = -(-size // s)
        phase_taps = (before + taps + after) // s
        kernel_paddings.append((before, after))
        input_paddings.append((phase_taps - 1 - future, future + phase_length - length))
        lengths.append(phase_length)
        sizes.append(size)
    kernel = _split_phases(F.pad(kernel, kernel_paddings[1] + kernel_paddings[0]), stride)
    x = F.pad(x, input_paddings[1] + input_paddings[0]).contiguous(memory_format=torch.channels_last)
    y = F.conv2d(x, kernel.contiguous(memory_format=torch.channels_last), bias.repeat(stride[0] * stride[1]))
    # From (batch, phase phase' out, length, length') to (batch, out, size, size').
    y = y.permute(0, 2, 3, 1).reshape(-1, *lengths, *stride, bias.shape[0]).transpose(2, 3)
    y = y.reshape(y.shape[0], lengths[0] * stride[0], lengths[1] * stride[1], -1)
    y = y[:, : sizes[0], : sizes[1]].permute(0, 3, 1, 2)
    return y.contiguous(memory_format=torch.channels_last)


def _split_phases(kernel: Tensor, stride: Size) -> Tensor:
    """``(in, out, s d, s' d')`` as the kernel ``(s s' out, in, d, d')`` of an ordinary convolution."""
    channels, height, width = kernel.shape[:2], kernel.shape[2] // stride[0], kernel.shape[3] // stride[1]
    split = kernel.reshape(*channels, height, stride[0], width, stride[1])
    return split.flip(2, 4).permute(3, 5, 1, 0, 2, 4).reshape(-1, channels[0], height, width)


def join_channels(first: Tensor, second: Tensor) -> Tensor:
    """Maps ``(batch, channels, height, width)`` side by side: ``torch.cat([first, second], 1)``.

    On processors both get gradients that are maps of their own. `torch.cat` gives views of the joined
    gradient, which slow down everything that uses them.
    """
    if first.device.type != "cpu" or not torch.is_grad_enabled():
        return torch.cat([first, second], 1)
    joined: Tensor = _Join.apply(first, second)  # type: ignore[no-untyped-call]
    return joined


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.sizes = (first.shape[1], second.shape[1])
        return torch.cat([first, second], 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (gradient,) = gradients
        is_last = gradient.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if is_last else torch.contiguous_format
        return tuple(part.contiguous(memory_format=layout) for part in torch.split(gradient, ctx.sizes, 1))
