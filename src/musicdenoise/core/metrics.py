"""Objective measures of a denoised signal.

Conventions: every measure takes ``(reference, estimate)``, both real ``(..., samples)``, computes in
float64 over all leading dimensions together or per item as stated, and returns dB. An improvement is
the measure of the estimate minus that of the noisy input.

References: the SNR and SSNR definitions are those of NoiseRemover (SSNR after Hansen & Pellom, "An
effective quality evaluation protocol for speech enhancement algorithms", ICSLP 1998); SI-SDR is from
Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019; the log-spectral distance from Gray & Markel,
"Distance measures for speech processing", 1976.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from musicdenoise.core.stft import StftConfig, stft
from musicdenoise.errors import DataError

SSNR_FRAME_SAMPLES = 1440  # NoiseRemover's, as the two below
SSNR_HOP_SAMPLES = 720
SSNR_RANGE_DB = (-10.0, 35.0)

LSD_FLOOR = 1e-8  # -80 dB below the largest power. Chosen, not measured

# Relative error power below which two signals count as equal: -300 dB, beyond float64 rounding.
_FLOOR = 1e-30


def snr(reference: Tensor, estimate: Tensor) -> float:
    """Signal-to-noise ratio ``10 log10(sum r^2 / sum (r - e)^2)`` in dB, over all channels together.

    Raises
    ------
    DataError
        If the shapes differ or the reference is silent.
    """
    reference, estimate = _validate(reference, estimate)
    power = reference.square().sum()
    error = (reference - estimate).square().sum()
    return float(10.0 * torch.log10(power / error.clamp_min(_FLOOR * float(power))))


def ssnr(
    reference: Tensor,
    estimate: Tensor,
    frame_samples: int = SSNR_FRAME_SAMPLES,
    hop_samples: int = SSNR_HOP_SAMPLES,
) -> float:
    """Segmental SNR in dB: the SNR of each frame, limited to [-10, 35] dB, averaged over frames.

    Frames without any signal and error count as the upper limit, those with error only as the lower.
    Channels are framed each on its own.

    Raises
    ------
    DataError
        If the shapes differ, the reference is silent, or there are fewer samples than one frame.
    """
    reference, estimate = _validate(reference, estimate)
    if reference.shape[-1] < frame_samples:
        raise DataError(
            f"{reference.shape[-1]} samples are fewer than one frame of {frame_samples} for the SSNR"
        )
    power = reference.unfold(-1, frame_samples, hop_samples).square().sum(-1)
    error = (reference - estimate).unfold(-1, frame_samples, hop_samples).square().sum(-1)
    ratio = 10.0 * torch.log10(power.clamp_min(_FLOOR) / error.clamp_min(_FLOOR))
    ratio = torch.where((power <= _FLOOR) & (error <= _FLOOR), SSNR_RANGE_DB[1], ratio)
    return float(ratio.clamp(*SSNR_RANGE_DB).mean())


def si_sdr(reference: Tensor, estimate: Tensor) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, over all channels together.

    The reference is scaled by ``<e, r> / <r, r>`` before the ratio is taken; means are not removed.

    Raises
    ------
    DataError
        If the shapes differ or the reference is silent.
    """
    reference, estimate = _validate(reference, estimate)
    target = reference * ((estimate * reference).sum() / reference.square().sum())
    power = target.square().sum()
    error = (estimate - target).square().sum()
    tiny = _FLOOR * float(reference.square().sum())
    return float(10.0 * torch.log10(power.clamp_min(tiny) / error.clamp_min(tiny)))


def log_spectral_distance(reference: Tensor, estimate: Tensor, config: StftConfig | None = None) -> float:
    """Log-spectral distance in dB; 0 for equal spectra, lower is better.

    The root mean square over frequencies of the difference between the spectra in dB, averaged over frames
    and channels. Powers more than 80 dB below the reference's largest one are raised to that level, so
    inaudible parts do not decide the figure.

    Parameters
    ----------
    reference, estimate
        ``(..., samples)``.
    config
        STFT; 2048 samples with a hop of 512 by default.

    Raises
    ------
    DataError
        If the shapes differ or the reference is silent.
    ConfigurationError
        If there are too few samples for one frame.
    """
    reference, estimate = _validate(reference, estimate)
    config = config or StftConfig()
    powers = [stft(wave.float(), config).abs().double().square() for wave in (reference, estimate)]
    floor = LSD_FLOOR * float(powers[0].max())
    levels = [10.0 * torch.log10(power.clamp_min(floor)) for power in powers]
    return float((levels[0] - levels[1]).square().mean(dim=-2).sqrt().mean())


def improvement(
    measure: Callable[[Tensor, Tensor], float], reference: Tensor, noisy: Tensor, estimate: Tensor
) -> float:
    """How much better ``estimate`` is than ``noisy`` by ``measure``, in dB."""
    return measure(reference, estimate) - measure(reference, noisy)


def _validate(reference: Tensor, estimate: Tensor) -> tuple[Tensor, Tensor]:
    if reference.shape != estimate.shape:
        raise DataError(
            f"the reference has shape {tuple(reference.shape)} and the estimate {tuple(estimate.shape)}; "
            "cut both to the same channels and samples first"
        )
    if not bool(reference.count_nonzero()):
        raise DataError("the reference is silent, so no ratio to it is defined")
    return reference.double(), estimate.double()
