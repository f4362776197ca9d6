"""Synthetic music: a short tune for examples and tests, made of nothing but arithmetic.

A melody of plucked strings, a pad of detuned saw tooths that opens and closes, a bass, and a drum kit
of noise bursts and falling sines: harmonic and percussive, loud and quiet, up to 15 kHz. The same
arguments give the same samples.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_BEAT_SECONDS = 0.4
_PEAK = 0.5
# Semitones above A3 (220 Hz): a phrase in A minor, one note per beat; None is a rest.
_MELODY = (0, 3, 7, 12, 10, 7, 8, None, 5, 8, 12, 15, 14, 10, 7, None)
_CHORDS = ((0, 3, 7), (-4, 0, 3), (-7, -4, 0), (-2, 2, 5))
_HIGHEST_HZ = 15_000.0


def synthesise_tune(seconds: float, sample_rate: int = 44_100, *, channels: int = 2, seed: int = 0) -> Tensor:
    """A tune of plucked strings, pad, bass and drums.

    Parameters
    ----------
    seconds
        Length; the phrase repeats every 6.4 s.
    sample_rate
        Rate in Hz.
    channels
        Number of channels; instruments are spread over them.
    seed
        Seed of the drums and of the detuning.

    Returns
    -------
    Tensor
        float32 ``(channels, round(seconds * sample_rate))``, at most half of full scale.
    """
    generator = torch.Generator().manual_seed(seed)
    num_samples = round(seconds * sample_rate)
    voices = torch.zeros(4, num_samples + 3 * sample_rate)
    for beat in range(math.ceil(seconds / _BEAT_SECONDS)):
        start = round(beat * _BEAT_SECONDS * sample_rate)
        note = _MELODY[beat % len(_MELODY)]
        chord = _CHORDS[beat // 4 % len(_CHORDS)]
        if note is not None:
            _add(voices[0], start, 0.5 * _pluck(_hz(note), sample_rate))
        if beat % 4 == 0:
            _add(voices[1], start, 0.12 * _pad(chord, sample_rate, generator))
        _add(voices[2], start, 0.4 * _pluck(_hz(chord[0] - 24), sample_rate, brightness=0.5))
        _add(voices[3], start, _drum(beat, sample_rate, generator))
    spread = torch.linspace(0.0, 1.0, channels) if channels > 1 else torch.tensor([0.5])
    position = torch.tensor([0.3, 0.7, 0.5, 0.55])
    gains = torch.cos(0.5 * math.pi * (spread[:, None] - position[None, :]).abs())
    tune = gains @ voices[:, :num_samples]
    return tune * (_PEAK / tune.abs().max().clamp_min(1e-9))


def _hz(semitones: int) -> float:
    return 220.0 * math.pow(2.0, semitones / 12.0)


def _add(voice: Tensor, start: int, sound: Tensor) -> None:
    length = min(sound.shape[-1], voice.shape[-1] - start)
    voice[start : start + length] += sound[:length]


@lru_cache(maxsize=32)  # few notes, again and again
def _pluck(hz: float, sample_rate: int, brightness: float = 1.0) -> Tensor:
    """A string: harmonics that decay faster the higher they are."""
    t = torch.arange(2 * sample_rate) / sample_rate
    sound = torch.zeros_like(t)
    for n in range(1, int(min(_HIGHEST_HZ, 0.45 * sample_rate) / hz) + 1):
        decay = 1.5 + 0.6 * n / brightness
        sound += torch.sin(2.0 * math.pi * hz * n * t) * torch.exp(-decay * t) / n**1.2
        if n > 40:
            break
    return sound * (1.0 - torch.exp(-400.0 * t))


def _pad(chord: tuple[int, ...], sample_rate: int, generator: torch.Generator) -> Tensor:
    """A chord of detuned saw tooths that swells and fades over four beats."""
    t = torch.arange(round(4 * _BEAT_SECONDS * sample_rate)) / sample_rate
    sound = torch.zeros_like(t)
    for semitones in chord:
        detuning = float(torch.rand((), generator=generator)) * 0.004
        for factor in (1.0 - detuning, 1.0 + detuning):
            for n in range(1, 13):
                sound += torch.sin(2.0 * math.pi * _hz(semitones) * factor * n * t) / n
    return sound * torch.sin(math.pi * t / t[-1]).square()


def _drum(beat: int, sample_rate: int, generator: torch.Generator) -> Tensor:
    """Bass drum on even beats, snare on odd ones, with a hi-hat on each."""
    t = torch.arange(sample_rate // 3) / sample_rate
    noise = torch.randn(t.shape[0], generator=generator)
    hat = 0.12 * (noise - noise.roll(1)) * torch.exp(-60.0 * t)
    if beat % 2:
        return hat + (0.35 * noise + 0.4 * torch.sin(2.0 * math.pi * 190.0 * t)) * torch.exp(-22.0 * t)
    return hat + 0.9 * torch.sin(2.0 * math.pi * (50.0 * t + 6.0 * (1.0 - torch.exp(-30.0 * t)))) * torch.exp(
        -12.0 * t
    )
