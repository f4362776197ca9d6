"""The audio formats that are read and written: containers, subtypes, suffixes and their limits.

A *container* is the file format, a *subtype* the coding of the samples in it; both are named as
libsndfile names them, with MP4, ADTS and AAC added for what libsndfile does not read.
"""

from __future__ import annotations

from dataclasses import dataclass

from musicdenoise.audio.types import MAX_CHANNELS
from musicdenoise.errors import UnsupportedAudioError

TAG_NAMES = (
    "title",
    "artist",
    "album",
    "date",
    "comment",
    "genre",
    "tracknumber",
    "copyright",
    "license",
)
"""Tags that are read and written, as libsndfile names them. What a container cannot hold is left out."""

RECORDING_TAGS = ("creation_time", "location")
"""When and where phones recorded; kept from MP4 to MP4, by FFmpeg's names."""

PCM_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "PCM_16": 16,
    "PCM_24": 24,
    "PCM_32": 32,
    "ALAC_16": 16,
    "ALAC_24": 24,
    "ALAW": 16,
    "ULAW": 16,
}
"""Bits that samples are rounded to before they are stored; A-law and mu-law compand 16 bits to 8."""

FFMPEG_WAV_CODECS = {
    "pcm_u8": "PCM_U8",
    "pcm_s16le": "PCM_16",
    "pcm_s24le": "PCM_24",
    "pcm_s32le": "PCM_32",
    "pcm_f32le": "FLOAT",
    "pcm_f64le": "DOUBLE",
    "pcm_alaw": "ALAW",
    "pcm_mulaw": "ULAW",
}
"""Subtypes of WAV by FFmpeg's names for their codecs, with the same in the other order of bytes (``be``)."""


@dataclass(frozen=True, kw_only=True)
class ContainerFormat:
    """One container.

    Parameters
    ----------
    suffixes
        File suffixes, lower case with the dot; the first is the usual one.
    subtypes
        What can be written, the default first. Empty: the container is only read.
    max_bytes
        The most bytes of uncompressed samples; None for no limit.
    holds_nothing
        Whether a file of zero samples can exist.
    """

    suffixes: tuple[str, ...]
    subtypes: tuple[str, ...]
    max_bytes: int | None = None
    holds_nothing: bool = False


# RIFF and FORM count bytes in 32 bits; 64 KiB are left for the header and the tags.
_CHUNK_LIMIT = 2**32 - 2**16
_WAV_SUBTYPES = ("PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "ALAW")

FORMATS: dict[str, ContainerFormat] = {
    "WAV": ContainerFormat(
        suffixes=(".wav", ".wave"), subtypes=_WAV_SUBTYPES, max_bytes=_CHUNK_LIMIT, holds_nothing=True
    ),
    "WAVEX": ContainerFormat(
        suffixes=(".wav",), subtypes=_WAV_SUBTYPES, max_bytes=_CHUNK_LIMIT, holds_nothing=True
    ),
    "RF64": ContainerFormat(suffixes=(".rf64",), subtypes=_WAV_SUBTYPES, holds_nothing=True),
    "AIFF": ContainerFormat(
        suffixes=(".aiff", ".aif", ".aifc"),
        subtypes=("PCM_16", "PCM_24", "PCM_32", "PCM_S8", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
        max_bytes=_CHUNK_LIMIT,
        holds_nothing=True,
    ),
    "FLAC": ContainerFormat(suffixes=(".flac",), subtypes=("PCM_16", "PCM_24", "PCM_S8")),
    "OGG": ContainerFormat(suffixes=(".ogg", ".oga", ".opus"), subtypes=("VORBIS", "OPUS")),
    "MP3": ContainerFormat(suffixes=(".mp3",), subtypes=("MPEG_LAYER_III",)),
    "MP4": ContainerFormat(suffixes=(".m4a", ".mp4", ".m4b", ".mov"), subtypes=("AAC", "ALAC_16", "ALAC_24")),
    # A raw AAC stream cannot say where to cut its first and last frame, so it is only read.
    "ADTS": ContainerFormat(suffixes=(".aac",), subtypes=()),
}
"""Every container that is read, by name."""

AUDIO_SUFFIXES: frozenset[str] = frozenset(
    suffix for container_format in FORMATS.values() for suffix in container_format.suffixes
)
"""Suffixes by which audio files are found in folders, lower case with the dot."""

READ_SUFFIXES = {".mp1": ".mp3", ".mp2": ".mp3", ".mpga": ".mp3"}
"""Suffixes of formats that are only read, and the suffixes to write instead."""

# ISO 11172-3 and 13818-3 with the "2.5" extension; RFC 6716 section 2; ISO 14496-3 table 1.16.
_RATES: dict[str, tuple[int, ...]] = {
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "AAC": (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
}
_MAX_CHANNELS: dict[str, int] = {"MPEG_LAYER_III": 2}
# FLAC stores rates in 20 bits (RFC 9639 section 8.2), and libFLAC takes up to 655350 Hz; libvorbis and
# FFmpeg's ALAC have tables of their own.
_MAX_RATES: dict[str, int] = {"FLAC": 655_350, "OGG": 200_000, "MP4": 655_350}
_MAX_RATE = 3_072_000  # of WAV and AIFF: four times that of any recording

# If the container cannot hold the source's subtype: the ones that lose least, best first.
_SUBSTITUTES: dict[str, tuple[str, ...]] = {
    "PCM_U8": ("PCM_S8", "PCM_16"),
    "PCM_S8": ("PCM_U8", "PCM_16"),
    "PCM_24": ("PCM_24",),
    "PCM_32": ("PCM_24",),
    "FLOAT": ("PCM_24",),
    "DOUBLE": ("FLOAT", "PCM_24"),
    "ALAC_24": ("PCM_24",),
}


def container_for_suffix(suffix: str) -> str:
    """Return the container of a file suffix.

    Parameters
    ----------
    suffix
        Such as ".flac", in any case.

    Returns
    -------
    str
        A key of `FORMATS`.

    Raises
    ------
    UnsupportedAudioError
        No container has this suffix.
    """
    for name, container_format in FORMATS.items():
        if suffix.lower() in container_format.suffixes:
            return name
    known = ", ".join(sorted(AUDIO_SUFFIXES))
    raise UnsupportedAudioError(f"no audio format has the suffix {suffix!r}; use one of {known}")


def suffix_for_container(container: str, subtype: str) -> str:
    """Return the usual suffix of files of this container and subtype, such as ".flac"."""
    return ".opus" if subtype == "OPUS" else _format(container).suffixes[0]


def writable_container(container: str) -> str:
    """Return the container itself, or the one to write instead if it is only read (ADTS: MP4)."""
    return container if _format(container).subtypes else "MP4"


def subtype_for(container: str, source_subtype: str, *, suffix: str | None = None) -> str:
    """Choose the subtype for a copy of some source in a container.

    The source's own subtype is kept if the container can hold it. Otherwise the nearest is chosen: FLOAT
    becomes PCM_24 in FLAC, and lossy sources become PCM_16 in lossless containers. A container with one
    codec gets that codec.

    Parameters
    ----------
    container
        A key of `FORMATS` that can be written.
    source_subtype
        Subtype of the source, as in `AudioInfo`.
    suffix
        Suffix of the file to be written, if any; ".opus" always means Opus.

    Returns
    -------
    str
        One of the container's subtypes.

    Raises
    ------
    UnsupportedAudioError
        The container is unknown or is only read.
    """
    allowed = _format(container).subtypes
    if not allowed:
        raise UnsupportedAudioError(f"{container} files are read but not written; write MP4 (.m4a) instead")
    if suffix is not None and suffix.lower() == ".opus" and "OPUS" in allowed:
        return "OPUS"
    for candidate in (source_subtype, *_SUBSTITUTES.get(source_subtype, ("PCM_16",))):
        if candidate in allowed:
            return candidate
    return allowed[0]


def nearest_rate(subtype: str, sample_rate: int) -> int:
    """The rate in Hz if a subtype has it. Otherwise the next higher one that it has, or its highest."""
    rates = _RATES.get(subtype, (sample_rate,))
    return min((rate for rate in rates if rate >= sample_rate), default=max(rates))


def check_writable(*, container: str, subtype: str, sample_rate: int, channels: int) -> None:
    """Check that a file of these properties can be written.

    Parameters
    ----------
    container, subtype
        As in `FORMATS`.
    sample_rate
        Rate in Hz.
    channels
        Number of channels.

    Raises
    ------
    UnsupportedAudioError
        It cannot; the message lists what is allowed.
    """
    allowed = _format(container).subtypes
    if subtype not in allowed:
        instead = f"use one of {', '.join(allowed)}" if allowed else "write MP4 (.m4a) instead"
        raise UnsupportedAudioError(f"{container} files cannot be written with subtype {subtype}; {instead}")
    limit = _MAX_CHANNELS.get(subtype, MAX_CHANNELS)
    if not 1 <= channels <= limit:
        hint = "; are the axes (samples, channels) swapped?" if channels > MAX_CHANNELS else ""
        raise UnsupportedAudioError(f"{subtype} takes 1 to {limit} channels; got {channels}{hint}")
    rates = _RATES.get(subtype)
    if rates is not None and sample_rate not in rates:
        listed = ", ".join(str(rate) for rate in rates)
        raise UnsupportedAudioError(
            f"{subtype} cannot hold {sample_rate} Hz; resample to one of {listed} Hz, or write WAV or FLAC"
        )
    most = _MAX_RATES.get(container, _MAX_RATE)
    if not 1 <= sample_rate <= most:
        raise UnsupportedAudioError(
            f"{container} files are written at sample rates from 1 to {most} Hz; got {sample_rate} Hz: write "
            "WAV, or resample"
        )


def _format(container: str) -> ContainerFormat:
    if container not in FORMATS:
        raise UnsupportedAudioError(f"unknown container {container!r}; use one of {', '.join(FORMATS)}")
    return FORMATS[container]
