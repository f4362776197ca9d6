"""Decode with libsndfile: WAV, RF64, AIFF, FLAC, Ogg and MP3.

libsndfile reads integer samples as ``value / 2**(bits - 1)``, which float32 holds exactly up to 24
bits. PCM_32 and DOUBLE lose everything below their upper 24 bits.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import soundfile

from musicdenoise.audio.backends.stderr import silenced_stderr
from musicdenoise.audio.containers.ogg import (
    OPUS_RATE,
    VORBIS_CHANNELS,
    VORBIS_ORDERED,
    check_ogg,
    count_tracks,
    ends_inside_ogg_page,
)
from musicdenoise.audio.containers.riff_extras import read_info
from musicdenoise.audio.containers.riff_length import find_data_chunk
from musicdenoise.audio.formats import TAG_NAMES
from musicdenoise.audio.types import AudioInfo, Samples
from musicdenoise.errors import AudioReadError

_BYTES = {
    "PCM_S8": 1,
    "PCM_U8": 1,
    "ALAW": 1,
    "ULAW": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
}
# Here libsndfile's seek lands up to a frame away from where it says, or decodes without the frames
# before it (measured), so these are decoded up to the place instead; so is what it cannot seek in (GSM 6.10).
_INEXACT_SEEK = frozenset({"VORBIS", "MPEG_LAYER_III", "MPEG_LAYER_II", "MPEG_LAYER_I"})
_SKIP_SAMPLES = 65_536
# A read that ends inside the last Opus packet makes libsndfile return wrong samples for the rest of
# it (measured), so the end is read at once: twice the longest packet, 120 ms (RFC 6716 section 2).
_OPUS_TAIL_SECONDS = 0.24
_RIFF = ("WAV", "WAVEX", "RF64")
_NO_TEXT = "\N{REPLACEMENT CHARACTER}"  # what is not UTF-8 in tags


class SoundFileDecoder:
    """One open file that libsndfile decodes.

    Parameters
    ----------
    path
        The file.
    container
        Its container as told by its content; the open file may refine it (WAV to WAVEX).

    Attributes
    ----------
    info : AudioInfo
        What the file declares.
    incomplete_end : bool
        Whether the file breaks off although it declares no length that would show it.
    is_estimate : bool
        Never: a file that holds fewer samples than ``info`` says is cut.

    Raises
    ------
    AudioReadError
        The header cannot be read.
    """

    is_estimate = False

    def __init__(self, path: Path, container: str) -> None:
        self._path = path
        self._is_mpeg = container == "MP3"
        self._has_unchecked_pages = container == "OGG"
        self._file = self._open()
        self._position = 0
        self.info = _describe(path, self._file)
        if container == "OGG":
            self.info = replace(self.info, num_tracks=count_tracks(path))
        self._tail: Samples | None = None
        self._tail_start = self._file.frames
        if self.info.subtype == "OPUS":
            self._tail_start -= round(_OPUS_TAIL_SECONDS * self.info.sample_rate)
            self._tail_start = max(self._tail_start, 0)
        self.incomplete_end = container == "OGG" and ends_inside_ogg_page(path)

    def read(self, num_samples: int) -> Samples:
        """Decode up to `num_samples`; float32, shape ``(channels, n)``, n smaller at the end.

        Raises
        ------
        AudioReadError
            The data is damaged.
        UnsupportedAudioError
            It is a chain of Ogg streams.
        """
        if self._has_unchecked_pages:
            self._check_pages()
        until_tail = max(self._tail_start - self._position, 0)
        samples = self._decode(min(num_samples, until_tail))
        if num_samples > until_tail:
            if self._tail is None:
                self._tail = self._decode(self._file.frames - self._tail_start)
            begin = max(self._position - self._tail_start, 0)
            end = self._position + num_samples - self._tail_start
            samples = np.concatenate([samples, self._tail[:, begin:end]], axis=1)
        self._position += samples.shape[1]
        return samples

    def seek(self, sample: int) -> None:
        """Go to a sample. `read` gives the same there as when reading from the beginning.

        Raises
        ------
        AudioReadError
            The data there is damaged, or that before the sample, where it has to be decoded.
        """
        if self.info.subtype not in _INEXACT_SEEK and self._file.seekable():
            try:
                self._file.seek(min(sample, self._tail_start))
            except soundfile.SoundFileError as error:
                raise AudioReadError(f"the data is damaged or cut off ({_reason(error)})") from error
            self._position = sample
            if sample < self._tail_start:
                self._tail = None  # reading on comes by the beginning of the tail again
            return
        if sample < self._position:
            self._file.close()
            self._file = self._open()
            self._position = 0
        while self._position < sample:
            if self.read(min(_SKIP_SAMPLES, sample - self._position)).shape[1] == 0:
                return

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check_pages(self) -> None:
        """Look for damage that libsndfile ignores. Not when the file is opened, because it takes time."""
        self._has_unchecked_pages = False
        check_ogg(self._path, OPUS_RATE if self.info.subtype == "OPUS" else self.info.sample_rate)

    def _decode(self, num_samples: int) -> Samples:
        try:
            with self._quietly():
                block = self._file.read(num_samples, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise AudioReadError(f"the data is damaged or cut off ({_reason(error)})") from error
        if self.info.subtype in VORBIS_ORDERED and self.info.channels in VORBIS_CHANNELS:
            block = block[:, VORBIS_CHANNELS[self.info.channels]]
        return cast(Samples, np.ascontiguousarray(block.T))

    def _open(self) -> soundfile.SoundFile:
        try:
            with self._quietly():
                # As bytes, because names may not be valid UTF-8; on Windows they are.
                return soundfile.SoundFile(str(self._path) if os.name == "nt" else os.fsencode(self._path))
        except (soundfile.SoundFileError, OSError, UnicodeError) as error:
            raise AudioReadError(f"{self._path}: cannot be decoded: {_reason(error)}") from error

    def _quietly(self) -> AbstractContextManager[None]:
        return silenced_stderr() if self._is_mpeg else nullcontext()


def _describe(path: Path, file: soundfile.SoundFile) -> AudioInfo:
    tags = {name: str(getattr(file, name)) for name in TAG_NAMES if getattr(file, name)}
    if file.format in _RIFF:
        others = read_info(path).items()
        tags |= {name: value for name, value in others if _NO_TEXT in tags.get(name, _NO_TEXT)}
    info = AudioInfo(
        path=path,
        sample_rate=file.samplerate,
        channels=file.channels,
        num_samples=file.frames,
        container=file.format,
        subtype=file.subtype,
        tags=tags,
    )
    chunk = find_data_chunk(path, file.format)
    if chunk is None or chunk.declared_bytes <= chunk.available_bytes:
        return info
    if file.subtype in _BYTES:
        declared = chunk.declared_bytes // (file.channels * _BYTES[file.subtype])
    else:
        declared = file.frames * chunk.declared_bytes // max(chunk.available_bytes, 1)
    return replace(info, num_samples=max(declared, file.frames))


def _reason(error: Exception) -> str:
    # Errors of libsndfile itself begin with the name of the file elsewhere.
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
