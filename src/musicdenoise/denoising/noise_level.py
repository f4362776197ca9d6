"""How much louder a song's noise is than a sample of it from another file.

Music only ever raises a song's level, so its floor shows the noise: per band, the least mean of three frames
in a row. Noise that is not steady has a floor below its mean, and the longer the stretch, the lower the
floor. So the song is cut into stretches as long as the sample, and their floors are compared with the
sample's. Only the stretches and bands with least music count. If noise shows in enough bands, the difference
is the same in all of them. Otherwise the level stays unknown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicdenoise.denoising.band_levels import Bands

Floats = NDArray[np.float64]

WINDOW_FRAMES = 3  # 0.28 s, as in the finder of noise alone
LONGEST_STRETCH_FRAMES = 54  # 5 s: a short song has few longer ones to choose from
# The floors of the stretches with least music, in the bands with least.
STRETCH_QUANTILE = 0.05
BAND_QUANTILE = 0.1
# Share of the bands. On 300 mixes (6 and 30 s, twelve kinds, 0 to 20 dB SNR, a true difference of 0), a
# difference is found for a quarter, never above 3 dB, and twice below -3 dB. With 0.35 it is found for six in
# ten, and 31 times above 3 dB, up to 45: music that never rests passed for louder noise. One mix lost 10 dB.
LEAST_AGREEING = 0.6
AGREEMENT_DB = 3.0  # chance and unsteadiness
SILENCE = 1e-12  # power of a frame re full scale: digital silence has no floor
HEARD_DB = 50.0  # bands of the sample further below its loudest say nothing
LEAST_BANDS = 6  # chosen, not measured


def level_difference_db(song: Bands, sample: Bands) -> float | None:
    """Return how many dB a song's noise is louder than the sample's; None if music hides it.

    Parameters
    ----------
    song, sample
        Bands of both at the same sample rate; the sample lasts three frames at least.

    Raises
    ------
    ValueError
        If the sample rates differ.
    """
    if song.frame_seconds != sample.frame_seconds or not np.array_equal(song.num_bins, sample.num_bins):
        raise ValueError("song and sample have different sample rates; convert the sample to the song's")
    length = min(len(sample), len(song), LONGEST_STRETCH_FRAMES)
    if length < WINDOW_FRAMES:
        return None
    song_floors, sample_floors = _floors(song, length), _floors(sample, length)
    if len(song_floors) == 0 or len(sample_floors) == 0:
        return None
    own = np.median(sample_floors, axis=0)
    heard = own > own.max() - HEARD_DB
    if heard.sum() < LEAST_BANDS:
        return None
    differences = (np.quantile(song_floors, STRETCH_QUANTILE, axis=0) - own)[heard]
    low = float(np.quantile(differences, BAND_QUANTILE))
    agreeing = np.abs(differences - low) < AGREEMENT_DB
    return low if agreeing.mean() >= LEAST_AGREEING else None


def _floors(bands: Bands, length: int) -> Floats:
    """Floors of stretches without silence, ``(stretches, bands)`` in dB."""
    floors = []
    for first in range(0, len(bands) - length + 1, length):
        powers = np.power(10.0, 0.1 * bands.levels_db(slice(first, first + length)).astype(np.float64))
        if powers.sum(axis=1).min() > SILENCE:
            windows = np.lib.stride_tricks.sliding_window_view(powers, WINDOW_FRAMES, axis=0).mean(axis=-1)
            floors.append(10.0 * np.log10(windows.min(axis=0)))
    return np.array(floors)
