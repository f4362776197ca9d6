"""Peak memory of ``musicdenoise denoise`` against the length of the song, for files and pipes.

    python tests/benchmarks/bench_memory.py [--minutes 1 10 60] [--weights NAME|PATH] [--write]

Songs are stereo WAV at 44.1 kHz, the tune with noise over and over. Without ``--weights`` the network is the
smallest there is (one channel per layer), so that hours are denoised in minutes: what a network needs does
not depend on the length of the song, and what does is the same for all. The peak is the resident memory of
the whole process (``ru_maxrss``).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from results import publish, table
from synthetic_tune import synthesise_tune

from musicdenoise.audio import open_writer, probe
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.weights.checkpoint import CheckpointMetadata, save_weights

RATE = 44_100
WAV_HEADER_BYTES = 44


def make_song(path: Path, minutes: float) -> int:
    """Write a song; return its samples per channel."""
    tune = synthesise_tune(60.0)
    noise = torch.randn(tune.shape, generator=torch.Generator().manual_seed(0))
    minute = (tune + 0.1 * noise * tune.square().mean().sqrt()).numpy()
    left = round(minutes * 60 * RATE)
    with open_writer(path, sample_rate=RATE, channels=2, container="WAV", subtype="PCM_16") as writer:
        while left > 0:
            writer.write(minute[:, :left])
            left -= minute.shape[1]
        return writer.num_samples


def smallest(path: Path) -> Path:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini(profile_width=2))
    metadata = CheckpointMetadata(network=network.config, stft=StftConfig(), noise_kind="white")
    save_weights(path, network.state_dict(), metadata)
    return path


def run(command: list[str], source: Path | None, target: Path | None) -> float:
    """Peak memory in MB of a command, with files for standard input and output."""
    with (
        (source or Path(os.devnull)).open("rb") as stdin,
        (target or Path(os.devnull)).open("wb") as stdout,
        subprocess.Popen(command, stdin=stdin, stdout=stdout) as process,
    ):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return usage.ru_maxrss / 1024.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0, 60.0])
    parser.add_argument("--weights")
    parser.add_argument("--folder", type=Path, help="for the songs, a few hundred MB an hour each")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        weights = arguments.weights or str(smallest(Path(folder) / "smallest.safetensors"))
        program = [sys.executable, "-m", "musicdenoise", "denoise", "--device", "cpu", "--weights", weights]
        for minutes in arguments.minutes:
            source, target = Path(folder) / "song.wav", Path(folder) / "out.wav"
            count = make_song(source, minutes)
            for way in ("file", "pipe"):
                if way == "file":
                    peak = run([*program, str(source), "-o", str(target)], None, None)
                    length = probe(target).num_samples
                else:
                    peak = run([*program, "-"], source, target)
                    length = (target.stat().st_size - WAV_HEADER_BYTES) // 4
                target.unlink()
                equal = "equal" if length == count else f"{length - count:+d} samples"
                rows.append([f"{minutes:g} min", way, f"{peak:.0f}", equal])
            source.unlink()
    publish(
        "memory",
        table(["length", "way", "peak (MB)", "output length"], rows),
        write=arguments.write,
    )


if __name__ == "__main__":
    main()
