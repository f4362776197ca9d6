"""A network that decides between another one's estimate and the noise's spectrum, in each bin and frame.

A network that sees one second of a song takes steady noise for music and drones for noise. The long-term
spectrum of the noise, from a sample of it or estimated from the song, tells them apart, but not what the
noise does at a moment. Let ``X`` be the song, ``E`` the network's estimate, ``A`` its power, and ``V`` that
of the noise. The gain with the least mean square error is the Wiener gain ``A / (A + V)``. The network's own
gain is ``sqrt(A / |X|^2)``. Neither is right everywhere. A real U-Net reads both beside the song's level in
each bin, and weighs their odds. The result has a share of the estimate and a share of what the estimate
leaves out::

    Y = sigmoid(o + c) E + sigmoid(o + d) (X - E),  o = a log(A / V) + b logit(sqrt(A / |X|^2))

with ``a`` to ``d`` for each bin and frame, and powers averaged over 3 x 3 bins. So it can correct the gain,
keep what the network gets right in shorter windows than its own, or restore music that the network took.
``V`` comes from `NoiseSpectrumNet`, which compares the sample with what lasts in the song, or reads only
that. Before training ``o`` is that of the Wiener gain where there is a sample; elsewhere it is that of the
network's own gain, and most of the estimate is kept.

Rows of the U-Net are two bins up to 2.8 kHz, eight up to 11 kHz and thirty-two above: recordings of engines
and voices differ from music at frequencies where the ear tells tones apart. The decoders are sub-pixel
convolutions (Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
convolutional neural network", 2016).

Conventions: waveforms are real ``(items, 1, samples)`` at 44.1 kHz. Scaling the song and the estimate scales
the result.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.fast_layers import Size
from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.long_memory import LongMemory
from musicdenoise.core.noise_spectrum import smooth
from musicdenoise.core.noise_spectrum_net import SPECTRUM_STFT, NoiseSpectrumNet
from musicdenoise.core.stft import StftConfig, istft, stft
from musicdenoise.core.time_average import mean_around

REFINER_STFT = StftConfig(n_fft=4096, hop_length=1024)


_BANDS = ((0, 256), (256, 1024), (1024, 2048))  # bins of each kind of row; the last bin has no row of its own
_BINS_PER_ROW = (2, 8, 32)
_STEM_KERNELS: tuple[Size, ...] = ((6, 3), (16, 3), (32, 1))
_STEM_PADDINGS: tuple[Size, ...] = ((2, 1), (4, 1), (0, 0))
_STRIDES: tuple[Size, ...] = ((2, 1), (2, 2), (2, 1), (2, 2))
_TIME_STRIDE = 4
_CHANNELS = (24, 32, 48, 64, 80)
_NUM_PLANES = 7
_LEVEL_REACH = 32  # frames to each side over which the level is smoothed before the song is scaled to it
_MEMORY_REACH = 646  # 15 s to each side
_MEMORY_GROUPS = 2
_LEAKY_SLOPE = 0.01  # PyTorch's default
_LEAST_POWER = 1e-7  # of a scaled bin, whose mean is 1
_LEAST_SHARE = 1e-3  # of a bin's power; the largest share is 1 less this
_LARGEST_ODDS = 8.0  # of A to V, as a natural logarithm
_OFFSET_SCALE = 3.0  # so that the last layer can stay small; chosen, not measured
_NUM_ANSWERS = 4  # for each bin
_FIRST_LEANING = 2.0  # towards the estimate, where there is no sample
_SAMPLE_SECONDS = (0.3, 6.0)  # what the refiner was trained with
_NO_SAMPLE = -1.0  # what stands for the logarithm of a sample's length where there is none
_FIRST_KERNELS = 0.1  # of the last layers, as a share of the usual


class _Powers(NamedTuple):
    """Powers of bins at a mean level of 1, ``(items, freqs, frames)``.

    Those of the song and of the estimate are smoothed, beside the song's own. What the estimate leaves out is
    the mean over time.
    """

    song: Tensor
    smooth_song: Tensor
    estimate: Tensor
    noise: Tensor
    left_out: Tensor


class Refiner(nn.Module):
    """Denoises a song by means of a network's estimate and the spectrum of its noise.

    Parameters
    ----------
    channels
        Channels of the stem and of the four encoders.
    memory_blocks
        Blocks with averages over time in the middle.
    """

    def __init__(self, channels: tuple[int, ...] = _CHANNELS, memory_blocks: int = 1) -> None:
        super().__init__()
        self.spectrum = NoiseSpectrumNet()
        self.stem = nn.ModuleList(
            nn.Conv2d(_NUM_PLANES, channels[0], kernel, (bins, 1), padding, bias=False)
            for kernel, bins, padding in zip(_STEM_KERNELS, _BINS_PER_ROW, _STEM_PADDINGS, strict=True)
        )
        self.stem_norm = nn.BatchNorm2d(channels[0])
        steps = list(zip(pairwise(channels), _STRIDES, strict=True))
        self.encoders = nn.ModuleList(_Encoder(before, after, stride) for (before, after), stride in steps)
        self.memory = nn.ModuleList(
            LongMemory(channels[-1], _MEMORY_GROUPS, _MEMORY_REACH // _TIME_STRIDE)
            for _ in range(memory_blocks)
        )
        self.decoders = nn.ModuleList(
            _Decoder(after, before, stride) for (before, after), stride in reversed(steps)
        )
        outputs = [nn.Conv2d(channels[0], _NUM_ANSWERS * bins, 3, padding=1) for bins in _BINS_PER_ROW]
        for output in outputs:
            assert output.bias is not None
            with torch.no_grad():
                output.weight.mul_(_FIRST_KERNELS)
                output.bias.zero_()
        self.outputs = nn.ModuleList(outputs)
        # Before anything is learnt about a song without a sample: for the estimate, and against the rest.
        self.leaning = nn.Parameter(torch.full((2,), _FIRST_LEANING))

    def forward(
        self, noisy: Tensor, estimate: Tensor, sample_power: Tensor, sample_seconds: Tensor
    ) -> Tensor:
        """Estimate the clean waveform.

        Parameters
        ----------
        noisy, estimate
            The song and a network's estimate of it, ``(items, 1, samples)``, at least 4097 samples.
        sample_power
            Mean power of the noise alone per bin of `SPECTRUM_STFT`, ``(items, 1, 4097)``; zeros for items
            without a sample.
        sample_seconds
            Length of the recordings that it was learnt from, ``(items,)``; zero for items without a sample.

        Returns
        -------
        Tensor
            ``(items, 1, samples)``.
        """
        with torch.no_grad():
            noise = self._noise_power(noisy, sample_power)
            spectrogram, kept = (stft(waveform, REFINER_STFT)[:, 0] for waveform in (noisy, estimate))
            powers = _scaled_powers(spectrogram, kept, noise)
        of_estimate, of_rest = self._gains(powers, sample_seconds)
        result = of_rest * spectrogram + (of_estimate - of_rest) * kept
        return istft(result[:, None], REFINER_STFT, num_samples=noisy.shape[-1])

    def _noise_power(self, noisy: Tensor, sample_power: Tensor) -> Tensor:
        """Mean power of the noise per bin of `REFINER_STFT`, ``(items, 2049)``.

        Its window is half as long as that of `SPECTRUM_STFT`, and has half its energy.
        """
        fine = self.spectrum(stft(noisy, SPECTRUM_STFT), sample_power).power[:, :1]
        kernel = torch.tensor([[[0.125, 0.25, 0.125]]], device=fine.device)
        return F.conv1d(F.pad(fine, (1, 1), mode="replicate"), kernel, stride=2)[:, 0]

    def _gains(self, powers: _Powers, sample_seconds: Tensor) -> tuple[Tensor, Tensor]:
        """Gains of the estimate and of the rest in each bin, ``(items, 2049, frames)``."""
        answers = self._layers(_planes(powers, sample_seconds)).float()
        offset, by_noise, by_estimate, offset_of_rest = answers.unbind(1)
        is_known = (sample_seconds > 0.0).to(answers)[:, None, None]
        prior = (powers.estimate.log() - powers.noise.log()).clamp(-_LARGEST_ODDS, _LARGEST_ODDS)
        share = (powers.estimate / powers.smooth_song).clamp(_LEAST_SHARE, 1.0 - _LEAST_SHARE)
        odds = (is_known + by_noise) * prior + (1.0 - is_known + by_estimate) * torch.logit(share.sqrt())
        lean, lean_of_rest = (1.0 - is_known) * self.leaning[0], (1.0 - is_known) * self.leaning[1]
        of_estimate = torch.sigmoid(odds + _OFFSET_SCALE * offset + lean)
        return of_estimate, torch.sigmoid(odds + _OFFSET_SCALE * offset_of_rest - lean_of_rest)

    def _layers(self, planes: Tensor) -> Tensor:
        """What the U-Net answers for each bin, ``(items, 4, 2049, frames)``."""
        rows = [band(planes[:, :, low:high]) for band, (low, high) in zip(self.stem, _BANDS, strict=True)]
        x = F.leaky_relu_(self.stem_norm(torch.cat(rows, 2)), _LEAKY_SLOPE)
        skips = []
        for encoder in self.encoders:
            skips.append(x)
            x = encoder(x)
        for block in self.memory:
            x = block(x)
        for decoder in self.decoders:
            x = decoder(x, skips.pop())
        counts = [(high - low) // bins for (low, high), bins in zip(_BANDS, _BINS_PER_ROW, strict=True)]
        parts = torch.split(x, counts, 2)
        answers = [_to_bins(output(part)) for output, part in zip(self.outputs, parts, strict=True)]
        return torch.cat([*answers, answers[-1][:, :, -1:]], 2)


def _scaled_powers(spectrogram: Tensor, kept: Tensor, noise: Tensor) -> _Powers:
    """At a level of 1, from spectrograms ``(items, freqs, frames)`` and the noise ``(items, freqs)``."""
    gains = frame_gains(frame_powers(spectrogram[:, None]), _LEVEL_REACH).square()[:, None, :]
    song, estimate, left_out = (
        part.real.square() + part.imag.square() for part in (spectrogram, kept, spectrogram - kept)
    )
    return _Powers(
        song=song * gains + _LEAST_POWER,
        smooth_song=smooth(song) * gains + _LEAST_POWER,
        estimate=smooth(estimate) * gains + _LEAST_POWER,
        noise=noise[:, :, None] * gains + _LEAST_POWER,
        left_out=left_out.mean(-1, keepdim=True) * gains + _LEAST_POWER,
    )


def _planes(powers: _Powers, sample_seconds: Tensor) -> Tensor:
    """What the U-Net reads, ``(items, 7, 2048, frames)``: logarithms brought to a spread of about 1."""
    song, noise = powers.song.log(), powers.noise.log()
    smooth_song, kept = powers.smooth_song.log(), (powers.estimate / powers.smooth_song).clamp_max(1.0)
    length = 1.0 + 0.5 * sample_seconds.clamp(*_SAMPLE_SECONDS).log2()
    length = torch.where(sample_seconds > 0.0, length, _NO_SAMPLE)
    planes = [
        song / 4.0,
        (song - mean_around(song, _MEMORY_REACH)) / 3.0,
        (smooth_song - noise) / 3.0,
        noise / 4.0,
        (kept + _LEAST_SHARE).log() / 2.0,
        length[:, None, None].expand_as(song),
        (smooth_song - powers.left_out.log()) / 3.0,
    ]
    return torch.stack(planes, 1)[:, :, :-1].contiguous(memory_format=torch.channels_last)


def _to_bins(answers: Tensor) -> Tensor:
    """``(items, 4 b, rows, frames)`` as ``(items, 4, rows b, frames)``: each row has ``b`` bins."""
    items, channels, rows, frames = answers.shape
    bins = channels // _NUM_ANSWERS
    x = answers.reshape(items, _NUM_ANSWERS, bins, rows, frames).permute(0, 1, 3, 2, 4)
    return x.reshape(items, _NUM_ANSWERS, rows * bins, frames)


class _Encoder(nn.Module):
    def __init__(self, before: int, after: int, stride: Size) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(self.norm(self.conv(x)), _LEAKY_SLOPE)


class _Decoder(nn.Module):
    """A convolution whose output channels become rows and frames, beside the encoder's input there."""

    def __init__(self, before: int, after: int, stride: Size) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(before, after * stride[0] * stride[1], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.skip = nn.Conv2d(after, after, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        (rows_each, frames_each), (items, _, rows, frames) = self.stride, x.shape
        x = self.conv(x).permute(0, 2, 3, 1).reshape(items, rows, frames, rows_each, frames_each, -1)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(items, rows * rows_each, frames * frames_each, -1)
        x = x.permute(0, 3, 1, 2)[:, :, : skip.shape[2], : skip.shape[3]]
        return F.leaky_relu_(self.norm(x + self.skip(skip)), _LEAKY_SLOPE)
