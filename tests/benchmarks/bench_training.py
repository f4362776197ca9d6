"""Training throughput: fused block convolutions against the layer-by-layer formulation.

    python tests/benchmarks/bench_training.py [--device cuda] [--complexity 8] [--frames 131] [--batch 4]

Three ways to compute the same training step of the same network, in turns, in one run:

* layer by layer, as the reference does: four real convolutions per complex layer, two norms, the parts
  stacked into a last dimension after every layer and unstacked before the next, maps in the usual order;
* this project's layers: one real block convolution and one norm, ``channels_last``, in float32;
* the same in bfloat16.

Prints seconds per step (median over rounds), audio seconds per second, and ratios to the first.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.architecture import MASKS, DCUNetConfig
from musicdenoise.core.complex_layers import ComplexConv2d
from musicdenoise.core.dcunet import LEAKY_SLOPE, DCUNet, masked_estimate
from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.losses import error_ratio_loss
from musicdenoise.core.stft import istft, stft
from musicdenoise.training.config import TrainConfig
from musicdenoise.training.state import new_state
from musicdenoise.training.step import train_step


def apart(layer: nn.Module, x: Tensor) -> Tensor:
    """One complex layer on ``(batch, channels, freqs, frames, 2)`` by four real convolutions."""
    conv = layer.cconv if hasattr(layer, "cconv") else layer.cconvt
    is_plain = isinstance(conv, ComplexConv2d)
    real = conv.real_conv if is_plain else conv.real_convt
    imag = conv.im_conv if is_plain else conv.im_convt
    x_re, x_im = x[..., 0], x[..., 1]
    x = torch.stack([real(x_re) - imag(x_im), imag(x_re) + real(x_im)], dim=-1)
    if not getattr(layer, "has_norm", True):
        return x
    x = torch.stack([layer.cbn.real_b(x[..., 0]), layer.cbn.im_b(x[..., 1])], dim=-1)
    return F.leaky_relu(x, LEAKY_SLOPE)


class LayerByLayer(nn.Module):
    """A `DCUNet` computed as the reference computes it."""

    def __init__(self, network: DCUNet) -> None:
        super().__init__()
        self.network = network
        self.config = network.config

    def mask(self, features: Tensor) -> Tensor:
        encoders, decoders = self.network.layers()
        x = features.contiguous().unsqueeze(1).movedim(2, -1)
        inputs = []
        for encoder in encoders:
            inputs.append(x)
            x = apart(encoder, x)
        for i, decoder in enumerate(decoders):
            x = apart(decoder, x if i == 0 else torch.cat([x, inputs[len(encoders) - i]], dim=1))
        return MASKS[self.config.mask](x[:, 0].movedim(-1, 1))

    def forward(self, spectrogram: Tensor, gains: Tensor) -> Tensor:
        return masked_estimate(spectrogram, self.config, self.mask, gains)


def fused_step(config: TrainConfig, noisy: Tensor, target: Tensor, dtype: torch.dtype) -> Callable[[], None]:
    state = new_state(config, noisy.device)
    return lambda: train_step(state, [(noisy, target)], dtype, noisy.device) and None


def layered_step(config: TrainConfig, noisy: Tensor, target: Tensor) -> Callable[[], None]:
    torch.manual_seed(config.seed)
    network = LayerByLayer(DCUNet(config.network)).to(noisy.device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        spectrogram = stft(noisy, config.stft)
        gains = frame_gains(frame_powers(spectrogram), config.network.level_reach)
        cleaned = istft(network(spectrogram, gains), config.stft, num_samples=noisy.shape[-1])
        error_ratio_loss(target, cleaned).backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
        optimizer.step()

    return step


def check_same(config: TrainConfig, noisy: Tensor) -> float:
    """Largest difference of both formulations, relative to the largest value."""
    torch.manual_seed(config.seed)
    network = DCUNet(config.network).to(noisy.device).eval()
    spectrogram = stft(noisy, config.stft)
    gains = frame_gains(frame_powers(spectrogram), config.network.level_reach)
    with torch.no_grad():
        ours = network(spectrogram, gains)
        theirs = LayerByLayer(network).eval()(spectrogram, gains)
    return float((ours - theirs).abs().max() / theirs.abs().max())


def timed(step: Callable[[], None], device: torch.device) -> float:
    began = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--complexity", type=int, default=8)
    parser.add_argument("--frames", type=int, default=131)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    device = torch.device(options.device)
    config = TrainConfig(
        network=DCUNetConfig.of_complexity(options.complexity),
        segment_frames=options.frames,
        batch_size=options.batch,
        steps=10_000,
    )
    noisy = torch.randn(options.batch, 1, config.segment_samples, device=device)
    target = 0.5 * noisy
    print(f"largest relative difference of both formulations: {check_same(config, noisy):.1e}")
    full = replace(config, precision="float32")
    variants = {
        "layer by layer, float32": layered_step(config, noisy, target),
        "fused, float32": fused_step(full, noisy, target, torch.float32),
        "fused, bfloat16": fused_step(config, noisy, target, torch.bfloat16),
    }
    for step in variants.values():
        step()
    times = {name: [] for name in variants}
    for _ in range(options.rounds):
        for name, step in variants.items():  # in turns, so that a busy machine slows all alike
            times[name].append(timed(step, device))
    audio = options.batch * config.segment_seconds
    base = statistics.median(times["layer by layer, float32"])
    print(f"C = {options.complexity}, {options.batch} x {config.segment_seconds:.2f} s, {device}")
    print(f"{'':26s} {'s/step':>8s} {'audio s/s':>10s} {'ratio':>6s}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:26s} {median:8.3f} {audio / median:10.2f} {base / median:6.2f}")


if __name__ == "__main__":
    main()
