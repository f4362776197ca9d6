"""The same network for inference: block kernels built once, norms folded into them.

A batch norm in evaluation mode is ``s y + t`` per channel, so that ``s (W x + b) + t`` is a
convolution with the kernel ``s W`` and the bias ``s b + t``. The result is that of the network up to
rounding; `DCUNet` builds its block kernels anew in every pass, since training changes them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.complex_layers import ComplexBatchNorm2d, ComplexConv2d, ComplexConvTranspose2d
from musicdenoise.core.dcunet import LEAKY_SLOPE, MASKS, NUM_DECODERS, NUM_ENCODERS, DCUNet, masked_estimate

__all__ = ["FusedDCUNet"]

Size = tuple[int, int]


class _Sizes(NamedTuple):
    stride: Size
    padding: Size
    output_padding: Size


class FusedDCUNet(nn.Module):
    """A `DCUNet` in evaluation mode, one real convolution per layer.

    Parameters
    ----------
    network
        The network; its weights are copied, on its device.
    """

    def __init__(self, network: DCUNet) -> None:
        super().__init__()
        self.config = network.config
        self._sizes: list[_Sizes] = []
        encoders, decoders = network.layers()
        for i, layer in enumerate([*encoders, *decoders]):
            transposed = i >= NUM_ENCODERS
            conv = layer.cconvt if transposed else layer.cconv
            assert isinstance(conv, ComplexConv2d | ComplexConvTranspose2d)
            with torch.no_grad():
                kernel, bias = conv.kernel_and_bias()
                if i < NUM_ENCODERS + NUM_DECODERS - 1:
                    norm = layer.cbn
                    assert isinstance(norm, ComplexBatchNorm2d)
                    scale, shift = norm.scale_and_shift()
                    shape = (1, -1, 1, 1) if transposed else (-1, 1, 1, 1)
                    kernel, bias = kernel * scale.reshape(shape), bias * scale + shift
            output_padding = conv.output_padding if isinstance(conv, ComplexConvTranspose2d) else (0, 0)
            self._sizes.append(_Sizes(conv.stride, conv.padding, output_padding))
            self.register_buffer(f"kernel{i}", kernel.to(memory_format=torch.channels_last))
            self.register_buffer(f"bias{i}", bias)

    def mask(self, features: Tensor) -> Tensor:
        """Mask for scaled input whose number of frames fits; see `DCUNet.mask`."""
        x = features
        inputs: list[Tensor] = []
        for i in range(NUM_ENCODERS):
            inputs.append(x)
            kernel, bias, sizes = self._layer(i)
            x = F.leaky_relu_(F.conv2d(x, kernel, bias, sizes.stride, sizes.padding), LEAKY_SLOPE)
        for i in range(NUM_DECODERS):
            if i:
                # The last of the list is no longer needed once it is joined.
                x = torch.cat([x, inputs.pop()], 1)
            kernel, bias, sizes = self._layer(NUM_ENCODERS + i)
            x = F.conv_transpose2d(x, kernel, bias, sizes.stride, sizes.padding, sizes.output_padding)
            if i < NUM_DECODERS - 1:
                x = F.leaky_relu_(x, LEAKY_SLOPE)
        return MASKS[self.config.mask](x)

    def forward(self, spectrogram: Tensor, gains: Tensor | None = None) -> Tensor:
        """Estimate the clean spectrogram; see `DCUNet.forward`."""
        return masked_estimate(spectrogram, self.config, self.mask, gains)

    def _layer(self, index: int) -> tuple[Tensor, Tensor, _Sizes]:
        kernel, bias = self.get_buffer(f"kernel{index}"), self.get_buffer(f"bias{index}")
        return kernel, bias, self._sizes[index]
