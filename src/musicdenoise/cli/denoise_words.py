"""What was done with a song, in words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from musicdenoise.denoising.denoise_report import DenoiseReport
from musicdenoise.denoising.model import NO_NETWORK
from musicdenoise.denoising.noise_sample import NoiseReport
from musicdenoise.kinds import NOISE_CLASSES

_HINT = re.compile(r" \(--[^()]*\)")


def summary(report: DenoiseReport, removed_share: float, *, hints: bool = True) -> str:
    """What was removed from a song, and what the gate left alone and why; ``hints`` name options."""
    told = _summary(report, removed_share)
    return told if hints else _HINT.sub("", told)


def _summary(report: DenoiseReport, removed_share: float) -> str:
    if not math.isfinite(report.removed_db):
        copied = ", byte for byte" if report.is_copy else ""
        return f"left as it came{copied}: {_why_nothing(report, removed_share)}"
    loudness = f"{abs(report.removed_db):.1f} dB {'quieter' if report.removed_db < 0.0 else 'louder'}"
    removed = f"removed noise {loudness} than the song"
    if report.weights != NO_NETWORK:
        removed += f" with the network {report.weights!r}"
    if report.passed_seconds > 0.0:
        removed += f", left {report.passed_seconds:.0f} of {report.audio_seconds:.0f} s untouched: "
        removed += _why_passed(report)
    return removed


def _why_nothing(report: DenoiseReport, removed_share: float) -> str:
    if removed_share == 0.0:
        return "at this strength nothing is removed"
    if report.weights == NO_NETWORK and report.noise_sample is None:
        return "no moment of noise alone was found; give one with --noise-sample"
    network = f"the network {report.weights!r}"
    if report.bass_seconds > 0.0:
        return f"what {network} would remove is {_bass(report)}"
    if report.passed_seconds > 0.0:
        return f"there is next to nothing to remove for {network} (--always removes it all the same)"
    return f"there was no noise that {network} would remove"


def _why_passed(report: DenoiseReport) -> str:
    if report.bass_seconds <= 0.0:
        return "nothing to remove there"
    if report.passed_seconds - report.bass_seconds < 0.5:  # s, which would be shown as 0
        return f"what would be removed there is {_bass(report)}"
    return f"nothing to remove there, or in {report.bass_seconds:.0f} s of it only what is {_bass(report)}"


def _bass(report: DenoiseReport) -> str:
    other = "" if report.weights in NOISE_CLASSES else ", or --noise KIND of a low noise"
    return f"largely bass, which may be music (--always removes it{other})"


def sample_line(sample: NoiseReport) -> str:
    """Where the spectrum of the noise came from."""
    stretches = ", ".join(f"{start:.2f}-{end:.2f} s" for start, end in sample.stretches)
    if sample.source == "found":
        return f"found noise alone at {stretches}, and learnt from it (--no-find-noise turns that off)"
    line = f"learnt the noise from {', '.join(filter(None, [*sample.files, stretches])) or 'the sample'}"
    if sample.level_db:
        change = "raised" if sample.level_db > 0.0 else "lowered"
        line += f", {change} by {abs(sample.level_db):.1f} dB to the level of the song's noise"
    return line


def details(report: DenoiseReport) -> Iterator[str]:
    """Channels, rate, the noise's level, and what was removed from each band, a line each."""
    rate = f"{report.sample_rate} Hz"
    if report.song_rate != report.sample_rate:
        rate += f" (the format has no {report.song_rate} Hz)"
    yield f"  {report.channels} channel(s) at {rate}, {report.audio_seconds:.1f} s"
    yield f"  noise: {report.noise_db:.1f} dB re full scale"
    for band in report.bands:
        removed = "nothing" if band.removed_db is None else f"{band.removed_db:.1f} dB relative to the song"
        yield f"  {band.low_hz:.0f}-{band.high_hz:.0f} Hz: {removed}"
