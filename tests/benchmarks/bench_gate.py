"""The gate: does clean music pass, is noisy music still improved, and what does it cost?

    python tests/benchmarks/bench_gate.py --songs SONGS --noises NOISES [--weights NAME|PATH ...] [--write]

Stretches of 10 s of the songs (stereo) are denoised as they come, with white noise at 0 to 20 dB SNR, and
with recorded noise of all classes at 0 to 20 dB, and pass the gate or not. For clean music the table says
how many stretches come out with more than 40 dB SNR (what passes is equal to the bit), for noisy music how
many are improved, with the mean improvement with the gate and without it. The time of ``denoise_file`` with
and without the gate is measured in turns on the first stretch.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from results import publish, table
from torch import Tensor

from musicdenoise.audio import open_writer
from musicdenoise.core.metrics import snr
from musicdenoise.core.mixing import mix_at_snr, rms
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import find_noises, song_files
from musicdenoise.data.noise import NoiseSource, RecordedNoise, WhiteNoise
from musicdenoise.denoising.auto import AutoDenoiser
from musicdenoise.denoising.batch import DenoiserSettings, make_denoiser
from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.files import denoise_file
from musicdenoise.denoising.gate import Gate, GateConfig
from musicdenoise.denoising.song_denoiser import HEAD_SECONDS
from musicdenoise.runtime.allocator import keep_freed_memory
from musicdenoise.weights.store import WeightsStore

RATE = 44_100
SECONDS = 10
ITEMS = 20
UNHARMED_DB = 40.0


def stretches(folder: Path, cache: Path) -> list[Tensor]:
    """Stereo stretches that are not silent, over all songs in turn."""
    songs = AudioBank(song_files(folder), cache, RATE)
    found: list[Tensor] = []
    for number in range(10):
        for song in range(len(songs)):
            piece = songs.read(song, number * SECONDS * RATE, SECONDS * RATE)
            if piece.shape[1] == SECONDS * RATE and rms(piece) > 1e-3 and len(found) < ITEMS:
                found.append(piece if piece.shape[0] == 2 else piece[:1].repeat(2, 1))
    return found


def with_noise(clean: Tensor, source: NoiseSource, snr_db: float, seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    noise = torch.cat([source.draw(clean.shape[1], rng) for _ in range(2)])
    if not isinstance(source, WhiteNoise):  # a recording is in the middle
        noise = noise[:1].repeat(2, 1)
    return mix_at_snr(clean, noise, snr_db)


def through(denoiser: Denoiser | AutoDenoiser, noisy: Tensor) -> dict[bool, Tensor]:
    """The stretch with the gate (True) and without it, by a denoiser without a gate."""
    samples = noisy.numpy()
    if isinstance(denoiser, AutoDenoiser):
        denoiser = denoiser.choose(samples[:, : round(HEAD_SECONDS * RATE)], RATE)
    denoised = denoiser.denoise(samples, RATE)
    limits = GateConfig.usual(known_kind=denoiser.known_kind, is_refined=denoiser.is_refined)
    gate = Gate(RATE, samples.shape[0], limits)
    gated = np.concatenate([gate.push(samples, denoised), gate.flush()], axis=1)
    return {True: torch.from_numpy(gated), False: torch.from_numpy(denoised)}


def row(name: str, kind: str, pairs: list[tuple[Tensor, Tensor]], denoiser) -> list[str]:
    values: dict[bool, list[float]] = {True: [], False: []}
    for clean, noisy in pairs:
        before = 0.0 if kind == "none" else snr(clean, noisy)
        for gated, result in through(denoiser, noisy).items():
            values[gated].append(snr(clean, result) - before)
    if kind == "none":
        passed = sum(value > UNHARMED_DB for value in values[True])
        worst = f"{min(values[False]):.1f} to {max(values[False]):.1f} dB SNR"
        return [name, "none", f"{passed} of {len(pairs)} above {UNHARMED_DB:.0f} dB SNR", "", worst]
    improved = sum(gain > 0.0 for gain in values[True])
    means = [
        f"{statistics.mean(values[gated]):+.2f} dB (least {min(values[gated]):+.2f})"
        for gated in (True, False)
    ]
    return [name, kind, f"{improved} of {len(pairs)} improved", *means]


def cost(denoisers: dict[bool, Denoiser | AutoDenoiser], noisy: Tensor, folder: Path) -> float:
    """Share of the time that the gate takes, by denoisers with a gate (True) and without one."""
    source, target = folder / "in.wav", folder / "out.wav"
    with open_writer(source, sample_rate=RATE, channels=2, container="WAV", subtype="FLOAT") as writer:
        writer.write(noisy.numpy())
    taken: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(4):
        for gated, times in taken.items():
            began = time.perf_counter()
            denoise_file(denoisers[gated], source, target, options=FileOptions(overwrite=True))
            times.append(time.perf_counter() - began)
    return statistics.median(a / b for a, b in zip(taken[True], taken[False], strict=True)) - 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--noises", type=Path, required=True)
    parser.add_argument("--weights", nargs="+", default=["white", "auto"])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = arguments.cache or folder / "decoded"
        songs = stretches(arguments.songs, cache)
        noises = find_noises(arguments.noises, "mixed")
        bank = AudioBank([noise.path for noise in noises], cache, RATE)
        recorded = RecordedNoise(bank, [noise.label for noise in noises], fastest=1.0)
        snrs = np.linspace(0.0, 20.0, len(songs))
        white, mixed = (
            [
                (song, with_noise(song, source, float(db), i))
                for i, (song, db) in enumerate(zip(songs, snrs, strict=True))
            ]
            for source in (WhiteNoise(), recorded)
        )
        clean = [(song, song) for song in songs]
        for weights in arguments.weights:
            denoisers = {
                gated: make_denoiser(
                    DenoiserSettings(
                        weights=weights,
                        device="cpu",
                        config=DenoiseConfig(gate=gated, find_noise=False),
                        store=WeightsStore.of_user(),
                    )
                )
                for gated in (True, False)
            }
            for kind, pairs in (("none", clean), ("white", white), ("recorded", mixed)):
                rows.append(row(weights, kind, pairs, denoisers[False]))
                print(rows[-1], flush=True)
        share = cost(denoisers, white[0][1], folder)
    text = table(["network", "noise", "with the gate", "mean gain", "without the gate"], rows)
    publish("gate", f"{text}\n\nThe gate takes {share:+.1%} of the time.", write=arguments.write)


if __name__ == "__main__":
    main()
