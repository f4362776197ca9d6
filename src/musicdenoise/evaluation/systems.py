"""What is compared: networks, simple baselines, and an oracle as the ceiling.

A system maps a loaded item to an estimate of its clean music. Networks come in from outside as functions
of waveform and rate.

``identity`` changes nothing. ``noisereduce`` is the stationary spectral gate of that package with its
defaults. ``afftdn`` is FFmpeg's FFT denoiser, told to track the noise. ``oracle`` knows the clean music: its
mask is ``|S|^2 / (|S|^2 + |N|^2)`` at 2048/512, the best that a real-valued mask of the powers can do (the
Wiener filter; Loizou, "Speech enhancement", 2013, section 6.4).
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from musicdenoise.core.stft import StftConfig, istft, stft
from musicdenoise.errors import AudioError, UsageError
from musicdenoise.evaluation.items import LoadedItem

__all__ = ["BASELINES", "System", "baseline", "installed_baselines", "network_system"]

Denoise = Callable[[Tensor, int], Tensor]
"""Maps ``(channels, samples)`` and the rate in Hz to an estimate of the same shape."""

BASELINES = ("identity", "noisereduce", "afftdn", "oracle")

_TINY_POWER = 1e-20
_NOISEREDUCE_FRAME = 1024  # by default; it fails on what is shorter


@dataclass(frozen=True, kw_only=True)
class System:
    """Something that denoises.

    Parameters
    ----------
    name
        Unique name.
    process
        Maps an item to an estimate ``(channels, samples)`` of its clean music.
    is_network
        Whether it is a network, or chooses one for each item.
    weights
        File of the weights, if it is a single network.
    sha256
        Digest of that file.
    """

    name: str
    process: Callable[[LoadedItem], Tensor]
    is_network: bool = False
    weights: Path | None = None
    sha256: str | None = None


def network_system(
    name: str, denoise: Denoise, weights: Path | None = None, sha256: str | None = None
) -> System:
    """System of a network, given as a function of waveform and rate."""
    return System(
        name=name,
        process=lambda item: denoise(item.noisy, item.sample_rate),
        is_network=True,
        weights=weights,
        sha256=sha256,
    )


def installed_baselines() -> tuple[str, ...]:
    """Baselines that can run here: ``noisereduce`` and ``afftdn`` need their programs."""
    present = {
        "noisereduce": importlib.util.find_spec("noisereduce") is not None,
        "afftdn": shutil.which("ffmpeg") is not None,
    }
    return tuple(name for name in BASELINES if present.get(name, True))


def baseline(name: str) -> System:
    """System of a baseline by its name.

    Raises
    ------
    UsageError
        If there is no such baseline, or what it needs is not installed.
    """
    if name not in BASELINES:
        raise UsageError(f"there is no baseline {name!r}: choose from {', '.join(BASELINES)}")
    if name not in installed_baselines():
        needed = "pip install noisereduce" if name == "noisereduce" else "install ffmpeg"
        raise UsageError(f"the baseline {name} is not installed here: {needed}, or leave it out")
    return System(name=name, process=_PROCESSES[name])


def _identity(item: LoadedItem) -> Tensor:
    return item.noisy


def _oracle(item: LoadedItem) -> Tensor:
    config = StftConfig(sample_rate=item.sample_rate)
    num_samples = item.clean.shape[-1]
    # Signals shorter than a frame are extended by silence, which changes nothing in the rest.
    missing = max(0, config.n_fft - num_samples)
    clean, noisy = (F.pad(wave, (0, missing)) for wave in (item.clean, item.noisy))
    mixture, music = stft(noisy, config), stft(clean, config)
    powers = music.abs().square()
    mask = powers / (powers + (mixture - music).abs().square() + _TINY_POWER)
    return istft(mask * mixture, config, num_samples=num_samples + missing)[..., :num_samples]


def _noisereduce(item: LoadedItem) -> Tensor:
    import noisereduce

    num_samples = item.noisy.shape[-1]
    noisy = F.pad(item.noisy, (0, max(0, _NOISEREDUCE_FRAME - num_samples)))
    cleaned = noisereduce.reduce_noise(y=noisy.numpy(), sr=item.sample_rate, stationary=True)
    return torch.from_numpy(np.asarray(cleaned, dtype=np.float32)).reshape(noisy.shape)[:, :num_samples]


def _afftdn(item: LoadedItem) -> Tensor:
    channels, num_samples = item.noisy.shape
    raw = ("-f", "f32le", "-ar", str(item.sample_rate), "-ac", str(channels))
    command = ["ffmpeg", "-v", "error", *raw, "-i", "-", "-af", "afftdn=tn=1", *raw, "-"]
    # Its output lags by its window less its step, 3 and 1 eightieth of a second (af_afftdn.c of FFmpeg).
    delay = 2 * (item.sample_rate // 80)
    interleaved = np.ascontiguousarray(F.pad(item.noisy, (0, delay)).numpy().T, dtype="<f4")
    result = subprocess.run(command, input=interleaved.tobytes(), capture_output=True, check=False)
    if result.returncode:
        reason = (result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise AudioError(f"{item.item.noisy}: ffmpeg's afftdn failed: {reason}; leave the baseline out")
    samples = np.frombuffer(result.stdout, dtype="<f4").reshape(-1, channels).T
    samples = samples[:, delay : delay + num_samples]
    estimate = torch.from_numpy(np.array(samples, dtype=np.float32))
    return F.pad(estimate, (0, num_samples - estimate.shape[-1]))


_PROCESSES: dict[str, Callable[[LoadedItem], Tensor]] = {
    "identity": _identity,
    "oracle": _oracle,
    "noisereduce": _noisereduce,
    "afftdn": _afftdn,
}
