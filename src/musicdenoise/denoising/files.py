"""Denoise one audio file into another, in bounded memory.

The path ``-`` stands for standard input, in any format that can be read from a pipe, or for standard
output, as WAV.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicdenoise.audio import AudioWriter, WavPipeWriter
from musicdenoise.core.resample import StreamResampler, resample_ratio
from musicdenoise.denoising.ahead import ReadAhead, WriteBehind
from musicdenoise.denoising.auto import HEAD_SECONDS, AutoDenoiser
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.ends import PIPE, Song, copy_untouched, open_sink, open_song
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.gate import Gate, GateConfig
from musicdenoise.denoising.meter import BandReport, SongMeter
from musicdenoise.denoising.picture import write_picture
from musicdenoise.errors import AudioError, AudioWriteError

__all__ = ["DenoiseReport", "denoise_file"]

Samples = NDArray[np.float32]

_MOST_SILENCE = 30.0  # seconds without a sound that are kept in memory to choose a network


@dataclass(frozen=True, kw_only=True)
class DenoiseReport:
    """What was done to a file.

    Parameters
    ----------
    source, target, residual, picture
        The files; ``residual`` and ``picture`` are None where they were not asked for.
    picture_error
        Why there is no picture although it was asked for; None otherwise.
    weights
        Name of the network.
    sample_rate, channels, num_samples
        Of the result.
    song_rate
        Sample rate of the song, which a format of the result may not have.
    removed_db
        Power of what was removed, relative to the song as it came, in dB.
    noise_db
        Root mean square of the noise that the network heard in the song, in dB re full scale, whatever was
        removed of it; minus infinity for none, and where the strength is 0.
    bands
        What was removed from each band.
    passed_seconds, bass_seconds
        Time that was left as it came, and that part of it where largely bass would have been removed; see
        `Gate`.
    gaps_seconds
        Beginning and length of stretches of the source that are damaged; they are silent in the result.
    notes
        What is odd about the source, a sentence each.
    num_tracks
        Audio tracks of the source, of which the first was denoised and the others are left out.
    is_copy
        Whether the result is the source byte for byte: nothing was removed, and the format is the same.
    clipped_samples
        Samples of the result that were beyond full scale and were limited to it.
    seconds
        Time taken.
    """

    source: Path
    target: Path
    residual: Path | None
    picture: Path | None
    picture_error: str | None
    weights: str
    sample_rate: int
    song_rate: int
    channels: int
    num_samples: int
    removed_db: float
    noise_db: float
    bands: tuple[BandReport, ...]
    passed_seconds: float
    bass_seconds: float
    gaps_seconds: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    num_tracks: int
    is_copy: bool
    clipped_samples: int
    seconds: float

    @property
    def audio_seconds(self) -> float:
        """Length of the result in seconds."""
        return self.num_samples / self.sample_rate

    @property
    def speed(self) -> float:
        """Seconds of the song for each second taken."""
        return self.audio_seconds / max(self.seconds, 1e-9)


def denoise_file(
    denoiser: Denoiser | AutoDenoiser,
    source: str | Path,
    target: str | Path,
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
        The network, or what chooses it.
    source, target
        The files; missing folders of the target are made. ``-`` is standard input and output.
    options
        How files are treated.
    on_progress
        Called with the number of samples written so far and of all samples (None: not known).

    Raises
    ------
    AudioError
        If the source cannot be read or is too short, the target cannot be written (that the picture cannot be
        is said in the report), or two of the files are the same.
    """
    began = time.monotonic()
    source, target, options = Path(source), Path(target), options or FileOptions()
    _check_distinct(source, target, options)
    with ExitStack() as stack:
        song = open_song(source, options, stack)
        if isinstance(denoiser, AutoDenoiser):
            denoiser, song = _choose(denoiser, song)
        if song.length is not None:
            _check_length(song, song.length, denoiser.stft.n_fft / denoiser.stft.sample_rate)
        writer = open_sink(song, target, options, stack)
        residual = None
        if options.residual is not None:
            residual = open_sink(song, options.residual, options, stack, is_result=False)
        meter = SongMeter(song.sample_rate, song.channels)
        gate = None
        if not options.always:
            limits = GateConfig.usual(denoiser.config.removed_share, known_kind=denoiser.known_kind)
            gate = Gate(song.sample_rate, song.channels, limits)
        if song.path is not None:  # pipes have programs at their other ends that work at the same time
            song = replace(song, blocks=stack.enter_context(ReadAhead(song.blocks)))
        stream = _GatedStream(denoiser, song, gate)
        blocks = _denoised_blocks(stream, song, meter, denoiser.stft.n_fft / denoiser.stft.sample_rate)
        blocks = _at_rates(blocks, song, (writer.sample_rate, (residual or writer).sample_rate))
        for _ in stack.enter_context(closing(_written(blocks, writer, residual))):
            if on_progress:
                on_progress(writer.num_samples, song.length)
        _check_count(song, writer, meter.num_samples)
        if not math.isfinite(meter.removed_db):
            copy_untouched(song, writer, options)
    picture, picture_error = _draw(options.picture, meter, song)
    return DenoiseReport(
        source=source,
        target=writer.path if isinstance(writer, AudioWriter) else target,
        residual=residual.path if isinstance(residual, AudioWriter) else None,
        picture=picture,
        picture_error=picture_error,
        weights=denoiser.weights_name,
        sample_rate=writer.sample_rate,
        song_rate=song.sample_rate,
        channels=song.channels,
        num_samples=writer.num_samples,
        removed_db=meter.removed_db,
        noise_db=stream.noise_db,
        bands=meter.bands(),
        gaps_seconds=song.gaps_seconds,
        notes=(*song.notes, *(writer.notes if isinstance(writer, AudioWriter) else ())),
        num_tracks=song.num_tracks,
        passed_seconds=gate.passed_seconds if gate else 0.0,
        bass_seconds=gate.bass_seconds if gate else 0.0,
        is_copy=isinstance(writer, AudioWriter) and writer.is_copy,
        clipped_samples=writer.clipped_samples,
        seconds=time.monotonic() - began,
    )


def _check_distinct(source: Path, target: Path, options: FileOptions) -> None:
    """Refuse to write one file over another."""
    known: dict[Path, Path] = {}
    for path in (source, target, options.residual, options.picture):
        if path is None or path == PIPE:
            continue
        place = path.resolve()
        if place in known:
            raise AudioWriteError(
                f"{path}: would replace {known[place]} of the same run; choose another name"
            )
        known[place] = path


def _check_count(song: Song, writer: AudioWriter | WavPipeWriter, num_samples: int) -> None:
    """Whether as many samples were written as the song has, at the rate of the result."""
    expected = math.ceil(num_samples * resample_ratio(song.sample_rate, writer.sample_rate))
    if writer.num_samples != expected:
        raise AudioError(
            f"{song.name}: {writer.num_samples} samples came out instead of {expected}; "
            "this should not happen, please report it with the file"
        )


def _draw(picture: Path | None, meter: SongMeter, song: Song) -> tuple[Path | None, str | None]:
    """The picture that was asked for, or why there is none: the song is done, which is what matters."""
    if picture is not None:
        try:
            write_picture(picture, meter.spectra(), song.name)
        except AudioWriteError as error:
            return None, str(error)
    return picture, None


def _choose(chooser: AutoDenoiser, song: Song) -> tuple[Denoiser, Song]:
    """The network by the first seconds of a song that are not silent, and the song from its beginning."""
    head: list[Samples] = []
    silent = length = 0
    while length - silent < HEAD_SECONDS * song.sample_rate and silent < _MOST_SILENCE * song.sample_rate:
        block = next(song.blocks, None)
        if block is None:
            break
        head.append(block)
        if silent == length:
            sounding = block.any(axis=0)
            silent += int(sounding.argmax()) if sounding.any() else block.shape[1]
        length += block.shape[1]
    start = np.concatenate([np.zeros((song.channels, 0), dtype=np.float32), *head], axis=1)[:, silent:]
    denoiser = chooser.choose(start, song.sample_rate)
    return denoiser, replace(song, blocks=itertools.chain(head, song.blocks))


def _denoised_blocks(
    stream: _GatedStream, song: Song, meter: SongMeter, fewest_seconds: float
) -> Iterator[tuple[Samples, Samples]]:
    """Blocks of the song, denoised, and what was removed from each."""
    for block in song.blocks:
        meter.take_input(block)
        clean = stream.push(block)
        yield clean, meter.take_output(clean)
    # Before the last samples, so that nothing at all comes out of a pipe that held too little.
    _check_length(song, meter.num_samples, fewest_seconds)
    clean = stream.flush()
    yield clean, meter.take_output(clean)


def _at_rates(
    blocks: Iterator[tuple[Samples, Samples]], song: Song, rates: tuple[int, int]
) -> Iterator[tuple[Samples, Samples]]:
    """Results and residuals at the rates of their files."""
    first, second = (StreamResampler(song.sample_rate, rate, song.channels) for rate in rates)
    for clean, removed in blocks:
        yield first.push(torch.from_numpy(clean)).numpy(), second.push(torch.from_numpy(removed)).numpy()
    yield first.flush().numpy(), second.flush().numpy()


def _written(
    blocks: Iterator[tuple[Samples, Samples]],
    writer: AudioWriter | WavPipeWriter,
    residual: AudioWriter | WavPipeWriter | None,
) -> Generator[None, None, None]:
    """Write results and residuals, files while the next blocks are computed; a step for each block."""
    with WriteBehind() as soon:

        def write(sink: AudioWriter | WavPipeWriter, samples: Samples) -> None:
            if isinstance(sink, AudioWriter):
                soon(sink.write, samples)
            else:  # a thread that waits for the reader of a pipe could not be stopped
                sink.write(samples)

        for clean, removed in blocks:
            write(writer, clean)
            if residual is not None:
                write(residual, removed)
            yield
    yield


class _GatedStream:
    """A stream of the denoiser, and the gate behind it, if there is one."""

    def __init__(self, denoiser: Denoiser, song: Song, gate: Gate | None) -> None:
        self._stream = denoiser.stream(song.sample_rate, song.channels)
        self._gate = gate
        self._share = denoiser.config.removed_share
        self._waiting = np.zeros((song.channels, 0), dtype=np.float32)
        self._removed_power, self._count = 0.0, 0  # by the network, before the gate

    def push(self, block: Samples) -> Samples:
        self._waiting = np.concatenate([self._waiting, block], axis=1)
        return self._through(self._stream.push(torch.from_numpy(block)).numpy())

    def flush(self) -> Samples:
        clean = self._through(self._stream.flush().numpy())
        return clean if self._gate is None else np.concatenate([clean, self._gate.flush()], axis=1)

    @property
    def noise_db(self) -> float:
        """Root mean square of the noise in the song, re full scale, as the network hears it."""
        if self._removed_power == 0.0:
            return -math.inf
        return 10.0 * math.log10(self._removed_power / self._count / self._share**2)

    def _through(self, clean: Samples) -> Samples:
        count = clean.shape[1]
        noisy, self._waiting = self._waiting[:, :count], self._waiting[:, count:]
        self._removed_power += float(np.sum(np.square(noisy - clean, dtype=np.float64)))
        self._count += clean.size
        return clean if self._gate is None else self._gate.push(noisy, clean)


def _check_length(song: Song, length: int, fewest_seconds: float) -> None:
    fewest = math.ceil(fewest_seconds * song.sample_rate)
    if length == 0:
        raise AudioError(f"{song.name}: holds no samples; there is nothing to denoise")
    if length < fewest:
        raise AudioError(
            f"{song.name}: is too short to denoise: {length} sample(s) at {song.sample_rate} Hz; "
            f"at least {fewest} are needed ({fewest_seconds * 1000:.0f} ms)"
        )
