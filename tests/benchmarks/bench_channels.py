"""Stereo: left and right, or middle and side?

    python tests/benchmarks/bench_channels.py --songs SONGS --noises NOISES [--weights NAME ...] [--write]

Stretches of 6 s of the songs are denoised either way, without the gate, with white noise, noise of tapes, and
recorded noise: other noise in each channel, the same in both, or up to 10 dB quieter on one side. SNRs go
from 0 to 20 dB over both channels. The table holds mean SNR improvements, over the same mixes for both.
"""

import argparse
import itertools
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from results import publish, table
from torch import Tensor

from musicdenoise.core.metrics import improvement, snr
from musicdenoise.core.mixing import mix_at_snr, rms
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import find_noises, song_files
from musicdenoise.data.noise import NoiseSource, RecordedNoise, WhiteNoise
from musicdenoise.data.old_media import TapeNoise
from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.runtime.allocator import keep_freed_memory

RATE = 44_100
SECONDS = 6
PER_SONG = 2
MODES = ("linked", "mid-side")
PLACES = ("differs", "the same in both", "to one side")
WIDEST_PAN_DB = 10.0


def stretches(folder: Path, cache: Path) -> list[Tensor]:
    """Stereo stretches that are not silent."""
    songs = AudioBank(song_files(folder), cache, RATE)
    length = SECONDS * RATE
    found = []
    for song in range(len(songs)):
        for number in range(PER_SONG):
            piece = songs.read(song, (1 + 2 * number) * length, length)
            if piece.shape == (2, length) and rms(piece) > 1e-3:
                found.append(piece)
    return found


def drawn(source: NoiseSource, where: str, num_samples: int, rng: np.random.Generator) -> Tensor:
    """Noise of both channels."""
    first = source.draw(num_samples, rng)
    if where == "differs":
        second = source.draw(num_samples, rng)
        return torch.cat([first, second * (rms(first) / rms(second))])
    quieter = 10.0 ** (-rng.uniform(0.0, WIDEST_PAN_DB) / 20.0) if where == "to one side" else 1.0
    pair = [first, quieter * first]
    return torch.cat(pair if rng.random() < 0.5 else pair[::-1])


def gains(by_mode: list[Denoiser], songs: list[Tensor], source: NoiseSource, where: str) -> list[list[float]]:
    """SNR improvements in dB, for each song those of all modes."""
    found = []
    for i, clean in enumerate(songs):
        rng = np.random.default_rng(i)
        noise = drawn(source, where, clean.shape[1], rng)
        noisy = mix_at_snr(clean, noise, 20.0 * i / (len(songs) - 1))
        results = (torch.from_numpy(denoiser.denoise(noisy, RATE)) for denoiser in by_mode)
        found.append([improvement(snr, clean, noisy, result) for result in results])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--noises", type=Path, required=True)
    parser.add_argument("--weights", nargs="+", default=["white", "mixed"])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    rows = []
    with tempfile.TemporaryDirectory() as name:
        cache = arguments.cache or Path(name)
        songs = stretches(arguments.songs, cache)
        noises = find_noises(arguments.noises, "mixed")
        bank = AudioBank([noise.path for noise in noises], cache, RATE)
        recorded = RecordedNoise(bank, [noise.label for noise in noises], fastest=1.0)
        sources: dict[str, NoiseSource] = {
            "white": WhiteNoise(),
            "tape": TapeNoise(RATE),
            "recorded": recorded,
        }
        for weights in arguments.weights:
            by_mode = [
                Denoiser(weights, device="cpu", config=DenoiseConfig(channels=mode, gate=False))
                for mode in MODES
            ]
            known = by_mode[0].known_kind or "mixed"
            for kind, where in itertools.product(sources, PLACES):
                if known not in (kind, "mixed"):
                    continue
                found = gains(by_mode, songs, sources[kind], where)
                means = [f"{statistics.mean(column):+.2f} dB" for column in zip(*found, strict=True)]
                better = sum(mid_side > linked for linked, mid_side in found)
                rows.append([weights, kind, where, *means, f"{better} of {len(found)}"])
                print(rows[-1], flush=True)
    header = ["network", "noise", "in the channels", *MODES, "better as mid-side"]
    publish("channels", table(header, rows), write=arguments.write)


if __name__ == "__main__":
    main()
