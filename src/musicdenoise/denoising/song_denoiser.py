"""The base of all denoisers: they learn the noise, and use the same stream for songs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from musicdenoise.audio.types import MAX_CHANNELS, Samples
from musicdenoise.core.resample import check_rate
from musicdenoise.denoising.denoise_config import DenoiseConfig
from musicdenoise.denoising.known_noise import KnownNoise, find_known_noise, learn_noise
from musicdenoise.denoising.noise_sample import NoiseSample, SampleLike, SampleStretch, as_noise_samples
from musicdenoise.denoising.samples import as_samples
from musicdenoise.denoising.song_source import SongSamples, SongSource
from musicdenoise.denoising.song_stream import Beginning, SongStream, Steps
from musicdenoise.errors import AudioError, UnsupportedAudioError

HEAD_SECONDS = 6.0
"""How much of a song's beginning is used to learn about its noise. No network answers sooner."""

_LATEST_SECONDS = 30.0  # that a stream waits for a noise sample in the song; chosen: memory and patience
_LOOK_SECONDS = 0.5  # between two looks at the beginning; chosen, not measured
_MOST_SILENCE = 30.0  # seconds of silence before the song that are kept in memory; chosen


class SongDenoiser(ABC):
    """Removes noise from songs, with one network or with one that it chooses for each song.

    Parameters
    ----------
    config
        How songs are denoised.
    noise_samples
        Recordings of the noise alone.
    """

    def __init__(self, config: DenoiseConfig, noise_samples: Sequence[NoiseSample]) -> None:
        self.config, self.noise_samples = config, tuple(noise_samples)

    @property
    @abstractmethod
    def fewest_seconds(self) -> float:
        """Length of the shortest song that it can denoise, in seconds."""

    @property
    @abstractmethod
    def chooses(self) -> bool:
        """Whether the song's beginning decides about the network."""

    @abstractmethod
    def steps(self, sample_rate: int, channels: int, known: KnownNoise | None, head: Samples) -> Steps:
        """The steps for a song, by what is known of its noise, and by its beginning if that decides."""

    def know_noise(self, song: SongSource, samples: Sequence[NoiseSample] | None = None) -> KnownNoise | None:
        """What is known of a song's noise: from samples, or from moments of the song with noise alone.

        Parameters
        ----------
        song
            The song, or its beginning.
        samples
            Recordings of the noise; the denoiser's own by default.

        Raises
        ------
        AudioError
            If a sample or the song cannot be read, or a sample shows no noise.
        """
        samples = self.noise_samples if samples is None else samples
        if samples:
            return learn_noise(song, samples, match_level=self.config.match_level)
        return find_known_noise(song) if self.config.find_noise else None

    def stream(
        self, sample_rate: int, channels: int, *, noise_sample: SampleLike | None = None
    ) -> SongStream:
        """Denoise a song block by block: ``push(block)`` for each, ``flush()`` at the end.

        Songs are converted to the network's rate, and the noise found there is converted back. Networks for
        white noise take songs of any rate as they are. The stream learns the noise from the first six
        seconds of the song, or from as many as a noise sample needs.

        Parameters
        ----------
        sample_rate
            Rate in Hz.
        channels
            1 to 8.
        noise_sample
            As for `Denoiser`, for this song alone.

        Raises
        ------
        UnsupportedAudioError
            If there are more than 8 channels or the rate is out of range.
        AudioError
            If a noise sample ends later than 30 s after the beginning of the song.
        """
        rate = _checked_rate(sample_rate, channels)
        given = as_noise_samples(noise_sample) or self.noise_samples
        seconds = _seconds_to_hear(given)
        if not given and not self.config.find_noise:
            return self.song_stream(rate, channels, None)
        if given and seconds == 0.0 and not self.config.match_level:
            nothing = SongSamples(np.zeros((channels, 0), dtype=np.float32), rate, "the song")
            return self.song_stream(rate, channels, self.know_noise(nothing, given))
        needed = max(seconds, HEAD_SECONDS)

        def choose(head: Samples) -> Steps:
            known = self.know_noise(SongSamples(head, rate, "the song"), given)
            return self.steps(rate, channels, known, head)

        return SongStream(channels, _beginning(rate, needed, choose))

    def song_stream(self, sample_rate: int, channels: int, known: KnownNoise | None) -> SongStream:
        """As `stream`, if everything that can be known of the noise is known."""
        rate = _checked_rate(sample_rate, channels)
        if not self.chooses:
            return SongStream(
                channels, self.steps(rate, channels, known, np.zeros((channels, 0), np.float32))
            )
        return SongStream(
            channels,
            _beginning(rate, HEAD_SECONDS, lambda head: self.steps(rate, channels, known, head)),
        )

    def denoise(
        self, samples: ArrayLike, sample_rate: int, *, noise_sample: SampleLike | None = None
    ) -> Samples:
        """Denoise a whole song.

        Parameters
        ----------
        samples
            ``(channels, samples)`` or ``(samples,)``, converted to float32; not changed.
        sample_rate
            Rate in Hz.
        noise_sample
            As for `Denoiser`, for this song alone.

        Returns
        -------
        ndarray
            float32, same shape.

        Raises
        ------
        AudioError
            If a sample is not finite or the shape is not one of the above.
        """
        array = as_samples(samples)
        if array.ndim not in (1, 2):
            raise AudioError(
                f"the samples have {array.ndim} dimensions: give (channels, samples) or (samples,)"
            )
        waveform = np.atleast_2d(array)
        rate = _checked_rate(sample_rate, waveform.shape[0])
        known = self.know_noise(
            SongSamples(waveform, rate, "the song"), as_noise_samples(noise_sample) or None
        )
        stream = self.song_stream(rate, waveform.shape[0], known)
        parts = [stream.advance(waveform)[1], stream.flush()]
        return np.concatenate(parts, axis=1).reshape(array.shape)


def _checked_rate(sample_rate: int, channels: int) -> int:
    """The rate as an integer; an error where it or the number of channels is not supported."""
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnsupportedAudioError(
            f"the audio has {channels} channels, 1 to {MAX_CHANNELS} are supported: "
            "the shape must be (channels, samples); are the axes swapped?"
        )
    if not math.isfinite(sample_rate) or sample_rate != int(sample_rate):
        raise UnsupportedAudioError(f"the sample rate is {sample_rate}; it must be a whole number of Hz")
    check_rate(int(sample_rate))
    return int(sample_rate)


def _seconds_to_hear(samples: Sequence[NoiseSample]) -> float:
    """Seconds of the song up to the end of the last noise sample in it; 0 if none is in it."""
    ends = [sample.end_seconds for sample in samples if isinstance(sample, SampleStretch)]
    latest = max(ends, default=0.0)
    if latest > _LATEST_SECONDS:
        raise AudioError(
            f"the noise sample ends {latest:g} s after the beginning of the song; a stream waits for "
            f"{_LATEST_SECONDS:g} s at most: save that stretch to a file, and give the file"
        )
    return latest


def _beginning(sample_rate: int, seconds: float, choose: Callable[[Samples], Steps]) -> Beginning:
    """Choose by this many seconds of a song."""
    return Beginning(
        step=max(1, round(_LOOK_SECONDS * sample_rate)),
        is_enough=lambda head: _is_heard(head, sample_rate, seconds),
        choose=choose,
    )


def _is_heard(head: Samples, sample_rate: int, seconds: float) -> bool:
    """Whether enough of a song was heard, silence at its beginning not counted."""
    sounding = head.any(axis=0)
    silent = int(sounding.argmax()) if sounding.any() else head.shape[1]
    length = head.shape[1]
    return length - silent >= seconds * sample_rate or silent >= _MOST_SILENCE * sample_rate
