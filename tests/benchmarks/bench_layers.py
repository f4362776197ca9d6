"""Ways to compute a complex layer, layer by layer, with equal results.

    python tests/benchmarks/bench_layers.py [--complexity 32] [--repeats 5] [--device cuda] [--write]

- ``block``: one real convolution with the block kernel [R -I; I R], as `FusedDCUNet` does it.
- ``Gauss``: three real convolutions of half the channels, R (x + y), (I - R) x and (I + R) y, and their sums:
  25 % fewer multiplications (Gauss's trick).
- ``phases`` (transposed convolutions with a stride): one convolution without stride for each phase of the
  output, whose results are interleaved.

Maps are those of a stereo segment as `denoise` uses them. All ways take turns; the ratio is the time of
`block` over theirs.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import torch
from bench_efficiency import FRAMES, synchronised
from results import publish, table
from torch import Tensor
from torch.nn import functional as F

from musicdenoise.core.architecture import DCUNetConfig, encoder_inputs
from musicdenoise.core.complex_layers import ComplexConv2d, ComplexConvTranspose2d
from musicdenoise.core.dcunet import DCUNet
from musicdenoise.runtime.allocator import keep_freed_memory

CLOSE = 1e-3
Layer = ComplexConv2d | ComplexConvTranspose2d


def kernels(layer: Layer) -> tuple[Tensor, Tensor]:
    if isinstance(layer, ComplexConv2d):
        return layer.real_conv.weight, layer.im_conv.weight
    return layer.real_convt.weight, layer.im_convt.weight


def convolve(layer: Layer, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    if isinstance(layer, ComplexConv2d):
        return F.conv2d(x, kernel, bias, layer.stride, layer.padding)
    return F.conv_transpose2d(x, kernel, bias, layer.stride, layer.padding, layer.output_padding)


def packed(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)


def block_way(layer: Layer) -> Callable[[Tensor], Tensor]:
    kernel, bias = layer.kernel_and_bias()
    return partial(convolve, layer, kernel=packed(kernel), bias=bias)


def gauss_way(layer: Layer) -> Callable[[Tensor], Tensor]:
    real, imag = kernels(layer)
    sums, first, second = (packed(kernel) for kernel in (real, imag - real, imag + real))
    bias = layer.kernel_and_bias()[1][:, None, None]
    groups = layer.in_groups

    def way(x: Tensor) -> Tensor:
        parts = [part.chunk(2, 1) for part in x.split([2 * count for count in groups], 1)]
        re, im = (
            torch.cat(halves, 1) if len(groups) > 1 else halves[0] for halves in zip(*parts, strict=True)
        )
        shared = convolve(layer, re + im, sums, None)
        y = torch.cat(
            [shared - convolve(layer, im, second, None), shared + convolve(layer, re, first, None)], 1
        )
        return y.add_(bias)

    return way


def phases_way(layer: ComplexConvTranspose2d) -> Callable[[Tensor], Tensor]:
    kernel, bias = layer.kernel_and_bias()
    (fs, ts), (fp, tp) = layer.stride, layer.padding
    height, width = kernel.shape[2:]
    # Phase (a, b) of the full output holds its samples a + k fs, b + k ts: taps a + m fs of the kernel.
    taps = {
        (a, b): packed(kernel[:, :, a::fs, b::ts].transpose(0, 1).flip(2, 3))
        for a in range(fs)
        for b in range(ts)
    }

    def way(x: Tensor) -> Tensor:
        freqs, frames = (x.shape[2] - 1) * fs + height, (x.shape[3] - 1) * ts + width
        full = x.new_empty(x.shape[0], kernel.shape[1], freqs, frames).to(memory_format=torch.channels_last)
        for (a, b), phase in taps.items():
            padding = (phase.shape[2] - 1, phase.shape[3] - 1)
            full[:, :, a::fs, b::ts] = F.conv2d(x, phase, bias, padding=padding)
        op_f, op_t = layer.output_padding
        full = F.pad(full, (0, op_t, 0, op_f))
        return full[:, :, fp : full.shape[2] - fp, tp : full.shape[3] - tp]

    return way


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--complexity", type=int, help="the published table in place of the shipped one")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    config = DCUNetConfig.tapered(compressions=(0.3,))
    if arguments.complexity:
        config = DCUNetConfig.of_complexity(arguments.complexity)
    device = torch.device(arguments.device)
    network = DCUNet(config).eval().to(device)
    publish(
        f"layers C = {arguments.complexity}" if arguments.complexity else "layers",
        measure(network, device, arguments.repeats),
        write=arguments.write,
    )


@torch.inference_mode()
def measure(network: DCUNet, device: torch.device, repeats: int) -> str:
    inputs: dict[str, Tensor] = {}
    handles = [
        layer.register_forward_pre_hook(lambda _, given, name=name: inputs.update({name: given[0]}))
        for name, layer in network.named_modules()
        if isinstance(layer, Layer)
    ]
    inputs = encoder_inputs(network.config)[0]
    features = torch.randn(2, 2 * inputs, 1025, FRAMES, device=device).to(memory_format=torch.channels_last)
    network.mask(features)
    for handle in handles:
        handle.remove()
    rows, totals = [], {"block": 0.0, "Gauss": 0.0, "best": 0.0}
    for name, x in inputs.items():
        layer = network.get_submodule(name)
        ways = {"block": block_way(layer), "Gauss": gauss_way(layer)}
        if isinstance(layer, ComplexConvTranspose2d) and layer.stride != (1, 1):
            ways["phases"] = phases_way(layer)
        expected = ways["block"](x)
        for way in ways.values():
            assert float((way(x) - expected).abs().max()) < CLOSE * float(expected.abs().max()), name
        taken: dict[str, list[float]] = {label: [] for label in ways}
        for _ in range(repeats):
            for label, way in ways.items():
                taken[label].append(synchronised(partial(way, x), device))
        median = {label: statistics.median(values) for label, values in taken.items()}
        for label in ("block", "Gauss"):
            totals[label] += median[label]
        totals["best"] += min(median.values())
        ratios = [
            f"{median['block'] / median[label]:.2f}" if label in median else ""
            for label in ("Gauss", "phases")
        ]
        rows.append([name.split(".")[0], f"{median['block'] * 1000:.1f}", *ratios])
    best = f"{totals['block'] / totals['best']:.2f} with the best way for each layer"
    rows.append(["all", f"{totals['block'] * 1000:.0f}", f"{totals['block'] / totals['Gauss']:.2f}", best])
    return table(["layer", "block (ms)", "Gauss", "phases"], rows)


if __name__ == "__main__":
    main()
