"""Train the filter that weighs a network's estimate against the spectrum of a noise sample.

    python docs/examples/train_noise_filter.py --songs SONGS --noises NOISES --out noise_filter.safetensors \
        --examples 550 --minutes 20 [--init noise_filter.safetensors]

By Noise2Noise: the target is the same music with another noise. The network's estimates of all examples
are computed first (0.5 s each on one core); then the filter learns on three seconds of four of them at a
time. The loss is that of `musicdenoise train`: the power of the error relative to that of the target, in
dB per example. Samples of the noise last 0.2 to 3 s and come from another place of the same recording.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from musicdenoise import Denoiser
from musicdenoise.core.mixing import rms
from musicdenoise.core.noise_filter import NoiseFilter
from musicdenoise.core.noise_spectrum import calmed_gain, noise_power, power_of, spectrum_stft
from musicdenoise.core.stft import istft, stft
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import find_noises, song_files
from musicdenoise.data.noise import MixedNoise, NoiseSource, RecordedNoise, WhiteNoise

RATE = 44_100
SONG_SECONDS, CROP_SECONDS, SAMPLE_SECONDS = 6, 3, 4
WHITE_SHARE = 0.15
SNR_DB, TARGET_SNR_DB = (-2.0, 24.0), (0.0, 20.0)
BATCH, LEARNING_RATE, WARMUP_STEPS = 4, 4e-3, 30
CONFIG = spectrum_stft(RATE)


@dataclass(frozen=True, kw_only=True)
class Example:
    """Waveforms ``(1, samples)``: input, the network's estimate of it, target, and the noise alone."""

    noisy: Tensor
    estimate: Tensor
    target: Tensor
    sample: Tensor


def make_example(
    songs: AudioBank, source: NoiseSource, denoiser: Denoiser, rng: np.random.Generator
) -> Example:
    """One example at random."""
    count, before = SONG_SECONDS * RATE, SAMPLE_SECONDS * RATE
    while True:
        index = int(rng.integers(len(songs)))
        start = int(rng.integers(max(1, int(songs.lengths[index]) - count)))
        clean = songs.read(index, start, count).mean(0, keepdim=True)
        if clean.shape[-1] == count and rms(clean) > 3e-3:
            break
    noise = source.draw(before + count, rng)
    first, body = noise[:, :before], noise[:, before:]
    gain = rms(clean) / max(rms(body), 1e-6) * 10.0 ** (-rng.uniform(*SNR_DB) / 20.0)
    other = source.draw(count, rng)
    other_gain = rms(clean) / rms(other) * 10.0 ** (-rng.uniform(*TARGET_SNR_DB) / 20.0)
    noisy = clean + gain * body
    estimate = torch.from_numpy(denoiser.estimate(noisy.numpy(), RATE))
    return Example(noisy=noisy, estimate=estimate, target=clean + other_gain * other, sample=gain * first)


def loss_db(noise_filter: NoiseFilter, example: Example, rng: np.random.Generator) -> Tensor:
    """Power of the error in three seconds of an example, relative to the target's."""
    start = int(rng.integers((SONG_SECONDS - CROP_SECONDS) * RATE))
    crop = slice(start, start + CROP_SECONDS * RATE)
    seconds = float(2.0 ** rng.uniform(-2.3, 1.5))
    power = noise_power([example.sample[:, -round(seconds * RATE) :]], CONFIG)
    noisy, estimate = (stft(wave[:, crop], CONFIG) for wave in (example.noisy, example.estimate))
    gain = calmed_gain(noise_filter(noisy, estimate, power, seconds), power_of(noisy))
    target = example.target[:, crop]
    error = istft(gain * noisy, CONFIG, num_samples=target.shape[-1]) - target
    return 10.0 * torch.log10(error.square().sum() / target.square().sum())


def main() -> None:
    """Make the examples, train, and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("songs", "noises", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="weights to go on from")
    parser.add_argument("--cache", type=Path, default=Path("decoded"), help="where decoded audio is kept")
    parser.add_argument("--examples", type=int, default=550)
    parser.add_argument("--minutes", type=float, default=20.0, help="of processor time, examples not counted")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    songs = AudioBank(song_files(arguments.songs), arguments.cache, RATE)
    noises = find_noises(arguments.noises, "mixed")
    bank = AudioBank([noise.path for noise in noises], arguments.cache, RATE)
    recorded = RecordedNoise(bank, [noise.label for noise in noises])
    source = MixedNoise([WhiteNoise(), recorded], [WHITE_SHARE, 1.0 - WHITE_SHARE])
    denoiser = Denoiser("mixed", device="cpu")
    examples = [make_example(songs, source, denoiser, rng) for _ in range(arguments.examples)]
    noise_filter = NoiseFilter()
    if arguments.init:
        noise_filter.load_state_dict(load_file(arguments.init))
    optimizer = torch.optim.AdamW(noise_filter.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    began, step, losses = time.process_time(), 0, []
    while (share := (time.process_time() - began) / (60.0 * arguments.minutes)) < 1.0:
        rate = LEARNING_RATE * min(1.0, (step + 1) / WARMUP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * share))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        for index in rng.integers(len(examples), size=BATCH):
            loss = loss_db(noise_filter, examples[index], rng)
            (loss / BATCH).backward()
            losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(noise_filter.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            print(f"{share:4.0%}  step {step}  loss {np.mean(losses[-200:]):+.3f} dB", flush=True)
    save_file({name: value.contiguous() for name, value in noise_filter.state_dict().items()}, arguments.out)
    print(f"{step} steps; {arguments.out}")


if __name__ == "__main__":
    main()
