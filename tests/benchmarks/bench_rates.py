"""Songs at other sample rates than the network's: as they are, or converted?

    python tests/benchmarks/bench_rates.py --songs SONGS [--weights NAME] [--write]

Stretches of 6 s of the songs, mono, converted to each rate, with white noise at 0 to 20 dB SNR that is as
wide as the rate allows, or that was made at another rate first and so ends below. The network takes them as
they are, as though they were at its rate; or they are converted to its rate, and the noise that it finds is
converted back and subtracted. The table holds mean SNR improvements over the same mixes, for rates above
48 kHz also of what lies below 20 kHz.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import torch
from results import publish, table
from torch import Tensor

from musicdenoise.core.metrics import improvement, snr
from musicdenoise.core.mixing import mix_at_snr, rms
from musicdenoise.core.resample import resample
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import song_files
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.runtime.allocator import keep_freed_memory

RATE = 44_100
SECONDS = 6
HEARD_RATE = 40_000
CASES = (  # rate of the song, rate at which its noise was made
    (8_000, 8_000),
    (16_000, 16_000),
    (22_050, 22_050),
    (32_000, 32_000),
    (32_000, 22_050),
    (48_000, 48_000),
    (48_000, 44_100),
    (96_000, 96_000),
    (96_000, 44_100),
    (192_000, 192_000),
)


def stretches(folder: Path, cache: Path) -> list[Tensor]:
    """One mono stretch of each song that is not silent there."""
    songs = AudioBank(song_files(folder), cache, RATE)
    length = SECONDS * RATE
    found = (songs.read(song, length, length)[:1] for song in range(len(songs)))
    return [piece for piece in found if piece.shape[1] == length and rms(piece) > 1e-3]


def converted(denoiser: Denoiser, noisy: Tensor, rate: int) -> Tensor:
    there = resample(noisy, rate, RATE)
    noise = there - torch.from_numpy(denoiser.denoise(there, RATE))
    return noisy - resample(noise, RATE, rate)[:, : noisy.shape[1]]


def heard(waveform: Tensor, rate: int) -> Tensor:
    return resample(waveform, rate, HEARD_RATE)


def gains(
    denoiser: Denoiser, songs: list[Tensor], rate: int, noise_rate: int
) -> dict[str, list[list[float]]]:
    """SNR improvements in dB of what is measured, for each song that of both ways."""
    found: dict[str, list[list[float]]] = {"all": [], "below 20 kHz": []}
    for i, song in enumerate(songs):
        clean = resample(song, RATE, rate)
        generator = torch.Generator().manual_seed(i)
        noise = torch.randn(1, (SECONDS + 1) * noise_rate, generator=generator)
        wide = resample(noise, noise_rate, rate)[:, : clean.shape[1]]
        noisy = mix_at_snr(clean, wide, 20.0 * i / (len(songs) - 1))
        results = converted(denoiser, noisy, rate), torch.from_numpy(denoiser.denoise(noisy, RATE))
        found["all"].append([improvement(snr, clean, noisy, result) for result in results])
        if rate > 48_000:
            low = [heard(waveform, rate) for waveform in (clean, noisy, *results)]
            found["below 20 kHz"].append([improvement(snr, *low[:2], result) for result in low[2:]])
    return {measured: values for measured, values in found.items() if values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--weights", default="white")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    rows = []
    with tempfile.TemporaryDirectory() as name:
        songs = stretches(arguments.songs, arguments.cache or Path(name))
        denoiser = Denoiser(arguments.weights)
        for rate, noise_rate in CASES:
            ends = f"{min(rate, noise_rate) / 2000:g} kHz"
            for measured, found in gains(denoiser, songs, rate, noise_rate).items():
                means = [f"{statistics.mean(values):+.2f} dB" for values in zip(*found, strict=True)]
                better = sum(as_is > other for other, as_is in found)
                rows.append([f"{rate / 1000:g} kHz", ends, measured, *means, f"{better} of {len(found)}"])
                print(rows[-1], flush=True)
    head = ["song at", "noise up to", "measured", "converted", "as it is", "better as it is"]
    publish("rates", table(head, rows), write=arguments.write)


if __name__ == "__main__":
    main()
