"""Make the set on which networks are compared: songs and noises that none of them has seen, kind by kind.

    python tests/benchmarks/make_dev_set.py --songs SONGS --noises NOISES --out FOLDER [--items 20] \
        [--long-items 10] [--kinds tape vinyl]

For white noise, noise of any kind and each of the ten classes of UrbanSound8K there are 20 mixes, mono, at
SNRs from 0 to 20 dB in equal steps, over all songs in turn, at places that depend on the seed. Of noise of
any kind as much is white as in `musicdenoise dataset build --kind mixed`. Recordings are read out as they
are. Memory over half a minute shows in long mixes only: of these, 30 s each, there are as many as asked
for. Noise of tapes and records, from random numbers, is made when it is asked for by name. FOLDER becomes a
dataset of test pairs: measure it with

    musicdenoise eval FOLDER --weights mixed --weights white --baselines identity,noisereduce,oracle
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from musicdenoise.audio import open_writer
from musicdenoise.core.mixing import mix_at_snr, rms
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import find_noises, song_files
from musicdenoise.data.manifest import PairRow, write_manifest
from musicdenoise.data.noise import MixedNoise, NoiseSource, RecordedNoise, WhiteNoise
from musicdenoise.data.old_media import TapeNoise, VinylNoise
from musicdenoise.kinds import NOISE_CLASSES, WHITE_SHARE_IN_DATASETS

RATE = 44_100
SILENCE = 1e-3
SNRS_DB = (0.0, 20.0)
KINDS = ("white", "mixed", *NOISE_CLASSES)
GENERATED: dict[str, NoiseSource] = {
    "white": WhiteNoise(),
    "tape": TapeNoise(RATE),
    "vinyl": VinylNoise(RATE),
}


def noise_of(kind: str, folder: Path, cache: Path) -> NoiseSource:
    if kind in GENERATED:
        return GENERATED[kind]
    noises = find_noises(folder, kind)
    bank = AudioBank([noise.path for noise in noises], cache, RATE)
    recorded = RecordedNoise(bank, [noise.label for noise in noises], fastest=1.0)
    if kind != "mixed":
        return recorded
    return MixedNoise([WhiteNoise(), recorded], [WHITE_SHARE_IN_DATASETS, 1.0 - WHITE_SHARE_IN_DATASETS])


def crop(songs: AudioBank, index: int, count: int, rng: np.random.Generator) -> torch.Tensor:
    """A stretch of a song that is not silent, mono."""
    while True:
        start = int(rng.integers(int(songs.lengths[index]) - count + 1))
        mono = songs.read(index, start, count).mean(0, keepdim=True)
        if rms(mono) > SILENCE:
            return mono


def write(path: Path, samples: torch.Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_writer(
        path, sample_rate=RATE, channels=1, container="WAV", subtype="FLOAT", overwrite=True
    ) as writer:
        writer.write(samples.numpy())


@dataclass(frozen=True, kw_only=True)
class Mixes:
    """So many mixes a kind of one length; the mark stands in their names."""

    items: int
    seconds: float
    mark: str = ""


def make(
    arguments: argparse.Namespace, kind: str, number: int, songs: AudioBank, mixes: Mixes
) -> list[PairRow]:
    source = noise_of(kind, arguments.noises, arguments.cache)
    count = round(mixes.seconds * RATE)
    rows = []
    for item, snr_db in enumerate(np.linspace(*SNRS_DB, mixes.items)):
        rng = np.random.default_rng((arguments.seed, number, item))
        song = (item + number) % len(songs)
        clean = crop(songs, song, count, rng)
        noisy = mix_at_snr(clean, source.draw(count, rng), float(snr_db))
        identity = f"{kind}-{mixes.mark}{item:02d}"
        for role, samples in (("input", noisy), ("target", clean)):
            write(arguments.out / "test" / role / f"{identity}.wav", samples)
        rows.append(
            PairRow(
                id=identity,
                split="test",
                input=f"test/input/{identity}.wav",
                target=f"test/target/{identity}.wav",
                clean=f"test/target/{identity}.wav",
                sample_rate=RATE,
                num_samples=count,
                kind=kind,
                song=songs.paths[song].stem,
                input_class=kind,
                input_snr_db=float(snr_db),
                seed=arguments.seed,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("songs", "noises", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="where decoded audio is kept; default: in the folder")
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--long-items", type=int, default=0)
    parser.add_argument("--long-seconds", type=float, default=30.0)
    parser.add_argument("--kinds", nargs="+", choices=(*KINDS, "tape", "vinyl"), default=KINDS)
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    arguments.cache = arguments.cache or arguments.out / "decoded"
    songs = AudioBank(song_files(arguments.songs), arguments.cache, RATE)
    sets = (
        Mixes(items=arguments.items, seconds=arguments.seconds),
        Mixes(items=arguments.long_items, seconds=arguments.long_seconds, mark="long-"),
    )
    rows = []
    for number, kind in enumerate((*KINDS, "tape", "vinyl")):
        if kind not in arguments.kinds:
            continue
        for mixes in sets:
            rows += make(arguments, kind, number, songs, mixes)
    write_manifest(arguments.out, rows)
    print(f"{len(rows)} pairs in {arguments.out}")


if __name__ == "__main__":
    main()
