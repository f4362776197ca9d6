"""Noise that no recording has: recordings at other speeds, in other rooms, with another's spectrum.

A network with fine bins and a long memory learns the spectra of a few hundred recordings by heart, and then
removes other noise less well. Each of these sources gives another spectrum every time it is drawn:

- another speed moves it, as in `musicdenoise.data.noise.RecordedNoise`, but also downwards;
- another room multiplies it by a random transfer function. There are few reflections, or as many as in small
  rooms, and they decay exponentially (Schroeder, "Statistical parameters of the frequency response curves of
  large rooms", 1954: far from the source, a room responds like decaying Gaussian noise);
- a blend is Gaussian noise with the geometric mean of two recordings' spectra. Half of the blends also become
  louder and quieter as a third recording does.

All ranges were chosen, not measured one by one. What they are worth together is in the lab notebook.
"""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import cycle

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from torch import Tensor

from musicdenoise.data.bank import AudioBank
from musicdenoise.data.noise import ALL_SILENT, ATTEMPTS, check_labels, class_shares
from musicdenoise.data.sounds import Array, coloured, factor, filtered, unit, waveform
from musicdenoise.errors import DataError
from musicdenoise.kinds import urbansound_ids

_SILENCE_RMS = 1e-5
_SPEEDS = (0.6, 1.8)
_AS_RECORDED_SHARE = 0.15
_FASTER_SHARE, _BACKWARDS_SHARE, _ROOM_SHARE, _EQUALISED_SHARE, _SECOND_SHARE = 0.7, 0.2, 0.6, 0.6, 0.25
_SECOND_SD_DB = 6.0
_T60_SECONDS, _LONGEST_RESPONSE_SECONDS = (0.04, 1.5), 1.2
_REVERBERANT_DB = (-6.0, 12.0)  # what is reflected, re the direct sound
_SPARSE_SHARE, _DENSITIES = 0.7, (0.002, 0.2)
_EQUALISER_HZ = (40.0, 90.0, 200.0, 450.0, 1000.0, 2200.0, 5000.0, 11_000.0, 20_000.0)
_WINDOW = 8192  # of the spectra that are blended
_SPECTRUM_WINDOWS = 32
_ENVELOPE_STEP = 64
_ENVELOPE_SECONDS = (0.01, 0.3)


def in_another_room(sound: Array, sample_rate: int, rng: np.random.Generator) -> Array:
    """A sound with random reflections, as long as it was."""
    seconds = math.exp(rng.uniform(*np.log(_T60_SECONDS)))
    count = round(sample_rate * min(seconds, _LONGEST_RESPONSE_SECONDS))
    decay = np.exp(-math.log(1000.0) * np.arange(count) / (seconds * sample_rate))
    response = (rng.standard_normal(count) * decay).astype(np.float32)
    if rng.random() < _SPARSE_SHARE:
        response *= rng.random(count) < rng.uniform(*_DENSITIES)
    response *= factor(rng.uniform(*_REVERBERANT_DB)) / (np.linalg.norm(response) + np.float32(1e-9))
    response[0] += 1.0
    length = scipy.fft.next_fast_len(len(sound) + count, real=True)
    spectrum = scipy.fft.rfft(sound, length) * scipy.fft.rfft(response, length)
    heard: Array = scipy.fft.irfft(spectrum, length)[: len(sound)].astype(np.float32)
    return heard


def equalised(sound: Array, sample_rate: int, rng: np.random.Generator, sd_db: float = 5.0) -> Array:
    """A sound through a random equaliser with nine bands; their gains have this standard deviation."""
    gains_db = rng.normal(0.0, sd_db, len(_EQUALISER_HZ))

    def response(hz: Array) -> Array:
        return factor(np.interp(np.log(np.maximum(hz, 20.0)), np.log(_EQUALISER_HZ), gains_db))

    return filtered(sound, sample_rate, response)


class _Recordings:
    """Stretches of recordings: a class is drawn first, then a recording, then one of its pieces.

    Parameters
    ----------
    bank
        The recordings.
    labels
        Class of each.
    """

    def __init__(self, bank: AudioBank, labels: list[str]) -> None:
        check_labels(labels, bank)
        self.bank = bank
        sources: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for index, (label, path) in enumerate(zip(labels, bank.paths, strict=True)):
            ids = urbansound_ids(path.stem)
            sources[label][ids[0] if ids else str(path)].append(index)
        self._classes = [list(pieces.values()) for pieces in sources.values()]
        self._shares = class_shares(sources)

    def read(self, num_samples: int, rng: np.random.Generator, *, may_be_faster: bool = True) -> Array:
        """A stretch without its mean, at a random speed or at its own.

        Pieces that are too short follow each other, and begin anew after the last. So a sample from the end
        of the stretch is no copy of its beginning, unless there is only one piece.
        """
        speed = math.exp(rng.uniform(*np.log(_SPEEDS))) if may_be_faster else 1.0
        needed = math.ceil(num_samples * speed) + 1
        for _ in range(ATTEMPTS):
            pieces = self._classes[int(rng.choice(len(self._classes), p=self._shares))]
            sound = self._stretch(pieces[int(rng.integers(len(pieces)))], needed, rng)
            sound = sound - sound.mean()
            if sound.std() > _SILENCE_RMS:
                places = np.arange(num_samples) * speed
                played: Array = np.interp(places, np.arange(needed), sound).astype(np.float32)
                return played
        raise DataError(ALL_SILENT)

    def _stretch(self, pieces: list[int], count: int, rng: np.random.Generator) -> Array:
        order = [int(index) for index in rng.permutation(pieces)]
        room = int(self.bank.lengths[order[0]]) - count
        if room >= 0:
            return self.bank.read(order[0], int(rng.integers(room + 1)), count).mean(0).numpy()
        start = int(rng.integers(room + count))
        sounds, length = [], 0
        for index in cycle(order):
            sounds.append(self.bank.read(index).mean(0).numpy())
            length += len(sounds[-1])
            if length >= start + count:
                break
        return np.concatenate(sounds)[start : start + count]


class AlteredNoise:
    """Recordings that are altered each time they are drawn; one in seven stays as it is.

    Parameters
    ----------
    bank
        The recordings.
    labels
        Class of each recording. A class is drawn first, then one of its recordings, then a piece of that:
        UrbanSound8K has many pieces of some recordings.
    """

    def __init__(self, bank: AudioBank, labels: list[str]) -> None:
        self._recordings, self._rate = _Recordings(bank, labels), bank.sample_rate

    def draw(self, num_samples: int, rng: np.random.Generator) -> Tensor:
        """Noise ``(1, num_samples)``."""
        if rng.random() < _AS_RECORDED_SHARE:
            return waveform(self._recordings.read(num_samples, rng, may_be_faster=False))
        read, rate = self._recordings.read, self._rate
        sound = read(num_samples, rng, may_be_faster=rng.random() < _FASTER_SHARE)
        if rng.random() < _BACKWARDS_SHARE:
            sound = sound[::-1]
        if rng.random() < _ROOM_SHARE:
            sound = in_another_room(sound, rate, rng)
        if rng.random() < _EQUALISED_SHARE:
            sound = equalised(sound, rate, rng)
        if rng.random() < _SECOND_SHARE:
            other = read(num_samples, rng)
            sound = unit(sound) + factor(rng.normal(0.0, _SECOND_SD_DB)) * unit(other)
        return waveform(sound)


class BlendedNoise:
    """Gaussian noise with a spectrum between those of two recordings.

    Parameters
    ----------
    bank, labels
        As of `AlteredNoise`.
    """

    def __init__(self, bank: AudioBank, labels: list[str]) -> None:
        self._recordings, self._rate = _Recordings(bank, labels), bank.sample_rate

    def draw(self, num_samples: int, rng: np.random.Generator) -> Tensor:
        """Noise ``(1, num_samples)``."""
        share = rng.random()
        power_db = share * self._power_db(rng) + (1.0 - share) * self._power_db(rng)
        hz_of_bins = np.arange(len(power_db)) * (self._rate / _WINDOW)

        def response(hz: Array) -> Array:
            return factor(np.interp(hz, hz_of_bins, power_db - power_db.max()))

        sound = coloured(num_samples, self._rate, response, rng)
        if rng.random() < 0.5:
            sound = sound * self._course(num_samples, rng)
        if rng.random() < 0.4:
            sound = in_another_room(sound, self._rate, rng)
        return waveform(sound)

    def _power_db(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Long-term power of a recording per bin of a long window, in dB."""
        sound = self._recordings.read(_SPECTRUM_WINDOWS * _WINDOW, rng)
        frames = sound.reshape(_SPECTRUM_WINDOWS, _WINDOW) * np.hanning(_WINDOW).astype(np.float32)
        power = np.square(np.abs(scipy.fft.rfft(frames))).mean(0, dtype=np.float64)
        in_db: NDArray[np.float64] = 10.0 * np.log10(power + 1e-12)
        return in_db

    def _course(self, num_samples: int, rng: np.random.Generator) -> Array:
        """How loud a recording is over time, flattened at random; its mean is about 1."""
        sound = self._recordings.read(num_samples, rng)
        seconds = math.exp(rng.uniform(*np.log(_ENVELOPE_SECONDS)))
        width = max(1, round(self._rate * seconds) // _ENVELOPE_STEP)
        power = np.convolve(np.square(sound)[::_ENVELOPE_STEP], np.full(width, 1.0 / width), "same")
        places = np.arange(num_samples) / _ENVELOPE_STEP
        level = np.sqrt(np.interp(places, np.arange(len(power)), power) + 1e-9)
        course: Array = ((level / level.mean()) ** rng.uniform(0.2, 1.0)).astype(np.float32)
        return course
