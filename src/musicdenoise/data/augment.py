"""What happens to noisy music before you get it: equalisers, band limits, lossy codecs.

Both recordings of a pair go through the same equaliser and band limit. Without them a network learns that
noise fills the whole band, and takes a noisy song that an MP3 encoder cut off at 16 kHz for a clean one.
Only the input goes through a codec, so the target shows what was there before.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicdenoise.audio import round_trip

# Shares and ranges: chosen, not measured one by one. What the chain and the codecs are worth is in
# docs/design.md.
_EQUALISED_SHARE = 0.3
_EQUALISER_HZ = (60.0, 250.0, 1_000.0, 4_000.0, 8_000.0, 16_000.0)
_EQUALISER_SD_DB = 4.0

_MP3_SHARE = 0.7
_STRONGEST_COMPRESSION = 0.7  # MP3 at about 100 kbit/s for stereo

_LIMITED_SHARE = 0.5
_LOWEST_CUTOFF_HZ = 4_000.0
_WIDEST_TRANSITION_HZ = 1_500.0
_ATTENUATION_DB = (30.0, 110.0)


def chain_response(
    num_samples: int, sample_rate: int, rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """Gain per frequency of a random recording chain.

    In three of ten cases the chain has an equaliser, whose gains have a standard deviation of 4 dB about
    every two octaves. In half of the cases it has an upper band limit at 4 kHz or more, mostly near the
    top.

    Parameters
    ----------
    num_samples
        Length of the signals in samples.
    sample_rate
        Rate in Hz.
    rng
        Source of randomness.

    Returns
    -------
    ndarray or None
        Factors for ``num_samples // 2 + 1`` frequencies; None for a chain that does nothing.
    """
    equalised, limited = rng.random(2) < (_EQUALISED_SHARE, _LIMITED_SHARE)
    gains_db = rng.normal(0.0, _EQUALISER_SD_DB, len(_EQUALISER_HZ))
    # The square root favours the cut-offs of common codecs, 15 kHz and up.
    position, width, depth = np.sqrt(rng.random()), rng.random(), rng.uniform(*_ATTENUATION_DB)
    if not (equalised or limited):
        return None
    frequencies = np.fft.rfftfreq(num_samples, 1.0 / sample_rate)
    response_db = np.zeros_like(frequencies)
    if equalised:
        response_db += np.interp(np.log(np.maximum(frequencies, 1.0)), np.log(_EQUALISER_HZ), gains_db)
    if limited:
        cutoff = _LOWEST_CUTOFF_HZ + position * (0.5 * sample_rate - _LOWEST_CUTOFF_HZ)
        above = (frequencies - cutoff) / (1.0 + width * _WIDEST_TRANSITION_HZ)
        response_db -= depth * np.clip(above, 0.0, 1.0)
    response: NDArray[np.float32] = (10.0 ** (response_db / 20.0)).astype(np.float32)
    return response


def through_chain(waveform: Tensor, response: NDArray[np.float32] | None) -> Tensor:
    """Waveform ``(..., samples)`` filtered with a response of `chain_response`, without delay."""
    if response is None:
        return waveform
    spectrum = torch.fft.rfft(waveform) * torch.from_numpy(response)
    filtered: Tensor = torch.fft.irfft(spectrum, n=waveform.shape[-1])
    return filtered


def through_codec(waveform: Tensor, sample_rate: int, rng: np.random.Generator) -> Tensor:
    """Waveform ``(channels, samples)`` after a lossy codec: MP3 in seven of ten cases, else Vorbis.

    Bit rates are between the codec's best and a third of it.

    Raises
    ------
    UnsupportedAudioError
        If the codec does not know the sample rate.
    """
    subtype = "MPEG_LAYER_III" if rng.random() < _MP3_SHARE else "VORBIS"
    compression = float(rng.uniform(0.0, _STRONGEST_COMPRESSION))
    coded = round_trip(waveform.numpy(), sample_rate, subtype=subtype, compression=compression)
    return torch.from_numpy(coded)
