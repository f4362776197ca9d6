"""Pairs on disk, as numbered training examples and as mixes to measure on.

Example ``i`` depends only on the seed and on ``i``, as in `musicdenoise.data.mixer.PairMixer`. The pairs
are shuffled for each pass over the data. Every example is a new crop of its pair, from one channel or the
mean of all.

Conventions: waveforms are float32 ``(1, samples)`` at the wanted rate. Pairs of another rate are converted
crop by crop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicdenoise.audio import probe, read_audio
from musicdenoise.core.metrics import snr
from musicdenoise.core.resample import resample, resample_ratio
from musicdenoise.data.manifest import PairRow
from musicdenoise.data.mixer import Example, ValidationItem
from musicdenoise.errors import DataError

_SNR_BAND_DB = 5.0  # validation shows the gain by bands of this width


class ExampleSource(Protocol):
    """Numbered training examples without end."""

    @property
    def epoch_size(self) -> int:
        """Examples that make up one pass over the data."""
        ...

    def example(self, index: int) -> Example:
        """Input and target of example ``index``, each float32 ``(1, samples)``, and a sample of its noise."""
        ...


class PairFiles:
    """Training examples from pairs of files.

    Parameters
    ----------
    folder
        Folder that the paths of the rows are relative to.
    rows
        The pairs.
    num_samples
        Length of an example.
    sample_rate
        Its rate in Hz.
    targets
        ``"noisy"`` takes the targets as they are, ``"clean"`` the clean files of the rows.
    seed
        Seed of order and crops.

    Raises
    ------
    DataError
        If there are no pairs, a file is missing, a pair is shorter than an example, or clean music is
        wanted and a pair has none.
    """

    def __init__(
        self,
        folder: Path,
        rows: Sequence[PairRow],
        *,
        num_samples: int,
        sample_rate: int,
        targets: str = "noisy",
        seed: int = 0,
    ) -> None:
        if not rows:
            raise DataError(f"{folder}: holds no training pairs; build some with `dataset build`")
        self.folder, self.rows, self.seed = folder, tuple(rows), seed
        self.num_samples, self.sample_rate, self.targets = num_samples, sample_rate, targets
        for row in self.rows:
            self._check(row)

    def _check(self, row: PairRow) -> None:
        check_files(self.folder, row, needs_clean=self.targets == "clean")
        needed = self._needed(row)
        if row.num_samples < needed:
            raise DataError(
                f"{self.folder}: the pair {row.id} has {row.num_samples} samples at {row.sample_rate} Hz, an "
                f"example needs {needed}: shorten {{segment_seconds}} or remove the pair",
                segment_seconds=self.num_samples / self.sample_rate,
            )

    def _needed(self, row: PairRow) -> int:
        """How many samples of the pair make an example."""
        ratio = resample_ratio(row.sample_rate, self.sample_rate)
        return self.num_samples if ratio == 1 else math.ceil(self.num_samples / ratio)

    @property
    def epoch_size(self) -> int:
        """Number of pairs."""
        return len(self.rows)

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        """Input and target of example ``index``, each float32 ``(1, num_samples)``.

        Raises
        ------
        DataError, AudioError
            If a file cannot be read or is not as long as its row says.
        """
        epoch, place = divmod(index, len(self.rows))
        row = self.rows[_order(self.seed, epoch, len(self.rows))[place]]
        rng = np.random.default_rng((self.seed, index))
        needed = self._needed(row)
        start = int(rng.integers(row.num_samples - needed + 1))
        noisy = read_stretch(self.folder / row.input, row, start, needed)
        if self.targets == "clean":
            target = read_clean(self.folder, row, start, needed)
        else:
            target = read_stretch(self.folder / row.target, row, start, needed)
        channel = int(rng.integers(noisy.shape[0] + 1))
        return self._finish(noisy, channel, row), self._finish(target, channel, row)

    def example(self, index: int) -> Example:
        """The pair of that number, without a noise sample."""
        return Example.without_sample(*self.pair(index))

    def _finish(self, samples: Tensor, channel: int, row: PairRow) -> Tensor:
        mono = samples.mean(0, keepdim=True) if channel >= samples.shape[0] else samples[channel, None]
        return resample(mono, row.sample_rate, self.sample_rate)[:, : self.num_samples]


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    # The third number keeps this stream apart from those of the examples.
    return np.random.default_rng((seed, epoch, count, 1)).permutation(count)


def check_files(folder: Path, row: PairRow, *, needs_clean: bool) -> None:
    """Check that the files of a pair are there.

    Raises
    ------
    DataError
        If a file is not there, or clean music is needed and the row names none.
    """
    if needs_clean and row.clean is None:
        raise DataError(
            f"{folder}: the pair {row.id} has no clean file; use {{targets}} noisy, or a dataset with "
            "clean music",
            targets="clean",
        )
    names = (row.input, row.target, row.clean if needs_clean else None)
    for name in names:
        if name is not None and not (folder / name).is_file():
            raise DataError(
                f"{folder / name}: is missing, but the pair {row.id} needs it; restore it or build the "
                "dataset anew"
            )


def read_stretch(path: Path, row: PairRow, start: int, num_samples: int) -> Tensor:
    """Samples of a file of a pair, float32 ``(channels, num_samples)``.

    Raises
    ------
    DataError
        If the file has another rate than its row says, or ends too early.
    AudioError
        If it cannot be read.
    """
    info = probe(path)
    if mismatch := row.mismatch(path, info, start + num_samples):
        raise DataError(mismatch)
    return torch.from_numpy(read_audio(path, start=start, num_samples=num_samples).samples)


def read_clean(folder: Path, row: PairRow, start: int, num_samples: int) -> Tensor:
    """Clean music of a pair, float32 ``(channels, num_samples)``, at the pair's level.

    Raises
    ------
    DataError
        If the row names no clean file, or the file does not fit.
    AudioError
        If it cannot be read.
    """
    if row.clean is None:
        raise DataError(f"{folder}: the pair {row.id} has no clean file to compare with")
    return read_stretch(folder / row.clean, row, start, num_samples) * row.clean_scale


def fixed_pairs(
    folder: Path, rows: Sequence[PairRow], *, num_samples: int, sample_rate: int, most: int
) -> list[ValidationItem]:
    """Mixes to measure on: the middle of up to ``most`` pairs, as mono, spread evenly over the rows.

    Parameters
    ----------
    folder, rows
        The pairs; those without clean music are left out.
    num_samples, sample_rate
        Length of a mix; shorter pairs are taken whole.
    most
        Most mixes.

    Raises
    ------
    DataError
        If no pair has clean music that is not silent.
    """
    usable = [row for row in rows if row.clean is not None]
    count = min(most, len(usable))
    chosen = [usable[i * len(usable) // count] for i in range(count)]
    items = []
    for row in chosen:
        check_files(folder, row, needs_clean=True)
        length = min(row.num_samples, math.ceil(num_samples / resample_ratio(row.sample_rate, sample_rate)))
        start = (row.num_samples - length) // 2
        clean = read_clean(folder, row, start, length).mean(0, keepdim=True)
        noisy = read_stretch(folder / row.input, row, start, length).mean(0, keepdim=True)
        clean, noisy = (resample(wave, row.sample_rate, sample_rate) for wave in (clean, noisy))
        if bool(clean.count_nonzero()):
            band = round(snr(clean, noisy) / _SNR_BAND_DB) * _SNR_BAND_DB
            items.append(ValidationItem(clean=clean, noisy=noisy, snr_db=band))
    if not items:
        raise DataError(
            f"{folder}: holds no test pairs with clean music to measure on; build some with "
            "`dataset build`, or give songs with {valid_songs}",
            valid_songs=None,
        )
    return items
