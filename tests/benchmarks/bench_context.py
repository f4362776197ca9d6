"""How much context the network needs beside a segment.

    python tests/benchmarks/bench_context.py [--weights NAME|PATH] [--seconds 30]

The tune with noise is denoised in segments of three seconds with several lengths of context; each result
is compared with that of segments of twelve seconds with the longest context, in dB of the difference's
power over the result's. The share of the computation that is spent on context stands beside it.
"""

import argparse

import torch
from synthetic_tune import synthesise_tune

from musicdenoise.core.overlap import SegmentPlan, SpectralStream
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.runtime.allocator import keep_freed_memory

SEGMENT_FRAMES = 256
CONTEXTS = (16, 32, 48, 64, 96)
LONGEST = 112


@torch.inference_mode()
def denoise(denoiser: Denoiser, waveform: torch.Tensor, segment: int, context: int) -> torch.Tensor:
    reach = denoiser.network.config.level_reach
    plan = SegmentPlan(segment_frames=segment, context_frames=context, level_reach=reach)
    stream = SpectralStream(denoiser.network, denoiser.stft, plan, 1, denoiser.device)
    return torch.cat([stream.push(waveform), stream.flush()], dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="white")
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    denoiser = Denoiser(arguments.weights, device="cpu")
    tune = synthesise_tune(arguments.seconds, channels=1)
    noise = torch.randn(tune.shape, generator=torch.Generator().manual_seed(0))
    noisy = tune + noise * (0.3 * tune.square().mean().sqrt())
    expected = denoise(denoiser, noisy, 4 * SEGMENT_FRAMES, LONGEST)
    print("| context (frames) | context (s) | difference (dB) | share of the computation |")
    print("|---|---|---|---|")
    for context in CONTEXTS:
        result = denoise(denoiser, noisy, SEGMENT_FRAMES, context)
        ratio = (result - expected).square().sum() / expected.square().sum()
        share = 2 * context / (SEGMENT_FRAMES + 2 * context)
        seconds = context * denoiser.stft.hop_length / denoiser.stft.sample_rate
        print(f"| {context} | {seconds:.2f} | {10 * torch.log10(ratio):.1f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
