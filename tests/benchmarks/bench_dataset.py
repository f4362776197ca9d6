"""How fast datasets are built, beside a straightforward numpy version of the reference's loop.

Run by hand: ``python tests/benchmarks/bench_dataset.py [--songs DIR] [--noises DIR] [--pairs N]``. Without
folders, synthetic songs and noises are made. The plain version does what the reference does and no
more: one process, the song read again for every pair, everything in memory as float64, noises converted
with `scipy.signal.resample_poly`, files written as float32; no clean files, no manifest, no digests. All
versions run on the same songs and noises in the same call, alternating, and the best of the rounds
counts. Megabytes are those of inputs and targets in every row.
"""

from __future__ import annotations

import argparse
import math
import shutil
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from musicdenoise.dataset.build import Build, build_dataset, plan_build
from musicdenoise.dataset.config import BuildConfig
from musicdenoise.dataset.plan import NoisePick
from musicdenoise.dataset.render import default_snr_range

RATE = 44_100


def make_collection(folder: Path, songs: int, seconds: float) -> tuple[Path, Path]:
    """Songs and noises as 16-bit WAV, the noises at 22.05 kHz."""
    rng = np.random.default_rng(0)
    for number in range(songs):
        time_axis = np.arange(round(seconds * RATE)) / RATE
        tones = sum(np.sin(2 * np.pi * hz * time_axis + number) for hz in (220.0, 331.0, 1234.5))
        music = np.stack([tones, np.roll(tones, 99)], axis=1) * 0.1 * (1.1 + np.sin(time_axis))[:, None]
        (folder / "songs").mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "songs" / f"{number}.wav", music, RATE)
    for number in range(40):
        path = folder / "noises" / f"class{number % 5}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(4 * 22_050), 22_050)
    return folder / "songs", folder / "noises"


def plain_noise(pick: NoisePick, num_samples: int) -> np.ndarray:
    """A noise of the length of the song, in stereo, of mean 0."""
    if pick.path is None:
        noise = np.random.randn(num_samples, 2)  # noqa: NPY002
    else:
        noise, rate = soundfile.read(pick.path, always_2d=True)
        noise = np.repeat(noise.mean(axis=1, keepdims=True), 2, axis=1)
        # Not at the top: the worker processes import this module, too, and have no use for scipy.
        from scipy.signal import resample_poly

        ratio = Fraction(RATE, rate)
        noise = resample_poly(noise, ratio.numerator, ratio.denominator)
        noise = np.tile(noise, (math.ceil(num_samples / len(noise)), 1))[:num_samples]
    return noise - noise.mean(axis=0)


def plain_loop(planned: Build, out: Path) -> None:
    """The reference's loop: pair after pair."""
    rng = np.random.default_rng(0)
    for song in planned.plan.songs:
        for pair in song.pairs:
            music, _ = soundfile.read(song.song.path, always_2d=True)
            if music.shape[1] == 1:
                music = np.repeat(music, 2, axis=1)
            chunks = [music[i : i + RATE] for i in range(0, len(music) - RATE + 1, RATE)]
            levels = [np.sqrt(np.mean(chunk**2)) for chunk in chunks]
            low, high = default_snr_range(max(levels) / max(min(levels), 1e-8))
            for role, pick in (("input", pair.input_noise), ("target", pair.target_noise)):
                mix = music
                if pick is not None:
                    noise = plain_noise(pick, len(music))
                    gain = np.sqrt(np.mean(music**2) / np.mean(noise**2)) * 10 ** (
                        -rng.uniform(low, high) / 20
                    )
                    mix = music + gain * noise
                path = out / song.split / role / f"S{song.number}N{pair.number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, mix, RATE, subtype="FLOAT")


def measure(run: Callable[[Path], object], folder: Path) -> tuple[float, float]:
    """Seconds, and megabytes of inputs and targets."""
    out = folder / "out"
    began = time.perf_counter()
    run(out)
    seconds = time.perf_counter() - began
    files = [path for role in ("input", "target") for path in out.rglob(f"{role}/*.wav")]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    shutil.rmtree(out)
    return seconds, megabytes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path)
    parser.add_argument("--noises", type=Path)
    parser.add_argument("--pairs", type=int, default=3, help="pairs per song")
    parser.add_argument("--max-songs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the synthetic songs")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        songs, noises = options.songs, options.noises
        if songs is None or noises is None:
            songs, noises = make_collection(folder / "collection", options.max_songs, options.seconds)
        print(f"{'kind':<7}{'version':<16}{'pairs/min':>11}{'MB/s':>9}{'ratio':>8}")
        for kind in ("white", "real", "mixed"):
            config = BuildConfig(
                kind=kind,
                songs=songs,
                noises=noises,
                max_songs=options.max_songs,
                pairs_per_song=options.pairs,
            )
            versions: dict[str, Callable[[Path], object]] = {
                "plain numpy": lambda out, config=config: plain_loop(plan_build(config, out), out),
                "--jobs 1": lambda out, config=config: build_dataset(plan_build(config, out), jobs=1),
                "--jobs 2": lambda out, config=config: build_dataset(plan_build(config, out), jobs=2),
            }
            plain_noise(NoisePick(name="", label="", path=next(noises.rglob("*.*"))), RATE)  # loads scipy
            best: dict[str, tuple[float, float]] = {}
            for _ in range(options.rounds):
                for version, run in versions.items():
                    best[version] = min(best.get(version, (math.inf, 0.0)), measure(run, folder))
            pairs = plan_build(config, folder / "out").plan.num_pairs
            for version, (seconds, megabytes) in best.items():
                ratio = best["plain numpy"][0] / seconds
                print(
                    f"{kind:<7}{version:<16}{60 * pairs / seconds:>11.1f}{megabytes / seconds:>9.1f}"
                    f"{ratio:>8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
