"""The denoiser: a network made ready for songs."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from musicdenoise.core.architecture import SEEN_FRAMES
from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.families import Network
from musicdenoise.core.fused import FusedDCUNet
from musicdenoise.core.overlap import SegmentPlan
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising.stream import SongStream, as_samples
from musicdenoise.errors import AudioError, ConfigurationError, UnsupportedAudioError, WeightsError
from musicdenoise.kinds import ANY_NOISE, NOISE_KINDS, WHITE_NOISE
from musicdenoise.runtime.device import resolve_device
from musicdenoise.runtime.precision import PRECISIONS
from musicdenoise.weights.index import default_weights, load_aliases, network_names
from musicdenoise.weights.loading import load_network
from musicdenoise.weights.store import WeightsStore, resolve_weights

__all__ = ["DenoiseConfig", "Denoiser"]

MAX_CHANNELS = 8
CHANNEL_MODES = ("auto", "linked", "independent", "mid-side")
_DEVICE_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class DenoiseConfig:
    """How songs are denoised.

    The lengths do not change the result, unless ``context_seconds`` is given.

    Parameters
    ----------
    segment_seconds
        Length of the stretches that the network sees at once, context not counted. Longer ones
        recompute less and take more memory. It counts at the network's rate: of a song at half of it
        that is not converted (see `Denoiser.stream`) a stretch is twice as long.
    context_seconds
        What the network sees beside each stretch; None for all that matters, 96 STFT frames, which are 1.1 s
        with the pretrained networks. With less the results depend on the segments, by -34 dB with 0.75 s.
    strength
        Share of the estimated noise that is taken away, 0 (none) to 1 (all).
    atten_limit_db
        Noise is lowered by at most this much, in dB; None for no limit. Some noise that is left masks
        what the network does to the music.
    channels
        ``"linked"`` brings all channels to the network's level together, ``"independent"`` each on its own.
        ``"mid-side"`` denoises stereo as middle and side, each at its own level, which is better where the
        noise differs between left and right; other numbers of channels are linked. ``"auto"`` is mid-side
        for networks that know white noise alone and any level, and linked for others.
    batch_size
        Stretches that are computed at once; None for 1 on processors, which are busy with one, and 8 on
        other devices. Output lags by so many.
    precision
        ``"float32"``, ``"tf32"`` or ``"bf16"``; ``"auto"`` for tf32 on GPUs that have it, float32 elsewhere.
        On processors with instructions for it bf16 is about half as fast again; the result differs by less
        than -50 dB.
    compile
        Whether whole segments go through ``torch.compile``, on GPUs as CUDA graphs. That takes a minute
        for each number of channels, and pays for many songs.
    """

    segment_seconds: float = 6.0
    context_seconds: float | None = None
    strength: float = 1.0
    atten_limit_db: float | None = None
    channels: str = "auto"
    batch_size: int | None = None
    precision: str = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("segment_seconds", "context_seconds"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value <= 600.0:
                raise ConfigurationError(f"{name} is {value}; it must be in (0, 600] seconds")
        if not 0.0 <= self.strength <= 1.0:
            raise ConfigurationError(f"strength is {self.strength}; it must be from 0 to 1")
        if self.atten_limit_db is not None and not self.atten_limit_db >= 0.0:
            raise ConfigurationError(f"atten_limit_db is {self.atten_limit_db}; it must be 0 dB or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigurationError(f"batch_size is {self.batch_size}; it must be at least 1")
        for name, allowed in (("channels", CHANNEL_MODES), ("precision", PRECISIONS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigurationError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")

    @property
    def removed_share(self) -> float:
        """Share of the estimated noise's amplitude that is taken away, from strength and limit."""
        limit = 1.0 if self.atten_limit_db is None else 1.0 - math.pow(10.0, -self.atten_limit_db / 20.0)
        return min(self.strength, limit)

    def plan(self, stft: StftConfig, level_reach: int) -> SegmentPlan:
        """The lengths in STFT frames, rounded to the grid of 16."""

        def frames(seconds: float) -> int:
            return max(1, round(seconds * stft.sample_rate / stft.hop_length / 16)) * 16

        return SegmentPlan(
            segment_frames=frames(self.segment_seconds),
            context_frames=SEEN_FRAMES if self.context_seconds is None else frames(self.context_seconds),
            level_reach=level_reach,
        )


class Denoiser:
    """Removes noise from songs.

    Parameters
    ----------
    weights
        The name of a pretrained network (``"white"``), or the path of a weights file. Default: the first
        network of the index, which is the best there is for noise of unknown kind.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
    config
        How songs are denoised.
    store
        Where pretrained networks are kept; the user's cache folder by default.
    on_fetch
        Called while a network is fetched, with the bytes there so far and of the whole.

    Attributes
    ----------
    known_kind : str or None
        The one kind of noise that the weights were named for, if it is one.

    Raises
    ------
    WeightsError
        If there are no such weights, or they cannot be read.
    DeviceError
        If there is no such device.

    Examples
    --------
    >>> clean = Denoiser("white").denoise(noisy, 44100)  # doctest: +SKIP
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        device: str = "auto",
        config: DenoiseConfig | None = None,
        store: WeightsStore | None = None,
        on_fetch: Callable[[int, int | None], None] | None = None,
    ) -> None:
        resolved = resolve_weights(default_weights() if weights is None else weights, store, on_fetch)
        network, metadata = load_network(resolved.path)
        self.weights_name = resolved.name
        kind = str(weights) if str(weights) in load_aliases() else metadata.noise_kind
        self.known_kind = kind if kind in NOISE_KINDS and kind != ANY_NOISE else None
        self.metadata = metadata
        self._prepare(network, metadata.stft, resolve_device(device), config or DenoiseConfig())
        # NoiseRemover's network for white noise runs as its authors run it.
        runs_as_authors = isinstance(network, DCUNet) and network.config.level_reach == 0
        self._is_for_white = metadata.noise_kind == WHITE_NOISE and not runs_as_authors

    @classmethod
    def from_network(
        cls,
        network: Network,
        stft: StftConfig,
        *,
        device: str = "cpu",
        config: DenoiseConfig | None = None,
    ) -> Denoiser:
        """Denoiser around a network in memory."""
        denoiser = cls.__new__(cls)
        denoiser.weights_name = "in memory"
        denoiser.known_kind = None
        denoiser._prepare(network, stft, resolve_device(device), config or DenoiseConfig())
        return denoiser

    def _prepare(
        self, network: Network, stft: StftConfig, device: torch.device, config: DenoiseConfig
    ) -> None:
        if not isinstance(network, DCUNet):
            raise WeightsError(
                "these weights are of a network for recorded noise, which can be trained but not yet run on "
                f"songs: choose {', '.join(network_names())}"
            )
        self.device, self.stft, self.config = device, stft, config
        self._is_for_white = False
        self._plan = config.plan(stft, network.config.level_reach)
        self.network = FusedDCUNet(
            network.eval(),
            precision=config.precision,
            compiled_frames=self._plan.network_frames if config.compile else None,
        ).to(device)
        self._profile_filter = None if network.profile is None else deepcopy(network.profile).to(device)

    def stream(self, sample_rate: int, channels: int) -> SongStream:
        """Denoise a song block by block: ``push(block)`` for each, ``flush()`` at the end.

        Songs are converted to the network's rate, and the noise found there back; but networks for white
        noise take songs of any rate as they are.

        Raises
        ------
        UnsupportedAudioError
            If there are more than 8 channels or the rate is out of range.
        """
        if not 1 <= channels <= MAX_CHANNELS:
            raise UnsupportedAudioError(
                f"the audio has {channels} channels, 1 to {MAX_CHANNELS} are supported: "
                "the shape must be (channels, samples); are the axes swapped?"
            )
        if not math.isfinite(sample_rate) or sample_rate != int(sample_rate):
            raise UnsupportedAudioError(f"the sample rate is {sample_rate}; it must be a whole number of Hz")
        sample_rate = int(sample_rate)
        mode = self.config.channels
        is_mid_side = mode == "mid-side" or (mode == "auto" and self._is_for_white)
        as_mid_side = is_mid_side and channels == 2
        return SongStream(
            self.network,
            self._stft_at(sample_rate),
            self._plan,
            sample_rate=sample_rate,
            channels=channels,
            device=self.device,
            strength=self.config.removed_share,
            linked=mode != "independent" and not as_mid_side,
            as_mid_side=as_mid_side,
            batch_size=self.config.batch_size or (1 if self.device.type == "cpu" else _DEVICE_BATCH),
            profile_filter=self._profile_filter,
        )

    def _stft_at(self, sample_rate: int) -> StftConfig:
        """STFT with the rate to which a song is converted for the network.

        White noise is white at any rate, and to the network for it a song of another rate is music that is
        played faster or slower: the song stays as it is. Converted from a lower rate it would have no noise
        in the highs, which is like nothing that the network has learnt; converted from a higher one it
        would keep the noise above the network's band.
        """
        return replace(self.stft, sample_rate=sample_rate) if self._is_for_white else self.stft

    def denoise(self, samples: ArrayLike, sample_rate: int) -> NDArray[np.float32]:
        """Denoise a whole song.

        Parameters
        ----------
        samples
            ``(channels, samples)`` or ``(samples,)``, converted to float32; not changed.
        sample_rate
            Rate in Hz.

        Returns
        -------
        ndarray
            float32, same shape.

        Raises
        ------
        AudioError
            If a sample is not finite or the shape is not one of the above.
        """
        array = as_samples(samples)
        if array.ndim not in (1, 2):
            raise AudioError(
                f"the samples have {array.ndim} dimensions: give (channels, samples) or (samples,)"
            )
        waveform = torch.from_numpy(np.atleast_2d(array))
        stream = self.stream(sample_rate, waveform.shape[0])
        cleaned: NDArray[np.float32] = torch.cat([stream.push(waveform), stream.flush()], dim=-1).numpy()
        return cleaned.reshape(array.shape)
