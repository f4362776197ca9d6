"""What is known of a song's noise before it is denoised, from samples or from the song itself.

A sample that is a stretch of the song has the song's level. A sample from a file may have been recorded or
saved at another gain. If it clearly differs from the floor of the song, it is brought to that level (see
`musicdenoise.denoising.noise_level`). Without a sample, the song is searched for noise alone (see
`musicdenoise.denoising.noise_finder`).

Conventions: samples are float32 ``(channels, samples)``; times are seconds from the start of the song.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from musicdenoise.audio import read_audio
from musicdenoise.audio.types import Samples
from musicdenoise.core.mid_side import mid_side
from musicdenoise.core.noise_filter import NoiseFilter
from musicdenoise.core.noise_spectrum import noise_lines, noise_power, spectrum_stft
from musicdenoise.core.noise_stream import NoiseStream
from musicdenoise.core.resample import resample
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising.band_levels import BandLevels, Bands
from musicdenoise.denoising.noise_finder import NoiseSearch
from musicdenoise.denoising.noise_level import level_difference_db
from musicdenoise.denoising.noise_sample import (
    NoiseReport,
    NoiseSample,
    SampleArray,
    SampleFile,
    SampleStretch,
)
from musicdenoise.denoising.sample_check import check_sample
from musicdenoise.denoising.song_source import SongSource
from musicdenoise.errors import AudioError, UnsupportedAudioError

# A longer sample shows little new: with 4 s networks gain a third of a dB more than with 2 s.
# 60 s were chosen, not measured.
_MOST_SECONDS = 60.0
# Error of the estimated level: of 300 mixes without a difference, two seemed to have more; see `noise_level`.
_LEAST_DIFFERENCE_DB = 3.0


@dataclass(frozen=True, kw_only=True)
class KnownNoise:
    """The long-term spectrum of a song's noise.

    Parameters
    ----------
    power
        Mean power per bin, ``(channels, freqs)``.
    config
        The STFT that it belongs to.
    report
        Where it came from.
    mid_side_power
        As ``power``, of middle and side; None if the song is not stereo, or the same recording is the sample
        of both channels and so does not say what is in the side.
    """

    power: Tensor
    config: StftConfig
    report: NoiseReport
    mid_side_power: Tensor | None = None

    def power_at(self, config: StftConfig, *, as_mid_side: bool = False) -> Tensor:
        """Mean power per bin of another STFT, ``(channels, freqs)``, after conversion to its rate.

        It is interpolated between bins, and 0 above the song's band.

        Parameters
        ----------
        config
            The other STFT.
        as_mid_side
            Whether it is that of middle and side, which must be known.
        """
        power = self.mid_side_power if as_mid_side else self.power
        assert power is not None
        rate, other_rate = self.config.sample_rate, config.sample_rate
        bins = np.fft.rfftfreq(self.config.n_fft, 1.0 / rate)
        wanted = np.fft.rfftfreq(config.n_fft, 1.0 / other_rate)
        spectra = [np.interp(wanted, bins, channel, right=0.0) for channel in power.numpy()]
        # Power per Hz stays the same, and a bin of a unitary transform holds it times the rate.
        return torch.from_numpy(np.stack(spectra) * (other_rate / rate)).float()

    def rest_stream(self, refined: StftConfig) -> NoiseStream | None:
        """The stream that removes the noise that refined estimates leave; None if there is none to remove.

        It changes the lines of a hum, which the long window of this spectrum separates, and what lies above
        the band of the network.

        Parameters
        ----------
        refined
            STFT of the refiner.
        """
        bins = noise_lines(self.power)
        hz = torch.fft.rfftfreq(self.config.n_fft, 1.0 / self.config.sample_rate)
        bins |= hz > 0.5 * refined.sample_rate
        if not bins.any():
            return None
        return NoiseStream(self.power, self.config, seconds=self.report.seconds, bins=bins)

    def stream(self, noise_filter: NoiseFilter | None) -> NoiseStream:
        """The stream that uses it in the song; the filter is for songs with a network's estimate."""
        return NoiseStream(self.power, self.config, seconds=self.report.seconds, noise_filter=noise_filter)


def learn_noise(song: SongSource, given: Sequence[NoiseSample], *, match_level: bool = True) -> KnownNoise:
    """The noise of a song, from samples of it.

    Parameters
    ----------
    song
        The song.
    given
        At least one sample.
    match_level
        Whether samples from elsewhere are brought to the level of the song's noise.

    Raises
    ------
    AudioError
        If a sample cannot be read, is too short, silent or not in the song, or its channels do not fit.
    """
    recordings: list[Samples] = []
    warnings: list[str] = []
    for sample in given:
        samples = _of_song(_read(sample, song), song, sample.label)
        warnings += check_sample(samples, song.sample_rate, sample.label)
        recordings.append(samples)
    foreign = [
        wave for sample, wave in zip(given, recordings, strict=True) if not isinstance(sample, SampleStretch)
    ]
    level_db = _level_db(song, foreign) if match_level and foreign else 0.0
    gain = np.float32(10.0 ** (level_db / 20.0))
    levelled = [
        wave if isinstance(sample, SampleStretch) else gain * wave
        for sample, wave in zip(given, recordings, strict=True)
    ]
    report = NoiseReport(
        source="given",
        files=tuple(sample.label for sample in given if isinstance(sample, SampleFile)),
        stretches=tuple(
            (sample.start_seconds, sample.end_seconds)
            for sample in given
            if isinstance(sample, SampleStretch)
        ),
        seconds=sum(wave.shape[1] for wave in recordings) / song.sample_rate,
        level_db=level_db,
        warnings=tuple(warnings),
    )
    return _known(levelled, song.sample_rate, report, knows_side=not any(map(_is_same, foreign)))


def find_known_noise(song: SongSource) -> KnownNoise | None:
    """The noise of a song, from moments of noise alone; None if there are none for sure.

    Raises
    ------
    AudioError
        If the song cannot be read.
    """
    search = NoiseSearch(song.sample_rate, song.channels)
    for block in song.blocks():
        search.push(block)
    found = search.finish()
    if found is None:
        return None
    recordings = [_stretch(song, start, end) for start, end in found.stretches]
    report = NoiseReport(
        source="found",
        stretches=found.stretches,
        seconds=sum(end - start for start, end in found.stretches),
    )
    return _known(recordings, song.sample_rate, report, knows_side=True)


def _known(
    recordings: Sequence[Samples], sample_rate: int, report: NoiseReport, *, knows_side: bool
) -> KnownNoise:
    config = spectrum_stft(sample_rate)
    waves = [torch.from_numpy(np.ascontiguousarray(wave)) for wave in recordings]
    turned = [mid_side(wave) for wave in waves] if knows_side and waves[0].shape[0] == 2 else []
    return KnownNoise(
        power=noise_power(waves, config),
        config=config,
        report=report,
        mid_side_power=noise_power(turned, config) if turned else None,
    )


def _is_same(recording: Samples) -> bool:
    """Whether all channels are the same."""
    return bool((recording == recording[:1]).all())


def _read(sample: NoiseSample, song: SongSource) -> Samples:
    """A sample at the rate of the song."""
    if isinstance(sample, SampleStretch):
        return _stretch(song, sample.start_seconds, sample.end_seconds)
    if isinstance(sample, SampleArray):
        samples, rate = sample.samples, sample.sample_rate
    else:
        audio = read_audio(sample.path)
        samples, rate = audio.samples, audio.sample_rate
    samples = samples[:, : round(_MOST_SECONDS * rate)]
    if samples.shape[1] == 0:
        raise AudioError(f"{sample.label}: holds no samples; give a recording of the noise alone")
    return resample(torch.from_numpy(np.ascontiguousarray(samples)), rate, song.sample_rate).numpy()


def _stretch(song: SongSource, start_seconds: float, end_seconds: float) -> Samples:
    """A stretch of the song."""
    first, last = (round(seconds * song.sample_rate) for seconds in (start_seconds, end_seconds))
    if last > song.num_samples + 1:
        raise AudioError(
            f"the song is {song.num_samples / song.sample_rate:.2f} s long; the noise sample "
            f"{start_seconds:g}-{end_seconds:g} s is not in it"
        )
    return song.read(first, last - first)


def _of_song(samples: Samples, song: SongSource, label: str) -> Samples:
    """A sample with as many channels as the song; one channel serves all."""
    channels = samples.shape[0]
    if channels == song.channels:
        return samples
    if channels == 1 or song.channels == 1:
        return np.repeat(samples.mean(axis=0, keepdims=True), song.channels, axis=0)
    raise UnsupportedAudioError(
        f"{label}: has {channels} channels, and {song.name} has {song.channels}: give a sample with as many "
        "channels as the song, or with one"
    )


def _level_db(song: SongSource, recordings: Sequence[Samples]) -> float:
    """How much to raise samples, in dB; 0 if they seem to have the level of the song's noise."""
    floor = _bands(song.blocks(), song.sample_rate, song.channels)
    difference = level_difference_db(floor, _bands(recordings, song.sample_rate, song.channels))
    if difference is None or abs(difference) < _LEAST_DIFFERENCE_DB:
        return 0.0
    return difference


def _bands(blocks: Iterable[Samples], sample_rate: int, channels: int) -> Bands:
    levels = BandLevels(sample_rate, channels)
    for block in blocks:
        levels.push(block)
    return levels.finish()
