"""Write audio files in blocks, whole or not at all.

Samples go into an `AtomicFile`, so an error or an interrupt leaves the target as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicdenoise.audio.backends.encoders import Encoder, PyAvEncoder, SoundFileEncoder
from musicdenoise.audio.backends.sink import ByteSink
from musicdenoise.audio.bitrate import check_bitrate
from musicdenoise.audio.containers import riff
from musicdenoise.audio.containers.ogg_serial import set_serial
from musicdenoise.audio.containers.riff_extras import Chunks, read_chunks
from musicdenoise.audio.dither import Dither
from musicdenoise.audio.formats import FORMATS, PCM_BITS, RECORDING_TAGS, check_writable
from musicdenoise.audio.target import already_exists, check_target
from musicdenoise.audio.types import Samples
from musicdenoise.errors import AudioWriteError
from musicdenoise.runtime.atomic import AtomicFile
from musicdenoise.runtime.digest import FileState, copy_if_same

if TYPE_CHECKING:
    from typing_extensions import Self

    from musicdenoise.audio.tags.file_tags import Tags

_DITHERED = frozenset({"PCM_16", "PCM_U8", "PCM_S8", "ALAC_16"})
# Bits of one stored sample; the codecs that compress are not listed.
_STORED_BITS = PCM_BITS | {"ALAC_16": 0, "ALAC_24": 0, "ALAW": 8, "ULAW": 8, "FLOAT": 32, "DOUBLE": 64}


class AudioWriter:
    """An audio file being written; a context manager, also called `open_writer`.

    Nothing is created before the block is entered. Leaving it puts the file in its place; leaving it by an
    exception removes all traces.

    Parameters
    ----------
    path
        The file to be made.
    sample_rate
        Rate in Hz.
    channels
        Number of channels, 1 to 8 (MP3: 2).
    container, subtype
        As in `musicdenoise.audio.FORMATS`; see `container_for_suffix` and `subtype_for`.
    overwrite
        Whether a file of that name may be replaced.
    tags
        By the names of `TAG_NAMES`; what the container cannot hold is left out.
    tags_from
        File whose tags and pictures are copied, too; see `musicdenoise.audio.tags.file_tags`.
    chapters
        Whether chapters among these tags are copied.
    streams_from
        File whose video, subtitles and chapters are copied; for the container MP4 only.
    bitrate
        Bits per second over all channels of a lossy subtype. None for one with no audible loss.
    dither
        Whether samples are dithered when they are rounded to 8 or 16 bits.
    seal
        Called with the complete file before it is put in its place. It may change the file. If it raises an
        error, no file is left.

    Attributes
    ----------
    num_samples : int
        Samples per channel written so far.
    clipped_samples : int
        Samples beyond full scale (``abs(x) > 1``, counted over all channels) that were limited because the
        subtype holds integers or is AAC. Other subtypes keep them.
    is_copy : bool
        Whether the file became a copy of another; see `become_copy_of`.
    notes : tuple of str
        Which tags had to be left out; known when the file is complete.

    Raises
    ------
    UnsupportedAudioError
        The container cannot hold that subtype, rate, number of channels or bit rate.
    AudioWriteError
        The file exists and may not be replaced, or its folder cannot be written to.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        sample_rate: int,
        channels: int,
        container: str,
        subtype: str,
        overwrite: bool = False,
        tags: Mapping[str, str] | None = None,
        tags_from: Path | None = None,
        chapters: bool = True,
        streams_from: Path | None = None,
        bitrate: int | None = None,
        dither: bool = False,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        check_writable(container=container, subtype=subtype, sample_rate=sample_rate, channels=channels)
        if bitrate is not None:
            check_bitrate(subtype, bitrate, sample_rate=sample_rate, channels=channels)
        self.path = Path(path)
        self.num_samples = self.clipped_samples = 0
        self.is_copy = False
        self.notes: tuple[str, ...] = ()
        self.sample_rate, self._channels = sample_rate, channels
        self.container, self.subtype, self._tags = container, subtype, dict(tags or {})
        self._overwrite, self._streams_from = overwrite, streams_from
        self._tags_from, self._chapters = tags_from, chapters
        self._bitrate = bitrate
        self._dither = Dither(PCM_BITS[subtype]) if dither and subtype in _DITHERED else None
        self._stored_bits = _STORED_BITS.get(subtype, 0)
        self._file = AtomicFile(self.path, replace=overwrite)
        self._part = self._file.part
        self._seal = seal
        self._sink: ByteSink | None = None
        self._encoder: Encoder | None = None
        self._old_tags: Tags | None = None
        self._chunks: Chunks | None = None
        self._names: set[str] = set()  # of all tags of the other file
        self._keeps_texts = False  # all texts, as chunks, instead of the tags that have names here
        self._copied: tuple[Path, FileState] | None = None
        check_target(self.path, overwrite=self._overwrite)

    def __enter__(self) -> Self:
        check_target(self.path, overwrite=self._overwrite)
        if self._tags_from is not None:  # read now: by the end, the file may have disappeared
            self._read_tags(self._tags_from)
        try:
            try:
                self._sink = ByteSink(self._file.open())
            except OSError as error:
                raise AudioWriteError(
                    f"{self.path}: cannot be written: {error.strerror}; choose another folder"
                ) from error
            self._encoder = self._open_encoder(self._sink)
        finally:  # an interrupt may come at any moment once the file is there
            if self._encoder is None:
                self._discard()
        return self

    def _read_tags(self, source: Path) -> None:
        from musicdenoise.audio.tags.file_tags import read_tags  # not needed for most files
        from musicdenoise.audio.tags.left_out import names_of_chunks

        self._old_tags, self._chunks = read_tags(source), read_chunks(source)
        if self._old_tags is not None:
            self._names |= self._old_tags.names
        if self._chunks is not None:
            self._keeps_texts = self._chunks.fits(self.container)
            self._names |= names_of_chunks(self._chunks)
        if self.container != "MP4":
            self._names |= {name for name in RECORDING_TAGS if self._tags.get(name)}

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._discard()

    def write(self, samples: Samples) -> None:
        """Append samples.

        Parameters
        ----------
        samples
            float32, shape ``(channels, n)``, n at least 0; full scale is 1.0. Not changed.

        Raises
        ------
        AudioWriteError
            They are not finite, the disk is full, or the container can grow no further.
        ValueError
            The shape is wrong, or the writer is not open.
        """
        if samples.ndim != 2 or samples.shape[0] != self._channels:
            raise ValueError(
                f"samples must have shape ({self._channels}, n); got {samples.shape}; are the axes swapped?"
            )
        if self._encoder is None:
            raise ValueError("the writer is not open; use it in a with statement")
        if not np.isfinite(samples).all():
            raise AudioWriteError(f"{self.path}: samples that are not finite numbers cannot be written")
        self._check_room(samples.shape[1])
        if self.subtype in PCM_BITS or self.subtype == "AAC":
            self.clipped_samples += int(np.count_nonzero(np.abs(samples) > 1.0))
        try:
            self._encoder.write(self._dither(samples) if self._dither else np.asarray(samples, np.float32))
        except AudioWriteError as error:
            raise self._explain(error) from error
        self._check_sink()
        self.num_samples += samples.shape[1]

    def become_copy_of(self, source: Path, state: FileState) -> None:
        """Make the file a copy, byte for byte, of one with the same content, if that has not changed."""
        self._copied = (source, state)

    def _finish(self) -> None:
        """Complete the file and put it in its place."""
        if self.num_samples == 0 and not FORMATS[self.container].holds_nothing:
            raise AudioWriteError(
                f"{self.path}: {self.container} cannot hold zero samples; write WAV instead"
            )
        encoder, self._encoder = self._encoder, None
        try:
            if encoder is not None:
                encoder.close()
        except AudioWriteError as error:
            raise self._explain(error) from error
        if self._sink is not None:
            if self.container == "AIFF" and self._stored_bits == 8:
                riff.set_length(self._sink, num_samples=self.num_samples, frame_bytes=self._channels)
            if self.container == "OGG":
                set_serial(self._sink)
            self._sink.close_file()
        self._check_sink()
        if self._copied is not None:
            try:
                self.is_copy = copy_if_same(*self._copied, self._part)
            except OSError as error:
                raise AudioWriteError(f"{self.path}: cannot be written: {error.strerror}") from error
        if self.is_copy:
            self.clipped_samples = 0
        else:
            if self._streams_from is not None and self._finish_streams(self._streams_from):
                self._old_tags = None
            try:
                if self._chunks is not None:
                    self._chunks.write(self._part, is_cut=not self._chapters)
                self._finish_tags()
                self._note_left_out()
            except AudioWriteError as error:
                raise AudioWriteError(str(error).replace(str(self._part), str(self.path))) from error
        check_target(self.path, overwrite=self._overwrite)
        try:
            if self._seal is not None:
                self._seal(self._part)
            self._file.commit()
        except FileExistsError as error:
            raise already_exists(self.path) from error
        except OSError as error:
            raise AudioWriteError(f"{self.path}: cannot be put in place: {error.strerror}") from error

    def _finish_streams(self, source: Path) -> bool:
        """Add video and the like. Return whether the tags are there, too."""
        from musicdenoise.audio.backends.remux import add_other_streams

        try:
            has_tags = add_other_streams(source, self._part, sample_rate=self.sample_rate)
            self._file.relock()
        except AudioWriteError as error:
            raise self._explain(error) from error
        return has_tags

    def _finish_tags(self) -> None:
        """Write the tags that the encoder does not: ID3 texts, and all that is copied from another file."""
        if self.container == "MP3" and self._tags:
            from musicdenoise.audio.tags.file_tags import write_id3_tags  # not needed for most files

            write_id3_tags(self._part, self._tags)
        if self._old_tags is not None:
            self.notes = self._old_tags.write(self._part, chapters=self._chapters)

    def _note_left_out(self) -> None:
        """Say which tags of the song the result does not have."""
        if not self._names:
            return
        from musicdenoise.audio.tags.left_out import TIMED, left_out, names_in

        names = self._names if self._chapters else self._names - TIMED
        if names and (note := left_out(names, names_in(self._part), self.container, self.notes)):
            self.notes = (*self.notes, note)

    def _discard(self) -> None:
        """Close what is open and remove the temporary file, if it is still there."""
        encoder, self._encoder = self._encoder, None
        try:
            if encoder is not None:
                with suppress(AudioWriteError):  # the reason is already on its way
                    encoder.close()
        finally:
            if self._sink is not None:
                self._sink.close_file()
            self._file.discard()

    def _open_encoder(self, sink: ByteSink) -> Encoder:
        try:
            if self.container == "MP4":
                return PyAvEncoder(
                    sink,
                    subtype=self.subtype,
                    sample_rate=self.sample_rate,
                    channels=self._channels,
                    tags=self._tags,
                    bitrate=self._bitrate,
                )
            return SoundFileEncoder(
                sink,
                container=self.container,
                subtype=self.subtype,
                sample_rate=self.sample_rate,
                channels=self._channels,
                tags={} if self.container == "MP3" or self._keeps_texts else self._tags,
                bitrate=self._bitrate,
            )
        except AudioWriteError as error:
            raise self._explain(error) from error

    def _check_room(self, more_samples: int) -> None:
        limit = FORMATS[self.container].max_bytes
        total = (self.num_samples + more_samples) * self._channels * self._stored_bits // 8
        if limit is not None and total > limit:
            raise AudioWriteError(
                f"{self.path}: {self.container} files end at 4 GiB; write RF64 or FLAC instead"
            )

    def _check_sink(self) -> None:
        error = self._sink.error if self._sink is not None else None
        if error is not None:
            raise AudioWriteError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _explain(self, error: AudioWriteError) -> AudioWriteError:
        """The error with the file's name, and with the failed write if that was the cause."""
        cause = self._sink.error if self._sink is not None else None
        reason = str(error) if cause is None else f"cannot be written: {cause.strerror}"
        return AudioWriteError(f"{self.path}: {reason}")


open_writer = AudioWriter
