"""Make the example files and the picture of this folder.

    python docs/examples/make_example.py

Writes ``tune_clean.flac`` (the tune of ``tests/benchmarks/synthetic_tune.py``, 6 s), ``tune_noisy.flac``
(the tune with white noise at 10 dB SNR), denoises the latter in memory with the network ``white``, prints
the SNR before and after, and draws the three spectrograms into ``spectrograms.png`` (needs matplotlib,
which the ``dev`` extra brings).
"""

import sys
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from musicdenoise import Denoiser
from musicdenoise.audio import open_writer, read_audio
from musicdenoise.core.metrics import snr
from musicdenoise.core.mixing import mix_at_snr
from musicdenoise.core.stft import StftConfig, stft

FOLDER = Path(__file__).parent
sys.path.append(str(FOLDER.parents[1] / "tests" / "benchmarks"))
from synthetic_tune import synthesise_tune  # noqa: E402

RATE = 44_100
SNR_DB = 10.0


def write(name: str, samples: torch.Tensor) -> torch.Tensor:
    """Write a FLAC file and return the samples as they are read from it."""
    path = FOLDER / name
    with open_writer(
        path, sample_rate=RATE, channels=2, container="FLAC", subtype="PCM_16", overwrite=True
    ) as writer:
        writer.write(samples.numpy())
    return torch.from_numpy(read_audio(path).samples)


def draw(panels: dict[str, torch.Tensor]) -> None:
    """Draw spectrograms of the left channels, in dB below the loudest bin of all."""
    config = StftConfig()
    levels = {title: 20 * torch.log10(stft(x[0], config).abs() + 1e-6).numpy() for title, x in panels.items()}
    top = max(float(level.max()) for level in levels.values())
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(levels), sharey=True)
    for axis, (title, level) in zip(axes, levels.items(), strict=True):
        extent = (0, level.shape[1] * config.hop_length / RATE, 0, RATE / 2000)
        image = axis.imshow(
            level - top, origin="lower", aspect="auto", extent=extent, vmin=-90, vmax=0, cmap="magma"
        )
        axis.set_title(title)
        axis.set_xlabel("time (s)")
    axes[0].set_ylabel("frequency (kHz)")
    figure.colorbar(image, ax=axes, label="level (dB)")
    figure.savefig(FOLDER / "spectrograms.png", dpi=90)


def main() -> None:
    """Make everything."""
    clean = write("tune_clean.flac", synthesise_tune(6.0))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = write("tune_noisy.flac", mix_at_snr(clean, noise, SNR_DB))
    denoised = torch.from_numpy(Denoiser("white").denoise(noisy, RATE))
    before, after = snr(clean, noisy), snr(clean, denoised)
    print(f"SNR {before:.2f} dB before, {after:.2f} dB after: {after - before:+.2f} dB")
    draw({"noisy": noisy, "denoised": denoised, "clean": clean})


if __name__ == "__main__":
    main()
