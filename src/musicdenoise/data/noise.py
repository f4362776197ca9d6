"""Where noise comes from: a random generator, recordings, or both.

Every source draws ``(1, num_samples)`` float32 of arbitrary level; mixing scales it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from musicdenoise.core.mixing import loop_to_length, rms, zero_mean
from musicdenoise.data.bank import AudioBank
from musicdenoise.errors import DataError
from musicdenoise.kinds import NOISE_CLASSES

ATTEMPTS = 20  # to find a stretch that is not silent; chosen, not measured
ALL_SILENT = f"{ATTEMPTS} noise recordings in a row are silent: remove the silent ones"
_KNOWN_WEIGHT = 2.5  # so that the ten classes are two thirds among a dozen others
_FASTER_SHARE = 0.5  # chosen, not measured

FASTEST = 2.0
"""By how much recordings are played faster at most, by default. Chosen, not measured."""


class NoiseSource(Protocol):
    """Something that noise can be drawn from."""

    def draw(self, num_samples: int, rng: np.random.Generator) -> Tensor:
        """Independent noise, ``(1, num_samples)``, not silent."""
        ...


class WhiteNoise:
    """Gaussian white noise of variance 1."""

    def draw(self, num_samples: int, rng: np.random.Generator) -> Tensor:
        """White noise, ``(1, num_samples)``."""
        return torch.from_numpy(rng.standard_normal((1, num_samples), dtype=np.float32))


class RecordedNoise:
    """Random stretches of recordings. Short ones are looped; half of them are read out faster.

    Parameters
    ----------
    bank
        The recordings.
    labels
        Class of each recording. A class is drawn first, then a recording of it; the ten classes of
        UrbanSound8K are two and a half times as likely as others.
    fastest
        Half of the recordings are read out up to ``fastest`` times as fast, which also moves their band
        upwards.
    """

    def __init__(self, bank: AudioBank, labels: list[str], *, fastest: float = FASTEST) -> None:
        check_labels(labels, bank)
        self.bank = bank
        self.fastest = fastest
        names = sorted(set(labels))
        self._by_label = [[i for i, label in enumerate(labels) if label == name] for name in names]
        self._shares = class_shares(names)

    def draw(self, num_samples: int, rng: np.random.Generator) -> Tensor:
        """Noise of a random recording, ``(1, num_samples)``.

        Raises
        ------
        DataError
            If recordings are silent time after time.
        """
        for _ in range(ATTEMPTS):
            choices = self._by_label[int(rng.choice(len(self._by_label), p=self._shares))]
            index = choices[int(rng.integers(len(choices)))]
            speed = float(rng.uniform(1.0, self.fastest)) if rng.random() < _FASTER_SHARE else 1.0
            needed = int(np.ceil(num_samples * speed)) + 1
            length = int(self.bank.lengths[index])
            start = int(rng.integers(length))
            piece = self.bank.read(index, start, min(needed, length - start)).mean(0, keepdim=True)
            if piece.shape[-1] < needed:
                head = self.bank.read(index, 0, min(length, needed)).mean(0, keepdim=True)
                piece = torch.cat([piece, loop_to_length(head, needed - piece.shape[-1])], dim=-1)
            if speed > 1.0:
                piece = F.interpolate(piece.unsqueeze(0), num_samples, mode="linear", align_corners=True)[0]
            noise = zero_mean(piece[:, :num_samples])
            if rms(noise) > 0.0:
                return noise
        raise DataError(ALL_SILENT)


def check_labels(labels: Sequence[str], bank: AudioBank) -> None:
    """Check that there is one label for each recording; `DataError` otherwise."""
    if len(labels) != len(bank):
        raise DataError(f"there are {len(labels)} labels for {len(bank)} noise recordings")


def class_shares(names: Iterable[str]) -> NDArray[np.float64]:
    """Probability of each class; see `RecordedNoise`."""
    weights = np.array([_KNOWN_WEIGHT if name in NOISE_CLASSES else 1.0 for name in names])
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


class MixedNoise:
    """One of several sources at random.

    Parameters
    ----------
    sources
        At least one.
    weights
        Probability of each, up to a common factor; equal by default.
    """

    def __init__(self, sources: list[NoiseSource], weights: list[float] | None = None) -> None:
        if not sources:
            raise DataError("there are no noise sources to mix")
        self.sources = sources
        shares = np.ones(len(sources)) if weights is None else np.asarray(weights, dtype=float)
        self._shares = shares / shares.sum()

    def draw(self, num_samples: int, rng: np.random.Generator) -> Tensor:
        """Noise of one of the sources, ``(1, num_samples)``."""
        return self.sources[int(rng.choice(len(self.sources), p=self._shares))].draw(num_samples, rng)
