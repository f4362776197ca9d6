"""Samples that a caller gives, as the arrays that streams work on."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from musicdenoise.audio.types import Samples
from musicdenoise.errors import AudioError

_TOO_LARGE = 1e15  # the squares of larger samples do not fit


def as_samples(given: ArrayLike) -> Samples:
    """A copy of samples, given as an array or a tensor of any type on any device.

    Raises
    ------
    AudioError
        If they are complex, or one is not finite or absurdly large.
    """
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        given = given.float() if given.is_floating_point() else given
    array = np.asarray(given)
    if np.iscomplexobj(array):
        raise AudioError("the samples are complex numbers: give real ones")
    samples = np.array(array, dtype=np.float32)
    check_samples(samples)
    return samples


def check_samples(samples: Samples) -> None:
    """Refuse samples that nothing can be measured on.

    Raises
    ------
    AudioError
        If one is not finite or absurdly large.
    """
    if samples.size and not np.abs(samples).max() < _TOO_LARGE:  # also true for values that are not numbers
        raise AudioError(
            f"some samples are not finite numbers, or are {_TOO_LARGE:g} or more: repair the audio first"
        )
