"""Speed of denoising beside a plain forward of the same network, in one run.

    python tests/benchmarks/bench_denoise.py [--weights NAME|PATH] [--seconds 30] [--repeats 3] [--write]
    python tests/benchmarks/bench_denoise.py --complexity 32 [...]

``--complexity`` takes a network of the published channel table with random weights, in a ``.pth`` file of
NoiseRemover's form, in place of a pretrained one. The tune with noise, stereo at 44.1 kHz, is denoised by

- ``plain``: the network as it is trained, in float32 and the usual memory layout, four real convolutions
  per complex layer and norms apart, over segments of 3.74 s that overlap by 30 %, one channel after the
  other: what a direct implementation of the papers does;
- ``plain, memory kept``: the same, but freed memory is used again (`keep_freed_memory`), otherwise only in
  ``song``;
- ``layers``: the same segments and layout, with the block convolutions of `DCUNet`;
- ``song``: what `musicdenoise denoise` does but for reading and writing files.

Each way has a process of its own; the runs alternate. A row gives the median real-time factor (seconds taken
per second of song) and the median of the ratios to ``plain`` of the same repeat. Last comes how far the song
is from what the network gives with its norms apart, in dB.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from results import publish, table
from synthetic_tune import synthesise_tune
from torch.nn import functional as F

from musicdenoise.core.architecture import MASKS, DCUNetConfig, Frames
from musicdenoise.core.complex_layers import ComplexConv2d
from musicdenoise.core.dcunet import LEAKY_SLOPE, DCUNet, masked_estimate
from musicdenoise.core.overlap import SegmentPlan, SpectralStream
from musicdenoise.core.stft import istft, stft
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.runtime.allocator import keep_freed_memory
from musicdenoise.weights.loading import load_network
from musicdenoise.weights.store import resolve_weights

RATE = 44_100
SEGMENT_SAMPLES = 164_864  # 323 frames, 3.74 s
OVERLAP = 0.3
PLAIN = "plain"
KEPT = "plain, memory kept"
LAYERS = "layers"
SONG = "song"
WAYS = (PLAIN, KEPT, LAYERS, SONG)


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
    network.profile = None  # stands behind the fused network, not in it

    def unfused(spectrogram: torch.Tensor, gains: torch.Tensor, wanted: Frames) -> torch.Tensor:
        return network(spectrogram, gains)[..., wanted.first : wanted.beyond]

    for estimator in (unfused, denoiser.network):
        reach = network.config.level_reach
        plan = SegmentPlan(level_reach=reach)
        stream = SpectralStream(estimator, denoiser.stft, plan, noisy.shape[0], denoiser.device)
        results.append(torch.cat([stream.push(noisy), stream.flush()], dim=1))
    ratio = (results[0] - results[1]).square().sum() / results[0].square().sum()
    return float(10.0 * torch.log10(ratio.clamp_min(1e-20)))


def noisy_tune(seconds: float) -> torch.Tensor:
    tune = synthesise_tune(seconds)
    noise = torch.randn(tune.shape, generator=torch.Generator().manual_seed(0))
    return tune + 0.3 * noise * tune.square().mean().sqrt()


class Way:
    """One way to denoise, in a process of its own."""

    prepared: Callable[[], object]

    @classmethod
    def prepare(cls, name: str, path: Path, seconds: float, threads: int) -> None:
        if name in (KEPT, SONG):
            keep_freed_memory()
        torch.set_num_threads(threads)
        noisy = noisy_tune(seconds)
        if name == SONG:
            cls.prepared = partial(Denoiser(path, device="cpu").denoise, noisy, RATE)
            return
        network, metadata = load_network(path)
        mask = network.mask if name == LAYERS else partial(plain_mask, network)
        cls.prepared = partial(in_segments, network, mask, noisy, metadata.stft)

    @classmethod
    def run(cls) -> float:
        """Seconds taken."""
        with torch.inference_mode():
            began = time.perf_counter()
            cls.prepared()
            return time.perf_counter() - began


def measure(path: Path, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of every way, the runs in turns."""
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    processes = {
        name: ProcessPoolExecutor(
            1,
            multiprocessing.get_context("spawn"),
            Way.prepare,
            (name, path, arguments.seconds, arguments.threads),
        )
        for name in WAYS
    }
    for repeat in range(arguments.repeats + 1):  # the first warms up
        for name, process in processes.items():
            seconds = process.submit(Way.run).result()
            if repeat:
                taken[name].append(seconds)
    for process in processes.values():
        process.shutdown()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="white")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--complexity", type=int)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = resolve_weights(arguments.weights).path
        if arguments.complexity:
            path = random_weights(Path(folder) / "random.pth", arguments.complexity)
        seconds = measure(path, arguments)
        network, _ = load_network(path)
        denoiser = Denoiser(path, device="cpu")
    rows = []
    for name, taken in seconds.items():
        ratios = [plain / own for plain, own in zip(seconds[PLAIN], taken, strict=True)]
        factor = statistics.median(taken) / arguments.seconds
        rows.append([name, f"{factor:.3f}", f"{statistics.median(ratios):.2f}"])
    name = f"denoise C = {arguments.complexity}" if arguments.complexity else "denoise"
    text = table(["way", "real-time factor", "times as fast as plain"], rows)
    with torch.inference_mode():
        difference = fused_difference_db(network, denoiser, noisy_tune(arguments.seconds))
    text += f"\n\nFused and unfused network differ by {difference:.0f} dB."
    publish(name, text, write=arguments.write)


if __name__ == "__main__":
    main()
