"""The denoiser: a network made ready for songs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from musicdenoise.audio.types import Samples
from musicdenoise.core.blocks import BlockStream
from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.families import Network
from musicdenoise.core.fine_net import FineNet
from musicdenoise.core.fused import FusedDCUNet
from musicdenoise.core.mid_side import MidSideStream
from musicdenoise.core.noise_spectrum_net import SPECTRUM_STFT
from musicdenoise.core.noise_stream import NoiseStream
from musicdenoise.core.overlap import SpectralStream
from musicdenoise.core.refiner import REFINER_STFT
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising.denoise_config import DenoiseConfig
from musicdenoise.denoising.fine_stream import fine_stream
from musicdenoise.denoising.gate import Gate, GateConfig
from musicdenoise.denoising.known_noise import KnownNoise
from musicdenoise.denoising.model import Model, load_model
from musicdenoise.denoising.noise_sample import NoiseSample, SampleLike, as_noise_samples
from musicdenoise.denoising.rate_stream import RateStream
from musicdenoise.denoising.refined_stream import RefinedStream
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.denoising.song_stream import Steps
from musicdenoise.runtime.device import has_fast_bf16, resolve_device
from musicdenoise.weights.bundled import load_noise_filter, load_refiner
from musicdenoise.weights.store import WeightsStore

# Puts something behind a network, at the network's rate.
_Refinement = Callable[[BlockStream], BlockStream]

_DEVICE_BATCH = 8  # chosen, not measured


class Denoiser(SongDenoiser):
    """Removes noise from songs with one network.

    Parameters
    ----------
    weights
        Name of a pretrained network (``"white"``), path of a weights file, or ``"none"`` for plain
        subtraction of a known noise. Default: the best network for noise of unknown kind.
    noise_sample
        The noise alone: the path of a recording, a stretch of each song as ``(start, end)`` in seconds or as
        text (``"0:00-0:02.5"``), or a pair of samples and their rate in Hz. By default each song is searched
        for noise alone; see `DenoiseConfig`.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
    config
        How songs are denoised.
    store
        Where pretrained networks are kept; the user's cache folder by default.
    on_fetch
        Called while a network is fetched, with the bytes so far and the bytes of the whole.

    Attributes
    ----------
    weights_name : str
        Name of the network.
    known_kind : str or None
        The kind of noise that the network is for, if it is for one kind.
    is_refined : bool
        Whether a refiner stands behind the network; see `musicdenoise.core.refiner`.

    Raises
    ------
    WeightsError
        If there are no such weights, or they cannot be read.
    DeviceError
        If there is no such device.

    Examples
    --------
    >>> import numpy as np
    >>> from musicdenoise import Denoiser
    >>> hiss = 0.1 * np.random.default_rng(0).standard_normal((2, 44_100)).astype(np.float32)
    >>> denoiser = Denoiser("white", device="cpu")
    >>> clean = denoiser.denoise(hiss, 44_100)
    >>> clean.shape, bool(abs(clean).mean() < 0.2 * abs(hiss).mean())
    ((2, 44100), True)

    Block by block, with the result some seconds behind:

    >>> stream = denoiser.stream(sample_rate=44_100, channels=2)
    >>> first, rest = stream.push(hiss), stream.flush()
    >>> first.shape[1] + rest.shape[1]
    44100

    Without a network, the spectrum of a known noise is subtracted; here that of the first half second:

    >>> Denoiser("none").denoise(hiss, 44_100, noise_sample=(0.0, 0.5)).shape
    (2, 44100)
    """

    def __init__(
        self,
        weights: str | Path | Model | None = None,
        *,
        noise_sample: SampleLike | Sequence[NoiseSample] | None = None,
        device: str = "auto",
        config: DenoiseConfig | None = None,
        store: WeightsStore | None = None,
        on_fetch: Callable[[int, int | None], None] | None = None,
    ) -> None:
        super().__init__(config or DenoiseConfig(), as_noise_samples(noise_sample))
        model = weights if isinstance(weights, Model) else load_model(weights, store, on_fetch)
        self.weights_name, self.known_kind, self.stft = model.name, model.known_kind, model.stft
        self._is_for_white = model.is_for_white
        self.device = resolve_device(device)
        self._precision = _resolve_precision(self.config.precision, model, self.device)
        self.network = None if model.network is None else self._ready(model.network)
        self.is_refined = model.is_refined
        profile = model.network.profile if isinstance(model.network, DCUNet) else None
        self._profile_filter = None if profile is None else deepcopy(profile).to(self.device)

    @classmethod
    def from_network(
        cls,
        network: Network,
        stft: StftConfig,
        *,
        device: str = "cpu",
        config: DenoiseConfig | None = None,
    ) -> Denoiser:
        """A denoiser with a network in memory."""
        return cls(Model(name="in memory", network=network, stft=stft), device=device, config=config)

    def _ready(self, network: Network) -> FusedDCUNet | FineNet:
        """The network for inference."""
        if isinstance(network, FineNet):
            return deepcopy(network).eval().to(self.device)
        self._plan = self.config.plan(self.stft, network.config.level_reach)
        return FusedDCUNet(
            network.eval(),
            precision=self._precision,
            compiled_frames=self._plan.network_frames if self.config.compile else None,
        ).to(self.device)

    @property
    def fewest_seconds(self) -> float:
        """Length of the shortest song that can be denoised: one window of the network."""
        return 0.0 if self.network is None else self.stft.n_fft / self.stft.sample_rate

    @property
    def chooses(self) -> bool:
        """It has one network for all songs."""
        return False

    def steps(self, sample_rate: int, channels: int, known: KnownNoise | None, head: Samples) -> Steps:
        """How a song is denoised; see `SongDenoiser.steps`."""
        gate = None
        if self.config.gate and known is None and self.network is not None:
            limits = GateConfig.usual(
                self.config.removed_share, known_kind=self.known_kind, is_refined=self.is_refined
            )
            gate = Gate(sample_rate, channels, limits)
        network = None
        if self.network is not None:
            as_mid_side = self._is_mid_side(channels, known)
            refined = self._refinement(channels, known, as_mid_side=as_mid_side)
            network = self._network_stream(sample_rate, channels, refined, as_mid_side=as_mid_side)
        return Steps(
            name=self.weights_name,
            network=network,
            noise=None if known is None else self._noise_stream(known),
            report=None if known is None else known.report,
            share=self.config.removed_share,
            gate=gate,
        )

    def _noise_stream(self, known: KnownNoise) -> NoiseStream | None:
        """The stream that uses a known noise behind the network and the refiner."""
        if self.is_refined:
            return known.rest_stream(REFINER_STFT)
        return known.stream(None if self.network is None else load_noise_filter())

    def estimate(self, samples: Samples, sample_rate: int) -> Samples:
        """The network's own estimate of a song ``(channels, samples)``, without gate or noise sample."""
        if self.network is None:
            return samples
        channels = samples.shape[0]
        stream = self._network_stream(
            sample_rate, channels, as_mid_side=self._is_mid_side(channels, known=None)
        )
        parts = [stream.push(torch.from_numpy(samples)), stream.flush()]
        estimate: Samples = torch.cat(parts, dim=-1).numpy()
        return estimate

    def _network_stream(
        self, sample_rate: int, channels: int, refined: _Refinement | None = None, *, as_mid_side: bool
    ) -> BlockStream:
        network = self.network
        assert network is not None
        if isinstance(network, FineNet):
            stft = self.stft
            inner: BlockStream = fine_stream(network, channels, self.device)
        else:
            stft = self._stft_at(sample_rate)
            linked = self.config.channels != "independent" and not as_mid_side
            inner = self._spectral_stream(network, stft, channels, linked=linked)
        if refined is not None:
            inner = refined(inner)
        stream = RateStream(inner, stft.sample_rate, sample_rate=sample_rate, channels=channels)
        return MidSideStream(stream, stft.n_fft) if as_mid_side else stream

    def _is_mid_side(self, channels: int, known: KnownNoise | None) -> bool:
        """Whether a song is denoised as middle and side.

        A refiner does better that way if it knows the noise of both. Without a sample, recorded noise gains
        nothing, because some wide music is taken for noise.
        """
        mode = self.config.channels
        knows_side = known is not None and known.mid_side_power is not None
        is_better = self._is_for_white or (self.is_refined and knows_side)
        is_wanted = channels == 2 and (mode == "mid-side" or (mode == "auto" and is_better))
        return is_wanted and (knows_side or known is None or not self.is_refined)

    def _spectral_stream(
        self, network: FusedDCUNet, stft: StftConfig, channels: int, *, linked: bool
    ) -> SpectralStream:
        return SpectralStream(
            network,
            stft,
            self._plan,
            channels,
            self.device,
            linked=linked,
            batch_size=self.config.batch_size or (1 if self.device.type == "cpu" else _DEVICE_BATCH),
            profile_filter=self._profile_filter,
        )

    def _refinement(
        self, channels: int, known: KnownNoise | None, *, as_mid_side: bool
    ) -> _Refinement | None:
        """The refiner behind the network for a song; None if there is none."""
        if not self.is_refined:
            return None
        sample = None
        if known is not None:
            sample = (known.power_at(SPECTRUM_STFT, as_mid_side=as_mid_side), known.report.seconds)
        return partial(
            RefinedStream,
            refiner=deepcopy(load_refiner(with_sample=known is not None)).to(self.device),
            sample=sample,
            channels=channels,
            device=self.device,
            dtype=torch.bfloat16 if self._precision == "bf16" else torch.float32,
        )

    def _stft_at(self, sample_rate: int) -> StftConfig:
        """STFT with the rate to which a song is converted for the network.

        Songs stay at their own rate for the network for white noise, because white noise is white at any
        rate: to the network, the song is only played faster or slower. A song that is converted from a lower
        rate would have no noise in the highs, and the network never learnt that. A song that is converted
        from a higher rate would keep the noise above the network's band.
        """
        return replace(self.stft, sample_rate=sample_rate) if self._is_for_white else self.stft


def _resolve_precision(precision: str, model: Model, device: torch.device) -> str:
    """The precision, with ``"auto"`` resolved: bf16 on processors that have it, tf32 elsewhere.

    NoiseRemover's networks give the results that their authors got.
    """
    if precision != "auto":
        return precision
    is_fast = device.type == "cpu" and has_fast_bf16(device) and not model.runs_as_authors
    return "bf16" if is_fast else "tf32"
