"""A `ProfileFilter` on a song of any length, frame after frame.

A frame waits until the next five seconds are known, and for up to two blocks of a second and a half. The
averages forget exponentially, so a new noise counts soon. An hour of a song takes no more memory than a
minute. Frames are filtered in blocks counted from the start of the song, so the result does
not depend on how many arrive at once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from musicdenoise.core.profile import LOCAL_REACH, NUM_MOMENTS, ProfileFilter, lifted, moments, weighted_sum

# Chosen; no measurement of other lengths is recorded.
BLOCK_FRAMES = 128
AHEAD_SECONDS = 5.0
MEMORY_SECONDS = 20.0


class ProfileStream:
    """Refine a network's estimates as they come.

    Parameters
    ----------
    profile_filter
        The filter.
    channels, num_freqs
        Size of the spectrograms ``(channels, freqs, frames)``.
    frames_per_second
        STFT frames per second.
    device
        Where the filter is and the spectrograms are.
    """

    def __init__(
        self,
        profile_filter: ProfileFilter,
        channels: int,
        num_freqs: int,
        frames_per_second: float,
        device: torch.device,
    ) -> None:
        self._filter = profile_filter
        self._ahead = max(LOCAL_REACH, math.ceil(AHEAD_SECONDS * frames_per_second))
        self._forgetting = math.exp(-1.0 / (MEMORY_SECONDS * frames_per_second))
        self._decay = (self._forgetting ** torch.arange(BLOCK_FRAMES - 1, -1, -1, dtype=torch.float32)).to(
            device
        )
        self._sums = torch.zeros(channels, NUM_MOMENTS, num_freqs, device=device)
        self._count = torch.zeros(channels, device=device)
        # Noisy and estimated frames from some before the next to return onwards.
        self._frames = torch.zeros(2, channels, num_freqs, 0, dtype=torch.complex64, device=device)
        self._start = 0  # frame of the song that is the first of these
        self._measured = 0
        self._returned = 0

    def push(self, noisy: Tensor, estimate: Tensor) -> Tensor:
        """Take the next frames, complex ``(channels, freqs, frames)``; return those that are settled."""
        self._frames = torch.cat([self._frames, torch.stack([noisy, estimate])], dim=-1)
        end = self._start + self._frames.shape[-1]
        done = [noisy[..., :0]]
        while end - self._measured >= BLOCK_FRAMES:
            self._measure(BLOCK_FRAMES)
            if self._measured - self._returned >= BLOCK_FRAMES + self._ahead:
                done.append(self._filtered(BLOCK_FRAMES))
        self._forget()
        return torch.cat(done, dim=-1)

    def flush(self) -> Tensor:
        """End of the song: return the rest."""
        end = self._start + self._frames.shape[-1]
        self._measure(end - self._measured)
        done = [self._frames[0, ..., :0]]
        while self._returned < end:
            done.append(self._filtered(min(BLOCK_FRAMES, end - self._returned)))
        return torch.cat(done, dim=-1)

    def _measure(self, count: int) -> None:
        """Add the next frames to the averages."""
        if count == 0:
            return
        first = self._measured - self._start
        noisy, estimate = self._frames[..., first : first + count]
        if self._measured and bool(self._count.all()):
            noisy, estimate = lifted(noisy, estimate, self._profile())
        values, weights = moments(noisy, estimate)
        forgetting = self._forgetting**count
        weights = weights * self._decay[-count:]
        self._sums = self._sums * forgetting + weighted_sum(values, weights)
        self._count = self._count * forgetting + weights.sum(dim=-1)
        self._measured += count

    def _profile(self) -> Tensor:
        """The averages so far."""
        return self._sums / self._count.clamp_min(1e-3)[:, None, None]

    def _filtered(self, count: int) -> Tensor:
        """The next frames, filtered with the averages so far."""
        profile = self._profile()
        first = self._returned - self._start
        left = min(LOCAL_REACH, first)
        noisy, estimate = self._frames[..., first - left : first + count + LOCAL_REACH].unsqueeze(1)
        refined: Tensor = self._filter(noisy, estimate, profile, slice(left, left + count))[0]
        self._returned += count
        return refined

    def _forget(self) -> None:
        """Drop frames that are returned, except those around the next."""
        surplus = self._returned - LOCAL_REACH - self._start
        if surplus > 0:
            self._frames = self._frames[..., surplus:].clone()
            self._start += surplus
