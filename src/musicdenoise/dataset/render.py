"""One song of a dataset: decode it, mix its pairs, write the files, describe them.

A pair is ``gain * (song + noise 1)`` and ``gain * (song + noise 2)``, or ``gain * song`` if the
target is clean. Noise has zero mean and is repeated or cut to the song's length; its SNR is by RMS over
the whole song and both channels. The gain is 1, or the largest power of two that keeps both files
within full scale: multiplying by it is exact in floating point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicdenoise.core.mixing import snr_gain
from musicdenoise.data.manifest import SPLITS, PairRow
from musicdenoise.dataset.config import BuildConfig, BuildLayout
from musicdenoise.dataset.naming import clean_name, pair_name
from musicdenoise.dataset.output import DatasetFile
from musicdenoise.dataset.plan import NoisePick, PairPlan, SkippedNoise, SongPlan
from musicdenoise.dataset.tracks import Level, Track, decode_track, measure, measure_file, white_track
from musicdenoise.errors import AudioWriteError, DataError, Failure, MusicDenoiseError

SILENCE_RMS = 1e-5  # -100 dB re full scale; chosen
FEWEST_SECONDS = 2.0  # of a song: two chunks, whose levels can differ
_FULL_SCALE = 1.0 - 2.0**-23  # the largest 24-bit sample
_CHUNK_SECONDS = 1.0  # as in NoiseRemover
_CHUNK_FLOOR = 1e-8  # silence gives a large range and not an infinite one

Block = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class RenderedSong:
    """The rows of a song's pairs, and what failed."""

    rows: tuple[PairRow, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Noise:
    """A noise for a mix: its track, the mean to remove, and the factor."""

    pick: NoisePick
    track: Track
    level: Level
    factor: float

    def scaled(self, num_samples: int) -> Iterator[Block]:
        # Both channels at once, as real and imaginary part: many times faster than by columns.
        mean, factor = np.complex64(complex(*self.level.mean)), np.float32(self.factor)
        for block in self.track.blocks(num_samples):
            centred = (block.view(np.complex64) - mean).view(np.float32)
            yield np.multiply(centred, factor, out=centred)


def default_snr_range(dynamic_range: float) -> tuple[float, float]:
    """Range in dB from which the SNR of a song is drawn.

    Parameters
    ----------
    dynamic_range
        Largest over smallest RMS of chunks of one second.

    Returns
    -------
    tuple of float
        (4, 30) above 10, (0, 25) below 3, else (2, 27): the rule of NoiseRemover.
    """
    if dynamic_range > 10.0:
        return 4.0, 30.0
    return (0.0, 25.0) if dynamic_range < 3.0 else (2.0, 27.0)


def try_noise(path: Path, sample_rate: int) -> SkippedNoise | None:
    """Decode a noise as a whole and return why it cannot be used, or None."""
    try:
        level = measure_file(path, sample_rate)
    except MusicDenoiseError as error:
        return SkippedNoise(path=path, reason=str(error).removeprefix(f"{path}: "), is_damaged=True)
    if level.rms < SILENCE_RMS:
        return SkippedNoise(path=path, reason="is silent", is_damaged=False)
    return None


def render_song(plan: SongPlan, config: BuildConfig, layout: BuildLayout) -> RenderedSong:
    """Write the files of a song's pairs.

    A song or noise that cannot be used is named in the result. Pairs that do not need it are made.

    Raises
    ------
    AudioWriteError
        If a file cannot be written. Other songs would fail, too.
    """
    with ExitStack() as stack:
        scratch = partial(_scratch, layout.work, f"{plan.split}-S{plan.number}", stack)
        try:
            song = _Song(plan, config, layout, scratch)
        except AudioWriteError:
            raise
        except MusicDenoiseError as error:
            return RenderedSong(rows=(), failures=(Failure(what=str(plan.song.path), reason=str(error)),))
        results = [_render_pair(song, pair) for pair in plan.pairs]
    return RenderedSong(
        rows=tuple(result for result in results if isinstance(result, PairRow)),
        failures=tuple(result for result in results if isinstance(result, Failure)),
    )


def _render_pair(song: _Song, pair: PairPlan) -> PairRow | Failure:
    try:
        return song.render(pair)
    except AudioWriteError:
        raise
    except MusicDenoiseError as error:
        return Failure(what=f"{song.plan.song.path}, pair {pair.number}", reason=str(error))


def _scratch(folder: Path, prefix: str, stack: ExitStack, name: str) -> Path:
    path = folder / f"{prefix}-{name}.raw"
    stack.callback(path.unlink, missing_ok=True)
    return path


class _Song:
    """A decoded song, and how its pairs are mixed and written."""

    def __init__(
        self, plan: SongPlan, config: BuildConfig, layout: BuildLayout, scratch: Callable[[str], Path]
    ) -> None:
        self.plan, self.config, self.layout, self.scratch = plan, config, layout, scratch
        self.track = decode_track(plan.song.path, scratch("song"), config.sample_rate)
        self.num_samples = self.track.num_samples
        self.power, self.peak, dynamic_range = _measure_song(self.track, config.sample_rate)
        self._check()
        self.snr_range = config.snr_range_db or default_snr_range(dynamic_range)
        self.clean_gain = _safe_gain(self.peak)
        self.clean_path: Path | None = None
        self.clean_sha256: str | None = None
        if plan.split == "train":
            name = clean_name(plan.number, plan.song.name, config.audio_format)
            self.clean_path = layout.folder("train", "clean") / name
            gain = np.float32(self.clean_gain)
            with self._file(self.clean_path) as output:
                for block in self.track.blocks(self.num_samples):
                    output.write((block * gain).T)
            self.clean_sha256 = output.sha256

    def _check(self) -> None:
        seconds = self.num_samples / self.config.sample_rate
        if seconds < FEWEST_SECONDS:
            raise DataError(
                f"{self.plan.song.path}: lasts {seconds:.2f} s; a song needs at least {FEWEST_SECONDS:g} s, "
                "for its dynamic range is measured over seconds"
            )
        if self.power < SILENCE_RMS**2:
            raise DataError(f"{self.plan.song.path}: is silent, so no noise can be set to an SNR; remove it")

    def render(self, pair: PairPlan) -> PairRow:
        """Write the files of one pair and describe them."""
        first = self._noise(pair, pair.input_noise, 0)
        second = None if pair.target_noise is None else self._noise(pair, pair.target_noise, 1)
        gain = self._gain(first, second)
        input_path, target_path = self._paths(pair)
        with self._file(input_path) as input_file, self._file(target_path) as target_file:
            powers = self._write(input_file, target_file, first, second, np.float32(gain))
        is_clean = second is None
        clean = target_path if self.clean_path is None else self.clean_path
        target = pair.target_noise
        return PairRow(
            id=f"{self.plan.split}-S{self.plan.number}N{pair.number}",
            split=self.plan.split,
            input=self.layout.relative(input_path),
            target=self.layout.relative(target_path),
            clean=self.layout.relative(clean),
            sample_rate=self.config.sample_rate,
            num_samples=self.num_samples,
            kind=first.pick.label if self.config.kind == "class" else self.config.kind,
            song=self.plan.song.name,
            input_noise=first.pick.name,
            target_noise=None if target is None else target.name,
            input_class=first.pick.label,
            target_class=None if target is None else target.label,
            input_snr_db=_snr_db(self.power, powers[0]),
            target_snr_db=None if is_clean else _snr_db(self.power, powers[1]),
            gain=gain,
            clean_scale=1.0 if self.clean_path is None else gain / self.clean_gain,
            seed=self.config.seed,
            input_sha256=input_file.sha256,
            target_sha256=target_file.sha256,
            clean_sha256=target_file.sha256 if self.clean_sha256 is None else self.clean_sha256,
        )

    def _noise(self, pair: PairPlan, pick: NoisePick, role: int) -> _Noise:
        # Each noise has a random stream of its own, so that no other choice can disturb it.
        key = (self.config.seed, SPLITS.index(self.plan.split), self.plan.number, pair.number, role)
        rng = np.random.default_rng(key)
        snr_db = float(rng.uniform(*self.snr_range))
        path = self.scratch(f"noise{role}")
        if pick.path is None:
            track = white_track(rng, path, self.num_samples)
        else:
            track = decode_track(pick.path, path, self.config.sample_rate, self.num_samples)
        level = measure(track, self.num_samples)
        if level.rms < SILENCE_RMS:
            seconds = self.num_samples / self.config.sample_rate
            raise DataError(f"{pick.path}: its first {seconds:.1f} s, the length of the song, are silent")
        factor = snr_gain(math.sqrt(self.power), level.rms, snr_db)
        return _Noise(pick=pick, track=track, level=level, factor=factor)

    def _gain(self, *noises: _Noise | None) -> float:
        """Power of two that keeps the song with each of the noises within full scale."""
        peak = self.peak
        for noise in noises:
            if noise is None:
                continue
            # If even both peaks together fit, the true peak does not matter.
            bound = self.peak + noise.factor * (
                noise.level.peak + max(abs(mean) for mean in noise.level.mean)
            )
            if bound > _FULL_SCALE:
                peak = max(peak, *map(_peak, self._mixed(noise)))
        return _safe_gain(peak)

    def _mixed(self, noise: _Noise) -> Iterator[Block]:
        song, scaled = self.track.blocks(self.num_samples), noise.scaled(self.num_samples)
        for clean, added in zip(song, scaled, strict=True):
            yield np.add(added, clean, out=added)

    def _write(
        self,
        input_file: DatasetFile,
        target_file: DatasetFile,
        first: _Noise,
        second: _Noise | None,
        gain: np.float32,
    ) -> tuple[float, float]:
        """Write both files; return the mean power of each noise as it is in the mix."""
        powers = [0.0, 0.0]
        song = self.track.blocks(self.num_samples)
        mixes = self._mixed(first)
        targets = self.track.blocks(self.num_samples) if second is None else self._mixed(second)
        for clean, noisy, target in zip(song, mixes, targets, strict=True):
            powers[0] += _energy(noisy - clean)
            powers[1] += _energy(target - clean)
            input_file.write((noisy * gain).T)
            target_file.write((target * gain).T)
        count = 2 * self.num_samples
        return powers[0] / count, powers[1] / count

    def _file(self, path: Path) -> DatasetFile:
        rate, file_format = self.config.sample_rate, self.config.audio_format
        return DatasetFile(path, sample_rate=rate, channels=2, file_format=file_format)

    def _paths(self, pair: PairPlan) -> tuple[Path, Path]:
        names = (
            pair_name(
                role, self.plan.number, pair.number, noise, self.plan.song.name, self.config.audio_format
            )
            for role, noise in (("INPUT", pair.input_noise), ("TARGET", pair.target_noise))
        )
        return (
            self.layout.folder(self.plan.split, "input") / next(names),
            self.layout.folder(self.plan.split, "target") / next(names),
        )


def _measure_song(track: Track, sample_rate: int) -> tuple[float, float, float]:
    """Mean power, peak, and dynamic range of a song.

    The range is that of the root mean squares of chunks of a second, the largest over the smallest. A last
    chunk of less than a second is left out where there are others.
    """
    chunk = round(_CHUNK_SECONDS * sample_rate)
    starts = np.arange(0, track.num_samples, chunk)
    energies, peak, position = np.zeros(len(starts)), 0.0, 0
    for block in track.blocks(track.num_samples):
        squares = np.square(block)
        powers = squares[:, 0] + squares[:, 1]
        edges = np.arange(position - position % chunk, position + len(block), chunk)
        begins = np.maximum(edges - position, 0)
        first = position // chunk
        energies[first : first + len(begins)] += np.add.reduceat(powers, begins, dtype=np.float64)
        peak = max(peak, _peak(block))
        position += len(block)
    whole = energies[: max(1, track.num_samples // chunk)]
    levels = np.sqrt(np.maximum(whole / (2 * chunk), _CHUNK_FLOOR**2))
    return float(energies.sum()) / (2 * track.num_samples), peak, float(levels.max() / levels.min())


def _safe_gain(peak: float) -> float:
    return 1.0 if peak <= _FULL_SCALE else 2.0 ** -math.ceil(math.log2(peak / _FULL_SCALE))


def _peak(block: Block) -> float:
    return max(float(block.max()), -float(block.min()))


def _energy(block: Block) -> float:
    return float(np.square(block).sum(dtype=np.float64))


def _snr_db(signal_power: float, noise_power: float) -> float:
    return round(10.0 * math.log10(signal_power / noise_power), 4)
