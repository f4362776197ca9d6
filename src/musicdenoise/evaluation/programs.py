"""Other denoisers to compare with: noisereduce, SoX and FFmpeg, with their usual settings.

Each may be given a sample of the noise alone, the way it is meant to be:

- *noisereduce* gates with the statistics of the sample (``y_noise``), not with those of the whole recording;
- *noisered* of SoX takes a profile from it (``noiseprof``), and needs one; its amount is 0.21, as its manual
  suggests;
- *afftdn* of FFmpeg learns the shape of the spectrum from the sample, which is put in front of the
  recording (``sample_noise``). It also needs the level (``noise_floor``): the level of the sample per band,
  averaged over bands of equal width on a logarithmic frequency scale, plus 2.5 dB. The filter adds that
  margin itself when it measures the level (``af_afftdn.c``). It takes levels up to -20 dB, so louder
  recordings are lowered before it. Without a sample it tracks the noise.

Conventions: recordings and samples are float32 ``(channels, samples)`` with the same number of channels.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from musicdenoise.errors import AudioError

_NOISEREDUCE_FRAME = 1024  # by default; it fails on what is shorter
_NOISERED_AMOUNT = 0.21  # suggested by SoX's manual
_BANDS, _LOWEST_HZ, _HIGHEST_HZ = 15, 80.0, 20_000.0
_FLOOR_MARGIN_DB = 2.5  # as the filter adds it itself
_FLOOR_RANGE_DB = (-80.0, -20.0)  # that the filter takes
_TINY_POWER = 1e-20  # far below what any format holds


def run_noisereduce(noisy: Tensor, sample_rate: int, sample: Tensor | None = None) -> Tensor:
    """Stationary spectral gate of the package noisereduce, with its defaults."""
    import noisereduce

    num_samples = noisy.shape[-1]
    padded = _at_least(noisy, _NOISEREDUCE_FRAME)
    noise = None if sample is None else _at_least(sample, _NOISEREDUCE_FRAME).numpy()
    cleaned = noisereduce.reduce_noise(y=padded.numpy(), sr=sample_rate, y_noise=noise, stationary=True)
    return torch.from_numpy(np.asarray(cleaned, dtype=np.float32)).reshape(padded.shape)[:, :num_samples]


def run_noisered(noisy: Tensor, sample_rate: int, sample: Tensor) -> Tensor:
    """SoX's noise reduction with a profile of the sample.

    Raises
    ------
    AudioError
        If it fails.
    """
    channels, num_samples = noisy.shape
    # SoX computes in integers, which end at full scale.
    peak = max(1.0, float(noisy.abs().max()), float(sample.abs().max()))
    raw = ["-t", "raw", "-r", str(sample_rate), "-e", "floating-point", "-b", "32", "-c", str(channels), "-"]
    with tempfile.TemporaryDirectory() as folder:
        profile = str(Path(folder) / "noise.prof")
        _run(["sox", "-V1", *raw, "-n", "noiseprof", profile], sample / peak)
        steps = ["noisered", profile, str(_NOISERED_AMOUNT)]
        cleaned = _run(["sox", "-V1", "-D", *raw, *raw, *steps], noisy / peak)
    return _at_least(cleaned * peak, num_samples)[:, :num_samples]


def run_afftdn(noisy: Tensor, sample_rate: int, sample: Tensor | None = None) -> Tensor:
    """FFmpeg's FFT denoiser.

    Raises
    ------
    AudioError
        If it fails.
    """
    channels, num_samples = noisy.shape
    raw = ["-f", "f32le", "-ar", str(sample_rate), "-ac", str(channels)]
    # Its output lags by its window less its step, 3 and 1 eightieth of a second (af_afftdn.c of FFmpeg).
    skipped = 2 * (sample_rate // 80)
    filters, gain = "afftdn=tn=1", 1.0
    if sample is not None:
        floor_db = _afftdn_floor_db(sample, sample_rate)
        gain = min(1.0, 10.0 ** ((_FLOOR_RANGE_DB[1] - floor_db) / 20.0))
        floor_db = min(max(floor_db, _FLOOR_RANGE_DB[0]), _FLOOR_RANGE_DB[1])
        seconds = sample.shape[-1] / sample_rate
        learn = f"asendcmd=c='0.0 afftdn sn start; {seconds:.4f} afftdn sn stop'"
        filters = f"{learn},afftdn=nf={floor_db:.2f}"
        # The filter reads one window further than the command to stop, so the sample continues that long.
        lead = torch.cat([sample, sample[:, : 4 * skipped]], dim=-1)
        noisy = torch.cat([lead, noisy], dim=-1)
        skipped += lead.shape[-1]
    command = ["ffmpeg", "-v", "error", *raw, "-i", "-", "-af", filters, *raw, "-"]
    cleaned = _run(command, F.pad(gain * noisy, (0, 2 * (sample_rate // 80)))) / gain
    return _at_least(cleaned[:, skipped:], num_samples)[:, :num_samples]


def _afftdn_floor_db(sample: Tensor, sample_rate: int) -> float:
    """Level of a noise as afftdn counts it: for white noise, its RMS in dB re full scale plus 2.5."""
    length = sample.shape[-1]
    # Twice the squares of all bins but the first, because negative frequencies have the same.
    powers = 2.0 * torch.fft.rfft(sample.double()).abs().square().mean(0) / length**2
    edges = np.geomspace(_LOWEST_HZ, min(_HIGHEST_HZ, sample_rate / 2.0), _BANDS + 1) * length / sample_rate
    levels = []
    for low, high in itertools.pairwise(edges):
        band = powers[math.floor(low) : max(math.floor(low) + 1, math.floor(high))]
        # The power that white noise of this density has in the whole band.
        levels.append(10.0 * math.log10(float(band.mean()) * length / 2.0 + _TINY_POWER))
    return sum(levels) / len(levels) + _FLOOR_MARGIN_DB


def _at_least(waveform: Tensor, num_samples: int) -> Tensor:
    """A waveform, extended by silence to at least this many samples."""
    return F.pad(waveform, (0, max(0, num_samples - waveform.shape[-1])))


def _run(command: list[str], waveform: Tensor) -> Tensor:
    """What a program makes of raw audio on its standard input."""
    interleaved = np.ascontiguousarray(waveform.numpy().T, dtype="<f4")
    result = subprocess.run(command, input=interleaved.tobytes(), capture_output=True, check=False)
    if result.returncode:
        reason = (result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise AudioError(f"{command[0]} failed as a baseline: {reason}; leave the baseline out")
    samples = np.frombuffer(result.stdout, dtype="<f4").reshape(-1, waveform.shape[0]).T
    return torch.from_numpy(np.array(samples, dtype=np.float32))
