"""The files that segments are cut from, each decoded once.

The first pass reads the segments of a file in order. It keeps the samples of compressed files in a folder
of its own (raw float32, mono), because they are costly to decode again. The second pass takes the chosen
segments from there, or directly from plain PCM files.

Conventions: segments are mono, the mean of all channels; positions are in samples of the file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from musicdenoise.audio import AudioInfo, AudioReader, open_reader
from musicdenoise.runtime.atomic import make_folder, writing

_PLAIN_CONTAINERS = frozenset({"WAV", "WAVEX", "RF64", "W64", "AIFF"})
_PLAIN_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE")


@contextmanager
def decoded_folder(out: Path) -> Iterator[Path]:
    """A folder in ``out`` for decoded samples, which is removed afterwards.

    Raises
    ------
    DataError
        If it cannot be made.
    """
    is_new = not out.exists()
    folder = out / ".decoded"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    make_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if is_new and not any(out.iterdir()):
            out.rmdir()


class OrderedTrack:
    """A file whose segments are read from the first to the last; use it as a context manager.

    Parameters
    ----------
    path
        The file.
    keep
        Folder to keep the decoded samples in; None: they are not needed again.

    Raises
    ------
    AudioError
        If the file cannot be read.
    """

    def __init__(self, path: Path, keep: Path | None) -> None:
        self._reader = open_reader(path)
        self._held = torch.zeros(1, 0)
        self._kept: BinaryIO | None = None
        if keep is not None and not _is_plain(self._reader):
            path = _kept_path(path, keep)
            with _writing(path):
                self._kept = path.open("wb")

    @property
    def info(self) -> AudioInfo:
        """What the file says of itself."""
        return self._reader.info

    def __enter__(self) -> OrderedTrack:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        if self._kept is not None:
            self._kept.close()

    def segment(self, start: int, num_samples: int, hop_samples: int) -> Tensor:
        """Samples ``[start, start + num_samples)``, float32 ``(1, num_samples)``.

        Parameters
        ----------
        start
            First sample; in the next call ``hop_samples`` later.
        num_samples, hop_samples
            Length, and from one segment to the next: what two segments share is read once.

        Raises
        ------
        AudioError
            If the file is damaged there.
        DataError
            If the disk is full.
        """
        begin = start + self._held.shape[-1]
        if self._reader.position != begin:
            self._reader.seek(begin)
        fresh = _mono(self._reader, start + num_samples - begin)
        if self._kept is not None:
            with _writing(Path(self._kept.name)):
                self._kept.write(fresh.numpy().tobytes())
        segment = torch.cat([self._held, fresh], dim=-1)
        self._held = segment[:, hop_samples:].clone()  # not the whole segment behind it
        return segment


class ChosenTrack:
    """A file that was read before, for its segments in any order; use it as a context manager.

    Parameters
    ----------
    path
        The file.
    kept
        Folder that an `OrderedTrack` kept its samples in.
    first
        Start of its first segment.
    """

    def __init__(self, path: Path, kept: Path, first: int) -> None:
        self._first = first
        self._samples: BinaryIO | None = None
        self._reader: AudioReader | None = None
        decoded = _kept_path(path, kept)
        if decoded.exists():
            self._samples = decoded.open("rb")
        else:
            self._reader = open_reader(path)

    def __enter__(self) -> ChosenTrack:
        return self

    def __exit__(self, *_: object) -> None:
        for source in (self._samples, self._reader):
            if source is not None:
                source.close()

    def segment(self, start: int, num_samples: int) -> Tensor:
        """Samples ``[start, start + num_samples)``, float32 ``(1, num_samples)``."""
        if self._reader is not None:
            self._reader.seek(start)
            return _mono(self._reader, num_samples)
        assert self._samples is not None  # one of the two is open
        self._samples.seek(4 * (start - self._first))
        return torch.from_numpy(np.fromfile(self._samples, dtype=np.float32, count=num_samples)[None])


def _writing(path: Path) -> AbstractContextManager[None]:
    advice = (
        "compressed songs take 4 bytes a sample while they are cut: free some space or choose another folder"
    )
    return writing(path, advice=advice)


def _mono(reader: AudioReader, num_samples: int) -> Tensor:
    return torch.from_numpy(reader.read(num_samples).mean(axis=0, keepdims=True, dtype=np.float32))


def _is_plain(reader: AudioReader) -> bool:
    """Whether any part of the file can be read without decoding what comes before."""
    return reader.info.container in _PLAIN_CONTAINERS and reader.info.subtype.startswith(_PLAIN_SUBTYPES)


def _kept_path(path: Path, folder: Path) -> Path:
    return folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.f32"
