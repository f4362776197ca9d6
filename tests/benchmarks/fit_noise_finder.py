"""Train the network that hears noise alone (`musicdenoise.core.noise_moments`).

    python tests/benchmarks/fit_noise_finder.py --songs SONGS [FOLDER ...] --noises NOISES \
        --out OUT.safetensors [--init IN.safetensors] [--cache FILE] [--examples 7500] [--steps 1500]

Songs and noises are measured once, in bands of a sixth of an octave; the cache keeps that. Examples are put
together from the measurements: powers add up, with the deviations of chance. There are three kinds of them:

- 40 %: noise for 1 to 3 s before or behind an excerpt, or in its pauses, and 4 to 26 dB below it under the
  music. A third of the excerpts fade in. In one of twelve the noise is not in the music: that is nothing
  that would help the song, and counts as music.
- 30 %: applause, crowds or street music before an excerpt or behind it, which count as music;
- 30 %: clean songs, mostly from where a song is quiet, and later from where a first network took music for
  noise. Some have a fade, a quiet beginning, or silence around them.

The songs and noises must not be those of a benchmark.
"""

import argparse
import math
import pickle
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from noise_examples import CROP_FRAMES, RATE, SYNTHESISED, Array, Examples, Material, Rng, sound
from noise_mixes import _claps, _synthesised
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.signal import resample_poly
from torch.nn import functional as F

from musicdenoise.audio import open_reader, read_audio
from musicdenoise.core.noise_moments import NoiseMoments
from musicdenoise.data.catalogue import find_noises, song_files
from musicdenoise.denoising.band_levels import BandLevels, Bands
from musicdenoise.denoising.noise_likeness import MOST_BANDS, NUM_FEATURES, SILENT_DB, SongLevels, features

BATCH, LEARNING_RATE, WARMUP_STEPS, WEIGHT_DECAY, EMA = 32, 3e-3, 100, 0.03, 0.995
NOISE_WEIGHT, WORST_WEIGHT, WORST_MARGIN, WORST_FRAMES = 1.5, 0.09, 1.5, 6


def measured(samples: NDArray[np.floating], rate: int = RATE) -> Bands:
    levels = BandLevels(rate, len(samples))
    levels.push(np.ascontiguousarray(samples, dtype=np.float32))
    return levels.finish()


def measured_song(path: Path) -> Bands:
    with open_reader(path) as reader:
        levels = BandLevels(reader.info.sample_rate, reader.info.channels)
        for block in reader.blocks(10 * reader.info.sample_rate):
            levels.push(block)
    return levels.finish()


def measured_noises(folder: Path, rng: Rng) -> dict[str, list[list[Bands]]]:
    """Recordings at one to three speeds, and synthesised noise and claps."""
    kinds: dict[str, dict[str, list[Bands]]] = {}
    for noise in find_noises(folder, "mixed"):
        audio = read_audio(noise.path)
        clip = audio.samples.mean(axis=0)[: 30 * audio.sample_rate]
        for number in range(3 if len(clip) > 4 * audio.sample_rate else 1):
            speed = 1.0 if number == 0 else float(rng.uniform(0.75, 1.6))
            ratio = Fraction(RATE, audio.sample_rate) / Fraction(speed).limit_denominator(24)
            wave = resample_poly(clip, ratio.numerator, ratio.denominator)[None]
            if wave.shape[1] >= RATE:
                source = kinds.setdefault(noise.label, {}).setdefault(noise.path.stem.split("-")[0], [])
                source.append(measured(0.1 * wave / (np.sqrt(np.mean(np.square(wave))) + 1e-9)))
    found = {kind: list(sources.values()) for kind, sources in kinds.items()}
    for kind in SYNTHESISED:
        found[kind] = [
            [measured(0.1 * _synthesised(kind, (1 + i % 2, 5 * RATE), RATE, rng))] for i in range(60)
        ]
    found["claps"] = [
        [
            measured(
                0.1
                * _claps(
                    (1 + i % 2, 6 * RATE), RATE, 10.0 ** rng.uniform(1.0, 3.3), int(rng.integers(2, 60)), rng
                )
            )
        ]
        for i in range(200)
    ]
    return found


def quiet_places(songs: list[Bands]) -> list[tuple[int, int]]:
    """Four quiet moments of each song."""
    places = []
    for number, bands in enumerate(songs):
        totals = sound(bands, slice(None)).totals_db
        level = np.convolve(np.where(totals > SILENT_DB, totals, 0.0), np.ones(7) / 7, "same")
        places += [(number, frame) for frame in _extremes(-level, 40)]
    return places


def mistaken_places(material: Material, network: NoiseMoments) -> list[tuple[int, int]]:
    """Moments of the songs in which the network is surest that it hears noise: one for each song."""
    found = []
    for number, bands in enumerate(material.songs):
        with torch.no_grad():
            odds = network(torch.from_numpy(features(bands, slice(None), SongLevels(bands)))[None])[0].numpy()
        smooth = np.convolve(odds, np.ones(WORST_FRAMES) / WORST_FRAMES, "same")
        found += [(smooth[frame], number, frame) for frame in _extremes(smooth, 60)]
    found.sort(reverse=True)
    return [(number, frame) for _, number, frame in found[: len(material.songs)]]


def _extremes(values: Array, apart: int) -> list[int]:
    """The four highest places, at least so far apart."""
    values, places = values.copy(), []
    for _ in range(4):
        place = int(values.argmax())
        places.append(place)
        values[max(0, place - apart) : place + apart] = -np.inf
    return places


def crops(examples: Examples, count: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Up to two of each example."""
    for number in range(count):
        values, labels, frame = examples.draw()
        yield examples.crop(values, labels, frame)
        if len(values) > CROP_FRAMES + 20:
            yield examples.crop(values, labels, None)
        if number % 500 == 499:
            print(f"{number + 1} of {count} examples", flush=True)


def trained(
    values: NDArray[np.float16], labels: NDArray[np.float32], steps: int, rng: Rng, init: Path | None
) -> NoiseMoments:
    """A network, averaged over its last steps."""
    network = NoiseMoments(NUM_FEATURES)
    if init:
        network.load_state_dict(load_file(init))
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    losses = []
    for step in range(steps):
        chosen = rng.integers(len(values), size=BATCH)
        some = torch.from_numpy(values[chosen].astype(np.float32))
        some += 0.03 * torch.randn_like(some)
        what = torch.from_numpy(labels[chosen])
        counts = torch.isfinite(what)
        decay = 0.01 + 0.5 * (1.0 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, (step + 1) / WARMUP_STEPS) * decay
        odds = network(some)
        each = F.binary_cross_entropy_with_logits(odds[counts], what[counts], reduction="none")
        loss = (each * torch.where(what[counts] > 0.5, NOISE_WEIGHT, 1.0)).mean()
        # Where there is no noise, the surest half second decides: one mistake spoils a song.
        pooled = F.avg_pool1d(odds.where(counts, torch.tensor(-8.0))[:, None], WORST_FRAMES, 1)[:, 0]
        worst = pooled.amax(dim=1)[~(what > 0.5).any(dim=1)]
        loss = loss + WORST_WEIGHT * F.softplus(worst + WORST_MARGIN).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        share = 1.0 - min(EMA, (step + 1) / (step + 21))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, share)
        if step % 200 == 199:
            print(f"step {step + 1}  loss {np.mean(losses[-200:]):.4f}", flush=True)
    network.load_state_dict(average)
    return network.eval()


def load_material(arguments: argparse.Namespace, rng: Rng) -> Material:
    if arguments.cache and arguments.cache.exists():
        songs, noises = pickle.loads(arguments.cache.read_bytes())
    else:
        songs = [measured_song(path) for folder in arguments.songs for path in song_files(folder)]
        noises = measured_noises(arguments.noises, rng)
        if arguments.cache:
            arguments.cache.write_bytes(pickle.dumps((songs, noises)))
    songs = [bands for bands in songs if bands.levels.shape[1] == MOST_BANDS and len(bands) >= 80]
    return Material(songs=songs, noises=noises, num_bins=songs[0].num_bins, quiet=quiet_places(songs))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=Path, nargs="+", required=True)
    parser.add_argument("--noises", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="weights to go on from")
    parser.add_argument("--cache", type=Path, help="file for the measurements of songs and noises")
    parser.add_argument("--examples", type=int, default=7500)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    material = load_material(arguments, rng)
    values, labels = zip(*crops(Examples(material, rng), arguments.examples // 3), strict=True)
    pool = np.stack([some.astype(np.float16) for some in values]), np.stack(labels)
    first = trained(*pool, arguments.steps // 2, rng, arguments.init)
    material = replace(material, quiet=mistaken_places(material, first))
    values, labels = zip(*crops(Examples(material, rng), arguments.examples * 2 // 3), strict=True)
    pool = (
        np.concatenate([pool[0], np.stack([some.astype(np.float16) for some in values])]),
        np.concatenate([pool[1], np.stack(labels)]),
    )
    network = trained(*pool, arguments.steps, rng, arguments.init)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
