"""The noise profile: averages over a long time, which a network that sees one second cannot know.

The twenty layers with their few strides in time see 1.1 s to each side at most. But noise often lasts. If
much was removed at a frequency over the last half minute, there is noise; if nothing was removed, there is
music. A `ProfileFilter` is a small real-valued network behind the large one. For each bin
it reads the powers of the input, the estimate, and what was removed, in the bin and around it, and their
averages over a long time at that frequency. It answers how much of the estimate and of what was removed to
keep.

It starts as the identity, so it can be put behind a network that was trained without it. It does not depend
on the level, because it reads ratios only. If song and noise fade out together, the averages would take
all of it for noise; `lifted` prevents that.

Conventions: spectrograms are complex ``(batch, channels, freqs, frames)``; channels are filtered each on its
own. Powers are kept as base-10 logarithms.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.level import SILENCE_POWER

LOCAL_REACH = 15
"""Frames to each side that count as around a bin: 0.17 s. Chosen, not measured."""
NUM_MOMENTS = 9
"""Averages over time that make a profile, per frequency; see `moments`."""

_NUM_LOCAL, _NUM_STEADY, _NUM_FRAME = 8, 12, 4
_TYPICAL_REMOVED = slice(2, 3)  # of the moments: the average logarithm of what was removed
_LARGEST_RATIO = 4.0  # of powers, in powers of ten: 40 dB
_LARGEST_BOOST = 0.3  # chosen, not measured
_LEAST_VARIANCE = 0.01  # of logarithms, a spread of 1 dB; the difference of two averages is not more exact


class Parts(Protocol):
    """A spectrogram: a complex tensor, or anything else that has real and imaginary parts."""

    @property
    def real(self) -> Tensor:
        """Real part."""

    @property
    def imag(self) -> Tensor:
        """Imaginary part."""

    def __sub__(self, other: Any) -> Parts:
        """Difference of two spectrograms."""


class ProfileFilter(nn.Module):
    """Refines a network's estimate by averages over a long time.

    Parameters
    ----------
    width
        Channels of its two hidden layers.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.local = nn.Conv2d(_NUM_LOCAL, width, (3, 1), padding=(1, 0))
        self.steady = nn.Conv2d(_NUM_STEADY, width, (3, 1), padding=(1, 0), bias=False)
        self.frame = nn.Conv2d(_NUM_FRAME, width, 1, bias=False)
        self.hidden = nn.Conv2d(width, width, (3, 1), padding=(1, 0))
        self.last = nn.Conv2d(width, 2, 1)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self, noisy: Tensor, estimate: Tensor, profile: Tensor | None = None, inner: slice = slice(None)
    ) -> Tensor:
        """Refine an estimate.

        Parameters
        ----------
        noisy, estimate
            Spectrograms ``(batch, channels, freqs, frames)`` of the network's input and output.
        profile
            Averages of `moments` over time, ``(batch * channels, NUM_MOMENTS, freqs)``; by default over
            all that is given.
        inner
            Frames to refine; the others are their surroundings.

        Returns
        -------
        Tensor
            Complex, ``(batch, channels, freqs, frames)``, only the frames to refine.
        """
        batch = noisy.shape[:2]
        noisy, estimate = noisy.flatten(0, 1), estimate.flatten(0, 1)
        kept, returned = self.weigh(noisy, estimate, profile, inner)
        noisy, estimate = noisy[..., inner], estimate[..., inner]
        refined: Tensor = (1.0 + kept) * estimate + returned * (noisy - estimate)
        return refined.reshape(*batch, *refined.shape[1:])

    def weigh(
        self, noisy: Parts, estimate: Parts, profile: Tensor | None = None, inner: slice = slice(None)
    ) -> tuple[Tensor, Tensor]:
        """How much of a refined estimate comes from where.

        Parameters
        ----------
        noisy, estimate, profile, inner
            As for `forward`, spectrograms ``(items, freqs, frames)``.

        Returns
        -------
        kept, returned : Tensor
            What is added to the estimate, as a share of it, and the share of what was removed that is given
            back, ``(items, freqs, frames)``.
        """
        # The averages stay in float32, even if the layers are computed in bfloat16.
        with torch.no_grad(), torch.autocast(noisy.real.device.type, enabled=False):
            if profile is None:
                values, weights = moments(noisy, estimate)
                profile = weighted_sum(values, weights) / weights.sum(-1).clamp_min(1.0)[:, None, None]
            local, steady, frame = _features(*_powers(noisy, estimate), profile)
        kept, returned = self.gains(local[..., inner], steady, frame[..., inner]).float().unbind(1)
        return kept, returned

    def gains(self, local: Tensor, steady: Tensor, frame: Tensor) -> Tensor:
        """Change of what is kept, and share of what is given back, ``(items, 2, freqs, frames)``."""
        x = F.silu(self.local(local) + self.steady(steady) + self.frame(frame))
        x = x + F.silu(self.hidden(x))
        return torch.tanh(self.last(x)).clamp(max=_LARGEST_BOOST)


def moments(noisy: Parts, estimate: Parts) -> tuple[Tensor, Tensor]:
    """The values to average over time, and which frames count (silent ones do not).

    Parameters
    ----------
    noisy, estimate
        Complex ``(items, freqs, frames)``.

    Returns
    -------
    values : Tensor
        ``(items, NUM_MOMENTS, freqs, frames)``: powers of the removed and of the estimate, the logarithms of
        both and of the input, the inverse roots of input and removed (whose averages show the quietest
        moments), and the squares of the logarithms of removed and estimate.
    weights : Tensor
        0 or 1, ``(items, frames)``.
    """
    powers, logarithms = _powers(noisy, estimate)
    values = torch.cat(
        [
            powers[:, 1:],
            logarithms.roll(-1, dims=1),
            powers[:, :2].rsqrt(),
            logarithms[:, 1:].square(),
        ],
        dim=1,
    )
    sounds = powers[:, 0].mean(dim=1) > 2.0 * SILENCE_POWER
    return values, sounds.to(values.dtype)


def _powers(noisy: Parts, estimate: Parts) -> tuple[Tensor, Tensor]:
    """Powers of input, removed and estimate and their logarithms, ``(items, 3, freqs, frames)`` each."""
    total = _power(noisy).clamp_min(SILENCE_POWER)
    least = total * 10.0**-_LARGEST_RATIO
    removed, kept = (torch.maximum(_power(part), least) for part in (noisy - estimate, estimate))
    powers = torch.stack([total, removed, kept], dim=1)
    return powers, powers.log10()


def lifted(noisy: Tensor, estimate: Tensor, profile: Tensor) -> tuple[Tensor, Tensor]:
    """Frames of a fade-out, brought to the level of the noise that a profile knows; others as they are.

    Noise that lasts is never louder than the song with it. If half of the bins are quieter than what was
    removed there so far, song and noise were faded together. Without this, the last second of a fade-out to
    -60 dB lost 2 dB of its SNR (10 dB of white noise, two synthetic songs); with it, it gains 8 dB. Twenty
    mixes with white noise at 0 to 20 dB SNR come out the same.

    Parameters
    ----------
    noisy, estimate
        Complex ``(items, freqs, frames)``.
    profile
        Averages of `moments`, ``(items, NUM_MOMENTS, freqs)``.
    """
    total = _power(noisy).clamp_min(SILENCE_POWER).unsqueeze(1)
    reference = _over_frames(_over_frequencies(total), 1).log10()
    factor = 10.0 ** (0.5 * _lift(reference, _smooth(profile)[:, _TYPICAL_REMOVED])).squeeze(1)
    return factor * noisy, factor * estimate


def weighted_sum(values: Tensor, weights: Tensor) -> Tensor:
    """Sum of ``(items, NUM_MOMENTS, freqs, frames)`` over time, weighted by ``(items, frames)``."""
    return torch.einsum("imft,it->imf", values, weights)


def _power(spectrogram: Parts) -> Tensor:
    return spectrogram.real.square() + spectrogram.imag.square()


def _features(powers: Tensor, logarithms: Tensor, profile: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the filter reads, ratios of powers: of bins, of frequencies, of frames.

    ``(items, 8, freqs, frames)``, ``(items, 12, freqs, 1)`` and ``(items, 4, 1, frames)``.
    """
    smooth = _smooth(profile)
    linear, typical, roots, squares = torch.split(smooth, [2, 3, 2, 2], dim=1)
    average, parts, total = _log(linear), typical[:, :2], typical[:, 2:]
    quietest = -2.0 * _log(roots)
    spread = (squares - parts.square()).clamp_min(_LEAST_VARIANCE).sqrt()
    everywhere = _log(profile[:, :2].mean(dim=2))[:, :, None, None]
    steady = [
        torch.cat([average, parts, quietest], dim=1) - total,
        spread,
        total - everywhere[:, 1:],
        (everywhere[:, :1] - everywhere[:, 1:]).expand_as(total),
        _positions(total),
    ]
    rows = _over_frequencies(powers)
    near, far = _over_frames(rows[:, 1:], 2), _over_frames(rows[:, 1:], LOCAL_REACH)
    reference = _over_frames(rows[:, :1], 1).log10()
    lift = _lift(reference, parts[:, :1])
    around = torch.cat([logarithms, near.log10(), far.log10()], dim=1) - reference
    local = torch.cat([around, reference + lift - total], dim=1)
    frame = powers[:, 1:].mean(dim=2, keepdim=True).log10() + lift
    ratio = everywhere[:, :1] - everywhere[:, 1:]
    frames = torch.cat([frame - everywhere, frame[:, :1] - frame[:, 1:], ratio.expand_as(frame[:, :1])], 1)
    return _limited(local), _limited(torch.cat(steady, dim=1)), _limited(frames)


def _smooth(profile: Tensor) -> Tensor:
    """Averages of each frequency and its two neighbours, ``(items, NUM_MOMENTS, freqs, 1)``."""
    return F.avg_pool1d(F.pad(profile, (1, 1), mode="replicate"), 3, 1)[..., None]


def _lift(reference: Tensor, removed: Tensor) -> Tensor:
    """Powers of ten by which half of the bins are quieter than what is typically removed there; at least 0.

    ``(items, 1, 1, frames)``, from logarithms ``(items, 1, freqs, frames)`` and ``(items, 1, freqs, 1)``.
    """
    ratios = removed - reference
    # The median, by an operation that ONNX has; it takes the same time.
    lower = ratios.topk(ratios.shape[2] // 2 + 1, dim=2, largest=False, sorted=False).values
    return lower.amax(dim=2, keepdim=True).clamp_min(0.0)


def _limited(ratios: Tensor) -> Tensor:
    return ratios.clamp(-_LARGEST_RATIO, _LARGEST_RATIO)


def _log(values: Tensor) -> Tensor:
    # Before the first block, all averages are zero.
    return values.clamp_min(SILENCE_POWER).log10()


def _positions(like: Tensor) -> Tensor:
    """Frequency, linear and as a logarithm, ``(items, 2, freqs, 1)``."""
    freqs = like.shape[2]
    index = torch.arange(freqs, device=like.device, dtype=like.dtype)
    both = torch.stack([3.0 * index / max(freqs - 1, 1), (index + 1.0).log10()])
    return both[None, :, :, None].expand(like.shape[0], -1, -1, -1)


def _over_frequencies(values: Tensor) -> Tensor:
    """Mean of each bin and its two neighbours; the values at the edges stand for those beyond."""
    padded = torch.cat([values[:, :, :1], values, values[:, :, -1:]], dim=2)
    return (padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]) / 3.0


def _over_frames(values: Tensor, reach: int) -> Tensor:
    """Mean over ``reach`` frames to each side, by sums of sums of twice as many frames each time."""
    total = 2 * reach + 1
    sums = F.pad(values, (reach, reach, 0, 0), mode="replicate")
    length = values.shape[-1]
    done, start, count = torch.zeros_like(values), 0, 1
    while count <= total:
        if total & count:
            done += sums[..., start : start + length]
            start += count
        sums = sums[..., :-count] + sums[..., count:] if sums.shape[-1] > count else sums
        count *= 2
    return done / total
