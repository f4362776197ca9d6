"""The measures of an evaluation: names, units, which way is better, and how they are computed.

An improvement says how much better the estimate is than the noisy input. Positive is better for every
measure, also for distances.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from musicdenoise.core.metrics import log_spectral_distance, si_sdr, snr, ssnr
from musicdenoise.core.resample import resample
from musicdenoise.errors import MusicDenoiseError, UsageError
from musicdenoise.evaluation.speech import SPEECH_RATES, Waves, middle


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure.

    Parameters
    ----------
    name
        The name to choose it by.
    key
        Name of the value in reports, with its unit.
    label
        For people.
    is_distance
        Whether lower is better.
    compute
        Function of reference and estimate ``(channels, samples)``; None for speech measures.
    package
        Package that computes it, of the extra ``eval``; None if it needs none.
    """

    name: str
    key: str
    label: str
    is_distance: bool = False
    compute: Callable[[Tensor, Tensor], float] | None = None
    package: str | None = None

    @property
    def gain_key(self) -> str:
        """Name of the improvement in reports."""
        return f"{self.name}_improvement" + ("_db" if self.key.endswith("_db") else "")


MEASURES = (
    Measure(name="snr", key="snr_db", label="SNR [dB]", compute=snr),
    Measure(name="ssnr", key="ssnr_db", label="SSNR [dB]", compute=ssnr),
    Measure(name="si_sdr", key="si_sdr_db", label="SI-SDR [dB]", compute=si_sdr),
    Measure(name="lsd", key="lsd_db", label="LSD [dB]", is_distance=True, compute=log_spectral_distance),
    Measure(name="pesq_wb", key="pesq_wb", label="PESQ-WB", package="pesq"),
    Measure(name="pesq_nb", key="pesq_nb", label="PESQ-NB", package="pesq"),
    Measure(name="stoi", key="stoi", label="STOI", package="pystoi"),
)


def missing_measures() -> tuple[Measure, ...]:
    """Measures whose package is not installed."""
    return tuple(
        measure
        for measure in MEASURES
        if measure.package is not None and importlib.util.find_spec(measure.package) is None
    )


def choose_measures(names: str | None) -> tuple[Measure, ...]:
    """Measures by names, separated by commas; None for all that can be computed here.

    The SNR is always among them.

    Raises
    ------
    UsageError
        If a name is unknown, or its package is not installed.
    """
    missing = missing_measures()
    if names is None:
        return tuple(measure for measure in MEASURES if measure not in missing)
    wanted = {name.strip().lower().replace("-", "_") for name in names.split(",") if name.strip()} | {"snr"}
    known = {measure.name for measure in MEASURES}
    for name in sorted(wanted - known):
        raise UsageError(f"there is no metric {name!r}: choose from {', '.join(m.name for m in MEASURES)}")
    for measure in missing:
        if measure.name in wanted:
            raise UsageError(
                f"the metric {measure.name!r} needs the package {measure.package}: install it with "
                "pip install 'musicdenoise[eval]', or leave the metric out"
            )
    return tuple(measure for measure in MEASURES if measure.name in wanted)


def measure_waves(measures: Sequence[Measure], clean: Tensor, estimate: Tensor) -> dict[str, float | None]:
    """Values by key of the measures that are computed here, for ``(channels, samples)``.

    A value is None if it is not defined, for example for signals shorter than one frame.
    """
    values: dict[str, float | None] = {}
    for measure in measures:
        if measure.compute is not None:
            try:
                values[measure.key] = measure.compute(clean, estimate)
            except MusicDenoiseError:
                values[measure.key] = None
    return values


def speech_waves(
    measures: Sequence[Measure], clean: Tensor, estimate: Tensor, sample_rate: int
) -> dict[str, Waves]:
    """Mono mixes at the rate of each speech measure, for `musicdenoise.evaluation.speech.measure_speech`."""
    waves = {}
    mono = [wave.mean(0, keepdim=True) for wave in (clean, estimate)]
    for measure in measures:
        if measure.compute is None:
            rate = SPEECH_RATES[measure.name] or sample_rate
            pair = middle([resample(wave, sample_rate, rate)[0].numpy() for wave in mono], rate)
            waves[measure.name] = (pair[0], pair[1], rate)
    return waves


def improvements(
    measures: Sequence[Measure], noisy: Mapping[str, float | None], estimate: Mapping[str, float | None]
) -> dict[str, float | None]:
    """How much better each value of the estimate is than that of the noisy input, by key."""
    gains: dict[str, float | None] = {}
    for measure in measures:
        before, after = noisy[measure.key], estimate[measure.key]
        if before is None or after is None:
            gains[measure.gain_key] = None
        else:
            gains[measure.gain_key] = before - after if measure.is_distance else after - before
    return gains
