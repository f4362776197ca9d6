"""Denoise one audio file into another, in bounded memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicdenoise.audio import (
    AudioInfo,
    AudioReader,
    AudioWriter,
    container_for_suffix,
    open_reader,
    open_writer,
    subtype_for,
    writable_container,
)
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.errors import AudioError, AudioWriteError, ConfigurationError

__all__ = ["DenoiseReport", "FileOptions", "denoise_file"]

_BLOCK_SECONDS = 2.0

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are treated.

    Parameters
    ----------
    overwrite
        Whether existing files are replaced.
    residual
        Where to write what was removed, or None.
    start_seconds, duration_seconds
        Stretch of the song to denoise, for a preview; all of it by default.
    """

    overwrite: bool = False
    residual: Path | None = None
    start_seconds: float = 0.0
    duration_seconds: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.start_seconds < math.inf:
            raise ConfigurationError(f"start_seconds is {self.start_seconds}; it must be 0 or more")
        if self.duration_seconds is not None and not 0.0 < self.duration_seconds < math.inf:
            raise ConfigurationError(f"duration_seconds is {self.duration_seconds}; it must be positive")

    def stretch(self, info: AudioInfo) -> tuple[int, int]:
        """First sample and number of samples to denoise.

        Raises
        ------
        AudioError
            If the stretch begins behind the end of the song.
        """
        start = round(self.start_seconds * info.sample_rate)
        if start and start >= info.num_samples:
            raise AudioError(
                f"{info.path}: is {info.duration_seconds:.2f} s long; it cannot be denoised from "
                f"{self.start_seconds:g} s on"
            )
        rest = info.num_samples - start
        if self.duration_seconds is None:
            return start, rest
        return start, min(rest, round(self.duration_seconds * info.sample_rate))


@dataclass(frozen=True, kw_only=True)
class DenoiseReport:
    """What was done to a file.

    Parameters
    ----------
    source, target, residual
        The files; ``residual`` is None where it was not asked for.
    weights
        Name of the network.
    sample_rate, channels, num_samples
        Of the result.
    removed_db
        Power of what was removed, relative to the input, in dB.
    clipped_samples
        Samples of the result that were beyond full scale and were limited to it.
    seconds
        Time taken.
    """

    source: Path
    target: Path
    residual: Path | None
    weights: str
    sample_rate: int
    channels: int
    num_samples: int
    removed_db: float
    clipped_samples: int
    seconds: float

    @property
    def audio_seconds(self) -> float:
        """Length of the result in seconds."""
        return self.num_samples / self.sample_rate


def denoise_file(
    denoiser: Denoiser,
    source: Path,
    target: Path,
    *,
    options: FileOptions | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> DenoiseReport:
    """Denoise ``source`` into ``target``: same rate, channels, length, and as far as possible format.

    The format of the result is that of the target's suffix; its subtype is that of the source where
    the format has it. Files appear when they are complete, not before.

    Parameters
    ----------
    denoiser
        The network.
    source, target
        The files; missing folders of the target are made.
    options
        How files are treated.
    on_progress
        Called with the number of samples written so far and of all samples.

    Raises
    ------
    AudioError
        If the source cannot be read, is too short or silent, or the target cannot be written.
    """
    began = time.monotonic()
    options = options or FileOptions()
    with open_reader(source) as reader, ExitStack() as outputs:
        info = reader.info
        start, length = options.stretch(info)
        _check_length(info, length, denoiser.stft.n_fft / denoiser.stft.sample_rate)
        writer = outputs.enter_context(_open_output(info, target, options.overwrite))
        residual = None
        if options.residual is not None:
            residual = outputs.enter_context(_open_output(info, options.residual, options.overwrite))
        reader.seek(start)
        meter = _Meter()
        for clean, removed in _denoised_blocks(denoiser, reader, length, meter):
            writer.write(clean)
            if residual is not None:
                residual.write(removed)
            if on_progress:
                on_progress(writer.num_samples, length)
        if meter.is_silent:
            raise AudioError(f"{source}: is silent from beginning to end; there is nothing to denoise")
        if writer.num_samples != length:
            raise AudioError(
                f"{source}: {writer.num_samples} samples came out of {length}; "
                "this should not happen, please report it with the file"
            )
    return DenoiseReport(
        source=source,
        target=writer.path,
        residual=None if residual is None else residual.path,
        weights=denoiser.weights_name,
        sample_rate=info.sample_rate,
        channels=info.channels,
        num_samples=length,
        removed_db=meter.removed_db,
        clipped_samples=writer.clipped_samples,
        seconds=time.monotonic() - began,
    )


def _denoised_blocks(
    denoiser: Denoiser, reader: AudioReader, length: int, meter: _Meter
) -> Iterator[tuple[Samples, Samples]]:
    """Blocks of the next ``length`` samples, denoised, and what was removed from each."""
    stream = denoiser.stream(reader.info.sample_rate, reader.info.channels)
    block_samples = max(1, round(_BLOCK_SECONDS * reader.info.sample_rate))
    for done in range(0, length, block_samples):
        block = reader.read(min(block_samples, length - done))
        meter.take_input(block)
        yield meter.take_output(stream.push(torch.from_numpy(block)).numpy())
    yield meter.take_output(stream.flush().numpy())


class _Meter:
    """Tells what is removed, though output lags behind input."""

    def __init__(self) -> None:
        self._waiting: list[Samples] = []
        self._input_power = 0.0
        self._removed_power = 0.0

    def take_input(self, block: Samples) -> None:
        self._waiting.append(block)
        self._input_power += float(np.sum(np.square(block, dtype=np.float64)))

    def take_output(self, block: Samples) -> tuple[Samples, Samples]:
        """The block, and the input at the same place minus the block."""
        if block.shape[1] == 0:
            return block, block
        waiting = np.concatenate(self._waiting, axis=1)
        removed = waiting[:, : block.shape[1]] - block
        self._removed_power += float(np.sum(np.square(removed, dtype=np.float64)))
        self._waiting = [waiting[:, block.shape[1] :]]
        return block, removed

    @property
    def is_silent(self) -> bool:
        return self._input_power == 0.0

    @property
    def removed_db(self) -> float:
        if self._removed_power == 0.0 or self._input_power == 0.0:
            return -math.inf
        return 10.0 * math.log10(self._removed_power / self._input_power)


def _check_length(info: AudioInfo, length: int, fewest_seconds: float) -> None:
    fewest = math.ceil(fewest_seconds * info.sample_rate)
    if info.num_samples == 0:
        raise AudioError(f"{info.path}: holds no samples; there is nothing to denoise")
    if length < fewest:
        raise AudioError(
            f"{info.path}: is too short to denoise: {length} sample(s) at {info.sample_rate} Hz; "
            f"at least {fewest} are needed ({fewest_seconds * 1000:.0f} ms)"
        )


def _open_output(info: AudioInfo, target: Path, overwrite: bool) -> AudioWriter:
    """Writer of the target's format for samples of the source, with the source's subtype and tags."""
    if target.suffix.lower() == info.path.suffix.lower():
        # The content decides, as it did when the file was read.
        container = writable_container(info.container)
        if container != info.container:  # a format that is only read: its successor
            target = target.with_suffix(".m4a")
    else:
        container = container_for_suffix(target.suffix)
    _make_folder(target.parent)
    return open_writer(
        target,
        sample_rate=info.sample_rate,
        channels=info.channels,
        container=container,
        subtype=subtype_for(container, info.subtype, suffix=target.suffix),
        overwrite=overwrite,
        tags=info.tags,
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioWriteError(f"{folder}: cannot be made: {error.strerror}; choose another folder") from error
