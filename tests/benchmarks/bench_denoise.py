"""Speed of denoising beside a plain forward of the same network, in one run.

    python tests/benchmarks/bench_denoise.py [--weights NAME|PATH] [--seconds 30] [--repeats 3] [--threads 2]

The tune with noise, stereo at 44.1 kHz, is denoised by

- ``plain``: the network as it is trained, in float32 and the usual memory layout, four real convolutions
  per complex layer and norms apart, over segments of 3.74 s that overlap by 30 %, one channel after the
  other: what a direct implementation of the papers does;
- ``layers``: the same segments and layout, with the block convolutions of `DCUNet`;
- ``song``: what `musicdenoise denoise` does but for reading and writing files.

The runs alternate; a row gives the median real-time factor (seconds taken per second of song) and the
median of the ratios to ``plain`` of the same repeat.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from musicdenoise.core.complex_layers import ComplexConv2d
from musicdenoise.core.dcunet import LEAKY_SLOPE, MASKS, DCUNet, masked_estimate
from musicdenoise.core.stft import istft, stft
from musicdenoise.data.synthetic import synthesise_tune
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.weights.checkpoint import load_weights
from musicdenoise.weights.store import resolve_weights

RATE = 44_100
SEGMENT_SAMPLES = 164_864  # 323 frames, 3.74 s
OVERLAP = 0.3


def plain_mask(network: DCUNet, features: torch.Tensor) -> torch.Tensor:
    """The mask by four real convolutions per complex layer, norms and activations apart."""
    encoders, decoders = network.layers()

    def layer(module, re, im):
        if isinstance(module, ComplexConv2d):
            real, imag = module.real_conv, module.im_conv
        else:
            real, imag = module.real_convt, module.im_convt
        return real(re) - imag(im), imag(re) + real(im)

    def activate(norm, re, im):
        return F.leaky_relu(norm.real_b(re), LEAKY_SLOPE), F.leaky_relu(norm.im_b(im), LEAKY_SLOPE)

    re, im = (part.contiguous() for part in features.chunk(2, 1))
    inputs = []
    for encoder in encoders:
        inputs.append((re, im))
        re, im = activate(encoder.cbn, *layer(encoder.cconv, re, im))
    for i, decoder in enumerate(decoders):
        if i:
            skip_re, skip_im = inputs[10 - i]
            re, im = torch.cat([re, skip_re], 1), torch.cat([im, skip_im], 1)
        re, im = layer(decoder.cconvt, re, im)
        if i < len(decoders) - 1:
            re, im = activate(decoder.cbn, re, im)
    return MASKS[network.config.mask](torch.cat([re, im], 1))


def in_segments(network: DCUNet, mask: Callable, noisy: torch.Tensor, stft_config) -> None:
    hop = round(SEGMENT_SAMPLES * (1 - OVERLAP))
    for channel in noisy:
        for start in range(0, noisy.shape[1], hop):
            piece = F.pad(channel[start : start + SEGMENT_SAMPLES], (0, 0))
            piece = F.pad(piece, (0, SEGMENT_SAMPLES - piece.shape[0]))[None, None]
            estimate = masked_estimate(stft(piece, stft_config), network.config, mask)
            istft(estimate, stft_config, num_samples=SEGMENT_SAMPLES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="white")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network, metadata = load_weights(resolve_weights(arguments.weights).path)
    denoiser = Denoiser(arguments.weights, device="cpu")
    tune = synthesise_tune(arguments.seconds)
    noise = torch.randn(tune.shape, generator=torch.Generator().manual_seed(0))
    noisy = tune + 0.3 * noise * tune.square().mean().sqrt()
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: in_segments(network, lambda x: plain_mask(network, x), noisy, metadata.stft),
        "layers": lambda: in_segments(network, network.mask, noisy, metadata.stft),
        "song": lambda: denoiser.denoise(noisy, RATE),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for repeat in range(arguments.repeats + 1):  # the first warms up
            for name, way in ways.items():
                began = time.perf_counter()
                way()
                if repeat:
                    seconds[name].append(time.perf_counter() - began)
    print("| way | real-time factor | times as fast as plain |")
    print("|---|---|---|")
    for name, taken in seconds.items():
        ratios = [plain / own for plain, own in zip(seconds["plain"], taken, strict=True)]
        factor = statistics.median(taken) / arguments.seconds
        print(f"| {name} | {factor:.3f} | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    main()
