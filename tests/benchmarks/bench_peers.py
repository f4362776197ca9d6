"""Other denoisers on the same file in the same run: time and SNR improvement.

    python tests/benchmarks/bench_peers.py [--clean SONG] [--seconds 30] [--snr 10] [--threads 2] [--write]

A song (the synthetic tune, or a file, which is cut to the length) gets white noise, with a second of noise
alone before it, from which those that want one learn a noise profile. Each program is run as a whole
process, file to file, with its usual settings; programs that are not installed are left out:

- ``musicdenoise denoise --noise white``;
- noisereduce 3 (stationary spectral gate);
- FFmpeg ``afftdn`` (``tn=1``: follows the noise);
- SoX ``noiseprof`` and ``noisered`` (amount 0.21, as its manual suggests).

The SNR is that of the song alone, without the second before it. Settings that suit one song better may do
better: this is context, not a contest.
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from results import publish, table
from synthetic_tune import synthesise_tune

from musicdenoise.audio import open_writer, read_audio
from musicdenoise.core.metrics import snr

RATE = 44_100
LEAD = RATE  # samples of noise alone

NOISEREDUCE = """
import sys, noisereduce, soundfile
noisy, rate = soundfile.read(sys.argv[1], dtype="float32")
clean = noisereduce.reduce_noise(y=noisy.T, sr=rate, y_noise=noisy.T[:, :rate], stationary=True)
soundfile.write(sys.argv[2], clean.T, rate, subtype="FLOAT")
"""


def write(path: Path, samples: np.ndarray) -> None:
    with open_writer(path, sample_rate=RATE, channels=2, container="WAV", subtype="FLOAT") as writer:
        writer.write(samples)


def commands(noisy: Path, out: Path, threads: int) -> dict[str, list[list[str]]]:
    """What each program runs, for those that are installed."""
    own = [sys.executable, "-m", "musicdenoise", "denoise", str(noisy), "-o", str(out), "--noise", "white"]
    programs = {"musicdenoise": [[*own, "--force", "--quiet", "--threads", str(threads), "--device", "cpu"]]}
    if importlib.util.find_spec("noisereduce"):
        programs["noisereduce"] = [[sys.executable, "-c", NOISEREDUCE, str(noisy), str(out)]]
    if shutil.which("ffmpeg"):
        ffmpeg = ["ffmpeg", "-y", "-v", "error", "-i", str(noisy), "-af", "afftdn=tn=1"]
        programs["ffmpeg afftdn"] = [[*ffmpeg, "-c:a", "pcm_f32le", str(out)]]
    if shutil.which("sox"):
        profile = str(out.with_suffix(".prof"))
        programs["sox noisered"] = [
            ["sox", str(noisy), "-n", "trim", "0", "1", "noiseprof", profile],
            ["sox", str(noisy), str(out), "noisered", profile, "0.21"],
        ]
    return programs


def delay_of(name: str) -> int:
    """Samples that a program's output lags behind its input (afftdn: its window less its step)."""
    return 2 * (RATE // 80) if name == "ffmpeg afftdn" else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clean", type=Path, help="a stereo song at 44.1 kHz")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--snr", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    count = round(arguments.seconds * RATE)
    song = (
        read_audio(arguments.clean).samples if arguments.clean else synthesise_tune(arguments.seconds).numpy()
    )
    clean = torch.from_numpy(np.ascontiguousarray(song[:, :count]))
    noise = torch.randn(2, clean.shape[1] + LEAD, generator=torch.Generator().manual_seed(0))
    noise *= clean.square().mean().sqrt() * 10 ** (-arguments.snr / 20)
    noisy = noise.clone()
    noisy[:, LEAD:] += clean
    before = snr(clean, noisy[:, LEAD:])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "noisy.wav", Path(folder) / "out.wav"
        write(source, noisy.numpy())
        for name, steps in commands(source, out, arguments.threads).items():
            out.unlink(missing_ok=True)
            began = time.perf_counter()
            for step in steps:
                subprocess.run(step, check=True)
            taken = time.perf_counter() - began
            result = torch.from_numpy(read_audio(out).samples)[:, LEAD + delay_of(name) :]
            length = min(result.shape[1], clean.shape[1])
            gain = snr(clean[:, :length], result[:, :length]) - before
            rows.append([name, f"{taken:.1f}", f"{taken / (noisy.shape[1] / RATE):.3f}", f"{gain:+.2f}"])
    header = ["program", "seconds", "per second of song", "SNR improvement (dB)"]
    publish("peers", table(header, rows), write=arguments.write)


if __name__ == "__main__":
    main()
