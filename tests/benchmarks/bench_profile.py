"""What the noise profile costs.

    python tests/benchmarks/bench_profile.py [--weights NAME|PATH] [--seconds 20] [--rounds 5] [--write]

The same music with white noise, stereo, is denoised by a network with its profile filter and without, in
turns; the best time of each counts. Beside it stands how much the filter changes the result.
"""

import argparse
import time

import numpy as np
from results import publish, table
from synthetic_tune import synthesise_tune

from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.runtime.allocator import keep_freed_memory
from musicdenoise.weights.checkpoint import load_weights
from musicdenoise.weights.store import resolve_weights

RATE = 44_100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="mixed")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    network, metadata = load_weights(resolve_weights(arguments.weights).path)
    if network.profile is None:
        parser.error(f"{arguments.weights} has no noise profile")
    denoisers = {"with its profile filter": Denoiser.from_network(network, metadata.stft)}
    network.profile = None
    denoisers["without"] = Denoiser.from_network(network, metadata.stft)
    tune = synthesise_tune(arguments.seconds, channels=2).numpy()
    noise = np.random.default_rng(0).standard_normal(tune.shape).astype(np.float32)
    noisy = tune + noise * (0.3 * np.sqrt(np.mean(np.square(tune))))
    best = dict.fromkeys(denoisers, float("inf"))
    results = {}
    for _ in range(arguments.rounds):
        for name, denoiser in denoisers.items():
            start = time.perf_counter()
            results[name] = denoiser.denoise(noisy, RATE)
            best[name] = min(best[name], time.perf_counter() - start)
    refined, plain = results.values()
    change_db = 10.0 * np.log10(np.sum(np.square(refined - plain)) / np.sum(np.square(plain)))
    rows = [
        [name, f"{seconds / arguments.seconds:.3f}", f"{seconds / best['without']:.2f}"]
        for name, seconds in best.items()
    ]
    header = [f"`{arguments.weights}`", "s per second of music", "ratio"]
    publish("profile", table(header, rows), write=arguments.write)
    print(f"The filter changes the result by {change_db:.1f} dB.")


if __name__ == "__main__":
    main()
