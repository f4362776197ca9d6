"""Decoded sound on disk while a dataset is built: raw float32 stereo, read back in blocks.

A song is decoded once and then read several times (to measure, to find peaks, to mix), and a song may
last for hours. So it is kept as raw samples in the folder of the build, mapped into memory block by
block. Noise goes the same way.

Conventions: blocks are float32 ``(samples, 2)``, full scale is 1.0. One channel is doubled; of more than
two channels, the mean is doubled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicdenoise.audio import open_reader
from musicdenoise.core.resample import StreamResampler, resample_ratio
from musicdenoise.errors import AudioWriteError, DataError

BLOCK_SAMPLES = 1 << 18
"""Samples per channel of a block: 2 MB."""

Block = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Track:
    """Raw samples in a file.

    Parameters
    ----------
    path
        The file.
    num_samples
        Samples per channel, at least 1.
    """

    path: Path
    num_samples: int

    def blocks(self, num_samples: int) -> Iterator[Block]:
        """The first ``num_samples`` block by block; a shorter track is repeated."""
        # A track that may be repeated has its beginning once more behind its end, see `_store`.
        samples = np.memmap(self.path, np.float32, mode="r").reshape(-1, 2)
        for start in range(0, num_samples, BLOCK_SAMPLES):
            begin = start % self.num_samples
            yield np.asarray(samples[begin : begin + min(BLOCK_SAMPLES, num_samples - start)])


@dataclass(frozen=True, kw_only=True)
class Level:
    """The measurements of a stretch of sound.

    Parameters
    ----------
    mean
        Mean of each channel.
    rms
        Root mean square over both channels, after the means are taken away.
    peak
        Largest absolute sample.
    """

    mean: tuple[float, float]
    rms: float
    peak: float


def measure(track: Track, num_samples: int) -> Level:
    """Level of the first ``num_samples`` of a track; a shorter track is repeated."""
    return _level(track.blocks(num_samples))


def measure_file(source: Path, sample_rate: int) -> Level:
    """Level that a whole audio file will have at ``sample_rate``, without converting it.

    Raises
    ------
    AudioError
        If the file cannot be read, or its rate not be converted.
    DataError
        If the file holds no samples.
    """
    with open_reader(source) as reader:
        resample_ratio(reader.info.sample_rate, sample_rate)
        if reader.info.num_samples == 0:
            raise DataError(_no_samples(source))
        return _level(_to_stereo(block) for block in reader.blocks(BLOCK_SAMPLES))


def _level(blocks: Iterable[Block]) -> Level:
    total, power, peak, count = 0j, 0.0, 0.0, 0
    for block in blocks:
        # Both channels at once, as real and imaginary part: many times faster than a sum over columns.
        total += complex(np.ascontiguousarray(block).view(np.complex64).sum(dtype=np.complex128))
        power += float(np.square(block).sum(dtype=np.float64))
        peak = max(peak, float(block.max()), -float(block.min()))
        count += len(block)
    mean = total / count
    variance = power / (2 * count) - abs(mean) ** 2 / 2
    return Level(mean=(mean.real, mean.imag), rms=math.sqrt(max(variance, 0.0)), peak=peak)


def decode_track(source: Path, path: Path, sample_rate: int, most_samples: int | None = None) -> Track:
    """Decode an audio file (stream 0) into a track at a sample rate.

    Parameters
    ----------
    source, path
        The audio file and the file of the track.
    sample_rate
        Rate of the track in Hz.
    most_samples
        Length at which to stop; None for the whole file.

    Raises
    ------
    AudioError
        If the file cannot be read.
    AudioWriteError
        If the track cannot be written.
    DataError
        If the file holds no samples.
    """
    num_samples = _store(path, _decoded(source, sample_rate), most_samples)
    if num_samples == 0:
        raise DataError(_no_samples(source))
    return Track(path=path, num_samples=num_samples)


def white_track(rng: np.random.Generator, path: Path, num_samples: int) -> Track:
    """Gaussian white noise of variance 1, independent in both channels, as a track.

    Raises
    ------
    AudioWriteError
        If the track cannot be written.
    """
    sizes = (min(BLOCK_SAMPLES, num_samples - start) for start in range(0, num_samples, BLOCK_SAMPLES))
    blocks = (rng.standard_normal((size, 2), dtype=np.float32) for size in sizes)
    return Track(path=path, num_samples=_store(path, blocks, None))


def _decoded(source: Path, sample_rate: int) -> Iterator[Block]:
    with open_reader(source) as reader:
        info = reader.info
        if info.sample_rate == sample_rate:
            for block in reader.blocks(BLOCK_SAMPLES):
                yield _to_stereo(block)
            return
        resampler = StreamResampler(info.sample_rate, sample_rate, info.channels)
        for block in reader.blocks(BLOCK_SAMPLES):
            yield _to_stereo(resampler.push(torch.from_numpy(block)).numpy())
        yield _to_stereo(resampler.flush().numpy())


def _to_stereo(block: Block) -> Block:
    """Samples ``(channels, n)`` as ``(n, 2)``."""
    if block.shape[0] == 2:
        return np.ascontiguousarray(block.T)
    mono = block[0] if block.shape[0] == 1 else block.mean(axis=0, dtype=np.float32)
    return np.repeat(mono[:, None], 2, axis=1)


def _no_samples(source: Path) -> str:
    return f"{source}: holds no samples (0 s); remove it or replace it"


def _store(path: Path, blocks: Iterator[Block], most_samples: int | None) -> int:
    """Write blocks up to a length. If they are too short, add the beginning again for a block."""
    stored, head = 0, np.zeros((0, 2), dtype=np.float32)
    try:
        with path.open("wb") as file:
            for block in blocks:
                kept = block if most_samples is None else block[: most_samples - stored]
                file.write(np.ascontiguousarray(kept).data)
                stored += kept.shape[0]
                if len(head) < BLOCK_SAMPLES and most_samples is not None:
                    head = np.concatenate([head, kept[: BLOCK_SAMPLES - len(head)]])
                if stored == most_samples:
                    break
            if most_samples is not None and 0 < stored < most_samples:
                file.write(np.resize(head, (BLOCK_SAMPLES, 2)).data)
    except OSError as error:
        raise AudioWriteError(
            f"{path}: cannot be written: {error.strerror}; free some space or build into another folder"
        ) from error
    return stored
