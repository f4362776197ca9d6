"""The same network for inference: block kernels built once, norms folded into them.

A batch norm in evaluation mode is ``s y + t`` per channel, so that ``s (W x + b) + t`` is a
convolution with the kernel ``s W`` and the bias ``s b + t``. The result is that of the network up to
rounding; `DCUNet` builds its block kernels in every pass, because training changes them.

The decoders compute only what the wanted frames need. The context around a segment is a quarter of the
frames, and the last decoders, with the largest maps, take more than half of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.architecture import MASKS, NUM_DECODERS, NUM_ENCODERS, Frames
from musicdenoise.core.complex_layers import ComplexBatchNorm2d, ComplexConv2d, ComplexConvTranspose2d
from musicdenoise.core.dcunet import LEAKY_SLOPE, DCUNet, masked_estimate
from musicdenoise.core.fast_layers import Size, conv_transpose2d, join_channels
from musicdenoise.errors import ConfigurationError, DeviceError
from musicdenoise.runtime.precision import PRECISIONS

_Layers = Callable[[Tensor, Frames | None], Tensor]


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
    precision
        One of `PRECISIONS`; ``auto`` is ``tf32``.
    compiled_frames
        Inputs of this many frames go through ``torch.compile``, on GPUs as CUDA graphs. Others do not,
        because every number of frames is compiled on its own. None for no compilation.

    Raises
    ------
    ConfigurationError
        If the precision is unknown.
    """

    def __init__(
        self, network: DCUNet, *, precision: str = "auto", compiled_frames: int | None = None
    ) -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise ConfigurationError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
        self.config = network.config
        self._precision = precision
        self._type = torch.bfloat16 if precision == "bf16" else torch.float32
        self._compiled_frames = compiled_frames
        self._compiled: _Layers | None = None
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
            self.register_buffer(f"kernel{i}", kernel.to(self._type, memory_format=torch.channels_last))
            self.register_buffer(f"bias{i}", bias.to(self._type))

    def mask(self, features: Tensor, wanted: Frames | None = None) -> Tensor:
        """Mask of the wanted frames for scaled input whose number of frames fits; see `DCUNet.mask`."""
        is_whole = features.shape[-1] == self._compiled_frames
        layers = self._compiled_layers if is_whole else self.map_features
        # One after another on the CPU: several at once are not faster there, and each needs memory.
        parts = features.chunk(len(features)) if features.device.type == "cpu" else [features]
        with _convolutions_in(self._precision, features.device):
            output = torch.cat([layers(part.to(self._type), wanted) for part in parts])
        return MASKS[self.config.mask](output.float())

    def _compiled_layers(self, x: Tensor, wanted: Frames | None) -> Tensor:
        if self._compiled is not None:
            return self._compiled(x, wanted)
        # Only the layers: around them the spectrograms are complex, which the compiler leaves alone.
        compiled = torch.compile(
            self.map_features, mode="reduce-overhead" if x.is_cuda else None, dynamic=False
        )
        try:
            output = compiled(x, wanted)
        except RuntimeError as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DeviceError(
                f"the network cannot be compiled here: {reason}; leave {{compile}} out", compile=True
            ) from error
        self._compiled = compiled
        return output

    def map_features(self, x: Tensor, wanted: Frames | None = None) -> Tensor:
        """Output of the last layer, which `MASKS` bounds, for input as of `mask`."""
        wanted = wanted or Frames(0, x.shape[-1])
        inputs: list[Tensor] = []
        for i in range(NUM_ENCODERS):
            inputs.append(x)
            kernel, bias, sizes = self._layer(i)
            x = F.leaky_relu_(F.conv2d(x, kernel, bias, sizes.stride, sizes.padding), LEAKY_SLOPE)
        needed = self._needed(wanted, [x.shape[-1], *(skip.shape[-1] for skip in reversed(inputs[1:]))])
        start = 0  # frame of the first column of x
        for i, (first, beyond) in enumerate(needed):
            x = x[..., first - start : beyond - start]
            if i:
                # The last of the list is no longer needed once it is joined.
                x = join_channels(x, inputs.pop()[..., first:beyond])
            kernel, bias, sizes = self._layer(NUM_ENCODERS + i)
            x = conv_transpose2d(x, kernel, bias, sizes.stride, sizes.padding, sizes.output_padding)
            start = first * sizes.stride[1]
            if i < NUM_DECODERS - 1:
                x = F.leaky_relu_(x, LEAKY_SLOPE)
        return x[..., wanted.first - start : wanted.beyond - start]

    def _needed(self, wanted: Frames, lengths: list[int]) -> list[Frames]:
        """Frames of each decoder's input, of which there are so many, that the wanted frames depend on.

        Output ``t`` is the sum of ``x[m] kernel[t + padding - stride m]`` over ``m``.
        """
        found: list[Frames] = []
        for i in reversed(range(NUM_DECODERS)):
            kernel, _, sizes = self._layer(NUM_ENCODERS + i)
            taps, stride, padding = kernel.shape[-1], sizes.stride[1], sizes.padding[1]
            first = -((taps - 1 - padding - wanted.first) // stride)
            beyond = (wanted.beyond - 1 + padding) // stride + 1
            wanted = Frames(max(0, first), min(lengths[i], beyond))
            found.append(wanted)
        return found[::-1]

    def forward(
        self, spectrogram: Tensor, gains: Tensor | None = None, wanted: Frames | None = None
    ) -> Tensor:
        """Estimate of the twenty layers; see `DCUNet.forward`, which a profile filter may refine further.

        Only the wanted frames are returned; all of them by default.
        """
        mask = self.mask if wanted is None else partial(self.mask, wanted=wanted)
        return masked_estimate(spectrogram, self.config, mask, gains, wanted)

    def _layer(self, index: int) -> tuple[Tensor, Tensor, _Sizes]:
        kernel, bias = self.get_buffer(f"kernel{index}"), self.get_buffer(f"bias{index}")
        return kernel, bias, self._sizes[index]


@contextmanager
def _convolutions_in(precision: str, device: torch.device) -> Iterator[None]:
    """The precision of float32 products on GPUs; elsewhere nothing is changed."""
    if device.type != "cuda":
        yield
        return
    settings = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = settings.fp32_precision
    settings.fp32_precision = "ieee" if precision == "float32" else "tf32"
    try:
        yield
    finally:
        settings.fp32_precision = before
