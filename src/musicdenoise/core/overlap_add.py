"""Inverse STFT frame by frame: windowed frames in, samples out as soon as no later frame reaches them."""

from __future__ import annotations

import torch
from torch import Tensor

from musicdenoise.core.stft import StftConfig, hann_window


class OverlapAdd:
    """Inverse of the centred `stft`, by least squares (Griffin & Lim 1984, equation 6).

    Parameters
    ----------
    config
        Size of the transform.
    channels
        Number of channels.

    Attributes
    ----------
    returned : int
        Samples per channel that came out so far.
    """

    def __init__(self, config: StftConfig, channels: int) -> None:
        self.config = config
        self.returned = 0
        window = hann_window(config)
        self._window = window * config.n_fft**0.5  # undoes the division in `stft`
        self._squares = window.square()
        # Sums from the next sample to return onwards; the first half window precedes the signal.
        self._sums = torch.zeros(channels, config.n_fft)
        self._weights = torch.zeros(config.n_fft)
        self._lead = config.half_window

    def push(self, spectrogram: Tensor) -> Tensor:
        """Take the next frames ``(channels, freqs, frames)``; return the samples they settle."""
        hop, n_fft = self.config.hop_length, self.config.n_fft
        frames = spectrogram.shape[-1]
        if frames == 0:
            return self._sums[:, :0]
        waves = torch.fft.irfft(spectrogram.transpose(-1, -2), n=n_fft) * self._window
        sums = _add_frames(waves, hop)
        weights = _add_frames(self._squares.expand(1, frames, n_fft), hop)[0]
        tail = n_fft - hop
        sums[:, :tail] += self._sums[:, :tail]
        weights[:tail] += self._weights[:tail]
        settled = frames * hop
        done = sums[:, :settled] / weights[:settled].clamp_min(1e-8)
        self._sums, self._weights = sums[:, settled:].clone(), weights[settled:].clone()
        lead = min(self._lead, settled)
        self._lead -= lead
        self.returned += settled - lead
        return done[:, lead:]


def _add_frames(frames: Tensor, hop: int) -> Tensor:
    """Overlap-add ``(channels, frames, n_fft)`` at steps of ``hop`` to ``(channels, samples)``.

    As ``hop`` divides ``n_fft``, a frame is a row of whole steps, and the sum is one of shifted rows.
    """
    channels, count, n_fft = frames.shape
    steps = n_fft // hop
    parts = frames.reshape(channels, count, steps, hop)
    sums = frames.new_zeros(channels, count + steps - 1, hop)
    for step in range(steps):
        sums[:, step : step + count] += parts[:, :, step]
    return sums.reshape(channels, -1)
