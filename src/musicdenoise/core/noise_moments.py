"""A small network that hears in which moments of a song nothing plays but noise.

It reads a song as levels and flatness by frame and band, looks 1.4 s to both sides, and answers with
log odds for each frame: above 0, noise alone is likelier than music, applause or a crowd. Layers are those
of a convolutional network over time with residual connections (He and others, "Deep residual learning for
image recognition", 2016); bands are its channels.

Conventions: features are ``(frames, NUM_FEATURES)``; `musicdenoise.denoising.noise_likeness` makes them.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

_DILATIONS = (1, 2, 4, 8)  # 1.4 s to both sides. Chosen, not measured

NOISE_MOMENTS_REACH = sum(_DILATIONS)
"""Frames to each side that a frame depends on."""


class NoiseMoments(nn.Module):
    """Log odds for noise alone, frame by frame.

    Parameters
    ----------
    num_features
        What is known of each frame.
    width
        Channels of its hidden layers. The default is chosen, not measured.
    """

    def __init__(self, num_features: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv1d(num_features, width, 1)
        self.hidden = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for dilation in _DILATIONS
        )
        self.last = nn.Conv1d(width, 1, 1)
        self.dropout = nn.Dropout(0.1)  # in training. Chosen, not measured

    def forward(self, features: Tensor) -> Tensor:
        """Log odds ``(batch, frames)`` from features ``(batch, frames, num_features)``."""
        x = F.silu(self.first(self.dropout(features.mT)))
        for layer in self.hidden:
            x = x + F.silu(layer(x))
        return cast("Tensor", self.last(self.dropout(x))[:, 0])
