"""Denoise one audio file into another, in bounded memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicdenoise.audio import (
    AudioInfo,
    AudioReader,
    container_for_suffix,
    open_reader,
    open_writer,
    subtype_for,
    writable_container,
)
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.errors import AudioError, AudioWriteError

__all__ = ["DenoiseReport", "denoise_file"]

_BLOCK_SECONDS = 2.0

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class DenoiseReport:
    """What was done to a file.

    Parameters
    ----------
    source, target
        The files.
    weights
        Name of the network.
    sample_rate, channels, num_samples
        Of both files.
    removed_db
        Power of what was removed, relative to the input, in dB.
    clipped_samples
        Samples of the result that were beyond full scale and were limited to it.
    seconds
        Time taken.
    """

    source: Path
    target: Path
    weights: str
    sample_rate: int
    channels: int
    num_samples: int
    removed_db: float
    clipped_samples: int
    seconds: float

    @property
    def audio_seconds(self) -> float:
        """Length of the song in seconds."""
        return self.num_samples / self.sample_rate


def denoise_file(
    denoiser: Denoiser,
    source: Path,
    target: Path,
    *,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> DenoiseReport:
    """Denoise ``source`` into ``target``: same rate, channels, length, and as far as possible format.

    The format of the result is that of the target's suffix; its subtype is that of the source where
    the format has it. The target appears when it is complete, not before.

    Parameters
    ----------
    denoiser
        The network.
    source, target
        The files; missing folders of the target are made.
    overwrite
        Whether an existing target is replaced.
    on_progress
        Called with the number of samples written so far and of all samples.

    Raises
    ------
    AudioError
        If the source cannot be read, is too short or silent, or the target cannot be written.
    """
    began = time.monotonic()
    with open_reader(source) as reader:
        info = reader.info
        _check_length(info, denoiser.stft.n_fft / denoiser.stft.sample_rate)
        target, container = _format_of(info, target)
        meter = _Meter()
        _make_folder(target.parent)
        writer = open_writer(
            target,
            sample_rate=info.sample_rate,
            channels=info.channels,
            container=container,
            subtype=subtype_for(container, info.subtype, suffix=target.suffix),
            overwrite=overwrite,
            tags=info.tags,
        )
        with writer:
            for block in _denoised_blocks(denoiser, reader, meter):
                writer.write(block)
                if on_progress:
                    on_progress(writer.num_samples, info.num_samples)
            if meter.is_silent:
                raise AudioError(f"{source}: is silent from beginning to end; there is nothing to denoise")
            if writer.num_samples != info.num_samples:
                raise AudioError(
                    f"{source}: {writer.num_samples} samples came out of {info.num_samples}; "
                    "this should not happen, please report it with the file"
                )
    return DenoiseReport(
        source=source,
        target=target,
        weights=denoiser.weights_name,
        sample_rate=info.sample_rate,
        channels=info.channels,
        num_samples=info.num_samples,
        removed_db=meter.removed_db,
        clipped_samples=writer.clipped_samples,
        seconds=time.monotonic() - began,
    )


def _denoised_blocks(denoiser: Denoiser, reader: AudioReader, meter: _Meter) -> Iterator[Samples]:
    info = reader.info
    stream = denoiser.stream(info.sample_rate, info.channels)
    for block in reader.blocks(max(1, round(_BLOCK_SECONDS * info.sample_rate))):
        meter.take_input(block)
        yield meter.take_output(stream.push(torch.from_numpy(block)).numpy())
    yield meter.take_output(stream.flush().numpy())


class _Meter:
    """Measures what is removed, though output lags behind input."""

    def __init__(self) -> None:
        self._waiting: list[Samples] = []
        self._input_power = 0.0
        self._removed_power = 0.0

    def take_input(self, block: Samples) -> None:
        self._waiting.append(block)
        self._input_power += float(np.sum(np.square(block, dtype=np.float64)))

    def take_output(self, block: Samples) -> Samples:
        """Compare with the input at the same place, and hand the block on."""
        if block.shape[1] == 0:
            return block
        waiting = np.concatenate(self._waiting, axis=1)
        removed = waiting[:, : block.shape[1]] - block
        self._removed_power += float(np.sum(np.square(removed, dtype=np.float64)))
        self._waiting = [waiting[:, block.shape[1] :]]
        return block

    @property
    def is_silent(self) -> bool:
        return self._input_power == 0.0

    @property
    def removed_db(self) -> float:
        if self._removed_power == 0.0 or self._input_power == 0.0:
            return -math.inf
        return 10.0 * math.log10(self._removed_power / self._input_power)


def _check_length(info: AudioInfo, fewest_seconds: float) -> None:
    fewest = math.ceil(fewest_seconds * info.sample_rate)
    if info.num_samples == 0:
        raise AudioError(f"{info.path}: holds no samples; there is nothing to denoise")
    if info.num_samples < fewest:
        raise AudioError(
            f"{info.path}: is too short to denoise: {info.num_samples} sample(s) at {info.sample_rate} Hz; "
            f"at least {fewest} are needed ({fewest_seconds * 1000:.0f} ms)"
        )


def _format_of(info: AudioInfo, target: Path) -> tuple[Path, str]:
    """Target and its container; a suffix that can only be read is replaced by that of its successor."""
    if target.suffix.lower() == info.path.suffix.lower():
        # The content decides, as it did when the file was read.
        container = writable_container(info.container)
        return (target, container) if container == info.container else (target.with_suffix(".m4a"), container)
    return target, container_for_suffix(target.suffix)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioWriteError(f"{folder}: cannot be made: {error.strerror}; choose another folder") from error
