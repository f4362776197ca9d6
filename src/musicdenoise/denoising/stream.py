"""A song of any sample rate, block by block.

The network knows one sample rate. A song of another rate is resampled to it, denoised, and the
*estimate of the noise* is resampled back and subtracted from the song as it came: what lies above the
network's band is not touched, and neither filter leaves a trace in the music.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from musicdenoise.core.overlap import Estimator, SegmentPlan, SpectralStream
from musicdenoise.core.profile import ProfileFilter
from musicdenoise.core.resample import StreamResampler
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import AudioError

__all__ = ["SongStream", "as_samples"]

_TOO_LARGE = 1e15  # the squares of larger samples do not fit


class SongStream:
    """Denoise blocks of a song; as many samples come out as go in.

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
        Where the network computes; samples come and go on the CPU.
    strength
        Share of the estimated noise that is taken away, 0 to 1.
    linked, as_mid_side, batch_size
        Whether all channels share one level, whether two are denoised as middle and side, and segments
        computed at once; see `SpectralStream`.
    profile_filter
        What refines the estimates by averages over a long time; None for nothing.
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
        strength: float = 1.0,
        linked: bool = True,
        as_mid_side: bool = False,
        batch_size: int = 1,
        profile_filter: ProfileFilter | None = None,
    ) -> None:
        self._to_network = StreamResampler(sample_rate, config.sample_rate, channels)
        self._from_network = StreamResampler(config.sample_rate, sample_rate, channels)
        self._spectral = SpectralStream(
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
        self._song = _Delay(channels)
        self._network_input = _Delay(channels)
        self._strength = strength
        self._channels, self._has_ended = channels, False
        # At full strength and the network's own rate its estimate is the result.
        self._is_direct = sample_rate == config.sample_rate and strength == 1.0

    @torch.inference_mode()
    def push(self, block: ArrayLike) -> Tensor:
        """Take the next samples; return what is settled by now, perhaps nothing.

        Output lags behind input by up to one segment and its context, and with a noise profile by
        up to 8 s more.

        Parameters
        ----------
        block
            ``(channels, samples)``, an array or a tensor, any number of samples; copied.

        Returns
        -------
        Tensor
            float32 ``(channels, samples)``.

        Raises
        ------
        AudioError
            If the shape is not that, a sample is not finite, here or in the result, or the song has ended.
        """
        return _finite(self._pushed(self._checked(block)))

    def _pushed(self, block: Tensor) -> Tensor:
        if self._is_direct:
            return self._spectral.push(block)
        self._song.push(block)
        resampled = self._to_network.push(block)
        return self._subtract(self._from_network.push(self._noise(resampled)))

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """End of the song: return the rest ``(channels, samples)``.

        Raises
        ------
        AudioError
            If a sample of it is not finite.
        """
        self._has_ended = True
        return _finite(self._flushed())

    def _flushed(self) -> Tensor:
        if self._is_direct:
            return self._spectral.flush()
        last = self._noise(self._to_network.flush())
        clean = self._spectral.flush()
        last = torch.cat([last, self._network_input.pop(clean.shape[-1]) - clean], dim=-1)
        noise = torch.cat([self._from_network.push(last), self._from_network.flush()], dim=-1)
        return self._subtract(noise[:, : self._song.length])

    def _checked(self, block: ArrayLike) -> Tensor:
        if self._has_ended:
            raise AudioError("the song has ended with flush(): begin another stream for the next")
        samples = as_samples(block)
        if samples.ndim != 2 or samples.shape[0] != self._channels:
            raise AudioError(
                f"the block has the shape {samples.shape}; it must be ({self._channels}, samples): are the "
                "axes swapped?"
            )
        return torch.from_numpy(samples)

    def _noise(self, resampled: Tensor) -> Tensor:
        self._network_input.push(resampled)
        clean = self._spectral.push(resampled)
        return self._network_input.pop(clean.shape[-1]) - clean

    def _subtract(self, noise: Tensor) -> Tensor:
        return self._song.pop(noise.shape[-1]) - self._strength * noise


def as_samples(given: ArrayLike) -> NDArray[np.float32]:
    """A copy of samples, an array or a tensor of whatever type and device.

    Raises
    ------
    AudioError
        If they are complex, or one is not finite or beyond all reason.
    """
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        given = given.float() if given.is_floating_point() else given
    array = np.asarray(given)
    if np.iscomplexobj(array):
        raise AudioError("the samples are complex numbers: give real ones")
    samples = np.array(array, dtype=np.float32)
    if samples.size and not np.abs(samples).max() < _TOO_LARGE:  # of what is no number, too
        raise AudioError(
            f"some samples are not finite numbers, or are {_TOO_LARGE:g} or more: repair the audio first"
        )
    return samples


def _finite(result: Tensor) -> Tensor:
    """The result, if it is one: a network whose numbers overflow would pass for one that finds no noise."""
    if not bool(torch.isfinite(result).all()):
        raise AudioError(
            "the network's result is not finite: its weights are damaged, or do not fit this song; use "
            "other weights, or {precision} float32",
            precision=None,
        )
    return result


class _Delay:
    """Samples that wait for their counterpart."""

    def __init__(self, channels: int) -> None:
        self._waiting = torch.zeros(channels, 0)
        self._arrived: list[Tensor] = []
        self.length = 0

    def push(self, block: Tensor) -> None:
        self._arrived.append(block)
        self.length += block.shape[-1]

    def pop(self, num_samples: int) -> Tensor:
        if num_samples == 0:
            return self._waiting[:, :0]
        self._waiting = torch.cat([self._waiting, *self._arrived], dim=-1)
        self._arrived = []
        self.length -= num_samples
        taken, self._waiting = self._waiting[:, :num_samples], self._waiting[:, num_samples:].clone()
        return taken
