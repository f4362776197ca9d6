"""Several programs at once: does each get its share of the processors?

    python tests/benchmarks/bench_processes.py [--processes 1 2 3] [--seconds 12] [--rounds 3] [--write]

So many ``musicdenoise denoise`` run at once, each with as many threads as there are processors, with threads
that sleep while they wait for work (``OMP_WAIT_POLICY=passive``, which the command sets) and with the default
of GNU's OpenMP, threads that spin for a while, in turns. The table has medians of the seconds until all are
done.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from results import publish, table
from synthetic_tune import synthesise_tune

from musicdenoise.audio import open_writer

RATE = 44_100
POLICIES = {"sleeping": {"OMP_WAIT_POLICY": "passive"}, "spinning": {"GOMP_SPINCOUNT": "300000"}}


def denoise(song: Path, count: int, policy: dict[str, str]) -> float:
    """Seconds until so many processes are done."""
    program = [sys.executable, "-m", "musicdenoise", "denoise", str(song), "--device", "cpu", "--quiet"]
    outputs = [["-o", str(song.with_name(f"out{number}.wav")), "--force"] for number in range(count)]
    environment = {**os.environ, **policy}
    began = time.perf_counter()
    running = [subprocess.Popen([*program, *output], env=environment) for output in outputs]
    failures = [process.wait() for process in running]
    if any(failures):
        raise SystemExit(f"{' '.join(program)} failed")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        song = Path(folder) / "song.wav"
        tune = synthesise_tune(arguments.seconds)
        noise = torch.randn(tune.shape, generator=torch.Generator().manual_seed(0))
        with open_writer(song, sample_rate=RATE, channels=2, container="WAV", subtype="PCM_16") as writer:
            writer.write((tune + 0.3 * tune.square().mean().sqrt() * noise).numpy())
        denoise(song, 1, POLICIES["sleeping"])
        for count in arguments.processes:
            taken: dict[str, list[float]] = {name: [] for name in POLICIES}
            for _ in range(arguments.rounds):
                for name, policy in POLICIES.items():
                    taken[name].append(denoise(song, count, policy))
            ratio = statistics.median(a / b for a, b in zip(*taken.values(), strict=True))
            seconds = [f"{statistics.median(values):.1f}" for values in taken.values()]
            rows.append([str(count), *seconds, f"{ratio:.2f}"])
    headings = ["programs at once", *(f"{name} (s)" for name in POLICIES), "ratio"]
    publish("processes", table(headings, rows), write=arguments.write)


if __name__ == "__main__":
    main()
