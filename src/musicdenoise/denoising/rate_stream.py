"""A song at one sample rate through a network at another, block by block.

A song at another rate than the network's is resampled and denoised. Then the *estimate of the noise* is
resampled back and subtracted from the song. So everything above the network's band stays, and the resampling
leaves no trace in the music.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musicdenoise.core.blocks import BlockStream
from musicdenoise.core.resample import StreamResampler
from musicdenoise.denoising.delay import DelayLine


class RateStream:
    """A stream at one sample rate for a song at another; as many samples come out as go in.

    Parameters
    ----------
    inner
        Denoises at the network's rate.
    network_rate
        That rate in Hz.
    sample_rate
        Rate of the song in Hz.
    channels
        Channels of the song.
    """

    def __init__(self, inner: BlockStream, network_rate: int, *, sample_rate: int, channels: int) -> None:
        self._to_network = StreamResampler(sample_rate, network_rate, channels)
        self._from_network = StreamResampler(network_rate, sample_rate, channels)
        self._inner = inner
        self._song = DelayLine(channels)
        self._network_input = DelayLine(channels)
        self._is_direct = sample_rate == network_rate

    @torch.inference_mode()
    def push(self, block: Tensor) -> Tensor:
        """Take the next samples; return what is settled by now, perhaps nothing.

        Output comes later than input by up to one segment and its context. A noise profile adds up to 8 s,
        a known noise up to 9 s, and a network that sees half a minute at a time adds that.

        Parameters
        ----------
        block
            float32 ``(channels, samples)``.

        Returns
        -------
        Tensor
            float32 ``(channels, samples)``.
        """
        if self._is_direct:
            return self._inner.push(block)
        self._song.push(block)
        resampled = self._to_network.push(block)
        return self._subtract(self._from_network.push(self._noise(resampled)))

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """End of the song: return the rest ``(channels, samples)``."""
        if self._is_direct:
            return self._inner.flush()
        last = self._noise(self._to_network.flush())
        clean = self._inner.flush()
        last = torch.cat([last, self._network_input.take(clean.shape[-1]) - clean], dim=-1)
        noise = torch.cat([self._from_network.push(last), self._from_network.flush()], dim=-1)
        return self._subtract(noise[:, : self._song.length])

    def _noise(self, resampled: Tensor) -> Tensor:
        self._network_input.push(resampled)
        clean = self._inner.push(resampled)
        return self._network_input.take(clean.shape[-1]) - clean

    def _subtract(self, noise: Tensor) -> Tensor:
        return self._song.take(noise.shape[-1]) - noise
