"""A network's estimate of a song of any sample rate, block by block.

The network works at one sample rate. A song at another rate is resampled and denoised. Then the *estimate
of the noise* is resampled back and subtracted from the song. So everything above the network's band stays,
and the resampling leaves no trace in the music.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from musicdenoise.core.blocks import BlockStream
from musicdenoise.core.overlap import Estimator, SegmentPlan, SpectralStream
from musicdenoise.core.profile import ProfileFilter
from musicdenoise.core.resample import StreamResampler
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising.delay import Delay

# Puts something behind a network that denoises at its own rate.
Refinement = Callable[[BlockStream], BlockStream]


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
        self._song = Delay(channels)
        self._network_input = Delay(channels)
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
        last = torch.cat([last, self._network_input.pop(clean.shape[-1]) - clean], dim=-1)
        noise = torch.cat([self._from_network.push(last), self._from_network.flush()], dim=-1)
        return self._subtract(noise[:, : self._song.length])

    def _noise(self, resampled: Tensor) -> Tensor:
        self._network_input.push(resampled)
        clean = self._inner.push(resampled)
        return self._network_input.pop(clean.shape[-1]) - clean

    def _subtract(self, noise: Tensor) -> Tensor:
        return self._song.pop(noise.shape[-1]) - noise


class NetworkStream(RateStream):
    """A network's estimate of a song; as many samples come out as go in.

    Parameters
    ----------
    estimator
        The network; see `musicdenoise.core.overlap.Estimator`.
    config
        Its STFT, with the network's sample rate.
    plan
        Lengths of segments and context.
    sample_rate
        Rate of the song in Hz.
    channels
        Channels of the song.
    device
        Where the network computes. Samples are on the CPU.
    linked, as_mid_side, batch_size
        Whether all channels share one level, whether two are denoised as middle and side, and segments
        computed at once; see `SpectralStream`.
    profile_filter
        Refines the estimates by averages over a long time; None for no filter.
    refined
        Stream behind the network, at its rate; None for none.
    """

    def __init__(
        self,
        estimator: Estimator,
        config: StftConfig,
        plan: SegmentPlan,
        *,
        sample_rate: int,
        channels: int,
        device: torch.device,
        linked: bool = True,
        as_mid_side: bool = False,
        batch_size: int = 1,
        profile_filter: ProfileFilter | None = None,
        refined: Refinement | None = None,
    ) -> None:
        spectral: BlockStream = SpectralStream(
            estimator,
            config,
            plan,
            channels,
            device,
            linked=linked,
            as_mid_side=as_mid_side,
            batch_size=batch_size,
            profile_filter=profile_filter,
        )
        if refined is not None:
            spectral = refined(spectral)
        super().__init__(spectral, config.sample_rate, sample_rate=sample_rate, channels=channels)
