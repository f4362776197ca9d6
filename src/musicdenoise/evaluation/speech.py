"""PESQ and STOI in worker processes: measures for speech, for comparison only.

Both are taken on the mono mix; PESQ at 16 kHz (wide band) and 8 kHz (narrow band), STOI at the rate of the
signal (it resamples to 10 kHz itself). Longer signals are measured in their middle 30 s, the longest that
PESQ is meant for.

References: ITU-T P.862 and P.862.2 (the ``pesq`` package); Taal et al., "An algorithm for intelligibility
prediction of time-frequency weighted noisy speech", 2011 (the ``pystoi`` package).
"""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from musicdenoise.runtime.interrupts import follow_parent

SPEECH_RATES = {"pesq_wb": 16_000, "pesq_nb": 8_000, "stoi": None}
"""Rate in Hz that each measure is taken at; None for that of the signal."""

LONGEST_SECONDS = 30.0  # of an item: the longest that PESQ is meant for

Waves = tuple[NDArray[np.float32], NDArray[np.float32], int]
"""Reference and estimate ``(samples,)`` and their rate in Hz."""


def measure_speech(waves: Mapping[str, Waves]) -> dict[str, float | None]:
    """Speech measures of one estimate.

    Parameters
    ----------
    waves
        By the name of the measure: reference, estimate and rate.

    Returns
    -------
    dict
        By the same names; None if a measure is not defined, for example for short or quiet signals.
    """
    return {name: _measure(name, *arguments) for name, arguments in waves.items()}


def _measure(
    name: str, reference: NDArray[np.float32], estimate: NDArray[np.float32], sample_rate: int
) -> float | None:
    if not reference.any() or not estimate.any():
        return None
    if name == "stoi":
        from pystoi import stoi

        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                return float(stoi(reference, estimate, sample_rate))
            except (RuntimeWarning, ValueError):
                return None  # hardly any frame is loud enough
    from pesq import PesqError, pesq

    try:
        return float(pesq(sample_rate, reference, estimate, name.removeprefix("pesq_")))
    except (PesqError, ValueError, ZeroDivisionError):
        return None  # no utterance found, or too short a signal


class SpeechPool:
    """Processes that measure; a context manager.

    Parameters
    ----------
    workers
        Number of processes; 0 measures in this one.
    """

    def __init__(self, workers: int) -> None:
        self._executor = (
            ProcessPoolExecutor(
                workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
            )
            if workers
            else None
        )

    def __enter__(self) -> SpeechPool:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=exc_type is None, cancel_futures=True)

    def submit(self, waves: Mapping[str, Waves]) -> Future[dict[str, float | None]]:
        """Measure one estimate; see `measure_speech`."""
        if self._executor is not None and waves:
            return self._executor.submit(measure_speech, waves)
        done: Future[dict[str, float | None]] = Future()
        done.set_result(measure_speech(waves))
        return done


def _start_worker() -> None:
    # An interrupt from the keyboard reaches every process; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    follow_parent()


def middle(waves: Sequence[NDArray[np.float32]], sample_rate: int) -> list[NDArray[np.float32]]:
    """The middle 30 s of signals ``(samples,)`` of the same length."""
    most = round(LONGEST_SECONDS * sample_rate)
    start = max(0, (len(waves[0]) - most) // 2)
    return [wave[start : start + most] for wave in waves]
