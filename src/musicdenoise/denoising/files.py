"""Denoise one audio file into another, in bounded memory.

The path ``-`` stands for standard input, in any format that can be read from a pipe, or for standard
output, as WAV.
"""

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

from musicdenoise.audio import AudioWriter
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.ends import FileOptions, Song, open_sink, open_song
from musicdenoise.denoising.meter import BandReport, SongMeter
from musicdenoise.denoising.picture import write_picture
from musicdenoise.errors import AudioError

__all__ = ["DenoiseReport", "denoise_file"]

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class DenoiseReport:
    """What was done to a file.

    Parameters
    ----------
    source, target, residual, picture
        The files; ``residual`` and ``picture`` are None where they were not asked for.
    weights
        Name of the network.
    sample_rate, channels, num_samples
        Of the result.
    removed_db
        Power of what was removed, relative to the song as it came, in dB.
    noise_db
        Root mean square of what was removed, in dB re full scale: how much noise there was.
    bands
        What was removed from each band.
    clipped_samples
        Samples of the result that were beyond full scale and were limited to it.
    seconds
        Time taken.
    """

    source: Path
    target: Path
    residual: Path | None
    picture: Path | None
    weights: str
    sample_rate: int
    channels: int
    num_samples: int
    removed_db: float
    noise_db: float
    bands: tuple[BandReport, ...]
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
    on_progress: Callable[[int, int | None], None] | None = None,
) -> DenoiseReport:
    """Denoise ``source`` into ``target``: same rate, channels, length, and as far as possible format.

    The format of the result is that of the target's suffix; its subtype is that of the source where
    the format has it. Files appear when they are complete, not before.

    Parameters
    ----------
    denoiser
        The network.
    source, target
        The files; missing folders of the target are made. ``-`` is standard input and output.
    options
        How files are treated.
    on_progress
        Called with the number of samples written so far and of all samples (None: not known).

    Raises
    ------
    AudioError
        If the source cannot be read, is too short or silent, or the target cannot be written.
    """
    began = time.monotonic()
    options = options or FileOptions()
    with ExitStack() as stack:
        song = open_song(source, options, stack)
        if song.length is not None:
            _check_length(song, song.length, denoiser.stft.n_fft / denoiser.stft.sample_rate)
        writer = open_sink(song, target, options, stack)
        residual = None
        if options.residual is not None:
            residual = open_sink(song, options.residual, options, stack, is_result=False)
        meter = SongMeter(song.sample_rate, song.channels)
        for clean, removed in _denoised_blocks(denoiser, song, meter):
            writer.write(clean)
            if residual is not None:
                residual.write(removed)
            if on_progress:
                on_progress(writer.num_samples, song.length)
        if writer.num_samples != meter.num_samples:
            raise AudioError(
                f"{song.name}: {writer.num_samples} samples came out of {meter.num_samples}; "
                "this should not happen, please report it with the file"
            )
    if options.picture is not None:
        write_picture(options.picture, meter.spectra(), song.name)
    return DenoiseReport(
        source=source,
        target=writer.path if isinstance(writer, AudioWriter) else target,
        residual=residual.path if isinstance(residual, AudioWriter) else None,
        picture=options.picture,
        weights=denoiser.weights_name,
        sample_rate=song.sample_rate,
        channels=song.channels,
        num_samples=writer.num_samples,
        removed_db=meter.removed_db,
        noise_db=meter.noise_db,
        bands=meter.bands(),
        clipped_samples=writer.clipped_samples,
        seconds=time.monotonic() - began,
    )


def _denoised_blocks(denoiser: Denoiser, song: Song, meter: SongMeter) -> Iterator[tuple[Samples, Samples]]:
    """Blocks of the song, denoised, and what was removed from each."""
    stream = denoiser.stream(song.sample_rate, song.channels)
    for block in song.blocks:
        meter.take_input(block)
        clean = stream.push(torch.from_numpy(block)).numpy()
        yield clean, meter.take_output(clean)
    # Before the last samples, so that nothing at all comes out of a pipe that held too little.
    _check_length(song, meter.num_samples, denoiser.stft.n_fft / denoiser.stft.sample_rate)
    if meter.is_silent:
        raise AudioError(f"{song.name}: is silent from beginning to end; there is nothing to denoise")
    clean = stream.flush().numpy()
    yield clean, meter.take_output(clean)


def _check_length(song: Song, length: int, fewest_seconds: float) -> None:
    fewest = math.ceil(fewest_seconds * song.sample_rate)
    if length == 0:
        raise AudioError(f"{song.name}: holds no samples; there is nothing to denoise")
    if length < fewest:
        raise AudioError(
            f"{song.name}: is too short to denoise: {length} sample(s) at {song.sample_rate} Hz; "
            f"at least {fewest} are needed ({fewest_seconds * 1000:.0f} ms)"
        )
