"""A level-free network: its input is scaled to a fixed level, frame by frame.

The gain of a frame depends only on the spectrogram within a fixed number of frames around it, with all
channels together, and never on how a song was cut. Nothing has to be scaled back, because the network
estimates a mask: it is found from the scaled spectrogram and multiplies the unscaled one. So ``denoise(g *
x) == g * denoise(x)``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Mean power of a bin below which a passage counts as digital silence: -140 dB re full scale, a tenth
# of the rounding noise of 24-bit samples.
SILENCE_POWER = 1e-14


def frame_powers(spectrogram: Tensor) -> Tensor:
    """Mean power of each frame over frequencies and channels.

    Parameters
    ----------
    spectrogram
        Complex, ``(batch, channels, freqs, frames)``.

    Returns
    -------
    Tensor
        Real, ``(batch, frames)``.
    """
    return (spectrogram.real.square() + spectrogram.imag.square()).mean(dim=(1, 2))


def frame_gains(powers: Tensor, reach: int) -> Tensor:
    """Gain per frame that brings the smoothed level to a mean power of 1 per bin.

    Parameters
    ----------
    powers
        Mean power of each frame, ``(batch, frames)``.
    reach
        Frames to each side that count, under a Hann window that falls to zero after them. At the ends of
        ``powers`` the window covers only the frames that exist.

    Returns
    -------
    Tensor
        Positive factors, ``(batch, frames)``. In digital silence the gain is limited.
    """
    window = torch.hann_window(2 * reach + 3, periodic=False, device=powers.device, dtype=powers.dtype)
    kernel = window[1:-1].reshape(1, 1, -1)
    sums = F.conv1d(powers.unsqueeze(1), kernel, padding=reach)
    weights = F.conv1d(torch.ones_like(powers[:1]).unsqueeze(1), kernel, padding=reach)
    return (sums / weights).squeeze(1).clamp_min(SILENCE_POWER).rsqrt()
