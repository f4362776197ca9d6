"""Remove noise of a known spectrum from a song of any length, block by block.

The song and the network's estimate of it come in side by side. Both are transformed with the long window of
`musicdenoise.core.noise_spectrum`. The gain of each bin follows from both and from the spectrum of the noise.
The song's bins are multiplied by it and transformed back. Frames lie on a grid counted from the start of the
song, and the song is mirrored at both ends, so the result does not depend on how the blocks are cut.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musicdenoise.core.noise_filter import NOISE_FILTER_REACH, NoiseFilter
from musicdenoise.core.noise_spectrum import (
    CALM_REACH,
    GAIN_REACH,
    calmed_gain,
    noise_reduction_gain,
    power_of,
)
from musicdenoise.core.overlap import mirror
from musicdenoise.core.overlap_add import OverlapAdd
from musicdenoise.core.stft import StftConfig, stft

_BLOCK_FRAMES = 32  # frames computed at once: 1.5 s, 4 MB for a stereo song and its estimate


class NoiseStream:
    """Remove noise of a known spectrum from a song.

    Parameters
    ----------
    power
        Mean power of the noise per bin, ``(channels, freqs)``; see
        `musicdenoise.core.noise_spectrum.noise_power`.
    config
        Its STFT, from `musicdenoise.core.noise_spectrum.spectrum_stft`.
    seconds
        Length of the recordings that the spectrum was learnt from.
    noise_filter
        The filter that weighs a network's estimate against the spectrum; None for the closed form.
    bins
        Boolean ``(channels, freqs)``: bins of the estimate that are changed, by the closed form. The others
        stay as they are. None for all bins.
    """

    def __init__(
        self,
        power: Tensor,
        config: StftConfig,
        *,
        seconds: float,
        noise_filter: NoiseFilter | None = None,
        bins: Tensor | None = None,
    ) -> None:
        self._power, self._config = power, config
        self._bins = None if bins is None else bins[..., None]
        self._seconds, self._filter = seconds, noise_filter
        self._reach = CALM_REACH + (GAIN_REACH if noise_filter is None else NOISE_FILTER_REACH)
        self._song = _Frames(config)
        self._estimate = _Frames(config)
        self._adder = OverlapAdd(config, power.shape[0])
        self._spectra: list[Tensor] = []  # of song and estimate, the frames that wait or are still needed
        self._context = 0  # frames at the front that are done, and needed for those behind them
        self._received = 0

    @torch.inference_mode()
    def push(self, song: Tensor, estimate: Tensor | None) -> Tensor:
        """Take the next samples; return those that are settled by now, perhaps none.

        Parameters
        ----------
        song
            The noisy song, ``(channels, samples)``.
        estimate
            A network's estimate of it, in the same shape; None in all blocks for plain subtraction.

        Returns
        -------
        Tensor
            ``(channels, samples)``.
        """
        self._received += song.shape[-1]
        return self._take(self._song.push(song), None if estimate is None else self._estimate.push(estimate))

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """End of the song: return the rest, so that as many samples come out as went in."""
        if self._received == 0:
            return self._adder.push(self._power.new_zeros((*self._power.shape, 0), dtype=torch.complex64))
        estimate = self._estimate.flush() if self._estimate.received else None
        done = [self._take(self._song.flush(), estimate), self._settle(is_last=True)]
        rest = torch.cat(done, dim=-1)
        surplus = self._adder.returned - self._received
        return rest[:, : rest.shape[-1] - surplus] if surplus > 0 else rest

    def _take(self, song: Tensor, estimate: Tensor | None) -> Tensor:
        new = [song] if estimate is None else [song, estimate]
        if not self._spectra:
            self._spectra = new
        else:
            self._spectra = [torch.cat(pair, dim=-1) for pair in zip(self._spectra, new, strict=True)]
        done = []
        while self._spectra[0].shape[-1] >= self._context + _BLOCK_FRAMES + self._reach:
            done.append(self._settle())
        return torch.cat(done, dim=-1) if done else self._adder.push(song[..., :0])

    def _settle(self, *, is_last: bool = False) -> Tensor:
        """Samples that the next frames settle: a block of them, or all that are left."""
        count = self._spectra[0].shape[-1] - self._context if is_last else _BLOCK_FRAMES
        first, end = self._context, self._context + count
        song, *rest = (part[..., : end + self._reach] for part in self._spectra)
        done = self._adder.push(self._result(song, rest[0] if rest else None)[..., first:end])
        keep = max(0, end - self._reach)
        self._spectra = [part[..., keep:].clone() for part in self._spectra]
        self._context = end - keep
        return done

    def _result(self, song: Tensor, estimate: Tensor | None) -> Tensor:
        gain = self._gain(song, estimate)
        if self._bins is not None and estimate is not None:
            return torch.where(self._bins, gain * song, estimate)
        return calmed_gain(gain, power_of(song)) * song

    def _gain(self, song: Tensor, estimate: Tensor | None) -> Tensor:
        if self._filter is None or estimate is None:
            return noise_reduction_gain(song, estimate, self._power)
        gain: Tensor = self._filter(song, estimate, self._power, self._seconds)
        return gain


class _Frames:
    """Centred STFT of a signal that comes in blocks; it is mirrored beyond its ends."""

    def __init__(self, config: StftConfig) -> None:
        self._config = config
        # From one window before the next frame onwards: what mirroring the end can ask for.
        self._held: Tensor | None = None
        self._arrived: list[Tensor] = []
        self.received = 0
        self._returned = 0

    def push(self, block: Tensor) -> Tensor:
        """Take the next ``(channels, samples)``; return its frames ``(channels, freqs, frames)``."""
        self._arrived.append(block)
        self.received += block.shape[-1]
        config = self._config
        # Not at every push: small blocks would copy what is held time after time.
        last_frame = self._returned + _BLOCK_FRAMES - 1
        if self.received < last_frame * config.hop_length + config.half_window:
            return self._transform(block[:, :0])
        return self._transform(self._gather())

    def flush(self) -> Tensor:
        """End of the signal: the frames that are left, up to the last that reaches its last sample."""
        hop, n_fft = self._config.hop_length, self._config.n_fft
        missing = -(-(self.received + self._config.half_window) // hop) - self._returned
        held = self._gather()
        return self._transform(mirror(held, 0, max(0, (missing - 1) * hop + 2 * n_fft - held.shape[-1])))

    def _gather(self) -> Tensor:
        """All samples that are held, including the latest."""
        if self._held is None:  # the first frame is centred at the first sample
            left = self._config.half_window + self._config.n_fft
            return mirror(torch.cat(self._arrived, dim=-1), left, 0)
        return torch.cat([self._held, *self._arrived], dim=-1)

    def _transform(self, held: Tensor) -> Tensor:
        """The frames of what is held, if it is long enough for one."""
        hop, n_fft = self._config.hop_length, self._config.n_fft
        if held.shape[-1] < 2 * n_fft:
            shape = (held.shape[0], self._config.num_freqs, 0)
            return torch.zeros(shape, dtype=torch.complex64, device=held.device)
        spectrogram = stft(held[:, n_fft:], self._config, center=False)
        self._returned += spectrogram.shape[-1]
        self._held, self._arrived = held[:, spectrogram.shape[-1] * hop :].clone(), []
        return spectrogram
