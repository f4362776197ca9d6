"""Excerpts of songs with noise alone, or applause, for `bench_noise_finder.py`."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

from musicdenoise.audio import find_audio, probe, read_audio

STEADY = ("air_conditioner", "engine_idling", "hum_appliance", "room_tone", "rain")
CROWDS = ("crowd_babble", "children_playing", "street_music")
URBAN_CLASSES = {0: "air_conditioner", 2: "children_playing", 5: "engine_idling", 9: "street_music"}
PLACES = ("front", "behind", "pauses")

Samples = NDArray[np.float32]


@dataclass
class Mix:
    """A song with noise or applause, which is alone for `lead` samples at first.

    `music_db` tells how loud the music is re what was added, frame after frame of `FRAME_SECONDS`.
    """

    name: str
    samples: Samples
    sample_rate: int
    recorded: bool
    lead: int
    music_db: NDArray[np.float64]


FRAME_SECONDS = 0.1


def recordings(folder: Path, kinds: tuple[str, ...]) -> dict[str, list[Path]]:
    """Noises by kind: folders of that name, and clips whose name says it as UrbanSound8K's do."""
    found: dict[str, list[Path]] = {kind: [] for kind in kinds}
    for path in sorted(find_audio(folder)):
        parts = path.stem.split("-")
        urban = URBAN_CLASSES.get(int(parts[1])) if len(parts) == 4 and parts[1].isdigit() else None
        kind = path.parent.name if path.parent.name in found else urban
        if kind in found:
            found[kind].append(path)
    return {kind: paths for kind, paths in found.items() if paths}


def noise_mix(songs: list[Path], noises: dict[str, list[Path]], place: str, number: int) -> Mix:
    """Noise at 5 to 25 dB SNR under an excerpt, and alone for 1 to 3 s; every other one is recorded."""
    rng = np.random.default_rng([number, PLACES.index(place)])
    name, music, rate = _excerpt(songs, number, rng)
    gain = _rms(music) * 10.0 ** (-rng.uniform(5.0, 25.0) / 20.0)
    fades = rng.random() < 1 / 3
    if fades:
        length = int(rng.uniform(1.0, 4.0) * rate)
        music[:, :length] *= np.linspace(0.0, 1.0, length, dtype=np.float32)
    alone = np.zeros((len(music), int(rng.uniform(1.0, 3.0) * rate)), dtype=np.float32)
    if place == "front":
        parts = [alone, music]
    elif place == "behind":
        parts = [music[:, ::-1], alone]
    else:
        middle = music.shape[1] // 2
        gap = alone[:, : alone.shape[1] // 2]
        first, second, third = np.split(music, [middle, middle + 5 * rate], axis=1)
        parts = [first, gap, second, gap, third]
    clean = np.concatenate(parts, axis=1)
    if number % 2 == 0:
        kind = ("white", "pink", "tape", "hum")[number // 2 % 4]
        noise = _synthesised(kind, clean.shape, rate, rng)
    else:
        kind = list(noises)[number // 2 % len(noises)]
        path = noises[kind][rng.integers(len(noises[kind]))]
        noise = _recorded(path, clean.shape, rate, rng)
        kind = f"{kind} {path.stem}"
    title = f"{name}, {kind}{', fade' if fades else ''}, {place}"
    return _mixed(title, clean, gain * noise, rate, recorded=number % 2 == 1)


def applause_mix(songs: list[Path], crowds: dict[str, list[Path]], number: int) -> Mix:
    """Applause or a crowd for 1.5 to 6 s before an excerpt; half of it goes on, more quietly."""
    rng = np.random.default_rng([number, 77])
    name, music, rate = _excerpt(songs, number, rng)
    lead = int(rng.uniform(1.5, 6.0) * rate)
    clean = np.pad(music, ((0, 0), (lead, 0)))
    if number % 2 == 0:
        per_second, people = 10.0 ** rng.uniform(1.0, 2.5), int(rng.integers(2, 60))
        kind = f"{per_second:.0f} claps a second of {people}"
        noise = _claps(clean.shape, rate, per_second, people, rng)
    else:
        kind = list(crowds)[number // 2 % len(crowds)]
        path = crowds[kind][rng.integers(len(crowds[kind]))]
        noise = _recorded(path, clean.shape, rate, rng)
        kind = f"{kind} {path.stem}"
    rest = 10.0 ** (-rng.uniform(0.0, 20.0) / 20.0) if number % 4 >= 2 else 0.0
    fade = int(rng.uniform(0.3, 2.0) * rate)
    envelope = np.full(clean.shape[1], rest, dtype=np.float32)
    envelope[:lead] = 1.0
    envelope[lead : lead + fade] = np.linspace(1.0, rest, fade)
    gain = _rms(music) * 10.0 ** (-rng.uniform(-3.0, 20.0) / 20.0)
    title = f"{name}, {kind}, then {20.0 * np.log10(max(rest, 1e-5)):.0f} dB"
    return _mixed(title, clean, gain * envelope * noise, rate, recorded=number % 2 == 1, lead=lead)


def _mixed(name: str, clean: Samples, noise: Samples, rate: int, *, recorded: bool, lead: int = 0) -> Mix:
    noisy = clean + noise
    size = round(FRAME_SECONDS * rate)
    count = clean.shape[1] // size

    def powers(samples: Samples) -> NDArray[np.float64]:
        frames = samples[:, : count * size].astype(np.float64).reshape(len(samples), count, size)
        return np.square(frames).mean(axis=(0, 2)) + 1e-14

    music_db = 10.0 * np.log10(powers(clean) / powers(noise))
    peak = max(1.0, float(np.abs(noisy).max()))
    return Mix(name, (noisy / peak).astype(np.float32), rate, recorded, lead, music_db)


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + 1e-12


def _excerpt(songs: list[Path], number: int, rng: np.random.Generator) -> tuple[str, Samples, int]:
    """20 to 40 s of a song that are not silent, mono or stereo."""
    while True:
        path = songs[number % len(songs)]
        info = probe(path)
        length = min(info.num_samples, int(rng.uniform(20.0, 40.0) * info.sample_rate))
        start = int(rng.integers(info.num_samples - length + 1))
        samples = read_audio(path, start=start, num_samples=length).samples
        if rng.random() < 0.5:
            samples = samples.mean(axis=0, keepdims=True)
        elif len(samples) == 1:
            samples = np.repeat(samples, 2, axis=0)
        if _rms(samples) > 3e-3:
            return path.stem, np.array(samples), info.sample_rate
        number += 7


def _synthesised(kind: str, shape: tuple[int, ...], rate: int, rng: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(rng.standard_normal(shape), axis=-1)
    hz = np.maximum(np.fft.rfftfreq(shape[1], 1.0 / rate), 20.0)
    if kind in ("pink", "hum"):
        spectrum /= np.sqrt(hz)
    elif kind == "tape":
        knee, slope, end = rng.uniform(200.0, 1500.0), rng.uniform(0.2, 0.8), rng.uniform(9000.0, 16_000.0)
        spectrum *= (hz / knee + 0.3) ** slope / np.sqrt(1.0 + (hz / end) ** 6)
    noise = np.fft.irfft(spectrum, n=shape[1], axis=-1)
    noise /= _rms(noise)
    if kind == "hum":
        time = np.arange(shape[1]) / rate
        mains = float(rng.choice([50.0, 60.0]))
        tones = np.zeros(shape[1])
        for k in range(1, int(rng.integers(6, 20))):
            level = rng.uniform(0.2, 1.0) / k ** rng.uniform(0.3, 1.2)
            tones += level * np.sin(2.0 * np.pi * (k * mains * time + rng.random()))
        noise = tones / _rms(tones) + 10.0 ** (-rng.uniform(10.0, 30.0) / 20.0) * noise
    return noise.astype(np.float32)


def _recorded(path: Path, shape: tuple[int, ...], rate: int, rng: np.random.Generator) -> Samples:
    """A recording, mono, repeated with cross-fades of 0.1 s; RMS 1."""
    audio = read_audio(path)
    ratio = Fraction(rate, audio.sample_rate)
    clip = resample_poly(audio.samples.mean(axis=0), ratio.numerator, ratio.denominator)
    fade = rate // 10
    turn = np.linspace(0.0, np.pi / 2.0, fade)
    loop = clip[: len(clip) - fade].copy()
    loop[:fade] = loop[:fade] * np.sin(turn) + clip[len(clip) - fade :] * np.cos(turn)
    first = int(rng.integers(len(loop)))
    noise = np.tile(loop, shape[1] // len(loop) + 2)[first : first + shape[1]]
    return np.repeat((noise / _rms(noise))[None].astype(np.float32), shape[0], axis=0)


def _claps(
    shape: tuple[int, ...], rate: int, per_second: float, people: int, rng: np.random.Generator
) -> Samples:
    """Claps at random, each a decaying burst, by people near and far; half of them in a room. RMS 1."""
    samples = np.zeros((shape[0], shape[1] + rate))
    length = int(0.03 * rate)
    for _ in range(people):
        band = [rng.uniform(500.0, 1000.0), rng.uniform(1800.0, 3500.0)]
        decay = np.exp(-np.arange(length) / rate / rng.uniform(0.002, 0.008))
        sections = butter(2, band, "bandpass", fs=rate, output="sos")
        clap = sosfilt(sections, rng.standard_normal(length) * decay)
        distance, place = 10.0 ** (-rng.uniform(0.0, 20.0) / 20.0), rng.uniform(0.3, 1.0, (shape[0], 1))
        for first in rng.integers(0, shape[1], rng.poisson(per_second / people * shape[1] / rate)):
            samples[:, first : first + length] += place * distance * rng.uniform(0.6, 1.4) * clap
    if rng.random() < 0.5:
        room = rng.standard_normal((shape[0], int(0.4 * rate)))
        room *= 0.1 * np.exp(-np.arange(room.shape[1]) / rate / 0.06)
        room[:, 0] = 1.0
        size = samples.shape[1] + room.shape[1]
        samples = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(room, size), size)
    samples = samples[:, : shape[1]]
    return (samples / _rms(samples)).astype(np.float32)
