"""Train what refines a network's estimates by the long-term spectrum of the noise.

    python docs/examples/train_refiner.py --songs SONGS --noises NOISES --pool POOL --out OUT.safetensors \
        --spectrum recorded.safetensors --examples 4000 --minutes 60 [--init refiner.safetensors] \
        [--effects EFFECTS]

By Noise2Noise: the target is the same music with another noise. The estimates of ``mixed`` for all examples
are computed first and kept in POOL (0.5 s each on one core, 1.6 MB each); then the refiner learns on four
examples at a time, seven in ten of them without a sample. A third of the noises are recordings as they are or
as `musicdenoise train` alters them. The others nobody recorded: recordings at other speeds in other rooms,
noise between the spectra of two, generated machines and voices, and sound effects, if there are any. Each
time an example is used, its three waveforms pass one random equaliser and one change of speed. Otherwise the
refiner recognises the few hundred recordings of noise by their fine spectrum, and is surer than it should be
on others. The loss is that of `musicdenoise train`: the power of the error relative to that of the target, in
dB per example. ``--spectrum`` names weights of the family ``fine``, whose network for the noise's spectrum it
starts with, and leaves as it is.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from musicdenoise import Denoiser, load_weights
from musicdenoise.core.fine_net import FineNet
from musicdenoise.core.losses import error_ratio_loss
from musicdenoise.core.refiner import Refiner
from musicdenoise.data.altered_noise import AlteredNoise, BlendedNoise
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import find_noises, noise_source, song_files
from musicdenoise.data.generated_noise import GeneratedNoise
from musicdenoise.data.mixer import AlternatingPairs, MixConfig, PairMixer
from musicdenoise.data.noise import MixedNoise, NoiseSource, WhiteNoise
from musicdenoise.training.muon import ComplexMuon

RATE, SECONDS = 44_100, 6
PLAIN_SHARE = 0.7
UNRECORDED_SHARE = 0.65
LEVELS = {"snr_range_db": (-5.0, 22.0), "target_snr_range_db": (10.0, 40.0)}
SAMPLES = {"sample_share": 1.0, "sample_seconds": (0.3, 2.5)}
CROP_SECONDS = 5
SPEEDS, PLAIN_EXAMPLES = (0.84, 1.22), 0.15
EQUALISER_HZ, EQUALISER_DB = (40, 90, 200, 450, 1000, 2200, 5000, 11_000, 20_000), 4.5
BATCH, LEARNING_RATE, WARMUP_STEPS, DECAY_SHARE, CLIP_NORM, EMA = 4, 3e-3, 50, 0.4, 5.0, 0.998


def unrecorded_noise(arguments: argparse.Namespace) -> NoiseSource:
    """Noise that is in no recording."""
    noises = find_noises(arguments.noises, "mixed")
    bank = AudioBank([noise.path for noise in noises], arguments.cache, RATE)
    labels = [noise.label for noise in noises]
    sources: list[NoiseSource] = [
        AlteredNoise(bank, labels),
        BlendedNoise(bank, labels),
        GeneratedNoise(RATE),
        WhiteNoise(),
    ]
    shares = [0.5, 0.17, 0.3, 0.03]
    if arguments.effects:
        effects = AudioBank(song_files(arguments.effects), arguments.cache, RATE)
        sources.append(AlteredNoise(effects, ["effect"] * len(effects)))
        shares.append(0.12)
    return MixedNoise(sources, shares)


def make_pool(arguments: argparse.Namespace) -> list[Path]:
    """Files of examples: three waveforms, and the mean power of the sample."""
    songs = AudioBank(song_files(arguments.songs), arguments.cache, RATE)
    count = SECONDS * RATE
    unrecorded = unrecorded_noise(arguments)
    sources = (
        MixedNoise(
            [noise_source("mixed", arguments.noises, arguments.cache, RATE, fastest=fastest), unrecorded],
            [1.0 - UNRECORDED_SHARE, UNRECORDED_SHARE],
        )
        for fastest in (1.0, 2.0)
    )
    configs = (
        MixConfig.plain(num_samples=count, **LEVELS, **SAMPLES),
        MixConfig(num_samples=count, coded_share=0.1, **LEVELS, **SAMPLES),
    )
    mixers = (
        PairMixer(songs, source, config, arguments.seed)
        for source, config in zip(sources, configs, strict=True)
    )
    pairs = AlternatingPairs(*mixers, PLAIN_SHARE, arguments.seed)
    denoiser = Denoiser("mixed", device="cpu")
    arguments.pool.mkdir(parents=True, exist_ok=True)
    files = [arguments.pool / f"{index:05d}.npz" for index in range(arguments.examples)]
    for index, file in enumerate(files):
        if file.exists():
            continue
        noisy, target, power, seconds = pairs.example(index)
        estimate = torch.from_numpy(denoiser.estimate(noisy.numpy(), RATE))
        waveforms = torch.stack([noisy, estimate, target])
        scale = 32_000.0 / float(waveforms.abs().max())
        stored = (waveforms * scale).round().numpy().astype(np.int16)
        np.savez(file, waveforms=stored, power=(power * scale**2).numpy(), seconds=seconds.numpy())
    return files


def read(file: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Waveforms ``(3, 1, samples)``, power ``(1, freqs)`` and length of the sample of an example."""
    with np.load(file) as stored:
        waveforms = torch.from_numpy(stored["waveforms"].astype(np.float32) / 32_000.0)
        power = torch.from_numpy(stored["power"] / 32_000.0**2)
        return waveforms, power, torch.from_numpy(stored["seconds"])


def altered(waveforms: Tensor, power: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The same through an equaliser and at another speed, cropped: ``(3, 1, samples)``, ``(1, freqs)``."""
    count, wanted = waveforms.shape[-1], CROP_SECONDS * RATE
    if rng.random() < PLAIN_EXAMPLES:
        place = int(rng.integers(count - wanted + 1))
        return waveforms[..., place : place + wanted], power
    low, high = np.log(SPEEDS)
    length = round(count * np.exp(rng.uniform(low, high)) / 2100) * 2100  # a product of small primes
    slower = length / count
    decibels = rng.normal(0.0, EQUALISER_DB, len(EQUALISER_HZ))
    decibels -= decibels.mean()

    def gain(hz: np.ndarray) -> Tensor:
        at = np.interp(np.log(np.maximum(hz, 20.0)), np.log(EQUALISER_HZ), decibels)
        return torch.from_numpy(10.0 ** (at / 20.0)).float()

    spectrum = torch.fft.rfft(waveforms)
    bins = length // 2 + 1
    spectrum = nn.functional.pad(spectrum, (0, bins - spectrum.shape[-1]))  # a negative number cuts
    changed = slower * torch.fft.irfft(spectrum * gain(np.linspace(0.0, RATE / 2, bins)), length)
    place = int(rng.integers(length - wanted + 1))
    share = np.linspace(0.0, 1.0, power.shape[-1])
    moved = slower * np.interp(share * slower, share, power[0].numpy(), right=0.0)
    moved_power = torch.from_numpy(moved).float() * gain(share * RATE / 2).square()
    return changed[..., place : place + wanted], moved_power[None]


def train(refiner: Refiner, files: list[Path], arguments: argparse.Namespace) -> nn.Module:
    """Train on four examples at a time; the result is the average of the last weights."""
    rng = np.random.default_rng(arguments.seed)
    kernels = [
        module.weight
        for name, module in refiner.named_modules()
        if isinstance(module, nn.Conv2d) and not name.startswith("outputs")
    ]
    optimizer = ComplexMuon(refiner, lr=LEARNING_RATE, weight_decay=1e-4, real_kernels=kernels)
    average = torch.optim.swa_utils.AveragedModel(
        refiner, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(EMA), use_buffers=True
    )
    began, step, losses = time.process_time(), 0, []
    while (share := (time.process_time() - began) / (60.0 * arguments.minutes)) < 1.0:
        rate = LEARNING_RATE * min(1.0, (step + 1) / WARMUP_STEPS, (1.0 - share) / DECAY_SHARE)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = [read(files[i]) for i in rng.integers(len(files), size=BATCH)]
        known = [float(rng.random() >= arguments.without_sample) for _ in batch]
        seconds = [example[2] * k for example, k in zip(batch, known, strict=True)]
        inputs = [altered(example[0], example[1] * k, rng) for example, k in zip(batch, known, strict=True)]
        waveforms, power = zip(*inputs, strict=True)
        noisy, estimate, target = torch.stack(waveforms, 1)
        with torch.autocast("cpu", torch.bfloat16):
            result = refiner(noisy, estimate, torch.stack(power), torch.stack(seconds))
        loss = error_ratio_loss(target, result)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(refiner.parameters(), CLIP_NORM)
        optimizer.step()
        average.update_parameters(refiner)
        losses.append(loss.item() - float(error_ratio_loss(target, estimate)))
        step += 1
        if step % 50 == 0:
            print(f"{share:4.0%}  step {step}  {np.mean(losses[-200:]):+.3f} dB beside mixed", flush=True)
    return average.module


def main() -> None:
    """Make the examples, train, and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("songs", "noises", "pool", "out", "spectrum"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--effects", type=Path, help="sounds of machines, weapons and the like from games")
    parser.add_argument("--init", type=Path, help="weights to go on from")
    parser.add_argument("--cache", type=Path, default=Path("decoded"), help="where decoded audio is kept")
    parser.add_argument("--without-sample", type=float, default=0.7, help="share whose sample is left out")
    parser.add_argument("--examples", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=60.0, help="of processor time, examples not counted")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    refiner = Refiner()
    known = load_weights(arguments.spectrum)[0]
    assert isinstance(known, FineNet)
    refiner.spectrum.load_state_dict(known.spectrum.state_dict())
    if arguments.init:
        refiner.load_state_dict(load_file(arguments.init))
    refiner.spectrum.requires_grad_(requires_grad=False)
    result = train(refiner.train(), make_pool(arguments), arguments)
    save_file({name: value.contiguous() for name, value in result.state_dict().items()}, arguments.out)


if __name__ == "__main__":
    main()
