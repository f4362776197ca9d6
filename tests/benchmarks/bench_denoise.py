"""Speed of denoising beside a plain forward of the same network, in one run.

    python tests/benchmarks/bench_denoise.py [--weights NAME|PATH] [--seconds 30] [--repeats 3] [--write]
    python tests/benchmarks/bench_denoise.py --complexity 32 [...]

``--complexity`` takes a network of the published channel table with random weights, in a ``.pth`` file of
NoiseRemover's form, in place of a pretrained one. The tune with noise, stereo at 44.1 kHz, is denoised by

- ``plain``: the network as it is trained, in float32 and the usual memory layout, four real convolutions
  per complex layer and norms apart, over segments of 3.74 s that overlap by 30 %, one channel after the
  other: what a direct implementation of the papers does;
- ``layers``: the same segments and layout, with the block convolutions of `DCUNet`;
- ``song``: what `musicdenoise denoise` does but for reading and writing files.

The runs alternate; a row gives the median real-time factor (seconds taken per second of song) and the
median of the ratios to ``plain`` of the same repeat. Last comes how far the song is from what the network
gives with its norms apart, in dB.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from results import publish, table
from torch.nn import functional as F

from musicdenoise.core.allocator import keep_freed_memory
from musicdenoise.core.complex_layers import ComplexConv2d
from musicdenoise.core.dcunet import LEAKY_SLOPE, MASKS, DCUNet, DCUNetConfig, masked_estimate
from musicdenoise.core.overlap import SegmentPlan
from musicdenoise.core.stft import istft, stft
from musicdenoise.data.synthetic import synthesise_tune
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.stream import SongStream
from musicdenoise.weights.loading import load_network
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


def random_weights(path: Path, complexity: int) -> Path:
    """A network with random weights and norms, as NoiseRemover keeps its own."""
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.of_complexity(complexity, mask="component", level_reach=0))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    torch.save(network.state_dict(), path)
    return path


def fused_difference_db(network: DCUNet, denoiser: Denoiser, noisy: torch.Tensor) -> float:
    """Power of the difference between both networks' songs, relative to the song, in dB."""
    results = []
    for estimator in (network, denoiser.network):
        reach = network.config.level_reach
        stream = SongStream(
            estimator,
            denoiser.stft,
            SegmentPlan(level_reach=reach),
            sample_rate=RATE,
            channels=noisy.shape[0],
            device=denoiser.device,
        )
        results.append(torch.cat([stream.push(noisy), stream.flush()], dim=1))
    ratio = (results[0] - results[1]).square().sum() / results[0].square().sum()
    return float(10.0 * torch.log10(ratio.clamp_min(1e-20)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="white")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--complexity", type=int)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = resolve_weights(arguments.weights).path
        if arguments.complexity:
            path = random_weights(Path(folder) / "random.pth", arguments.complexity)
        network, metadata = load_network(path)
        denoiser = Denoiser(path, device="cpu")
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
    rows = []
    for name, taken in seconds.items():
        ratios = [plain / own for plain, own in zip(seconds["plain"], taken, strict=True)]
        factor = statistics.median(taken) / arguments.seconds
        rows.append([name, f"{factor:.3f}", f"{statistics.median(ratios):.2f}"])
    name = f"denoise C = {arguments.complexity}" if arguments.complexity else "denoise"
    text = table(["way", "real-time factor", "times as fast as plain"], rows)
    difference = fused_difference_db(network, denoiser, noisy)
    text += f"\n\nFused and unfused network differ by {difference:.0f} dB."
    publish(name, text, write=arguments.write)


if __name__ == "__main__":
    main()
