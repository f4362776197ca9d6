"""Read audio files: find out what they are, and read them in blocks or whole.

What decodes is the truth, and what headers declare is a hint: lengths are counted from frames and packets
if a format has them. A file that is cut, or holds samples that are not finite, is an error, not a shorter
or silent song. Damage inside MP3 files, gaps in MP4 files and the last moment of some Ogg files become
silence, and `AudioInfo.gaps_seconds` says where. Memory depends on the size of the blocks, not on the
length of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from musicdenoise.audio.backends.libsndfile_decoder import SoundFileDecoder
from musicdenoise.audio.containers import adts_repair, mpeg_repair
from musicdenoise.audio.containers.ogg import check_junk
from musicdenoise.audio.containers.repair import Repair, write_repaired
from musicdenoise.audio.identify import Content, identify
from musicdenoise.audio.types import MAX_CHANNELS, Audio, AudioInfo, Decoder, Samples
from musicdenoise.errors import AudioReadError, UnsupportedAudioError

_MOST_SAMPLES = 1 << 40  # 288 days at 44.1 kHz
# The last pages of whole Ogg files may declare more than their packets hold: 10 to 5806 samples in five
# of 522 songs of games. A block of Vorbis has 8192 samples at most (specification, section 4.2.2).
_MOST_LACKING = 8192
_LEAST_TOLD_SECONDS = 0.01  # of silence at the end. Chosen: nobody hears less
# By container: what finds damage that a copy without it mends.
_FIND_REPAIR: dict[str, Callable[[Path], Repair]] = {
    "MP3": mpeg_repair.find_repair,
    "ADTS": adts_repair.find_repair,
}


class AudioReader:
    """An open audio file; use it as a context manager. Made by `open_reader`.

    Attributes
    ----------
    info : AudioInfo
        What the file declares. A gap at its end is known when it was read to its end.
    """

    def __init__(self, decoder: Decoder, close: Callable[[], None] | None = None) -> None:
        self._decoder = decoder
        self._close = close or decoder.close
        self._position = 0
        self._is_filled = False
        self.info = decoder.info

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def position(self) -> int:
        """Index of the sample that is read next."""
        return self._position

    def read(self, num_samples: int) -> Samples:
        """Read the next samples.

        Parameters
        ----------
        num_samples
            How many per channel, at least 0.

        Returns
        -------
        ndarray
            float32, shape ``(channels, n)``; n is smaller than `num_samples` only at the end, and 0
            after it.

        Raises
        ------
        AudioReadError
            The file is damaged, ends before its declared length, or holds samples that are not finite.
        UnsupportedAudioError
            It is a chain of Ogg streams.
        """
        if num_samples < 0:
            raise ValueError(f"num_samples must be at least 0; got {num_samples}")
        wanted = min(num_samples, self.info.num_samples - self._position)
        try:
            samples = self._decoder.read(wanted)
        except AudioReadError as error:
            raise AudioReadError(
                f"{self.info.path}: {error}; {self._position} of {self.info.num_samples} declared samples "
                f"were decoded; get a complete copy of the file"
            ) from error
        self._check_finite(samples)
        samples = self._completed(samples, wanted)
        self._position += samples.shape[1]
        self._check_complete(samples.shape[1] < wanted)
        return samples

    def seek(self, sample: int) -> None:
        """Go to a sample, so that `read` begins there.

        Parameters
        ----------
        sample
            Index from 0 to the number of samples, which is the end.

        Raises
        ------
        AudioReadError
            The file is damaged before that sample.
        ValueError
            The index is out of range.
        """
        if not 0 <= sample <= self.info.num_samples:
            raise ValueError(f"sample must be from 0 to {self.info.num_samples}; got {sample}")
        try:
            self._decoder.seek(sample)
        except AudioReadError as error:
            raise AudioReadError(f"{self.info.path}: {error}; sample {sample} cannot be reached") from error
        self._position = sample

    def blocks(self, block_samples: int) -> Iterator[Samples]:
        """Read what is left in blocks.

        Parameters
        ----------
        block_samples
            Samples per channel of each block, at least 1; the last may be shorter.

        Yields
        ------
        ndarray
            float32, shape ``(channels, n)``, n from 1 to `block_samples`.

        Raises
        ------
        AudioReadError
            As `read`.
        """
        if block_samples < 1:
            raise ValueError(f"block_samples must be at least 1; got {block_samples}")
        while (block := self.read(block_samples)).shape[1] > 0:
            yield block

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._close()

    def _check_finite(self, samples: Samples) -> None:
        finite = np.isfinite(samples).all(axis=0)
        if finite.all():
            return
        index = self._position + int(np.argmin(finite))
        raise AudioReadError(
            f"{self.info.path}: sample {index} (at {index / self.info.sample_rate:.3f} s) is not "
            f"a finite number; repair the file with an audio editor"
        )

    def _completed(self, samples: Samples, wanted: int) -> Samples:
        """Fill up what a whole Ogg file lacks at its end with silence."""
        info, end = self.info, self._position + samples.shape[1]
        lacking = info.num_samples - end
        is_whole = info.container == "OGG" and not self._decoder.incomplete_end
        if samples.shape[1] == wanted or not is_whole or lacking > min(_MOST_LACKING, end):
            return samples
        if not self._is_filled and lacking >= _LEAST_TOLD_SECONDS * info.sample_rate:
            gap = (end / info.sample_rate, lacking / info.sample_rate)
            self.info = replace(info, gaps_seconds=(*info.gaps_seconds, gap))
        self._is_filled = True
        return np.pad(samples, ((0, 0), (0, wanted - samples.shape[1])))

    def _check_complete(self, is_short: bool) -> None:
        is_most = 2 * self._position >= self.info.num_samples
        if is_short and not (self._decoder.is_estimate and is_most and not self._decoder.incomplete_end):
            raise AudioReadError(
                f"{self.info.path}: ends too early: {self._position} of {self.info.num_samples} declared "
                f"samples were decoded; get a complete copy of the file"
            )
        if self._decoder.incomplete_end and not is_short and self._position == self.info.num_samples:
            raise AudioReadError(
                f"{self.info.path}: ends too early: {self._position} samples were decoded, then the file "
                f"breaks off inside a block of data; get a complete copy of the file"
            )


def open_reader(path: str | Path, *, stream: int = 0) -> AudioReader:
    """Open an audio file for reading in blocks.

    Parameters
    ----------
    path
        The file; its content decides the format, not its name.
    stream
        Which of several audio streams, counted from 0 (stem files have five). Only MP4 and Ogg files
        have more than one.

    Returns
    -------
    AudioReader
        To be used as a context manager.

    Raises
    ------
    AudioReadError
        The file cannot be opened, is not an audio file, is damaged, or has no such stream.
    UnsupportedAudioError
        It has more than eight channels, or a format that is not read.
    """
    path = Path(path)
    content = identify(path)
    finder = _FIND_REPAIR.get(content.container)
    if finder and (repair := finder(path)).gaps:
        return _open_repaired(path, repair)
    decoder = _open_decoder(path, content, stream)
    is_repaired = decoder.info.is_repaired or content.is_odd
    decoder.info = replace(decoder.info, is_repaired=is_repaired, notes=(*content.notes, *decoder.info.notes))
    return AudioReader(decoder)


def _open_decoder(path: Path, content: Content, stream: int) -> Decoder:
    decoder: Decoder
    if content.container == "OGG":
        check_junk(path)
    if content.backend == "pyav" or (stream != 0 and content.container == "OGG"):
        decoder = _open_ffmpeg(path, content, stream)
    elif stream != 0:
        raise AudioReadError(f"{path}: has 1 audio stream, counted from 0; stream {stream} was asked for")
    else:
        try:
            decoder = SoundFileDecoder(path, content.container)
        except AudioReadError as refused:
            try:  # libsndfile refuses some files that others play to their end
                decoder = _open_ffmpeg(path, content, stream)
            except AudioReadError:
                raise refused from None
    if decoder.info.num_samples > _MOST_SAMPLES:
        decoder.close()
        raise AudioReadError(
            f"{path}: is damaged: it declares more samples than any song has; get a complete copy of the file"
        )
    if decoder.info.channels > MAX_CHANNELS:
        decoder.close()
        raise UnsupportedAudioError(
            f"{path}: has {decoder.info.channels} channels and {decoder.info.num_samples} samples; at most "
            f"{MAX_CHANNELS} channels are handled; were the axes swapped when the file was written?"
        )
    return decoder


def _open_ffmpeg(path: Path, content: Content, stream: int) -> Decoder:
    # FFmpeg's libraries take a while to load, and most files do not need them.
    from musicdenoise.audio.backends.ffmpeg_decoder import PyAvDecoder

    return PyAvDecoder(path, content.container, stream, num_samples=content.num_samples)


def _open_repaired(path: Path, repair: Repair) -> AudioReader:
    """Read a damaged or joined MP3 or AAC file by way of a copy that decoders read to the end."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="musicdenoise-"))
        copy = Path(folder) / "repaired"
        try:
            with copy.open("wb") as file:
                write_repaired(path, repair.gaps, file)
        except OSError as error:
            raise AudioReadError(
                f"{path}: is damaged or was joined from several files, and there is no room to "
                f"repair a copy: {error.strerror}; free some space in the folder for temporary files"
            ) from error
        try:
            decoder = _open_decoder(copy, identify(copy), 0)
        except AudioReadError as error:
            raise AudioReadError(str(error).replace(str(copy), str(path))) from error
        stack.callback(decoder.close)
        seconds = repair.frame_seconds
        decoder.info = replace(
            decoder.info,
            path=path,
            is_repaired=True,
            notes=(*decoder.info.notes, *repair.notes),
            gaps_seconds=tuple(
                (gap.first_frame * seconds, gap.num_frames * seconds) for gap in repair.gaps if gap.num_frames
            ),
        )
        return AudioReader(decoder, stack.pop_all().close)


def probe(path: str | Path, *, stream: int = 0) -> AudioInfo:
    """Tell what an audio file is, without decoding it.

    Parameters
    ----------
    path, stream
        As for `open_reader`.

    Returns
    -------
    AudioInfo
        What the file declares; zero samples are not an error.

    Raises
    ------
    AudioReadError, UnsupportedAudioError
        As `open_reader`.
    """
    with open_reader(path, stream=stream) as reader:
        return reader.info


def read_audio(path: str | Path, *, start: int = 0, num_samples: int | None = None, stream: int = 0) -> Audio:
    """Read an audio file, or a part of it, into memory.

    Parameters
    ----------
    path, stream
        As for `open_reader`.
    start
        Index of the first sample.
    num_samples
        How many samples per channel; None for all. Fewer are returned if the file ends before.

    Returns
    -------
    Audio
        float32, shape ``(channels, samples)``.

    Raises
    ------
    AudioReadError, UnsupportedAudioError
        As `open_reader` and `AudioReader.read`.
    ValueError
        `start` lies outside the file, or `num_samples` is negative.
    """
    with open_reader(path, stream=stream) as reader:
        if start:
            reader.seek(start)
        wanted = reader.info.num_samples - start if num_samples is None else num_samples
        try:
            samples = reader.read(wanted)
        except MemoryError as error:
            raise AudioReadError(
                f"{path}: the {wanted} declared samples do not fit into memory; read it in blocks, or check "
                f"whether its header is damaged"
            ) from error
        return Audio(samples=samples, sample_rate=reader.info.sample_rate)
