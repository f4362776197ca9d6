"""Denoise one audio file into another, in bounded memory.

The path ``-`` is standard input, in any format that a pipe can carry, or standard output, as WAV.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from musicdenoise.audio import AudioWriter, WavPipeWriter
from musicdenoise.audio.types import Samples
from musicdenoise.core.resample import StreamResampler, resample_ratio
from musicdenoise.denoising.background_io import ReadAhead, WriteBehind
from musicdenoise.denoising.denoise_report import DenoiseReport
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.meter import SongMeter
from musicdenoise.denoising.picture import write_picture
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.denoising.song_input import PIPE, Song, open_song
from musicdenoise.denoising.song_output import copy_untouched, open_sink
from musicdenoise.denoising.song_stream import SongStream
from musicdenoise.errors import AudioError, AudioWriteError

Sink = AudioWriter | WavPipeWriter


def denoise_file(
    denoiser: SongDenoiser,
    source: str | Path,
    target: str | Path,
    *,
    options: FileOptions | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> DenoiseReport:
    """Denoise the file ``source`` into ``target``, whose suffix decides the format.

    Rate, channels, length and bit depth stay, if the format has them. Files appear when they are complete.

    Parameters
    ----------
    denoiser
        Removes the noise.
    source, target
        The files; missing folders of the target are made. ``-`` is standard input and output.
    options
        How files are treated.
    on_progress
        Called with the number of samples written so far and of all samples (None: not known).

    Raises
    ------
    AudioError
        If the source cannot be read or is too short, the target cannot be written, or two files are the same.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import soundfile
    >>> from musicdenoise import Denoiser, denoise_file
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "song.wav", 0.1 * np.random.default_rng(0).standard_normal(44_100), 44_100)
    >>> report = denoise_file(Denoiser("white", device="cpu"), folder / "song.wav", folder / "clean.wav")
    >>> report.target.name, report.num_samples
    ('clean.wav', 44100)
    """
    began = time.monotonic()
    source, target, options = Path(source), Path(target), options or FileOptions()
    _check_distinct(source, target, options)
    with ExitStack() as stack:
        song = open_song(source, options, stack)
        if song.length is not None:
            _check_length(song, song.length, denoiser.fewest_seconds)
        stream = _stream(denoiser, song)  # before anything is written, because a noise sample may be wrong
        meter = SongMeter(song.sample_rate, song.channels)
        outputs = _open_outputs(song, target, options, stack)
        for _ in _steps(stream, song, meter, outputs, denoiser.fewest_seconds, stack):
            if on_progress:
                on_progress(outputs.result.num_samples, song.length)
        _check_count(song, outputs.result, meter.num_samples)
        if not math.isfinite(meter.removed_db):
            copy_untouched(song, outputs.result, options)
    picture, picture_error = _draw(options.picture, meter, song)
    report = _report(source, target, song, stream, outputs, meter)
    return replace(report, picture=picture, picture_error=picture_error, seconds=time.monotonic() - began)


@dataclass(frozen=True, kw_only=True)
class _Outputs:
    """The writers of a song's result and, if wanted, of what was removed from it."""

    result: Sink
    residual: Sink | None


def _stream(denoiser: SongDenoiser, song: Song) -> SongStream:
    """The stream for a song. It learns the noise from the whole file, or from the beginning of a pipe."""
    if song.whole is None:
        return denoiser.stream(song.sample_rate, song.channels)
    return denoiser.song_stream(song.sample_rate, song.channels, denoiser.know_noise(song.whole))


def _steps(
    stream: SongStream, song: Song, meter: SongMeter, outputs: _Outputs, fewest: float, stack: ExitStack
) -> Iterator[None]:
    """Read, denoise, measure and write, block by block; files are read and written in threads."""
    if song.path is not None:  # pipes have programs at their other ends that work at the same time
        song = replace(song, blocks=stack.enter_context(ReadAhead(song.blocks)))
    blocks = _at_rates(_denoised_blocks(stream, song, meter, fewest), song, outputs)
    return stack.enter_context(closing(_written(blocks, outputs)))


def _open_outputs(song: Song, target: Path, options: FileOptions, stack: ExitStack) -> _Outputs:
    result = open_sink(song, target, options, stack)
    residual = None
    if options.residual is not None:
        residual = open_sink(song, options.residual, options, stack, is_result=False)
    return _Outputs(result=result, residual=residual)


def _report(
    source: Path, target: Path, song: Song, stream: SongStream, outputs: _Outputs, meter: SongMeter
) -> DenoiseReport:
    """What was done; the picture and the time are not known yet."""
    steps = stream.steps
    assert steps is not None  # the song has ended
    writer, residual = outputs.result, outputs.residual
    return DenoiseReport(
        source=source,
        target=writer.path if isinstance(writer, AudioWriter) else target,
        residual=residual.path if isinstance(residual, AudioWriter) else None,
        picture=None,
        picture_error=None,
        weights=steps.name,
        sample_rate=writer.sample_rate,
        song_rate=song.sample_rate,
        channels=song.channels,
        num_samples=writer.num_samples,
        noise_sample=steps.report,
        removed_db=meter.removed_db,
        noise_db=stream.noise_db,
        bands=meter.bands(),
        gaps_seconds=song.gaps_seconds(),
        notes=(*song.notes, *(writer.notes if isinstance(writer, AudioWriter) else ())),
        num_tracks=song.num_tracks,
        passed_seconds=steps.gate.passed_seconds if steps.gate else 0.0,
        bass_seconds=steps.gate.bass_seconds if steps.gate else 0.0,
        is_copy=isinstance(writer, AudioWriter) and writer.is_copy,
        clipped_samples=writer.clipped_samples,
        seconds=0.0,
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


def _check_count(song: Song, writer: Sink, num_samples: int) -> None:
    """Whether as many samples were written as the song has, at the rate of the result."""
    expected = math.ceil(num_samples * resample_ratio(song.sample_rate, writer.sample_rate))
    if writer.num_samples != expected:
        raise AudioError(
            f"{song.name}: {writer.num_samples} samples came out instead of {expected}; "
            "this should not happen, please report it with the file"
        )


def _draw(picture: Path | None, meter: SongMeter, song: Song) -> tuple[Path | None, str | None]:
    """The picture, or the reason why there is none. That does not fail the song, which is done."""
    if picture is not None:
        try:
            write_picture(picture, meter.spectra(), Path(song.name).name)
        except AudioWriteError as error:
            return None, str(error)
    return picture, None


def _denoised_blocks(
    stream: SongStream, song: Song, meter: SongMeter, fewest_seconds: float
) -> Iterator[tuple[Samples, Samples]]:
    """Blocks of the song, denoised, and what was removed from each."""
    received = 0
    for block in song.blocks:
        received += block.shape[1]
        noisy, clean = stream.advance(block)
        if stream.steps is not None:  # the beginning may raise an error, so nothing goes out before
            yield clean, meter.take(noisy, clean)
    # Before the last samples, so that nothing at all comes out of a pipe that held too little.
    _check_length(song, received, fewest_seconds)
    noisy, clean = stream.end()
    yield clean, meter.take(noisy, clean)


def _at_rates(
    blocks: Iterator[tuple[Samples, Samples]], song: Song, outputs: _Outputs
) -> Iterator[tuple[Samples, Samples]]:
    """Results and residuals at the rates of their files."""
    sinks = (outputs.result, outputs.residual or outputs.result)
    first, second = (StreamResampler(song.sample_rate, sink.sample_rate, song.channels) for sink in sinks)
    for clean, removed in blocks:
        yield first.push(torch.from_numpy(clean)).numpy(), second.push(torch.from_numpy(removed)).numpy()
    yield first.flush().numpy(), second.flush().numpy()


def _written(blocks: Iterator[tuple[Samples, Samples]], outputs: _Outputs) -> Generator[None, None, None]:
    """Write results and residuals, files while the next blocks are computed; a step for each block."""
    with WriteBehind() as soon:

        def write(sink: Sink, samples: Samples) -> None:
            if isinstance(sink, AudioWriter):
                soon(sink.write, samples)
            else:  # a thread that waits for the reader of a pipe could not be stopped
                sink.write(samples)

        for clean, removed in blocks:
            write(outputs.result, clean)
            if outputs.residual is not None:
                write(outputs.residual, removed)
            yield
    yield


def _check_length(song: Song, length: int, fewest_seconds: float) -> None:
    fewest = math.ceil(fewest_seconds * song.sample_rate)
    if length == 0:
        raise AudioError(f"{song.name}: holds no samples; there is nothing to denoise")
    if length < fewest:
        raise AudioError(
            f"{song.name}: is too short to denoise: {length} sample(s) at {song.sample_rate} Hz; "
            f"at least {fewest} are needed ({fewest_seconds * 1000:.0f} ms)"
        )
