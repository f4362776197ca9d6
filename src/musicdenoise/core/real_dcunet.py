"""The network for programs that have no complex numbers: the same function on real and imaginary parts.

ONNX, and most of what runs it, knows real tensors only. So a spectrogram is ``(channels, freqs, frames, 2)``
here, with real and imaginary parts on the last axis, as `torch.view_as_real` gives them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.architecture import FEWEST_FRAMES, MASKS, TIME_STRIDE
from musicdenoise.core.dcunet import LEAST_POWER, DCUNet
from musicdenoise.core.fused import FusedDCUNet
from musicdenoise.core.level import frame_gains


class _Parts(NamedTuple):
    """Real and imaginary parts ``(channels, freqs, frames)`` of a spectrogram."""

    real: Tensor
    imag: Tensor

    def __sub__(self, other: _Parts) -> _Parts:
        return _Parts(self.real - other.real, self.imag - other.imag)


class RealDCUNet(nn.Module):
    """A `DCUNet` in evaluation mode, in real arithmetic.

    Parameters
    ----------
    network
        The network; its weights are copied.
    """

    def __init__(self, network: DCUNet) -> None:
        super().__init__()
        self.config = network.config
        self.fused = FusedDCUNet(network.eval(), precision="float32")
        self.profile = network.profile

    def forward(self, noisy: Tensor) -> Tensor:
        """Estimate the clean spectrogram.

        Parameters
        ----------
        noisy
            Real ``(channels, 1025, frames, 2)``, any number of frames; the channels of one song, which are
            denoised each on its own, at their common level.

        Returns
        -------
        Tensor
            Same shape.
        """
        song = _Parts(*noisy.unbind(-1))
        estimate = self._masked(song)
        if self.profile is not None:
            kept, returned = self.profile.weigh(song, estimate)
            removed = song - estimate
            estimate = _Parts(
                *((1.0 + kept) * part + returned * rest for part, rest in zip(estimate, removed, strict=True))
            )
        return torch.stack(estimate, dim=-1)

    def _masked(self, song: _Parts) -> _Parts:
        """The estimate of the layers; see `musicdenoise.core.dcunet.masked_estimate`."""
        scaled = song
        if self.config.level_reach:
            powers = (song.real.square() + song.imag.square()).mean(dim=(0, 1))
            gains = frame_gains(powers[None], self.config.level_reach)
            scaled = _Parts(song.real * gains, song.imag * gains)
        power = scaled.real.square() + scaled.imag.square() + LEAST_POWER
        factors = [power.pow((exponent - 1.0) / 2.0) for exponent in self.config.compressions]
        features = torch.cat(
            [torch.stack([part, *(part * factor for factor in factors)], dim=1) for part in scaled], dim=1
        )
        output = self.fused.map_features(_padded(features))[..., : song.real.shape[-1]]
        mask_re, mask_im = MASKS[self.config.mask](output).unbind(1)
        if self.config.mask == "component":
            return _Parts(mask_re * song.real, mask_im * song.imag)
        return _Parts(mask_re * song.real - mask_im * song.imag, mask_re * song.imag + mask_im * song.real)


def _padded(features: Tensor) -> Tensor:
    """Features with zeros behind, so many that the layers' sizes close; see `pad_frames_to_fit`.

    Its arithmetic is that of tensors: while a graph is recorded, the number of frames is one.
    """
    frames = features.shape[-1]
    wanted = torch.as_tensor((frames + TIME_STRIDE - 4) // TIME_STRIDE * TIME_STRIDE + 3)
    return F.pad(features, (0, FEWEST_FRAMES + TIME_STRIDE))[..., : wanted.clamp(min=FEWEST_FRAMES)]
