"""Decoded audio for reading at random: 16-bit samples in memory-mapped files.

A training run reads crops from all over the songs, and compressed songs cannot be read from the middle
without decoding. So each file is decoded once into the bank's folder, as a NumPy ``.npy`` array of int16,
``(channels, samples)`` at one sample rate, and mapped into memory. The name of an array depends on the
path, size and modification time of its source, so that a changed file is decoded again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicdenoise.audio import open_reader
from musicdenoise.core.resample import StreamResampler
from musicdenoise.errors import AudioError, DataError, MusicDenoiseError
from musicdenoise.runtime.atomic import AtomicFile

_BLOCK_SAMPLES = 1 << 18  # 1 MB in float32
_FULL_SCALE = 32767.0  # of 16 bits


class AudioBank:
    """Audio files of one sample rate, decoded once.

    Parameters
    ----------
    paths
        Audio files; at least one.
    folder
        Where the decoded arrays are kept; made if missing.
    sample_rate
        Rate in Hz to which everything is converted.
    on_progress
        Called with the number of files done so far after each file.
    on_failure
        Called with the reason for each file that cannot be decoded or is empty; such files are left out.
        Without it, the first one is an error.

    Raises
    ------
    DataError
        If there are no paths, a file holds no samples, or no file is left.
    AudioReadError
        If a file cannot be decoded.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        folder: Path,
        sample_rate: int,
        on_progress: Callable[[int], None] | None = None,
        on_failure: Callable[[MusicDenoiseError], None] | None = None,
    ) -> None:
        if not paths:
            raise DataError("there are no audio files to decode")
        folder.mkdir(parents=True, exist_ok=True)
        self.sample_rate = sample_rate
        whole: dict[Path, Path] = {}
        for done, path in enumerate(paths, start=1):
            stored = folder / f"{_key(path, sample_rate)}.npy"
            try:
                if not _is_whole(stored):
                    _decode(path, stored, sample_rate)
            except (AudioError, DataError) as error:
                if on_failure is None:
                    raise
                on_failure(error)
            else:
                whole[path] = stored
            if on_progress:
                on_progress(done)
        if not whole:
            raise DataError(f"none of the {len(paths)} audio files can be used: give others")
        self.paths, self._stored = tuple(whole), list(whole.values())
        self._arrays = _map_all(self._stored)
        self.lengths = np.array([array.shape[1] for array in self._arrays])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": None}  # another process maps the files itself

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._arrays = _map_all(self._stored)

    def __len__(self) -> int:
        return len(self.paths)

    def channels(self, index: int) -> int:
        """Number of channels of a file."""
        return int(self._arrays[index].shape[0])

    def read(self, index: int, start: int = 0, num_samples: int | None = None) -> Tensor:
        """Samples ``[start, start + num_samples)`` of a file as float32 ``(channels, n)``."""
        stop = None if num_samples is None else start + num_samples
        piece = np.asarray(self._arrays[index][:, start:stop], dtype=np.float32)
        return torch.from_numpy(piece / _FULL_SCALE)


def _is_whole(stored: Path) -> bool:
    """Whether an array is complete; otherwise its source is decoded again."""
    try:
        array = np.load(stored, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return bool(array.ndim == 2 and array.dtype == np.int16)


def _map_all(stored: Sequence[Path]) -> list[NDArray[np.int16]]:
    return [np.load(path, mmap_mode="r") for path in stored]


def _key(path: Path, sample_rate: int) -> str:
    status = path.stat()
    identity = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{sample_rate}"
    return hashlib.sha256(os.fsencode(identity)).hexdigest()[:24]


def _decode(path: Path, stored: Path, sample_rate: int) -> None:
    blocks: list[NDArray[np.int16]] = []
    with open_reader(path) as reader:
        resampler = StreamResampler(reader.info.sample_rate, sample_rate, reader.info.channels)
        blocks += [
            _to_int16(resampler.push(torch.from_numpy(block))) for block in reader.blocks(_BLOCK_SAMPLES)
        ]
        blocks.append(_to_int16(resampler.flush()))
    samples = np.concatenate(blocks, axis=1)
    if samples.shape[1] == 0:
        raise DataError(f"{path} holds no samples: remove it or point to another file")
    with AtomicFile(stored) as file:
        np.save(file, samples)


def _to_int16(samples: Tensor) -> NDArray[np.int16]:
    scaled = (samples.clamp(-1.0, 1.0) * _FULL_SCALE).round()
    array: NDArray[np.int16] = scaled.to(torch.int16).numpy()
    return array
