"""The same network for inference: block kernels built once, norms folded into them.

A batch norm in evaluation mode is ``s y + t`` per channel, so that ``s (W x + b) + t`` is a
convolution with the kernel ``s W`` and the bias ``s b + t``. The result is that of the network up to
rounding; `DCUNet` builds its block kernels in every pass, because training changes them.

The decoders compute only what the wanted frames need. The context around a segment is a quarter of the
frames, and the last decoders, with the largest maps, take more than half of the time.

On processors, the last decoders compute some frames after the others, so that their maps are never there as a
whole. That takes 100 MB less and no longer.
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

_NUM_LATE = 3
"""So many last decoders have the largest maps: the first of them restores all frequencies and frames."""

_PART_FRAMES = 128
"""Frames that they compute at once, 1.5 s. With 64 it takes a tenth longer.

If the first two encoders computed again what stands beside these frames, instead of keeping it, that would
take 70 MB less, and 7 % longer.
"""


class _Sizes(NamedTuple):
    stride: Size
    padding: Size
    output_padding: Size


class _Map(NamedTuple):
    """Columns of a map, from frame ``first`` on."""

    columns: Tensor
    first: int = 0

    def of(self, frames: Frames) -> Tensor:
        """The columns of these frames."""
        return self.columns[..., frames.first - self.first : frames.beyond - self.first]


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
        """Output of the last layer, which `MASKS` bounds, for input as of `mask`; all frames by default."""
        # An exporter that records a run must not see a loop, whose length would be that of this run.
        whole = Frames(0, x.shape[-1])
        wanted_parts = [whole] if wanted is None else _parts(wanted, x.device)
        maps: list[_Map] = []  # in the order of the decoders that they go into
        for i in range(NUM_ENCODERS):
            kernel, bias, sizes = self._layer(i)
            x = F.leaky_relu_(F.conv2d(x, kernel, bias, sizes.stride, sizes.padding), LEAKY_SLOPE)
            maps.insert(0, _Map(x))
        lengths = [map_.columns.shape[-1] for map_ in maps]
        early, late = range(NUM_DECODERS - _NUM_LATE), range(NUM_DECODERS - _NUM_LATE, NUM_DECODERS)
        x_early = self._decode(maps[0], early, self._needed(wanted or whole, lengths), maps)
        parts = [
            self._decode(x_early, late, self._needed(part, lengths), maps).of(part) for part in wanted_parts
        ]
        return torch.cat(parts, -1)

    def _decode(self, x: _Map, decoders: range, needed: list[Frames], maps: list[_Map]) -> _Map:
        """Output of some decoders. The first takes ``x``, and the others what the one before them gives.

        Beside that stand the maps of the encoders, but for the first decoder of all.
        """
        for i in decoders:
            columns = x.of(needed[i])
            if i:
                columns = join_channels(columns, maps[i].of(needed[i]))
            kernel, bias, sizes = self._layer(NUM_ENCODERS + i)
            y = conv_transpose2d(columns, kernel, bias, sizes.stride, sizes.padding, sizes.output_padding)
            if i < NUM_DECODERS - 1:
                y = F.leaky_relu_(y, LEAKY_SLOPE)
            x = _Map(y, needed[i].first * sizes.stride[1])
        return x

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


def _parts(frames: Frames, device: torch.device) -> list[Frames]:
    """The frames, some at a time on processors."""
    at_once = _PART_FRAMES if device.type == "cpu" else frames.beyond - frames.first
    return [
        Frames(first, min(first + at_once, frames.beyond))
        for first in range(frames.first, frames.beyond, at_once)
    ]


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
