"""How much of the machine's arithmetic the network uses, and where the time of a song goes.

    python tests/benchmarks/bench_efficiency.py [--seconds 20] [--repeats 5] [--device cuda] [--write]

- ``efficiency``: GFLOP/s of the fused network (stereo, segments as `denoise` uses them), over the GFLOP/s
  of a product of two 2048 x 2048 matrices in float32, measured in turns. The operations are those of the
  convolutions as configured, a multiplication and an addition counted as two (torch's flop counter).
- ``shares``: the time of a whole song, file to file, by step, for the shipped default network at 44.1 and
  48 kHz (which is resampled to the network and back). Decoding and encoding go on beside the other steps.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from results import publish, table
from synthetic_tune import synthesise_tune
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from musicdenoise.audio import open_reader, open_writer
from musicdenoise.core import overlap
from musicdenoise.core.architecture import SEEN_FRAMES, DCUNetConfig, encoder_inputs
from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.fused import FusedDCUNet
from musicdenoise.denoising import rate_stream
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.files import denoise_file
from musicdenoise.runtime.allocator import keep_freed_memory

MATRIX = 2048
FRAMES = SEEN_FRAMES + 512 + SEEN_FRAMES + 3  # a segment of 6 s with its context
CHANNELS = 2
ASIDE = ("decode", "encode")  # in threads of their own, while the network computes


def synchronised(function: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def multiply(square: Tensor, times: int) -> None:
    for _ in range(times):
        square @ square


def flops_of(network: torch.nn.Module, features: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        network.mask(features)
    return counter.get_total_flops()


def efficiency(arguments: argparse.Namespace) -> str:
    device = torch.device(arguments.device)
    square = torch.randn(MATRIX, MATRIX, device=device)
    rows = []
    configs = {
        "shipped (tapered)": DCUNetConfig.tapered(compressions=(0.3,)),
        "C = 32": DCUNetConfig.of_complexity(32),
    }
    for name, config in configs.items():
        torch.manual_seed(0)
        network = FusedDCUNet(DCUNet(config).eval()).to(device)
        features = torch.randn(CHANNELS, 2 * encoder_inputs(config)[0], 1025, FRAMES, device=device)
        features = features.to(memory_format=torch.channels_last)
        flops = flops_of(network, features)
        taken: dict[str, list[float]] = {"network": [], "matrix": []}
        for repeat in range(arguments.repeats + 1):  # the first warms up
            own = synchronised(partial(network.mask, features), device)
            products = max(1, round(own * 2e11 / (2 * MATRIX**3)))
            matrix = synchronised(partial(multiply, square, products), device) / products
            if repeat:
                taken["network"].append(flops / own / 1e9)
                taken["matrix"].append(2 * MATRIX**3 / matrix / 1e9)
        speeds = {key: statistics.median(values) for key, values in taken.items()}
        ratio = statistics.median(a / b for a, b in zip(*taken.values(), strict=True))
        rows.append(
            [
                name,
                f"{flops / 1e9:.0f}",
                f"{speeds['network']:.0f}",
                f"{speeds['matrix']:.0f}",
                f"{ratio:.2f}",
            ]
        )
    return table(["network", "GFLOP a segment", "GFLOP/s", "matrix product GFLOP/s", "ratio"], rows)


class Stopwatch:
    """Sums up the time spent in functions, less that spent in other watched ones within, thread by thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._of_thread = threading.local()

    @property
    def _inner(self) -> list[float]:
        return self._of_thread.__dict__.setdefault("inner", [0.0])

    def watch(self, owner: object, name: str, label: str) -> None:
        function = getattr(owner, name)

        def timed(*args, **kwargs):
            began = time.perf_counter()
            self._inner.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - began
                self.seconds[label] += whole - self._inner.pop()
                self._inner[-1] += whole

        setattr(owner, name, timed)


def shares(arguments: argparse.Namespace) -> str:
    watch = Stopwatch()
    denoiser = Denoiser(None, device=arguments.device)
    from musicdenoise.audio.reader import AudioReader
    from musicdenoise.audio.writer import AudioWriter
    from musicdenoise.denoising.meter import SongMeter

    watch.watch(AudioReader, "read", "decode")
    watch.watch(AudioWriter, "write", "encode")
    watch.watch(rate_stream.StreamResampler, "push", "resample")
    watch.watch(rate_stream.StreamResampler, "flush", "resample")
    watch.watch(FusedDCUNet, "forward", "network")
    watch.watch(overlap, "stft", "STFT")
    watch.watch(overlap.OverlapAdd, "push", "STFT")
    watch.watch(SongMeter, "take", "measure")
    labels = ["decode", "resample", "STFT", "network", "measure", "encode"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for rate, container, subtype in (
            (44_100, "WAV", "PCM_16"),
            (48_000, "WAV", "PCM_16"),
            (44_100, "MP3", "MPEG_LAYER_III"),
        ):
            path = Path(folder) / f"song.{container.lower()}"
            samples = synthesise_tune(arguments.seconds, sample_rate=rate).numpy()
            with open_writer(
                path, sample_rate=rate, channels=2, container=container, subtype=subtype, overwrite=True
            ) as writer:
                writer.write(samples)
            with open_reader(path) as reader:
                seconds = reader.info.duration_seconds
            denoise_file(denoiser, path, Path(folder) / f"warm{rate}{path.suffix}")
            watch.seconds.clear()
            report = denoise_file(denoiser, path, Path(folder) / f"out{rate}{path.suffix}")
            parts = [f"{watch.seconds[label] / report.seconds:.1%}" for label in labels]
            other = 1.0 - sum(watch.seconds[label] for label in labels if label not in ASIDE) / report.seconds
            rows.append([f"{rate} Hz {container}", f"{report.seconds / seconds:.3f}", *parts, f"{other:.1%}"])
    return table(["stereo song", "real-time factor", *labels, "other"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        publish("efficiency", efficiency(arguments), write=arguments.write)
    publish("shares", shares(arguments), write=arguments.write)


if __name__ == "__main__":
    main()
