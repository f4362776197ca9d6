"""What is compared: networks, simple baselines, and an oracle as the ceiling.

A system maps a loaded item to an estimate of its clean music. Networks are given as functions of waveform
and rate. If items have a sample of their noise, a system may have a second column in which it knows the
sample; the name says so.

``identity`` changes nothing. ``noisereduce``, ``noisered`` and ``afftdn`` are other programs; see
`musicdenoise.evaluation.programs`. ``oracle`` knows the clean music: its mask is ``|S|^2 / (|S|^2 + |N|^2)``
at 2048/512, the best that a real-valued mask of the powers can do (the Wiener filter; Loizou, "Speech
enhancement", 2013, section 6.4).
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from musicdenoise.core.stft import StftConfig, istft, stft
from musicdenoise.errors import UsageError
from musicdenoise.evaluation.items import LoadedItem
from musicdenoise.evaluation.programs import run_afftdn, run_noisered, run_noisereduce

Denoise = Callable[[Tensor, int, Tensor | None], Tensor]
"""Maps ``(channels, samples)``, the rate in Hz, and a sample of the noise or None to an estimate."""

BASELINES = ("identity", "noisereduce", "noisered", "afftdn", "oracle")

WITH_SAMPLE = " + sample"
"""Ending of the name of a system that knows a sample of the noise."""

_TINY_POWER = 1e-20  # far below what any format holds


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
    name: str,
    denoise: Denoise,
    weights: Path | None = None,
    sha256: str | None = None,
    *,
    with_sample: bool = False,
) -> System:
    """System of a network, given as a function of waveform, rate and noise sample.

    With ``with_sample`` the function gets the item's sample, and the name says so.
    """
    return System(
        name=name + WITH_SAMPLE if with_sample else name,
        process=lambda item: denoise(
            item.noisy, item.sample_rate, item.noise_sample if with_sample else None
        ),
        is_network=True,
        weights=weights,
        sha256=sha256,
    )


def installed_baselines(*, with_sample: bool = False) -> tuple[str, ...]:
    """The baselines that can run here, with or without a noise sample."""
    present = {
        "noisereduce": importlib.util.find_spec("noisereduce") is not None,
        "noisered": with_sample and shutil.which("sox") is not None,
        "afftdn": shutil.which("ffmpeg") is not None,
    }
    return tuple(name for name in BASELINES if present.get(name, True))


def baseline_systems(name: str, *, with_sample: bool) -> list[System]:
    """The columns of a baseline: without, and if items have samples also with a noise sample.

    Raises
    ------
    UsageError
        As for `baseline`.
    """
    alone = [] if with_sample and name in _NEED_SAMPLE else [baseline(name)]
    knowing = [baseline(name, with_sample=True)] if with_sample and name in _TAKE_SAMPLE else []
    return alone + knowing


def baseline(name: str, *, with_sample: bool = False) -> System:
    """System of a baseline by its name.

    Raises
    ------
    UsageError
        If the name is unknown, a program is missing, or the baseline needs a noise sample.
    """
    if name not in BASELINES:
        raise UsageError(f"there is no baseline {name!r}: choose from {', '.join(BASELINES)}")
    if name in _NEED_SAMPLE and not with_sample:
        raise UsageError(
            f"the baseline {name} needs a sample of the noise: give {{noise_sample}}, or leave it out",
            noise_sample=None,
        )
    if name not in installed_baselines(with_sample=with_sample):
        raise UsageError(f"the baseline {name} is not installed here: {_NEEDED[name]}, or leave it out")
    process = _TAKE_SAMPLE[name] if with_sample else _PROCESSES[name]
    return System(name=name + WITH_SAMPLE if with_sample else name, process=process)


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


def _sample_of(item: LoadedItem) -> Tensor:
    assert item.noise_sample is not None, "the item was loaded without a noise sample"
    return item.noise_sample


_PROCESSES: dict[str, Callable[[LoadedItem], Tensor]] = {
    "identity": _identity,
    "oracle": _oracle,
    "noisereduce": lambda item: run_noisereduce(item.noisy, item.sample_rate),
    "afftdn": lambda item: run_afftdn(item.noisy, item.sample_rate),
}
_TAKE_SAMPLE: dict[str, Callable[[LoadedItem], Tensor]] = {
    "noisereduce": lambda item: run_noisereduce(item.noisy, item.sample_rate, _sample_of(item)),
    "noisered": lambda item: run_noisered(item.noisy, item.sample_rate, _sample_of(item)),
    "afftdn": lambda item: run_afftdn(item.noisy, item.sample_rate, _sample_of(item)),
}
_NEED_SAMPLE = _TAKE_SAMPLE.keys() - _PROCESSES.keys()
_NEEDED = {
    "noisereduce": "pip install noisereduce",
    "noisered": "install sox",
    "afftdn": "install ffmpeg",
}
