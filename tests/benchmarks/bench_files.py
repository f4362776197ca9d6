"""Whole files with white noise through ``denoise_file``: SNR before and after, by format.

    python tests/benchmarks/bench_files.py --songs SONGS [--weights NAME|PATH] [--seconds 20] [--write]

The songs are written in turn as WAV at 44.1 kHz, as WAV at 48 kHz, and as MP3 (V0), stereo, with white noise
at 0 to 20 dB that differs between the channels, and denoised as the command does it, gate and all. Input and
output *files* are compared with the clean song, so that for MP3 the codec's own error counts on both sides.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from results import publish, table
from torch import Tensor

from musicdenoise.audio import open_writer, probe, read_audio
from musicdenoise.core.metrics import snr
from musicdenoise.core.mixing import mix_at_snr
from musicdenoise.core.resample import resample
from musicdenoise.data.catalogue import song_files
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.files import denoise_file
from musicdenoise.runtime.allocator import keep_freed_memory

FORMATS = {
    "WAV, 44.1 kHz": (44_100, "WAV", "PCM_16", "wav"),
    "WAV, 48 kHz": (48_000, "WAV", "PCM_24", "wav"),
    "MP3 (V0), 44.1 kHz": (44_100, "MP3", "MPEG_LAYER_III", "mp3"),
}
SNRS_DB = (0.0, 5.0, 10.0, 15.0, 20.0)
PEAK = 0.5  # of the clean song, so that no sample clips


def stereo(path: Path, seconds: float, rate: int) -> Tensor:
    """The song's middle."""
    info = probe(path)
    count = min(info.num_samples, round(seconds * info.sample_rate))
    read = read_audio(path, start=(info.num_samples - count) // 2, num_samples=count)
    samples = resample(torch.from_numpy(read.samples), info.sample_rate, rate)
    samples = samples[:2] if samples.shape[0] > 1 else samples.repeat(2, 1)
    return samples * (PEAK / samples.abs().max())


def gain(denoiser: Denoiser, clean: Tensor, kind: str, snr_db: float, folder: Path, seed: int) -> float:
    """SNR improvement of one file in dB."""
    rate, container, subtype, suffix = FORMATS[kind]
    source, target = folder / f"noisy.{suffix}", folder / f"denoised.{suffix}"
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    with open_writer(
        source, sample_rate=rate, channels=2, container=container, subtype=subtype, overwrite=True
    ) as writer:
        writer.write(mix_at_snr(clean, noise, snr_db).clamp(-1.0, 1.0).numpy())
    target.unlink(missing_ok=True)
    denoise_file(denoiser, source, target)
    before, after = (torch.from_numpy(read_audio(path).samples) for path in (source, target))
    if after.shape != before.shape:
        raise SystemExit(f"{kind}: {tuple(before.shape)} samples went in, {tuple(after.shape)} came out")
    count = min(clean.shape[1], after.shape[1])
    return snr(clean[:, :count], after[:, :count]) - snr(clean[:, :count], before[:, :count])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--weights", default="white")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    denoiser = Denoiser(arguments.weights, device="cpu")
    kinds = list(FORMATS)
    gains: dict[tuple[float, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for i, path in enumerate(song_files(arguments.songs)):
            kind = kinds[i % len(kinds)]
            clean = stereo(path, arguments.seconds, FORMATS[kind][0])
            for snr_db in SNRS_DB:
                value = gain(denoiser, clean, kind, snr_db, Path(folder), seed=i)
                gains.setdefault((snr_db, kind), []).append(value)
                print(f"{path.name} {kind} {snr_db:.0f} dB: {value:+.2f} dB", flush=True)
    rows = []
    for snr_db in SNRS_DB:
        columns = [gains[snr_db, kind] for kind in kinds]
        every = [value for column in columns for value in column]
        means = [f"{statistics.mean(values):+.2f}" for values in (*columns, every)]
        rows.append([f"{snr_db:.0f}", *means, f"{min(every):+.2f}"])
    mean = float(np.mean([value for column in gains.values() for value in column]))
    header = ["input SNR (dB)", *kinds, "all", "least"]
    publish("files", f"{table(header, rows)}\n\nMean {mean:+.2f} dB.", write=arguments.write)


if __name__ == "__main__":
    main()
