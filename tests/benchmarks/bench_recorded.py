"""What a network for recorded noise gains: each part alone, joined, and with a sample of the noise.

    python tests/benchmarks/bench_recorded.py DATASET --weights best.safetensors [--beside mixed] [--every 2]

DATASET comes from ``make_dev_set.py``. The sample is the noise of the first seconds of a mix; the second half
of the mix is scored, always. ``--parts spectrum`` leaves out the U-Net, ``--beside`` adds another network.
Prints the mean SNR improvement in dB, kind by kind.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from musicdenoise import Denoiser
from musicdenoise.audio import read_audio
from musicdenoise.core.fine_net import PARTS, FineNet, join_gains
from musicdenoise.core.metrics import improvement, snr
from musicdenoise.core.noise_spectrum import smooth
from musicdenoise.core.noise_spectrum_net import (
    SPECTRUM_STFT,
    NoiseSpectrum,
    mean_power,
    subtraction_gain,
)
from musicdenoise.core.stft import istft, stft
from musicdenoise.data.manifest import PairRow, read_manifest
from musicdenoise.weights.checkpoint import load_weights

RATE = SPECTRUM_STFT.sample_rate
LEAST = 1e-20


def estimates(
    network: FineNet, noisy: Tensor, sample: Tensor, others: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Estimates ``(1, 1, samples)`` by name; ``others`` are those of networks that know no sample."""
    spectrogram = stft(noisy, SPECTRUM_STFT)
    known = mean_power(sample)
    plain = NoiseSpectrum(power=known, least_gain=torch.zeros_like(known))
    gains = {"sample: plain subtraction": subtraction_gain(spectrogram, plain)}
    for mark, power in (("", None), ("sample: ", known)):
        noise = network.spectrum(spectrogram, power)
        gain = subtraction_gain(spectrogram, noise)
        gains[f"{mark}spectrum"] = gain
        for name, estimate in others.items():
            transformed = stft(estimate, SPECTRUM_STFT)
            prior = smooth(transformed.abs().square())
            gains[f"{mark}spectrum and {name}, geometric mean"] = join_gains(
                spectrogram, gain * spectrogram, transformed
            )
            gains[f"{mark}{name} as prior, A/(A+V)"] = prior / (prior + noise.power[..., None] + LEAST)
    samples = noisy.shape[-1]
    done = {
        name: istft(gain * spectrogram, SPECTRUM_STFT, num_samples=samples) for name, gain in gains.items()
    }
    return {**others, **done}


def measure(
    folder: Path, row: PairRow, network: FineNet, arguments: argparse.Namespace, beside: Denoiser | None
) -> dict[str, float]:
    pair = (read_audio(folder / name).samples for name in (row.input, row.target))
    noisy, clean = (torch.from_numpy(samples)[None] for samples in pair)
    others = {}
    if "unet" in arguments.parts:
        others["unet"] = network(noisy, None, ("unet",))["unet"]
    if beside is not None:
        others[arguments.beside] = torch.from_numpy(beside.denoise(noisy[0].numpy(), RATE))[None]
    sample = (noisy - clean)[..., : round(arguments.sample_seconds * RATE)]
    half = slice(noisy.shape[-1] // 2, None)
    return {
        name: improvement(snr, clean[0, :, half], noisy[0, :, half], estimate[0, :, half])
        for name, estimate in estimates(network, noisy, sample, others).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--beside", help="name or file of another network")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sample-seconds", type=float, default=2.0)
    parser.add_argument("--every", type=int, default=1, help="take each N-th mix of a kind")
    arguments = parser.parse_args()
    network, _ = load_weights(arguments.weights)
    if not isinstance(network, FineNet):
        parser.error(f"{arguments.weights} holds another network: give one of the recipe recorded")
    beside = Denoiser(arguments.beside) if arguments.beside else None
    rows = [row for row in read_manifest(arguments.dataset) if int(row.id[-2:]) % arguments.every == 0]
    gains: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with torch.inference_mode():
        for row in rows:
            for name, gain in measure(arguments.dataset, row, network, arguments, beside).items():
                gains[name][str(row.kind)].append(gain)
    print(f"{len(rows)} mixes; mean of the kinds, worst mix, and each kind: {', '.join(gains['spectrum'])}")
    for name, kinds in gains.items():
        means = [fmean(values) for values in kinds.values()]
        worst = min(min(values) for values in kinds.values())
        print(f"{name:48} {fmean(means):5.2f} {worst:5.1f}  " + " ".join(f"{mean:5.2f}" for mean in means))


if __name__ == "__main__":
    main()
