"""A song's levels by frame and band, to find noise, and to compare the level of a sample.

Frames last about 93 ms and do not overlap. Bands are a sixth of an octave wide (86 Hz at least) and reach
from 20 Hz to 16 kHz, or to the band limit of the song. Per frame and band two figures are kept:

- the level: the power of the band, averaged over channels, in dB re full scale (a mean square of 1);
- the flatness: the geometric over the arithmetic mean of the powers of its bins, in dB. Tones have less of it
  than Gaussian noise, whose powers are distributed exponentially: -2.5 dB (Euler's constant is 0.577 neper).

and per frame the flutter: how much the envelope of 1 to 6 kHz changes from one stretch of 6 ms to the next.

Levels are kept in hundredths of dB and flatness in tenths: three hours take 13 MB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicdenoise.denoising.samples import check_samples

Floats = NDArray[np.float32]

# Chosen, not measured.
FRAME_SECONDS = 4096 / 44_100  # long enough for bands of 86 Hz, short enough for pauses
LOWEST_HZ = 20.0  # below it lies what nobody hears
HIGHEST_HZ = 16_000.0  # codecs cut off what lies above
NARROWEST_HZ = 86.0  # eight bins
WIDTH_SHARE = 0.12  # of a band's lower edge: a sixth of an octave
BAND_LIMIT = 0.48  # of the sample rate: above lies what filters of converters leave
ENVELOPE_HZ = (1000.0, 6000.0)  # where claps are
ENVELOPE_BLOCKS = 16  # per frame
EDGE_BLOCKS = 3  # this many at each side, where the window is small
LEAST_LEVEL_DB = -160.0  # re full scale: far below 24 bits
LEAST_FLATNESS_DB = -12.0  # of pure tones; one byte holds tenths down to here
_LEAST_POWER = 10.0 ** (LEAST_LEVEL_DB / 10.0)
_DB_PER_NEPER = 10.0 / math.log(10.0)
_FRAMES_AT_ONCE = 32  # a megabyte of spectra per channel


def frame_length(sample_rate: int) -> int:
    """Samples per frame: four, five or six times a power of two, which are fast to transform."""
    wanted = sample_rate * FRAME_SECONDS
    power = 1 << math.floor(math.log2(wanted / 4.0))
    return min((4 * power, 5 * power, 6 * power, 8 * power), key=lambda n: abs(n - wanted))


def band_edges(sample_rate: int) -> NDArray[np.intp]:
    """Bins at which the bands begin, and the one behind the last band."""
    top = min(HIGHEST_HZ, BAND_LIMIT * sample_rate)
    edges = [LOWEST_HZ]
    while edges[-1] + max(NARROWEST_HZ, WIDTH_SHARE * edges[-1]) < top:
        edges.append(edges[-1] + max(NARROWEST_HZ, WIDTH_SHARE * edges[-1]))
    if top - edges[-1] < 0.5 * WIDTH_SHARE * edges[-1]:
        edges.pop()  # the rest is too narrow for a band of its own
    edges.append(top)
    bins: NDArray[np.intp] = np.rint(np.array(edges) * frame_length(sample_rate) / sample_rate).astype(
        np.intp
    )
    return bins


@dataclass(frozen=True, kw_only=True)
class Bands:
    """The measurements of `BandLevels`.

    Attributes
    ----------
    levels
        ``(frames, bands)``, hundredths of dB re full scale.
    flatness
        ``(frames, bands)``, tenths of dB, at most 0.
    flutter
        ``(frames,)``: the mean squared change of the envelope from block to block, re its mean square.
    num_bins
        ``(bands,)``: bins per band.
    frame_seconds
        Length of a frame.
    """

    levels: NDArray[np.int16]
    flatness: NDArray[np.int8]
    flutter: NDArray[np.float16]
    num_bins: NDArray[np.intp]
    frame_seconds: float

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.levels)

    def levels_db(self, frames: slice | NDArray[Any]) -> Floats:
        """Levels ``(frames, bands)`` in dB re full scale."""
        levels: Floats = self.levels[frames] * np.float32(0.01)
        return levels

    def flatness_db(self, frames: slice | NDArray[Any]) -> Floats:
        """Flatness ``(frames, bands)`` in dB."""
        flatness: Floats = self.flatness[frames] * np.float32(0.1)
        return flatness


class BandLevels:
    """Measure a song's bands, block after block; the result does not depend on how they are cut.

    Parameters
    ----------
    sample_rate
        In Hz, 8000 to 192 000.
    channels
        Number of channels.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._frame = frame_length(sample_rate)
        self._edges = band_edges(sample_rate)
        self._num_bins = np.diff(self._edges)
        window = np.hanning(self._frame + 1)[:-1]
        self._window = window.astype(np.float32)
        # With this factor the powers of all bins sum up to the mean square of the samples (Parseval).
        self._scale = 2.0 / (self._frame * float(np.square(window).sum()))
        low, high = (min(round(hz * self._frame / sample_rate), self._frame // 2) for hz in ENVELOPE_HZ)
        self._envelope_bins = slice(low, high)
        self._envelope_size = 2 ** math.ceil(math.log2(high - low))
        centres = (np.arange(self._envelope_size) + 0.5) / self._envelope_size
        blocks = (np.sin(np.pi * centres) ** 4).reshape(ENVELOPE_BLOCKS, -1).sum(axis=1)
        self._envelope_weights = 1.0 / blocks[EDGE_BLOCKS:-EDGE_BLOCKS]
        self._waiting = np.zeros((channels, 0), dtype=np.float32)
        # Bytes grow in place, so that an hour needs no second copy of what it has.
        self._levels = bytearray()
        self._flatness = bytearray()
        self._flutter = bytearray()

    def push(self, block: Floats) -> None:
        """Take the next samples ``(channels, n)``, of any length.

        Raises
        ------
        AudioError
            If one is not finite or absurdly large.
        """
        check_samples(block)
        size = self._frame * _FRAMES_AT_ONCE
        first = 0
        while self._waiting.shape[1] + block.shape[1] - first >= size:
            count = size - self._waiting.shape[1]
            self._measure(np.concatenate([self._waiting, block[:, first : first + count]], axis=1))
            self._waiting = self._waiting[:, :0]
            first += count
        self._waiting = np.concatenate([self._waiting, block[:, first:]], axis=1)

    def finish(self) -> Bands:
        """Return the measurements; samples behind the last whole frame are left out."""
        whole = self._waiting.shape[1] // self._frame * self._frame
        if whole:
            self._measure(self._waiting[:, :whole])
        self._waiting = self._waiting[:, :0]
        bands = len(self._num_bins)
        return Bands(
            levels=np.frombuffer(self._levels, dtype=np.int16).reshape(-1, bands),
            flatness=np.frombuffer(self._flatness, dtype=np.int8).reshape(-1, bands),
            flutter=np.frombuffer(self._flutter, dtype=np.float16),
            num_bins=self._num_bins,
            frame_seconds=self._frame / self._rate,
        )

    def _measure(self, samples: Floats) -> None:
        frames = samples.reshape(samples.shape[0], -1, self._frame) * self._window
        spectra = np.fft.rfft(frames, axis=-1)
        powers = np.square(spectra.real) + np.square(spectra.imag)
        powers = powers[..., self._edges[0] : self._edges[-1]]
        starts = self._edges[:-1] - self._edges[0]
        means = np.add.reduceat(powers, starts, axis=-1) / self._num_bins.astype(powers.dtype)
        levels = 10.0 * np.log10(self._scale * self._num_bins * means.mean(axis=0) + _LEAST_POWER)
        # A bin of nothing would make its band tonal: all count as -60 dB re the mean at least.
        least = np.repeat(means * powers.dtype.type(1e-6) + powers.dtype.type(1e-20), self._num_bins, axis=-1)
        logs = np.add.reduceat(np.log(np.maximum(powers, least)), starts, axis=-1) / self._num_bins
        flatness = _DB_PER_NEPER * (logs - np.log(means + 1e-20)).mean(axis=0)
        self._levels += np.rint(100.0 * levels).astype(np.int16).tobytes()
        self._flatness += np.rint(10.0 * np.clip(flatness, LEAST_FLATNESS_DB, 0.0)).astype(np.int8).tobytes()
        self._flutter += self._flutter_of(spectra[..., self._envelope_bins]).astype(np.float16).tobytes()

    def _flutter_of(self, spectra: NDArray[np.complexfloating[Any, Any]]) -> NDArray[np.floating[Any]]:
        """Change of the envelope from block to block; channels are summed."""
        envelope = np.fft.ifft(spectra, n=self._envelope_size, axis=-1)
        powers = (np.square(envelope.real) + np.square(envelope.imag)).sum(axis=0)
        blocks = powers.reshape(len(powers), ENVELOPE_BLOCKS, -1).sum(axis=-1)
        blocks = blocks[:, EDGE_BLOCKS:-EDGE_BLOCKS] * self._envelope_weights
        change = np.square(np.diff(blocks, axis=1)).mean(axis=1)
        flutter: NDArray[np.floating[Any]] = change / (np.square(blocks).mean(axis=1) + 1e-30)
        return flutter
