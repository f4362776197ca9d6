"""Short-time Fourier transform and its frame arithmetic.

Conventions: waveforms are real ``(..., samples)``; spectrograms are complex
``(..., freqs, frames)``. Frame ``k`` is centred at sample ``k * hop_length`` of the signal. The
window is a periodic Hann window and the transform is divided by ``sqrt(n_fft)``, so that white
noise of variance ``v`` gives bins of mean power ``v`` times the window's mean square (3/8).

References: Griffin & Lim, "Signal estimation from modified short-time Fourier transform", 1984
(the inverse); ``torch.stft``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from musicdenoise.errors import ConfigurationError

LONGEST_TRANSFORM = 1 << 16
"""Samples. The networks' layers fit 2048; a longer one would only take memory."""

MOST_OVERLAP = 16
"""Frames that cover a sample. Memory and time grow with them: a step of one sample would take 6 GB."""


@dataclass(frozen=True, kw_only=True)
class StftConfig:
    """Size of the transform, in samples.

    Parameters
    ----------
    n_fft
        Transform length, even. It gives ``n_fft // 2 + 1`` frequencies.
    hop_length
        Samples from one frame to the next; must divide ``n_fft`` 3 to 16 times. From three times on, the
        squared windows add up to a constant.
    sample_rate
        Rate in Hz of the signals that the transform is meant for.

    Examples
    --------
    >>> from musicdenoise import StftConfig
    >>> stft = StftConfig()
    >>> stft.num_freqs, stft.num_samples(131)  # frequencies, and samples of 131 frames
    (1025, 66560)
    """

    n_fft: int = 2048
    hop_length: int = 512
    sample_rate: int = 44_100

    def __post_init__(self) -> None:
        if not 4 <= self.n_fft <= LONGEST_TRANSFORM or self.n_fft % 2:
            raise ConfigurationError.wrong(
                "n_fft", self.n_fft, f"an even number from 4 to {LONGEST_TRANSFORM}"
            )
        if (
            self.hop_length < 1
            or self.n_fft % self.hop_length
            or not 3 <= self.n_fft // self.hop_length <= MOST_OVERLAP
        ):
            raise ConfigurationError(
                f"{{hop_length}} is {self.hop_length}; it must divide {{n_fft}} ({self.n_fft}) three to "
                f"{MOST_OVERLAP} times",
                hop_length=self.hop_length,
                n_fft=self.n_fft,
            )
        if self.sample_rate < 1:
            raise ConfigurationError.wrong(
                "sample_rate", self.sample_rate, "positive", f"{self.sample_rate} Hz"
            )

    @property
    def num_freqs(self) -> int:
        """Number of frequency bins, the Nyquist frequency included."""
        return self.n_fft // 2 + 1

    @property
    def half_window(self) -> int:
        """Samples that a frame reaches to each side of its centre."""
        return self.n_fft // 2

    def num_frames(self, num_samples: int) -> int:
        """Frames of a centred transform of ``num_samples`` samples."""
        return 1 + num_samples // self.hop_length

    def num_samples(self, num_frames: int) -> int:
        """Samples from the centre of the first to the centre of the last of ``num_frames`` frames."""
        return (num_frames - 1) * self.hop_length


def hann_window(config: StftConfig, device: torch.device | None = None) -> Tensor:
    """Periodic Hann window of ``n_fft`` samples, float32."""
    return torch.hann_window(config.n_fft, periodic=True, device=device)


def stft(waveform: Tensor, config: StftConfig, *, center: bool = True) -> Tensor:
    """Short-time Fourier transform, divided by ``sqrt(n_fft)``.

    Parameters
    ----------
    waveform
        Real, ``(..., samples)``.
    config
        Size of the transform.
    center
        True extends the signal by mirroring it over half a window at both ends, so that frame 0 is
        centred at sample 0 (at least ``n_fft // 2 + 1`` samples are needed). False takes the samples
        as they are: frame 0 is centred at sample ``n_fft // 2``.

    Returns
    -------
    Tensor
        Complex, ``(..., n_fft // 2 + 1, frames)``.

    Raises
    ------
    ConfigurationError
        If there are too few samples for one frame.
    """
    num_samples = waveform.shape[-1]
    fewest = config.half_window + 1 if center else config.n_fft
    if num_samples < fewest:
        raise ConfigurationError(
            f"{num_samples} samples are too few for a transform with n_fft = {config.n_fft}: "
            f"extend the signal to at least {fewest}"
        )
    spectrogram = torch.stft(
        waveform.reshape(-1, num_samples),
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        window=hann_window(config, waveform.device),
        center=center,
        pad_mode="reflect",
        normalized=True,
        onesided=True,
        return_complex=True,
    )
    return spectrogram.reshape(*waveform.shape[:-1], *spectrogram.shape[-2:])


def istft(spectrogram: Tensor, config: StftConfig, *, num_samples: int) -> Tensor:
    """Inverse of the centred `stft` by least squares (Griffin & Lim 1984, equation 6).

    Parameters
    ----------
    spectrogram
        Complex, ``(..., n_fft // 2 + 1, frames)``.
    config
        Size of the transform.
    num_samples
        Length of the result. Samples at the end that no frame covers are zero.

    Returns
    -------
    Tensor
        Real, ``(..., num_samples)``.
    """
    freqs, frames = spectrogram.shape[-2:]
    waveform = torch.istft(
        spectrogram.reshape(-1, freqs, frames),
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        window=hann_window(config, spectrogram.device),
        center=True,
        normalized=True,
        onesided=True,
        length=num_samples,
    )
    return waveform.reshape(*spectrogram.shape[:-2], num_samples)


def levels_db(samples: Tensor) -> Tensor:
    """Level of each bin of the mix of all channels in dB re full scale, ``(freqs, frames)``."""
    config, mono = StftConfig(), samples.mean(0)
    if mono.shape[-1] <= config.half_window:
        mono = mono.new_zeros(config.n_fft)
    powers = stft(mono, config).abs().square() / config.n_fft
    return 10.0 * powers.clamp_min(1e-20).log10()
