"""How alike two signals are: moments, lags, and the correlation of spectrograms.

Conventions: waveforms are real ``(channels, samples)``, spectrograms complex ``(..., freqs, frames)`` as
of `musicdenoise.core.stft`; sums run over all channels; a positive lag means that the second signal
comes later. Everything that is accumulated block by block is accumulated in float64.

References: Knapp & Carter, "The generalized correlation method for estimation of time delay", IEEE
Trans. ASSP 24, 1976 (PHAT weighting); Bartlett, "On the theoretical specification and sampling
properties of autocorrelated time-series", J. R. Stat. Soc. Suppl. 8, 1946 (variance of a correlation);
Fisher, "On the probable error of a coefficient of correlation", Metron 1, 1921 (atanh transform).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# Shares of the three terms, and the quotient's floor: those of NoiseRemover.
_DIVERSITY_WEIGHTS = (0.4, 0.3, 0.3)
_TINY = 1e-20
_SMOOTHING = (33, 5)  # bins and frames; chosen, the measurements were not written down
_PHAT_FLOOR = 1e-9  # relative to the strongest bin: bins without any signal have no phase


def complex_correlation(first: Tensor, second: Tensor) -> complex:
    """Normalised inner product of two spectrograms.

    ``sum(a * conj(b)) / sqrt(sum |a|^2 * sum |b|^2)``. By Parseval's theorem its real part is, up to the
    windows' overlap, Pearson's correlation of the waveforms: 1 for equal signals, -1 for opposite ones.
    Its imaginary part is not 0 if one is a phase-shifted copy of the other.

    Parameters
    ----------
    first, second
        Complex, ``(..., freqs, frames)``, the same shape.

    Returns
    -------
    complex
        Of modulus at most 1; 0 if one of them is silent.
    """
    a, b = first.to(torch.complex128), second.to(torch.complex128)
    power = float(a.abs().square().sum() * b.abs().square().sum())
    return complex((a * b.conj()).sum()) / math.sqrt(power) if power > _TINY**2 else 0j


def quiet_correlation(first: Tensor, second: Tensor, share: float = 0.1) -> complex:
    """Estimate the correlation of the noises of two takes of the same music, without knowing the music.

    In each frequency bin, the frames are kept in which both takes together have the least power. There the
    music pauses and steady noise remains. The power is averaged over neighbouring bins and frames first,
    because a choice by the noise's own fluctuations would favour bins that do not correlate. The
    correlation of the kept frames is computed bin by bin, as in `complex_correlation`, and averaged, so
    that the few bins with loud music do not decide. Any music that remains correlates perfectly, so the
    estimate is too high for weak noise. It tends to the true value where the noise outweighs the music
    in the quietest frames, and to 1 where there is no noise.

    Parameters
    ----------
    first, second
        Complex, ``(channels, freqs, frames)``, the same shape.
    share
        Share of the frames that are kept, above 0 and at most 1; at least one frame is.

    Returns
    -------
    complex
        Of modulus at most 1; 0 where one of them is silent.
    """
    power = first.abs().square() + second.abs().square()
    kept = max(1, round(share * power.shape[-1]))
    smooth = F.avg_pool2d(power, _SMOOTHING, 1, [size // 2 for size in _SMOOTHING], count_include_pad=False)
    quietest = smooth.topk(kept, dim=-1, largest=False).indices
    a, b = (signal.to(torch.complex128).gather(-1, quietest) for signal in (first, second))
    powers = a.abs().square().sum(-1) * b.abs().square().sum(-1)
    heard = powers > _TINY**2
    if not bool(heard.any()):
        return 0j
    return complex(((a * b.conj()).sum(-1)[heard] / powers[heard].sqrt()).mean())


def spectral_diversity(first: Tensor, second: Tensor) -> float:
    """How much two spectrograms differ, as NoiseRemover measures it.

    ``0.4 mean_f(|E1 - E2| / (E1 + E2)) + 0.3 mean_f |var_t |S1| - var_t |S2|| + 0.3 mean |phase|``: E is
    the energy of a frequency bin over time, var_t the variance of its magnitude over time, and the last
    term the mean circular phase difference of all bins divided by pi, so that it is 0 to 1.

    Parameters
    ----------
    first, second
        Complex, ``(..., freqs, frames)``, the same shape. The second term depends on their level.
    """
    magnitudes = first.abs(), second.abs()
    energies = [magnitude.square().sum(-1) for magnitude in magnitudes]
    contrast = (energies[0] - energies[1]).abs() / (energies[0] + energies[1]).clamp_min(_TINY)
    variances = [magnitude.var(-1, correction=0) for magnitude in magnitudes]
    phase = (first * second.conj()).angle().abs() / math.pi
    terms = contrast.mean(), (variances[0] - variances[1]).abs().mean(), phase.mean()
    return sum(weight * float(term) for weight, term in zip(_DIVERSITY_WEIGHTS, terms, strict=True))


class JointMoments:
    """First and second moments of two signals, accumulated block by block over all channels.

    Attributes
    ----------
    count : int
        Samples seen, all channels counted.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums = torch.zeros(2, dtype=torch.float64)
        self._products = torch.zeros(3, dtype=torch.float64)

    def add(self, first: Tensor, second: Tensor) -> None:
        """Take the next block of both, ``(channels, samples)``, the same shape."""
        x, y = first.double(), second.double()
        self.count += x.numel()
        self._sums += torch.stack([x.sum(), y.sum()])
        self._products += torch.stack([x.square().sum(), (x * y).sum(), y.square().sum()])

    @property
    def means(self) -> tuple[float, float]:
        """Mean of each signal."""
        first, second = (self._sums / self.count).tolist()
        return first, second

    @property
    def powers(self) -> tuple[float, float]:
        """Mean square of each signal: its autocorrelation at lag 0."""
        return float(self._products[0]) / self.count, float(self._products[2]) / self.count

    @property
    def cross_correlation(self) -> float:
        """Mean product: the cross-correlation at lag 0."""
        return float(self._products[1]) / self.count

    @property
    def deviations(self) -> tuple[float, float]:
        """Standard deviation of each signal."""
        (x, y), (xx, yy) = self.means, self.powers
        return math.sqrt(max(xx - x * x, 0.0)), math.sqrt(max(yy - y * y, 0.0))

    @property
    def covariance(self) -> float:
        """Mean product less the product of the means."""
        return self.cross_correlation - self.means[0] * self.means[1]

    @property
    def pearson(self) -> float | None:
        """Pearson's correlation, -1 to 1; None if a signal is constant."""
        first, second = self.deviations
        if first <= 0.0 or second <= 0.0:
            return None
        return max(-1.0, min(1.0, self.covariance / (first * second)))


@dataclass(frozen=True, kw_only=True)
class Lag:
    """Delay of the second signal against the first.

    Parameters
    ----------
    samples
        Positive if the second comes later.
    peak
        Height of the peak of the phase transform, 0 to 1: 1 for a pure delay, about 0 for unrelated
        signals; negative for a copy of opposite sign.
    """

    samples: int
    peak: float


class CrossSpectrum:
    """Spectra of two signals and between them, accumulated over frames.

    Parameters
    ----------
    channels
        Number of channels of both.
    frame_samples
        Length of a frame. Frames follow each other without overlap and are transformed with as many
        zeros behind them, so that correlations are linear and not circular. Lags up to a quarter of a
        frame are found reliably.
    """

    def __init__(self, channels: int, frame_samples: int) -> None:
        self.frame_samples = frame_samples
        bins = frame_samples + 1
        self._cross = torch.zeros(bins, dtype=torch.complex128)
        self._own = torch.zeros(2, channels, channels, bins, dtype=torch.complex128)
        self._pending = torch.zeros(2, channels, 0)

    def add(self, first: Tensor, second: Tensor) -> None:
        """Take the next block of both, ``(channels, samples)``, the same shape."""
        self._pending = torch.cat([self._pending, torch.stack([first, second]).to(self._pending)], dim=-1)
        while self._pending.shape[-1] >= self.frame_samples:
            self._transform(self._pending[..., : self.frame_samples])
            self._pending = self._pending[..., self.frame_samples :]

    def finish(self) -> None:
        """Take what is left as a shorter last frame."""
        if self._pending.shape[-1]:
            self._transform(self._pending)
        self._pending = self._pending[..., :0]

    def lag(self, most_samples: int) -> Lag:
        """Delay at which the cross-correlation with phase transform (GCC-PHAT) is strongest.

        Parameters
        ----------
        most_samples
            Largest delay looked for, in either direction; less than a frame.
        """
        magnitude = self._cross.abs()
        floor = max(_PHAT_FLOOR * float(magnitude.max()), _TINY)
        whitened = torch.where(magnitude > floor, self._cross / magnitude.clamp_min(floor), 0)
        # Scaled so that a pure delay peaks at 1, however many bins carry a signal.
        share = max(float((magnitude > floor).double().mean()), _TINY)
        response = torch.fft.irfft(whitened, n=2 * self.frame_samples) / share
        around = torch.cat([response[len(response) - most_samples :], response[: most_samples + 1]])
        best = int(around.abs().argmax())
        return Lag(samples=best - most_samples, peak=max(-1.0, min(1.0, float(around[best]))))

    def effective_samples(self, count: int) -> float:
        """Number of independent samples with the same uncertainty of their correlation.

        The variance of the correlation of two independent signals is the sum over lags of the product of
        their autocorrelations (Bartlett 1946), which by Parseval's theorem is a sum over the product of
        their power spectra. Channels that repeat each other, and colour, lower the number.

        Parameters
        ----------
        count
            Samples seen, all channels counted.
        """
        # A correlation leaves out the means; bins above 0 Hz stand for negative frequencies as well.
        first, second = self._own[0, ..., 1:], self._own[1, ..., 1:]
        bins = 2 * first.shape[-1]
        channels = first.shape[0]
        totals = [2.0 * float(own.diagonal(dim1=0, dim2=1).real.sum()) for own in (first, second)]
        shared = 2.0 * float((first * second.conj()).real.sum())
        if shared <= 0.0:
            return 0.0
        return min(float(count), count / channels * totals[0] * totals[1] / (bins * shared))

    def _transform(self, frame: Tensor) -> None:
        spectra = torch.fft.rfft(frame.double(), n=2 * self.frame_samples)
        self._cross += (spectra[1] * spectra[0].conj()).sum(0)
        self._own += spectra[:, :, None] * spectra[:, None].conj()


def p_value(correlation: float, effective_samples: float) -> float:
    """Probability of a correlation at least as far from 0 between signals that have none.

    Fisher's transform: ``atanh(r) sqrt(n - 3)`` is then nearly normal.

    Parameters
    ----------
    correlation
        Pearson's correlation, -1 to 1.
    effective_samples
        Number of independent samples; up to 3 say nothing.
    """
    if effective_samples <= 3.0:
        return 1.0
    if abs(correlation) >= 1.0:
        return 0.0
    return math.erfc(abs(math.atanh(correlation)) * math.sqrt(effective_samples - 3.0) / math.sqrt(2.0))
