"""Correlation of pairs of audio files, streamed from disk.

Files are compared sample by sample from their beginnings, over the length that both have; see
`musicdenoise.evaluation.streams` for files of different rates and channel counts. The statistics of a
pair run over all samples of all channels.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from musicdenoise.core.correlation import CrossSpectrum, JointMoments, p_value
from musicdenoise.errors import DataError, Failure, MusicDenoiseError, UsageError
from musicdenoise.evaluation.file_pairs import FilePair
from musicdenoise.evaluation.streams import AlignedPair
from musicdenoise.runtime.parallel import map_jobs

FIXED_COVARIANCE = 1e-6
"""The reference's criterion: a pair counts as uncorrelated if |covariance| is below this."""

SIGNIFICANCE = 0.05
"""By convention: a pair counts as uncorrelated if the p-value is at least this."""

_LONGEST_FRAME = 1 << 22  # samples: 95 s at 44.1 kHz, to bound memory


@dataclass(frozen=True, kw_only=True)
class PairCorrelation:
    """The measurements of a pair.

    Parameters
    ----------
    key, first, second
        The pair.
    sample_rate, channels
        At which both were compared.
    num_samples
        Samples per channel that were compared.
    first_samples, second_samples
        Length of each, at that rate.
    pearson
        Pearson's correlation; None if a file is constant.
    covariance, cross_correlation
        Mean product without and with the means, at lag 0.
    first_mean, second_mean, first_power, second_power, first_sd, second_sd
        Of each: mean, mean square (autocorrelation at lag 0), standard deviation.
    effective_samples, p_value
        How many independent samples the pair amounts to, and the probability of such a correlation by
        chance; see `musicdenoise.core.correlation`.
    lag_samples
        How many samples the second file is later than the first, by GCC-PHAT, at ``sample_rate``.
    lag_peak
        Height of that peak, 0 to 1.
    lag_correlation
        Pearson's correlation at that lag.
    lag_p_value
        Probability of such a correlation by chance at any of the lags that were tried.
    """

    key: str
    first: str
    second: str
    sample_rate: int
    channels: int
    num_samples: int
    first_samples: int
    second_samples: int
    pearson: float | None
    covariance: float
    cross_correlation: float
    first_mean: float
    second_mean: float
    first_power: float
    second_power: float
    first_sd: float
    second_sd: float
    effective_samples: float
    p_value: float | None
    lag_samples: int
    lag_peak: float
    lag_correlation: float | None
    lag_p_value: float | None

    @property
    def lag_seconds(self) -> float:
        """The lag in seconds."""
        return self.lag_samples / self.sample_rate

    @property
    def is_uncorrelated(self) -> bool | None:
        """Whether the test finds the pair uncorrelated; None without a correlation."""
        return None if self.p_value is None else self.p_value >= SIGNIFICANCE

    @property
    def is_misaligned(self) -> bool:
        """Whether the files match better at a lag than without, by more than chance."""
        if self.lag_p_value is None or self.lag_correlation is None or self.lag_samples == 0:
            return False
        return self.lag_p_value < SIGNIFICANCE and abs(self.lag_correlation) > abs(self.pearson or 0.0)

    @property
    def is_uncorrelated_fixed(self) -> bool:
        """Whether |covariance| < 1e-6: the reference's criterion, which ignores level and length."""
        return abs(self.covariance) < FIXED_COVARIANCE


@dataclass(frozen=True, kw_only=True)
class CorrelationStatistics:
    """Pearson's correlations of all pairs that have one; the counts are of |r|."""

    count: int
    mean: float
    median: float
    sd: float
    minimum: float
    maximum: float
    mean_magnitude: float
    above_08: int
    from_05_to_08: int
    up_to_05: int
    below_01: int
    uncorrelated: int
    uncorrelated_fixed: int
    misaligned: int


@dataclass(frozen=True, kw_only=True)
class CorrelationReport:
    """Everything that a comparison of two folders gives; ``statistics`` is None without any pair."""

    pairs: tuple[PairCorrelation, ...]
    statistics: CorrelationStatistics | None
    unpaired: tuple[str, ...]
    failures: tuple[Failure, ...]


def correlate_files(
    pairs: Sequence[FilePair],
    *,
    unpaired: Sequence[Path] = (),
    most_lag_seconds: float = 1.0,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> CorrelationReport:
    """Compare all pairs. Pairs that cannot be compared are listed in the report.

    Parameters
    ----------
    pairs, unpaired
        From `find_file_pairs`.
    most_lag_seconds
        Largest lag to look for, in either direction.
    jobs
        Number of processes.
    on_progress
        Called with the number of pairs done and of all.

    Raises
    ------
    UsageError
        If ``most_lag_seconds`` or ``jobs`` is out of range.
    """
    if not 0.0 < most_lag_seconds <= 20.0:
        lag = most_lag_seconds
        raise UsageError.wrong("most_lag_seconds", lag, "above 0 and at most 20", f"{lag:g} s")
    results: dict[int, PairCorrelation | Failure] = {}
    work = partial(_try_pair, most_lag_seconds=most_lag_seconds)
    for index, result in map_jobs(work, pairs, jobs):
        results[index] = result
        if on_progress:
            on_progress(len(results), len(pairs))
    in_order = [results[index] for index in range(len(pairs))]
    measured = tuple(result for result in in_order if isinstance(result, PairCorrelation))
    return CorrelationReport(
        pairs=measured,
        statistics=summarise_correlations(measured),
        unpaired=tuple(str(path) for path in unpaired),
        failures=tuple(result for result in in_order if isinstance(result, Failure)),
    )


def _try_pair(pair: FilePair, most_lag_seconds: float) -> PairCorrelation | Failure:
    try:
        return correlate_pair(pair, most_lag_seconds)
    except MusicDenoiseError as error:
        return Failure(what=pair.key, reason=str(error))


def correlate_pair(pair: FilePair, most_lag_seconds: float = 1.0) -> PairCorrelation:
    """Compare two files.

    Raises
    ------
    AudioError
        If one cannot be read.
    DataError
        If one holds no samples.
    """
    with AlignedPair(pair.first, pair.second) as streams:
        rate, channels = streams.sample_rate, streams.channels
        most_lag = max(1, round(most_lag_seconds * rate))
        frame = min(_LONGEST_FRAME, 1 << (4 * most_lag - 1).bit_length())
        moments, spectrum = JointMoments(), CrossSpectrum(channels, frame)
        for first, second in streams.blocks():
            moments.add(first, second)
            spectrum.add(first, second)
        spectrum.finish()
        lengths = streams.lengths()
    if moments.count == 0:
        raise DataError(f"{pair.first} and {pair.second}: at least one of them holds no samples")
    lag = spectrum.lag(most_lag)
    effective = spectrum.effective_samples(moments.count)
    pearson = moments.pearson
    at_lag = _correlation_at(pair, lag.samples) if lag.samples else pearson
    return PairCorrelation(
        key=pair.key,
        first=str(pair.first),
        second=str(pair.second),
        sample_rate=rate,
        channels=channels,
        num_samples=moments.count // channels,
        first_samples=lengths[0],
        second_samples=lengths[1],
        pearson=pearson,
        covariance=moments.covariance,
        cross_correlation=moments.cross_correlation,
        first_mean=moments.means[0],
        second_mean=moments.means[1],
        first_power=moments.powers[0],
        second_power=moments.powers[1],
        first_sd=moments.deviations[0],
        second_sd=moments.deviations[1],
        effective_samples=effective,
        p_value=None if pearson is None else p_value(pearson, effective),
        lag_samples=lag.samples,
        lag_peak=lag.peak,
        lag_correlation=at_lag,
        lag_p_value=None if at_lag is None else min(1.0, (2 * most_lag + 1) * p_value(at_lag, effective)),
    )


def _correlation_at(pair: FilePair, lag: int) -> float | None:
    """Pearson's correlation with the second file moved ``lag`` samples to the front."""
    moments = JointMoments()
    with AlignedPair(pair.first, pair.second) as streams:
        streams.skip(lag)
        for first, second in streams.blocks():
            moments.add(first, second)
    return moments.pearson if moments.count else None


def summarise_correlations(pairs: Sequence[PairCorrelation]) -> CorrelationStatistics | None:
    """Statistics over pairs; None if no pair has a correlation."""
    values = [pair.pearson for pair in pairs if pair.pearson is not None]
    if not values:
        return None
    magnitudes = [abs(value) for value in values]
    return CorrelationStatistics(
        count=len(values),
        mean=statistics.fmean(values),
        median=statistics.median(values),
        sd=statistics.pstdev(values),
        minimum=min(values),
        maximum=max(values),
        mean_magnitude=statistics.fmean(magnitudes),
        above_08=sum(value > 0.8 for value in magnitudes),
        from_05_to_08=sum(0.5 < value <= 0.8 for value in magnitudes),
        up_to_05=sum(value <= 0.5 for value in magnitudes),
        below_01=sum(value < 0.1 for value in magnitudes),
        uncorrelated=sum(bool(pair.is_uncorrelated) for pair in pairs),
        uncorrelated_fixed=sum(pair.is_uncorrelated_fixed for pair in pairs if pair.pearson is not None),
        misaligned=sum(pair.is_misaligned for pair in pairs),
    )
