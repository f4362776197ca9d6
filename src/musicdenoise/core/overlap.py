"""Cutting a signal of any length into segments for a network, and stitching the results.

The unit is the STFT frame. Every frame's estimate comes from exactly one segment, in which it has
`SegmentPlan.context_frames` of real signal on both sides. The estimates of the context are discarded.
Overlap-add of the windowed frames cross-fades neighbouring segments over one window. Segments start at
multiples of 16 frames from the start of the signal, because a network with strides is shift-invariant only
for such shifts. The signal is mirrored at its ends. So the result does not depend on the length of the
segments, apart from what the network carries further than the context.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from musicdenoise.core.architecture import SEEN_FRAMES, TIME_STRIDE, Frames
from musicdenoise.core.level import frame_gains, frame_powers
from musicdenoise.core.overlap_add import OverlapAdd
from musicdenoise.core.profile import ProfileFilter
from musicdenoise.core.profile_stream import ProfileStream
from musicdenoise.core.stft import StftConfig, stft
from musicdenoise.errors import ConfigurationError

# Maps a spectrogram (batch, channels, freqs, frames), its level gains (batch, frames) and the frames that are
# wanted to an estimate of these.
Estimator = Callable[[Tensor, Tensor, Frames], Tensor]

# How far below the network's level a channel may be, as an amplitude: -15 dB. At -20 dB one gains as much as
# the others; at -30 dB its music was removed.
_LEAST_SHARE = 10.0 ** (-15.0 / 20.0)

# A network of `16 k + 3` frames is fed whole segments of 16 frames with the context on both sides,
# and three frames more on the right.
_EXTRA_FRAMES = 3


@dataclass(frozen=True, kw_only=True)
class SegmentPlan:
    """Lengths in STFT frames.

    Parameters
    ----------
    segment_frames
        Frames whose estimate is kept, a multiple of 16.
    context_frames
        Frames before and after that the network also sees, a multiple of 16.
    level_reach
        Frames to each side that count for the level of a frame.
    """

    segment_frames: int = 512
    context_frames: int = SEEN_FRAMES
    level_reach: int = 64

    def __post_init__(self) -> None:
        for name in ("segment_frames", "context_frames"):
            value = getattr(self, name)
            if value < TIME_STRIDE or value % TIME_STRIDE:
                raise ConfigurationError(
                    f"{name} is {value}; it must be a positive multiple of {TIME_STRIDE} frames"
                )
        if self.level_reach < 0:
            raise ConfigurationError(f"level_reach is {self.level_reach} frames; it must be 0 or more")

    @property
    def network_frames(self) -> int:
        """Frames that the network sees of a whole segment."""
        return self.segment_frames + 2 * self.context_frames + _EXTRA_FRAMES

    @property
    def reach_left(self) -> int:
        """Frames before a segment that it depends on."""
        return self.context_frames + self.level_reach

    @property
    def reach_right(self) -> int:
        """Frames after a segment that it depends on."""
        return self.context_frames + _EXTRA_FRAMES + self.level_reach


def mirror(waveform: Tensor, left: int, right: int) -> Tensor:
    """Extend ``(channels, samples)`` at both ends by its mirror image, which does not repeat the ends.

    Extensions longer than the signal are mirrored again and again.
    """
    length = waveform.shape[-1]
    period = max(1, 2 * (length - 1))
    index = torch.arange(-left, length + right, device=waveform.device) % period
    return waveform[..., torch.where(index < length, index, period - index)]


class SpectralStream:
    """Denoise a signal block by block at the network's sample rate.

    Parameters
    ----------
    estimator
        The network.
    config
        Its STFT.
    plan
        Lengths of segments and context.
    channels
        Number of channels.
    device
        Where the estimator computes. Samples are on the CPU.
    linked
        Whether one gain brings all channels to the network's level, which keeps their balance. Otherwise each
        channel has its own gain. Channels much quieter than the others are raised in either case, because the
        network would take their music for noise.
    batch_size
        Segments that are computed at once, if there are enough.
    profile_filter
        Refines the estimates by averages over a long time, on ``device``; None for no filter. With it,
        output comes up to 8 s later; see `musicdenoise.core.profile_stream`.
    """

    def __init__(
        self,
        estimator: Estimator,
        config: StftConfig,
        plan: SegmentPlan,
        channels: int,
        device: torch.device,
        *,
        linked: bool = True,
        batch_size: int = 1,
        profile_filter: ProfileFilter | None = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigurationError(f"batch_size is {batch_size}; it must be at least 1")
        self.batch_size = batch_size
        self.estimator, self.config, self.plan, self.device = estimator, config, plan, device
        self._linked = linked
        self._adder = OverlapAdd(config, channels)
        self._profile: ProfileStream | None = None
        if profile_filter is not None:
            rate = config.sample_rate / config.hop_length
            self._profile = ProfileStream(profile_filter, channels, config.num_freqs, rate, device)
        self._buffer = torch.zeros(channels, 0)
        self._arrived: list[Tensor] = []  # blocks that are not in the buffer yet
        self._buffer_start = 0  # position of the buffer's first sample; negative in the mirrored part
        self._received = 0
        self._next_frame = 0

    def push(self, block: Tensor) -> Tensor:
        """Take the next ``(channels, samples)``; return what is settled by now, perhaps nothing."""
        self._received += block.shape[-1]
        self._arrived.append(block)
        done = [self._buffer[:, :0]]
        frames = self.plan.segment_frames
        while self._received >= self._last_sample_needed(self.batch_size * frames):
            self._gather()
            done.append(self._run_segments(frames, self.batch_size))
        return torch.cat(done, dim=-1)

    def flush(self) -> Tensor:
        """End of the signal: return the rest, so that as many samples come out as went in."""
        if self._received == 0:
            return self._buffer
        self._gather()
        hop = self.config.hop_length
        last_frame = ceil(self._received / hop) + 1
        done = [self._buffer[:, :0]]
        while self._next_frame <= last_frame:
            missing = last_frame + 1 - self._next_frame
            frames = min(self.plan.segment_frames, ceil(missing / TIME_STRIDE) * TIME_STRIDE)
            end = self._buffer_start + self._buffer.shape[-1]
            self._extend_right(max(0, self._last_sample_needed(frames) - end))
            done.append(self._run_segments(frames))
        if self._profile is not None:
            done.append(self._adder.push(self._profile.flush().cpu()))
        rest = torch.cat(done, dim=-1)
        surplus = self._adder.returned - self._received
        return rest[:, : rest.shape[-1] - max(surplus, 0)]

    def _gather(self) -> None:
        # Not at every push: small blocks would copy the whole buffer time after time.
        self._buffer = torch.cat([self._buffer, *self._arrived], dim=-1)
        self._arrived = []

    def _last_sample_needed(self, frames: int) -> int:
        last = self._next_frame + frames + self.plan.reach_right - 1
        return last * self.config.hop_length + self.config.half_window

    def _extend_right(self, num_samples: int) -> None:
        # Mirrored around the last *real* sample, even if there is an extension already.
        real = self._received - self._buffer_start
        have = self._buffer.shape[-1] - real
        self._buffer = mirror(self._buffer[:, :real], 0, have + num_samples)

    def _run_segments(self, frames: int, count: int = 1) -> Tensor:
        """Estimate the next segments, each of this many frames, at once."""
        plan = self.plan
        pieces = []
        for _ in range(count):
            pieces.append(self._piece(frames))
            self._next_frame += frames
        if copies := self._are_copies(pieces):
            pieces = [piece[:1] for piece in pieces]
        sounding = torch.cat([piece.any(1) for piece in pieces])
        if not sounding.any():
            self._forget()
            return self._silence(count * frames)
        spectrogram = torch.cat(
            [stft(piece.to(self.device), self.config, center=False).unsqueeze(1) for piece in pieces]
        )
        gains = self._gains(frame_powers(spectrogram), count)
        inner = slice(plan.level_reach, spectrogram.shape[-1] - plan.level_reach)
        spectrogram, gains = spectrogram[..., inner], gains[:, inner]
        self._forget()
        wanted = Frames(plan.context_frames, plan.context_frames + frames)
        estimates = self._estimate(spectrogram, gains, wanted, sounding)
        noisy = spectrogram[..., wanted.first : wanted.beyond]
        if copies:
            channels = self._buffer.shape[0]
            noisy, estimates = (part.repeat_interleave(channels, 0) for part in (noisy, estimates))
        pairs = zip(noisy.squeeze(1).chunk(count), estimates.squeeze(1).chunk(count), strict=True)
        return torch.cat([self._settle(*pair) for pair in pairs], dim=-1)

    def _are_copies(self, pieces: list[Tensor]) -> bool:
        """Whether the first channel is enough, as of mono music in a stereo file."""
        if self.device.type != "cpu" or len(pieces[0]) == 1:  # on GPUs another batch is compiled anew
            return False
        return all(torch.equal(piece, piece[:1].expand_as(piece)) for piece in pieces)

    def _estimate(self, spectrogram: Tensor, gains: Tensor, wanted: Frames, sounding: Tensor) -> Tensor:
        """Estimates of channels ``(batch, 1, freqs, frames)``.

        On processors one after the other, which takes less memory; those that are silent cost nothing.
        """
        if self.device.type != "cpu":
            return self.estimator(spectrogram, gains, wanted)
        estimates = torch.zeros_like(spectrogram[..., wanted.first : wanted.beyond])
        for i in sounding.nonzero()[:, 0].tolist():
            estimates[i] = self.estimator(spectrogram[i : i + 1], gains[i : i + 1], wanted)[0]
        return estimates

    def _gains(self, powers: Tensor, count: int) -> Tensor:
        """Gains of all channels of ``count`` segments from the powers of their frames."""
        own = frame_gains(powers, self.plan.level_reach)
        if not self._linked:
            return own
        together = powers.reshape(count, -1, powers.shape[-1]).mean(dim=1)
        common = frame_gains(together, self.plan.level_reach)
        return torch.maximum(common.repeat_interleave(len(own) // count, dim=0), own * _LEAST_SHARE)

    def _settle(self, noisy: Tensor, estimate: Tensor) -> Tensor:
        """Samples that the next frames ``(channels, freqs, frames)`` settle."""
        if self._profile is not None:
            estimate = self._profile.push(noisy, estimate)
        return self._adder.push(estimate.cpu())

    def _silence(self, frames: int) -> Tensor:
        # A mask turns silence into silence, so the network is not needed.
        shape = (self._buffer.shape[0], self.config.num_freqs, frames)
        nothing = torch.zeros(shape, dtype=torch.complex64, device=self.device)
        return self._settle(nothing, nothing)

    def _piece(self, frames: int) -> Tensor:
        """Samples of the next segment, with all that it depends on."""
        config = self.config
        first = (self._next_frame - self.plan.reach_left) * config.hop_length - config.half_window
        last = self._last_sample_needed(frames)
        if first < self._buffer_start:  # the first segment: mirror the start
            self._buffer = mirror(self._buffer, self._buffer_start - first, 0)
            self._buffer_start = first
        return self._buffer[:, first - self._buffer_start : last - self._buffer_start]

    def _forget(self) -> None:
        # What the next segment needs, and as much as the mirrored end may need.
        keep_frames = self._next_frame - self.plan.reach_left - 2 * TIME_STRIDE - self.plan.reach_right
        start = keep_frames * self.config.hop_length - 2 * self.config.half_window
        if start > self._buffer_start:
            self._buffer = self._buffer[:, start - self._buffer_start :].clone()
            self._buffer_start = start
