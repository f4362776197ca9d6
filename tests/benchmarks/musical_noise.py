"""Musical noise: how much the rest of a noise tinkles.

A gain that opens and closes at random lets single bins of the noise through for a moment. They sound like
tinkling bells, and are more annoying than the noise itself, although hardly any power is left. Such a bin is
silent most of the time and loud at times. The kurtosis of its power shows that.

Conventions: signals are real ``(..., samples)`` and hold noise alone, no music.

References: Y. Uemura, Y. Takahashi, H. Saruwatari, K. Shikano and K. Kondo, "Automatic optimization scheme of
spectral subtraction based on musical noise assessment via higher-order statistics", IWAENC 2008; T. Inoue,
H. Saruwatari, Y. Takahashi, K. Shikano and K. Kondo, "Theoretical analysis of musical noise in generalized
spectral subtraction based on higher order statistics", IEEE TASLP 19(6), 2011 (its logarithm).
"""

from __future__ import annotations

from torch import Tensor

from musicdenoise.core.stft import StftConfig, stft
from musicdenoise.errors import DataError

# Mean power of a bin, relative to that of the noise, below which it holds nothing to hear: -100 dB.
_NOTHING = 1e-10
_FEWEST_FRAMES = 20  # with fewer the fourth moment is that of one frame


def log_kurtosis_ratio(noise: Tensor, remaining: Tensor, config: StftConfig | None = None) -> float:
    """How much more the rest of a noise tinkles than the noise itself; 0 for not at all.

    The kurtosis of a bin is ``K = m4 / m2^2`` with ``m_n`` the mean over the frames of the n-th power of the
    bin's *power*; as in the paper, moments are taken about zero. It does not depend on the bin's level, and
    is 6 for Gaussian noise, whose powers are exponentially distributed. The result is the mean over all bins
    of ``ln(K_remaining / K_noise)``. It is 0 for any gain that does not change over time, also if it
    differs between frequencies. It grows with the gaps between what is let through: spectral subtraction
    has 1 to 3.

    Parameters
    ----------
    noise
        The noise before denoising, ``(..., samples)``.
    remaining
        The same stretch after denoising, in the same shape.
    config
        STFT; 2048 samples with a hop of 512 by default.

    Raises
    ------
    DataError
        If the shapes differ, the stretch is shorter than 20 frames, or nothing is left that could be heard.
    """
    config = config or StftConfig()
    if noise.shape != remaining.shape:
        raise DataError(
            f"the noise has shape {tuple(noise.shape)} and what is left {tuple(remaining.shape)}; cut both "
            "to the same channels and samples first"
        )
    least = config.n_fft + (_FEWEST_FRAMES - 1) * config.hop_length
    if noise.shape[-1] < least:
        raise DataError(
            f"{noise.shape[-1]} samples of noise are too few to tell musical noise: give at least {least}"
        )
    # Only frames that lie within the stretch: others would mirror it.
    before, after = (
        stft(wave.float(), config, center=False).abs().double().square() for wave in (noise, remaining)
    )
    heard = after.mean(-1) > _NOTHING * before.mean(-1)
    if not bool(heard.any()):
        raise DataError("nothing is left of the noise, so nothing can tinkle")
    return float((_kurtosis(after[heard]) / _kurtosis(before[heard])).log().mean())


def _kurtosis(powers: Tensor) -> Tensor:
    """Kurtosis of powers ``(..., frames)`` over the frames, about zero."""
    relative = powers / powers.mean(-1, keepdim=True)  # or squares of squares of small numbers vanish
    squares = relative.square()
    return squares.square().mean(-1) / squares.mean(-1).square()
