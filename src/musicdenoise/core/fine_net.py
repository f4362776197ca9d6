"""The network for recorded noise: it subtracts what lasts, and masks what a U-Net takes for noise.

The two parts know different things. `NoiseSpectrumNet` knows the noise's long-term spectrum bin by bin:
engines, air conditioners, horns. `FineUNet` knows what noise and music sound like: drills, shots, voices.
Each is trained on its own first; together they are the geometric mean of their gains.

Conventions: waveforms are real ``(batch, channels, samples)`` at 44.1 kHz. Scaling the waveform scales the
estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from musicdenoise.core.fine_unet import FINE_STFT, FineUNet, FineUNetConfig
from musicdenoise.core.level import SILENCE_POWER, frame_gains, frame_powers
from musicdenoise.core.noise_spectrum import smooth
from musicdenoise.core.noise_spectrum_net import (
    SPECTRUM_STFT,
    NoiseSpectrumNet,
    subtraction_gain,
)
from musicdenoise.core.stft import istft, stft
from musicdenoise.errors import ConfigurationError

FINE = "fine"
PARTS = ("spectrum", "unet")


@dataclass(frozen=True, kw_only=True)
class FineNetConfig:
    """Size of both parts of a `FineNet`.

    Parameters
    ----------
    unet
        Channels and memory of the U-Net.
    spectrum_width
        Channels of the network for the noise's spectrum.
    family
        The name of such networks in files; always `FINE`.
    """

    unet: FineUNetConfig = field(default_factory=FineUNetConfig)
    spectrum_width: int = 32
    family: str = FINE

    def __post_init__(self) -> None:
        if self.family != FINE:
            raise ConfigurationError(f"family is {self.family!r}; it must be {FINE!r}")
        if self.spectrum_width < 1:
            raise ConfigurationError(f"spectrum_width is {self.spectrum_width}; it must be at least 1")

    @classmethod
    def mini(cls) -> FineNetConfig:
        """The same layers with one or two channels each, for tests."""
        return cls(unet=FineUNetConfig.mini(), spectrum_width=4)


class FineNet(nn.Module):
    """Both parts.

    Parameters
    ----------
    config
        Their size.
    """

    def __init__(self, config: FineNetConfig) -> None:
        super().__init__()
        self.config = config
        self.spectrum = NoiseSpectrumNet(config.spectrum_width)
        self.unet = FineUNet(config.unet)

    def forward(
        self, noisy: Tensor, sample_power: Tensor | None = None, parts: Sequence[str] = PARTS
    ) -> dict[str, Tensor]:
        """Estimate the clean waveform by each part alone, from a whole waveform at once.

        Parameters
        ----------
        noisy
            ``(batch, channels, samples)``, at least 4097 samples.
        sample_power
            Mean power of the noise alone, ``(batch, channels, 4097)``; zeros for items without a sample.
        parts
            Which of `PARTS` are wanted.

        Returns
        -------
        dict
            ``(batch, channels, samples)`` by the name of the part.
        """
        estimates = {}
        if "spectrum" in parts:
            estimates["spectrum"] = self.subtract(noisy, sample_power)
        if "unet" in parts:
            cleaned = self.unet(stft(noisy, FINE_STFT))
            estimates["unet"] = istft(cleaned, FINE_STFT, num_samples=noisy.shape[-1])
        return estimates

    def subtract(self, noisy: Tensor, sample_power: Tensor | None = None) -> Tensor:
        """Estimate of spectral subtraction alone; see `forward`."""
        spectrogram = stft(noisy, SPECTRUM_STFT)
        gain = subtraction_gain(spectrogram, self.spectrum(spectrogram, sample_power))
        return istft(gain * spectrogram, SPECTRUM_STFT, num_samples=noisy.shape[-1])

    def denoise(self, noisy: Tensor, sample_power: Tensor | None = None) -> Tensor:
        """Estimate of both parts together; see `forward` and `join_estimates`.

        The U-Net takes one channel after the other, at their common level, so it needs memory for one only.
        """
        spectrogram = stft(noisy, FINE_STFT)
        gains = frame_gains(frame_powers(spectrogram), self.config.unet.level_reach)
        cleaned = [self.unet(part, gains) for part in torch.split(spectrogram, 1, 1)]
        masked = istft(torch.cat(cleaned, 1), FINE_STFT, num_samples=noisy.shape[-1])
        return join_estimates(noisy, spectrum=self.subtract(noisy, sample_power), unet=masked)

    def real_kernels(self) -> Iterator[Tensor]:
        """Kernels of real convolutions that are trained like the complex ones."""
        modules = [*self.unet.memory.modules(), self.spectrum.first, *self.spectrum.blocks.modules()]
        return (module.weight for module in modules if isinstance(module, nn.Conv1d | nn.Conv2d))


def join_estimates(noisy: Tensor, spectrum: Tensor, unet: Tensor) -> Tensor:
    """Waveform ``(batch, channels, samples)`` from those of both parts; see `join_gains`."""
    transformed = [stft(waveform, SPECTRUM_STFT) for waveform in (noisy, spectrum, unet)]
    gain = join_gains(*transformed)
    return istft(gain * transformed[0], SPECTRUM_STFT, num_samples=noisy.shape[-1])


def join_gains(noisy: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Geometric mean of the gains that led to two estimates, from powers averaged over 3 x 3 bins.

    Parameters
    ----------
    noisy, first, second
        Complex spectrograms ``(batch, channels, freqs, frames)``.

    Returns
    -------
    Tensor
        Real gains, at most 1, same shape.
    """
    powers = [smooth(part.real.square() + part.imag.square()) for part in (noisy, first, second)]
    ratio = torch.sqrt(powers[1] * powers[2] + SILENCE_POWER**2) / (powers[0] + SILENCE_POWER)
    return ratio.sqrt().clamp_max(1.0)
