"""What a lossy codec does to a signal, in memory: encoded and decoded again.

Training needs it. The codec of a noisy MP3 leaves traces in the noise: holes in the spectrum, and coarse
steps. A network that has never seen them takes them for music.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile

from musicdenoise.audio.formats import check_writable
from musicdenoise.audio.types import Samples

_CONTAINERS = {"MPEG_LAYER_III": "MP3", "VORBIS": "OGG"}


def round_trip(samples: Samples, sample_rate: int, *, subtype: str, compression: float) -> Samples:
    """Encode and decode again.

    Parameters
    ----------
    samples
        float32, shape ``(channels, n)``; not changed.
    sample_rate
        Rate in Hz; the codec must know it.
    subtype
        ``"MPEG_LAYER_III"`` (variable bit rate) or ``"VORBIS"``.
    compression
        From 0 (best, about 245 kbit/s for stereo MP3) to 1 (smallest).

    Returns
    -------
    ndarray
        float32, same shape, aligned to the sample.

    Raises
    ------
    UnsupportedAudioError
        If the codec does not know the rate or takes fewer channels.
    """
    container = _CONTAINERS[subtype]
    channels, length = samples.shape
    check_writable(container=container, subtype=subtype, sample_rate=sample_rate, channels=channels)
    buffer = io.BytesIO()
    options = {"bitrate_mode": "VARIABLE"} if container == "MP3" else {}
    soundfile.write(
        buffer,
        samples.T,
        sample_rate,
        format=container,
        subtype=subtype,
        compression_level=compression,
        **options,
    )
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32", always_2d=True)
    result = np.zeros((channels, length), dtype=np.float32)
    kept = min(length, decoded.shape[0])
    result[:, :kept] = decoded[:kept].T
    return result
