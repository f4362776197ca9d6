"""The one way for sound: a song block by block, through network, noise spectrum and gate.

The command, the Python API and the evaluation all use this stream, so that what is measured is what ships::

    song -> network -> spectrum of the noise -> strength -> gate -> result

Every step but the strength may be missing. The beginning of the song may decide which steps there are; then
blocks wait until enough of it is there. The steps hold samples back for different times, so one delay line
keeps the song until the last step has used it.

Conventions: blocks are float32 ``(channels, samples)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from musicdenoise.audio.types import Samples
from musicdenoise.core.blocks import BlockStream
from musicdenoise.core.noise_stream import NoiseStream
from musicdenoise.denoising.delay import DelayLine
from musicdenoise.denoising.gate import Gate
from musicdenoise.denoising.noise_sample import NoiseReport
from musicdenoise.denoising.samples import as_samples
from musicdenoise.errors import AudioError


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The steps that a song goes through.

    Parameters
    ----------
    name
        Name of the network, or `musicdenoise.denoising.model.NO_NETWORK`.
    network
        Estimates the music; None without a network.
    noise
        Uses the noise's spectrum; None if it is not known.
    report
        Where the noise's spectrum came from; None if it is not known.
    share
        Share of the estimated noise's amplitude that is removed, 0 to 1.
    gate
        Leaves the song alone if there is next to nothing to remove; None without a gate.
    """

    name: str
    network: BlockStream | None
    noise: NoiseStream | None = None
    report: NoiseReport | None = None
    share: float = 1.0
    gate: Gate | None = None


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """How the steps are chosen by the beginning of a song.

    Parameters
    ----------
    step
        Samples from one look at the beginning to the next. So the choice does not depend on the blocks.
    is_enough
        Whether the samples so far are enough.
    choose
        The steps for a song with this beginning. A shorter song is given whole.
    """

    step: int
    is_enough: Callable[[Samples], bool]
    choose: Callable[[Samples], Steps]


class SongStream:
    """Denoise a song block by block; as many samples come out as go in.

    Parameters
    ----------
    channels
        Channels of the song.
    steps
        The steps, or how they are chosen.

    Attributes
    ----------
    steps : Steps or None
        The steps; None until they are chosen.
    """

    def __init__(self, channels: int, steps: Steps | Beginning) -> None:
        self.steps = steps if isinstance(steps, Steps) else None
        self._beginning = steps if isinstance(steps, Beginning) else None
        self._head: list[Samples] = []
        self._heard = self._looked = 0  # samples of the beginning that are there, and that were looked at
        self._song = DelayLine(channels, readers=3)
        self._has_ended = False
        self._removed_power, self._count = 0.0, 0  # what the estimates would remove, before the gate

    def push(self, block: ArrayLike) -> Samples | Tensor:
        """Take the next samples; return what is ready by now, perhaps nothing.

        Parameters
        ----------
        block
            ``(channels, samples)``, an array or a tensor, any number of samples; copied.

        Returns
        -------
        ndarray or Tensor
            float32 ``(channels, samples)``: a tensor if the block is one, otherwise an array.

        Raises
        ------
        AudioError
            If the shape is wrong, a sample is not finite, or the song has ended.
        """
        clean = self.advance(block)[1]
        return torch.from_numpy(clean) if isinstance(block, Tensor) else clean

    def flush(self) -> Samples:
        """End of the song: return the rest, an array ``(channels, samples)``."""
        return self.end()[1]

    def advance(self, block: ArrayLike) -> tuple[Samples, Samples]:
        """As `push`, but return the noisy samples and the result."""
        if self._has_ended:
            raise AudioError("the song has ended with flush(): begin another stream for the next")
        samples = as_samples(block)
        channels = self._song.channels
        if samples.ndim != 2 or samples.shape[0] != channels:
            raise AudioError(
                f"the block has the shape {samples.shape}; it must be ({channels}, samples): are the axes "
                "swapped?"
            )
        if self.steps is not None:
            return self._through(self.steps, samples)
        assert self._beginning is not None
        return self._hear(self._beginning, samples)

    def end(self) -> tuple[Samples, Samples]:
        """As `flush`, but return the noisy samples and the result."""
        self._has_ended = True
        nothing = self._take(0)
        done = [(nothing, nothing)]
        if self.steps is None and self._beginning is not None:
            whole = np.concatenate([nothing, *self._head], axis=1)
            done.append(self._begin(self._beginning, whole, whole))
        if (steps := self.steps) is not None:
            if steps.network is not None:
                done.append(self._after_network(steps, steps.network.flush()))
            if steps.noise is not None:
                done.append(self._after_noise(steps, steps.noise.flush()))
            if steps.gate is not None:
                rest = steps.gate.flush()
                done.append((self._take(rest.shape[1]), rest))
        noisy, clean = (np.concatenate(parts, axis=1) for parts in zip(*done, strict=True))
        return noisy, clean

    @property
    def noise_db(self) -> float:
        """Level of the noise in the song, removed or not: root mean square in dB re full scale."""
        if self._removed_power == 0.0 or self.steps is None:
            return -math.inf
        return 10.0 * math.log10(self._removed_power / self._count / self.steps.share**2)

    def _hear(self, beginning: Beginning, samples: Samples) -> tuple[Samples, Samples]:
        """Keep the samples, or begin if they are enough."""
        self._head.append(samples)
        self._heard += samples.shape[1]
        if self._heard >= self._looked + beginning.step:
            heard = np.concatenate(self._head, axis=1)
            self._head = [heard]
            while self._heard >= self._looked + beginning.step:
                self._looked += beginning.step
                if beginning.is_enough(heard[:, : self._looked]):
                    return self._begin(beginning, heard[:, : self._looked], heard)
        return samples[:, :0], samples[:, :0]

    def _begin(self, beginning: Beginning, head: Samples, heard: Samples) -> tuple[Samples, Samples]:
        self.steps = beginning.choose(head)
        self._head = []
        return self._through(self.steps, heard)

    def _through(self, steps: Steps, samples: Samples) -> tuple[Samples, Samples]:
        block = torch.from_numpy(samples)
        self._song.push(block)
        return self._after_network(steps, block if steps.network is None else steps.network.push(block))

    def _after_network(self, steps: Steps, estimate: Tensor) -> tuple[Samples, Samples]:
        if steps.noise is None:
            return self._after_noise(steps, estimate)
        song = self._song.take(estimate.shape[1], reader=0)
        return self._after_noise(steps, steps.noise.push(song, estimate if steps.network else None))

    def _after_noise(self, steps: Steps, result: Tensor) -> tuple[Samples, Samples]:
        clean: Samples = result.numpy()
        song: Samples = self._song.take(clean.shape[1], reader=1).numpy()
        if not np.isfinite(clean).all():
            raise AudioError(
                "the network's result is not finite, so its weights are damaged or do not fit this song; use "
                "other weights, or {precision} float32",
                precision=None,
            )
        if steps.share < 1.0:
            clean = song - np.float32(steps.share) * (song - clean)
        self._removed_power += float(np.sum(np.square(song - clean, dtype=np.float64)))
        self._count += clean.size
        if steps.gate is not None:
            clean = steps.gate.push(song, clean)
        return self._take(clean.shape[1]), clean

    def _take(self, num_samples: int) -> Samples:
        """The song's samples of which the result is ready."""
        samples: Samples = self._song.take(num_samples).numpy()
        return samples
