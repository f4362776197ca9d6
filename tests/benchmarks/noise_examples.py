"""Examples for `fit_noise_finder.py`: songs with noise alone, with crowds, and clean."""

from dataclasses import dataclass, replace

import numpy as np
from noise_mixes import CROWDS, STEADY
from numpy.typing import NDArray

from musicdenoise.core.noise_moments import NOISE_MOMENTS_REACH
from musicdenoise.denoising.band_levels import Bands
from musicdenoise.denoising.noise_likeness import MOST_BANDS, NUM_FEATURES, SongLevels, features

RATE = 44_100
SYNTHESISED = ("white", "pink", "tape", "hum")
OTHERS = ("wind", "water", "traffic", "fire", "nature", "hiss", "drilling", "jackhammer")
NOISE_SHARE, CROWD_SHARE = 0.4, 0.3
KIND_SHARES = (0.65, 0.85)  # up to which STEADY, SYNTHESISED kinds are drawn, else OTHERS
SNR_DB = (4.0, 26.0)
STOPS_SHARE = 1 / 12
ALONE_DB, MUSIC_DB = -9.0, -3.0  # music re noise: below, and above which it counts; between, nothing does
CROP_FRAMES = 160
SILENCE_DB, CHANCE_FLATNESS_DB, CHANCE_FLUTTER = -160.0, -2.6, 0.1

Array = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Measurements of `Bands` in dB, frame by frame."""

    levels: Array
    flatness: Array
    flutter: Array

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, frames: object) -> "Sound":
        return Sound(levels=self.levels[frames], flatness=self.flatness[frames], flutter=self.flutter[frames])

    def louder(self, gain_db: Array | float) -> "Sound":
        return replace(self, levels=self.levels + gain_db)

    @property
    def totals_db(self) -> Array:
        return 10.0 * np.log10(np.power(10.0, 0.1 * self.levels).sum(axis=1) + 1e-16)

    @property
    def mean_db(self) -> float:
        return float(10.0 * np.log10(np.power(10.0, 0.1 * self.totals_db).mean()))

    def bands(self, num_bins: NDArray[np.intp]) -> Bands:
        return Bands(
            levels=np.rint(100.0 * np.maximum(self.levels, SILENCE_DB)).astype(np.int16),
            flatness=np.rint(10.0 * np.clip(self.flatness, -12.0, 0.0)).astype(np.int8),
            flutter=self.flutter.astype(np.float16),
            num_bins=num_bins,
            frame_seconds=4096 / RATE,
        )


@dataclass(frozen=True, kw_only=True)
class Material:
    """Songs, and noises by kind and recording; `quiet` are places of songs that may be taken for noise."""

    songs: list[Bands]
    noises: dict[str, list[list[Bands]]]
    num_bins: NDArray[np.intp]
    quiet: list[tuple[int, int]]


def joined(parts: list[Sound]) -> Sound:
    return Sound(
        levels=np.concatenate([part.levels for part in parts]),
        flatness=np.concatenate([part.flatness for part in parts]),
        flutter=np.concatenate([part.flutter for part in parts]),
    )


def silence(frames: int, level_db: float = SILENCE_DB) -> Sound:
    shape = (frames, MOST_BANDS)
    return Sound(
        levels=np.full(shape, level_db),
        flatness=np.full(shape, CHANCE_FLATNESS_DB),
        flutter=np.full(frames, CHANCE_FLUTTER),
    )


def sound(bands: Bands, frames: slice | NDArray[np.intp]) -> Sound:
    return Sound(
        levels=bands.levels_db(frames).astype(np.float64),
        flatness=bands.flatness_db(frames).astype(np.float64),
        flutter=bands.flutter[frames].astype(np.float64),
    )


def added(first: Sound, second: Sound, num_bins: NDArray[np.intp], rng: Rng) -> Sound:
    """Both at once."""
    one, two = np.power(10.0, 0.1 * first.levels), np.power(10.0, 0.1 * second.levels)
    # |a + b|^2 has a cross term of a random sign, averaged over the independent bins of a band.
    cross = 2.0 * np.sqrt(one * two) * rng.standard_normal(one.shape) * np.sqrt(0.5 / (0.6 * num_bins))
    powers = np.maximum(one + two + cross, 0.05 * (one + two))
    share = one / (one + two + 1e-30)
    flatter = np.clip(CHANCE_FLATNESS_DB - np.minimum(first.flatness, second.flatness), 0.0, 3.0)
    flatness = share * first.flatness + (1.0 - share) * second.flatness + 1.2 * share * (1 - share) * flatter
    envelope = slice(8, 24)  # bands of 0.8 to 5 kHz
    loud, other = one[:, envelope].sum(axis=1), two[:, envelope].sum(axis=1)
    part = loud / (loud + other + 1e-16)
    flutter = part**2 * first.flutter + (1 - part) ** 2 * second.flutter
    flutter += 2.0 * part * (1.0 - part) * CHANCE_FLUTTER
    return Sound(levels=10.0 * np.log10(powers + 1e-16), flatness=flatness, flutter=flutter)


class Examples:
    """Random examples: features, and what each frame is (1 noise, 0 music, nan neither)."""

    def __init__(self, material: Material, rng: Rng) -> None:
        self.material, self.rng = material, rng

    def draw(self) -> tuple[NDArray[np.float32], Array, int | None]:
        """An example, and a frame that should be in the crop."""
        rng, share = self.rng, self.rng.random()
        if share < NOISE_SHARE:
            song, labels, frame = self._noise_alone()
        elif share < NOISE_SHARE + CROWD_SHARE:
            song, labels, frame = self._crowd()
        else:
            song, labels, frame = self._clean()
        song = song.louder(rng.uniform(-6.0, 3.0))
        if rng.random() < 0.1:
            song = replace(song, levels=10.0 * np.log10(np.power(10.0, 0.1 * song.levels) + 1e-11))  # dither
        if rng.random() < 0.12:
            levels = song.levels.copy()
            levels[:, int(rng.integers(12, MOST_BANDS)) :] = SILENCE_DB  # a lower sample rate
            song = replace(song, levels=levels)
        bands = song.bands(self.material.num_bins)
        levels = SongLevels(bands)
        labels = np.where(levels.sounding, labels, np.nan)
        return features(bands, slice(None), levels), labels, frame

    def crop(
        self, values: NDArray[np.float32], labels: Array, frame: int | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Some seconds of an example; frames that depend on what is cut off do not count."""
        total, rng = len(values), self.rng
        begin = 0
        if total > CROP_FRAMES:
            middle = rng.integers(total) if frame is None else frame
            begin = int(np.clip(middle - rng.integers(CROP_FRAMES), 0, total - CROP_FRAMES))
        end = min(total, begin + CROP_FRAMES)
        some = np.zeros((CROP_FRAMES, NUM_FEATURES), dtype=np.float32)
        what = np.full(CROP_FRAMES, np.nan, dtype=np.float32)
        some[: end - begin], what[: end - begin] = values[begin:end], labels[begin:end]
        if begin > 0:
            what[:NOISE_MOMENTS_REACH] = np.nan
        if end < total:
            what[-NOISE_MOMENTS_REACH:] = np.nan
        return some, what

    def _excerpt(self, most: int, place: tuple[int, int] | None = None) -> tuple[Sound, int]:
        """Part of a song, and where it begins; around a place if there is one."""
        rng, songs = self.rng, self.material.songs
        bands = songs[rng.integers(len(songs)) if place is None else place[0]]
        count = min(len(bands), int(np.exp(rng.uniform(np.log(64), np.log(most)))))
        begin = int(rng.integers(len(bands) - count + 1))
        if place is not None:
            begin = int(np.clip(place[1] - rng.integers(count), 0, len(bands) - count))
        elif (edge := rng.random()) < 0.35:
            begin = 0 if edge < 0.2 else len(bands) - count
        return sound(bands, slice(begin, begin + count)), begin

    def _noise(self, kinds: tuple[str, ...], frames: int) -> Sound:
        """A recording of one kind, repeated, as another microphone would hear it."""
        rng, noises = self.rng, self.material.noises
        kinds = tuple(kind for kind in kinds if kind in noises)
        sources = noises[kinds[rng.integers(len(kinds))]]
        versions = sources[rng.integers(len(sources))]
        bands = versions[rng.integers(len(versions))]
        noise = sound(bands, (np.arange(frames) + rng.integers(len(bands))) % len(bands))
        curve = np.interp(np.arange(MOST_BANDS), np.linspace(0, MOST_BANDS - 1, 8), rng.normal(0, 3.5, 8))
        noise = noise.louder(curve)
        if rng.random() < 0.3:  # a soft hiss behind it
            hiss = noise.mean_db - rng.uniform(15, 50) - 10 * np.log10(MOST_BANDS)
            levels = hiss + np.linspace(-1.0, 1.0, MOST_BANDS) * rng.uniform(-5.0, 8.0)
            chance = rng.standard_normal(noise.levels.shape) * 4.343 / np.sqrt(0.6 * self.material.num_bins)
            soft = replace(silence(frames), levels=levels + chance)
            noise = added(noise, soft, self.material.num_bins, rng)
        return noise

    def _faded(self, song: Sound, frames: int, *, at_first: bool) -> Sound:
        linear = 20.0 * np.log10(np.linspace(0.0, 1.0, frames) + 1e-6)
        ramp = linear if self.rng.random() < 0.5 else np.linspace(self.rng.uniform(-60, -20), 0.0, frames)
        gain = np.zeros((len(song), 1))
        gain[slice(frames) if at_first else slice(len(song) - frames, None), 0] = (
            ramp if at_first else ramp[::-1]
        )
        return song.louder(gain)

    def _noise_alone(self) -> tuple[Sound, Array, int | None]:
        rng = self.rng
        music, _ = self._excerpt(420)
        place, lead = rng.choice(3, p=[0.6, 0.25, 0.15]), int(rng.uniform(10, 34))
        if place < 2 and rng.random() < 1 / 3:
            music = self._faded(music, min(len(music) - 2, int(rng.uniform(11, 43))), at_first=place == 0)
        if place < 2:
            parts = [silence(lead), music] if place == 0 else [music, silence(lead)]
        else:
            first, second = sorted(rng.integers(10, len(music) - 10, 2))
            gap = silence(max(6, lead // 2))
            parts = [music[:first], gap, music[first:second], gap, music[second:]]
        clean = joined(parts)
        share = rng.random()
        kinds = STEADY if share < KIND_SHARES[0] else SYNTHESISED if share < KIND_SHARES[1] else OTHERS
        noise = self._noise(kinds, len(clean))
        noise = noise.louder(clean.mean_db - noise.mean_db - rng.uniform(*SNR_DB))
        alone = clean.totals_db < -150.0
        stops = rng.random() < STOPS_SHARE
        if stops:
            noise = noise.louder(np.where(alone, 0.0, -rng.uniform(12.0, 60.0))[:, None])
        music_db = clean.totals_db - noise.totals_db
        labels = np.where(music_db < ALONE_DB, 1.0, np.where(music_db > MUSIC_DB, 0.0, np.nan))
        frame = int(rng.choice(np.flatnonzero(alone))) if alone.any() else None
        return (
            added(clean, noise, self.material.num_bins, rng),
            np.zeros_like(labels) if stops else labels,
            frame,
        )

    def _crowd(self) -> tuple[Sound, Array, int | None]:
        rng = self.rng
        music, _ = self._excerpt(420)
        lead, fade = int(rng.uniform(14, 64)), int(rng.uniform(3, 21))
        song = joined([silence(lead), music])
        rest = -rng.uniform(0.0, 20.0) if rng.random() < 0.5 else -90.0
        level = np.full(len(song), rest)
        level[:lead] = 0.0
        tail = 20.0 * np.log10(np.linspace(1.0, 10.0 ** (rest / 20.0), fade))[: len(song) - lead]
        level[lead : lead + len(tail)] = tail
        crowd = self._noise((*CROWDS, "claps"), len(song))
        crowd = crowd.louder(song.mean_db - crowd.mean_db - rng.uniform(-3.0, 20.0) + level[:, None])
        song, frame = added(song, crowd, self.material.num_bins, rng), lead // 2
        if rng.random() < 0.4:
            song, frame = song[::-1], len(song) - 1 - frame
        return song, np.zeros(len(song)), frame

    def _clean(self) -> tuple[Sound, Array, int | None]:
        rng, places = self.rng, self.material.quiet
        if rng.random() < 0.6:
            place = places[rng.integers(len(places))]
            song, begin = self._excerpt(1300, place)
            frame = int(np.clip(place[1] - begin, 0, len(song) - 1))
        else:
            song, _ = self._excerpt(1300)
            frame = (None, None, 0, len(song) - 1)[rng.integers(4)]
        if rng.random() < 0.15:
            song = self._faded(
                song, min(len(song) - 1, int(rng.uniform(10, 80))), at_first=bool(rng.random() < 0.5)
            )
        if rng.random() < 0.1:
            quieter = np.zeros((len(song), 1))
            count = int(rng.uniform(10, 60))
            quieter[slice(count) if rng.random() < 0.5 else slice(len(song) - count, None)] = -rng.uniform(
                6.0, 35.0
            )
            song = song.louder(quieter)
        if rng.random() < 0.1:
            song = joined(
                [silence(int(rng.uniform(3, 30)), SILENCE_DB if rng.random() < 0.5 else -111.0), song]
            )
        return song, np.zeros(len(song)), frame
