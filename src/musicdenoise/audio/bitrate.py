"""Bit rates of lossy files: which one a file has, and how to ask libsndfile for one.

libsndfile takes a *compression level* from 0 to 1, and each of its encoders maps that to a bit rate or a
quality in its own way. This module inverts these maps. Vorbis has a quality with a nominal rate instead of
a bit rate, so files may be up to a fifth larger or smaller.

References: libsndfile, ``mpeg_l3_encode.c``, ``ogg_opus.c``, ``ogg_vorbis.c``; libvorbis,
``modes/setup_44.h`` and ``setup_44u.h`` (nominal rates per channel).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from musicdenoise.errors import UnsupportedAudioError

LOSSY_SUBTYPES = ("MPEG_LAYER_III", "VORBIS", "OPUS", "AAC")
"""Subtypes that have a bit rate and no bit depth."""

_HIGHEST_LEVEL = 0.999  # of compression that libsndfile takes; encoders round it to their lowest bit rate
_TRANSPARENT: dict[str, dict[str, Any]] = {
    "MPEG_LAYER_III": {"bitrate_mode": "VARIABLE", "compression_level": 0.0},
    "VORBIS": {"compression_level": 0.3},
    "OPUS": {"compression_level": 0.6},
}
# ISO 11172-3 and 13818-3, layer III: what a constant rate can be.
_MP3_RATES = frozenset(
    1000 * kbps for kbps in (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320)
)
# Bits per second and channel of Vorbis at 44.1 kHz for qualities 0 to 1 in steps of a tenth.
_VORBIS_STEREO = (32e3, 40e3, 48e3, 56e3, 64e3, 80e3, 96e3, 112e3, 128e3, 160e3, 250e3)
_VORBIS_OTHER = (48e3, 60e3, 70e3, 80e3, 86e3, 96e3, 110e3, 120e3, 140e3, 160e3, 240e3)


def source_bitrate(path: Path, subtype: str) -> int | None:
    """Bit rate of a lossy file in bits per second over all channels; None for other files, or if unknown.

    Parameters
    ----------
    path
        The file.
    subtype
        Its subtype, as in `AudioInfo`.
    """
    if subtype not in LOSSY_SUBTYPES:
        return None
    from musicdenoise.audio.tags.open_file import open_tagged  # here, because most files are lossless

    file = open_tagged(path)
    if file is None or not getattr(file.info, "length", 0.0):
        return None
    bitrate = getattr(file.info, "bitrate", 0) or 8 * path.stat().st_size / file.info.length  # Opus
    return round(bitrate / 1000) * 1000


def encoder_quality(subtype: str, bitrate: int | None, *, sample_rate: int, channels: int) -> dict[str, Any]:
    """Arguments of `soundfile.SoundFile` for about this bit rate; empty for lossless subtypes.

    Parameters
    ----------
    subtype
        As in `FORMATS`.
    bitrate
        Bits per second over all channels. None for a quality with no audible loss (MP3 V0, Vorbis quality
        7, Opus 210 kbit/s).
    sample_rate, channels
        Rate in Hz and channels of the audio.
    """
    if bitrate is None or subtype not in _TRANSPARENT:
        return dict(_TRANSPARENT.get(subtype, {}))
    low, high = _bitrate_range(subtype, sample_rate, channels)
    if subtype == "VORBIS":
        rates = _vorbis_rates(sample_rate, channels)
        return {
            "compression_level": 1.0 - float(np.interp(bitrate, rates, np.linspace(0.0, 1.0, len(rates))))
        }
    level = min((high - bitrate) / (high - low), _HIGHEST_LEVEL)
    if subtype == "OPUS":
        return {"compression_level": level}
    is_usual = bitrate in _MP3_RATES
    return {"bitrate_mode": "CONSTANT" if is_usual else "AVERAGE", "compression_level": level}


def check_bitrate(subtype: str, bitrate: int, *, sample_rate: int, channels: int) -> None:
    """Check that a codec can make a bit rate.

    Raises
    ------
    UnsupportedAudioError
        If it cannot; the message says what is allowed.
    """
    if subtype not in LOSSY_SUBTYPES:
        raise UnsupportedAudioError(
            f"{subtype} is lossless and has no bit rate: leave it out, or write MP3, OGG, Opus or M4A"
        )
    low, high = _bitrate_range(subtype, sample_rate, channels)
    if not low <= bitrate <= high:
        raise UnsupportedAudioError(
            f"{subtype} at {sample_rate} Hz with {channels} channel(s) takes {low / 1000:g} to "
            f"{high / 1000:g} kbit/s; got {bitrate / 1000:g} kbit/s"
        )


def nearest_bitrate(subtype: str, bitrate: int, *, sample_rate: int, channels: int) -> int:
    """The bit rate itself, or the nearest that the codec can make."""
    low, high = _bitrate_range(subtype, sample_rate, channels)
    return round(min(max(bitrate, low), high))


def _bitrate_range(subtype: str, sample_rate: int, channels: int) -> tuple[float, float]:
    """Lowest and highest bit rate of a lossy codec, in bits per second over all channels."""
    if subtype == "MPEG_LAYER_III":  # MPEG-1, MPEG-2 and "MPEG-2.5" have tables of their own
        if sample_rate >= 32_000:
            return 32e3, 320e3
        return 8e3, 160e3 if sample_rate >= 16_000 else 64e3
    if subtype == "OPUS":
        return 6e3 * channels, 256e3 * channels
    if subtype == "VORBIS":
        rates = _vorbis_rates(sample_rate, channels)
        return float(rates[0]), float(rates[-1])
    return 8e3 * channels, min(6.0 * sample_rate, 512e3) * channels  # AAC: 6144 bits a frame of 1024


def _vorbis_rates(sample_rate: int, channels: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    per_channel = np.array(_VORBIS_STEREO if channels == 2 else _VORBIS_OTHER)
    return per_channel * channels * sample_rate / 44_100
