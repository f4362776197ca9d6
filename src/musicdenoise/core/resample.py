"""Sample-rate conversion: the one place that resamples.

Conventions: waveforms are ``(channels, samples)``; output sample ``j`` lies at input time
``j * orig_rate / new_rate``, so that both signals start together; the signal is zero outside. From
``N`` samples come ``ceil(N * new_rate / orig_rate)``.

The filter is a windowed sinc with a Kaiser window, with the parameters that the documentation of
torchaudio gives for its best quality: -0.1 dB at 20 kHz and images at -150 dB from 44.1 to 48 kHz
(torchaudio's defaults lose 2.6 dB at 20 kHz and leave images at -11 dB). If torchaudio loads, it converts. If
not, `musicdenoise.core.sinc_filter` does: the same filter, from the same formulas.

Reference: J. O. Smith, "Digital audio resampling", https://ccrma.stanford.edu/~jos/resample/.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Protocol

import torch
from torch import Tensor

from musicdenoise.core.sinc_filter import SincFilter
from musicdenoise.errors import UnsupportedAudioError

LOWEST_RATE_HZ = 1_000  # chosen: no song has less
HIGHEST_RATE_HZ = 768_000  # the highest rate of converters

# One filter is kept per phase. Rates with hardly a common factor (44 100 and 44 099 Hz) would need
# tens of thousands of phases; they are converted at the nearest ratio of numbers up to this limit,
# which is off by less than 0.1 %. Going there and back again is exact all the same.
_LARGEST_TERM = 1_000

# "kaiser_best" of torchaudio's documentation: zero crossings to each side, cut-off as a share of the lower
# half rate, and the shape of the Kaiser window.
_ZERO_CROSSINGS = 64
_ROLLOFF = 0.9475937167399596
_BETA = 14.769656459379492

_CPU = torch.device("cpu")


def check_rate(rate: int) -> None:
    """Raise `UnsupportedAudioError` if a rate in Hz is outside 1 kHz to 768 kHz."""
    if not LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ:
        raise UnsupportedAudioError(
            f"a sample rate of {rate} Hz is not supported: "
            f"it must be {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
        )


def resample_ratio(orig_rate: int, new_rate: int) -> Fraction:
    """Ratio ``new_rate / orig_rate`` that is used; see `_LARGEST_TERM`.

    Raises
    ------
    UnsupportedAudioError
        If a rate is outside 1 kHz to 768 kHz.
    """
    check_rate(orig_rate)
    check_rate(new_rate)
    exact = Fraction(new_rate, orig_rate)
    if exact <= 1:
        return exact.limit_denominator(_LARGEST_TERM)
    return 1 / (1 / exact).limit_denominator(_LARGEST_TERM)


def resample(waveform: Tensor, orig_rate: int, new_rate: int) -> Tensor:
    """Convert a whole waveform.

    Parameters
    ----------
    waveform
        ``(channels, samples)``, float.
    orig_rate, new_rate
        Rates in Hz.

    Returns
    -------
    Tensor
        ``(channels, ceil(samples * new_rate / orig_rate))``; the waveform itself if the rates agree.
    """
    ratio = resample_ratio(orig_rate, new_rate)
    if ratio == 1 or waveform.shape[-1] == 0:
        return waveform
    return _converter(ratio, waveform.device, waveform.dtype)(waveform)


class StreamResampler:
    """Convert a waveform block by block; the result is that of `resample` for the whole.

    Parameters
    ----------
    orig_rate, new_rate
        Rates in Hz.
    channels
        Number of channels.
    """

    def __init__(self, orig_rate: int, new_rate: int, channels: int) -> None:
        self.ratio = resample_ratio(orig_rate, new_rate)
        self._step_in, self._step_out = self.ratio.denominator, self.ratio.numerator
        # The filter reaches `width` samples to each side; context is held in whole steps.
        reach = 0 if self.ratio == 1 else _converter(self.ratio, _CPU, torch.float32).width + self._step_in
        self._context_steps = ceil(reach / self._step_in)
        # Silence before the start: the first real sample is at a whole number of steps.
        self._buffer = torch.zeros(channels, self._context_steps * self._step_in)
        self._received = 0
        self._returned = 0

    def push(self, block: Tensor) -> Tensor:
        """Take the next ``(channels, samples)``; return what is settled by now, perhaps nothing."""
        self._received += block.shape[-1]
        if self.ratio == 1:
            self._returned = self._received
            return block
        self._buffer = torch.cat([self._buffer, block], dim=-1)
        return self._convert()

    def flush(self) -> Tensor:
        """End of the signal: return the rest."""
        if self.ratio == 1:
            return self._buffer
        total = ceil(self._received * self.ratio)
        missing = total - self._returned
        steps = ceil(missing / self._step_out) + self._context_steps + 1
        silence = self._buffer.new_zeros(self._buffer.shape[0], steps * self._step_in)
        self._buffer = torch.cat([self._buffer, silence], dim=-1)
        rest = self._convert()[:, :missing]
        self._buffer = self._buffer[:, :0]
        return rest

    def _convert(self) -> Tensor:
        context = self._context_steps
        steps = self._buffer.shape[-1] // self._step_in - 2 * context
        if steps <= 0:
            return self._buffer[:, :0]
        piece = self._buffer[:, : (steps + 2 * context) * self._step_in]
        converted = _converter(self.ratio, piece.device, piece.dtype)(piece)
        self._buffer = self._buffer[:, steps * self._step_in :]
        first = context * self._step_out
        self._returned += steps * self._step_out
        return converted[:, first : first + steps * self._step_out]


class _Converter(Protocol):
    """A converter at one ratio; ``width`` is its reach to each side, in input samples."""

    width: int

    def to(self, device: torch.device, dtype: torch.dtype) -> _Converter: ...

    def __call__(self, waveform: Tensor) -> Tensor: ...


@lru_cache(maxsize=16)
def _converter(ratio: Fraction, device: torch.device, dtype: torch.dtype) -> _Converter:
    return _make_converter(ratio).to(device, dtype)


def _make_converter(ratio: Fraction) -> _Converter:
    try:
        from torchaudio.transforms import Resample  # most songs need none, and start sooner without it
    except (ImportError, OSError, RuntimeError, AttributeError):  # missing, or made for another torch
        return SincFilter(ratio, zero_crossings=_ZERO_CROSSINGS, rolloff=_ROLLOFF, beta=_BETA)
    converter: _Converter = Resample(
        orig_freq=ratio.denominator,
        new_freq=ratio.numerator,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=_ZERO_CROSSINGS,
        rolloff=_ROLLOFF,
        beta=_BETA,
        dtype=torch.float64,  # the weights; in the default precision they are off by -110 dB
    )
    return converter
