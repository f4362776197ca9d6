"""Audio files: what they are, and their samples in blocks.

Conventions: samples are float32 of shape ``(channels, samples)``, full scale is 1.0 and values
beyond it are kept; positions and lengths count samples per channel; rates are in Hz. A file's
content decides its format, never its name. Files of 1 to 8 channels are handled.

Nothing is lost without a word. What decodes is the truth, and what headers declare is a hint. A file that
is clearly cut is an error. A file is written whole or not at all. Integer PCM up to 24 bits survives
reading and writing bit for bit.

WAV, RF64, AIFF, FLAC, Ogg and MP3 go through libsndfile. MP4, raw AAC, and files that libsndfile refuses or
would cut go through FFmpeg, which is loaded only when a file needs it.
"""

from __future__ import annotations

from musicdenoise.audio.backends.lossy_codec import round_trip
from musicdenoise.audio.backends.remux import has_other_streams
from musicdenoise.audio.bitrate import nearest_bitrate, source_bitrate
from musicdenoise.audio.folder import find_audio
from musicdenoise.audio.formats import (
    AUDIO_SUFFIXES,
    FORMATS,
    READ_SUFFIXES,
    TAG_NAMES,
    ContainerFormat,
    container_for_suffix,
    nearest_rate,
    subtype_for,
    suffix_for_container,
    writable_container,
)
from musicdenoise.audio.pipes.reader import PipeReader
from musicdenoise.audio.pipes.writer import WavPipeWriter
from musicdenoise.audio.reader import AudioReader, open_reader, probe, read_audio
from musicdenoise.audio.types import MAX_CHANNELS, Audio, AudioInfo
from musicdenoise.audio.writer import AudioWriter, open_writer

__all__ = [
    "AUDIO_SUFFIXES",
    "FORMATS",
    "MAX_CHANNELS",
    "READ_SUFFIXES",
    "TAG_NAMES",
    "Audio",
    "AudioInfo",
    "AudioReader",
    "AudioWriter",
    "ContainerFormat",
    "PipeReader",
    "WavPipeWriter",
    "container_for_suffix",
    "find_audio",
    "has_other_streams",
    "nearest_bitrate",
    "nearest_rate",
    "open_reader",
    "open_writer",
    "probe",
    "read_audio",
    "round_trip",
    "source_bitrate",
    "subtype_for",
    "suffix_for_container",
    "writable_container",
]
