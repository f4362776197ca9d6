"""The one place that uses Dask Distributed: a function over many items, on workers that may be lost.

Each worker has one item at a time. Dask gives the item of a lost worker to another one. What fails is tried
again here, on a worker that has not tried it yet.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from musicdenoise.errors import DataError, MusicDenoiseError, UsageError
from musicdenoise.runtime.parallel import default_jobs

_CONNECTING_SECONDS = 10.0  # chosen, not measured
_JOINING_SECONDS = 60.0  # chosen: a worker that starts has imported everything by then
# By default Dask looks at its workers every 10 ms, which takes 4 % of a core for each. This takes 0.7 %.
_SETTINGS = {
    "distributed.worker.preload": ["musicdenoise.fleet.worker_start"],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "2s",
}
_Item = TypeVar("_Item")
_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[_Value]):
    """What came of an item.

    Parameters
    ----------
    index
        Which item.
    value
        What the function returned; None if it raised an error, or killed all workers that tried it.
    error
        The error, or None.
    worker
        Address of the worker that was the last to try it; empty if it did not survive that.
    tries
        How often it was tried. Dask's own tries after the loss of a worker do not count.
    """

    index: int
    value: _Value | None = None
    error: BaseException | None = None
    worker: str = ""
    tries: int


@dataclass(kw_only=True)
class _Try:
    """An item, how often it was tried, and by which workers."""

    index: int
    tries: int = 0
    workers: list[str] = field(default_factory=list)


@contextlib.contextmanager
def connected(address: str | None, processes: int = 1) -> Iterator[Any]:
    """A client of a cluster: of the scheduler at an address, or of new processes on this machine.

    Parameters
    ----------
    address
        Such as ``"tcp://10.0.0.1:8786"``, or None.
    processes
        How many to start if there is no address; the processors are shared among them.

    Yields
    ------
    distributed.Client
        Connected, with one worker at least.

    Raises
    ------
    UsageError
        If Dask Distributed is not installed, or the address makes no sense.
    DataError
        If no scheduler answers, or no worker joins within a minute.
    """
    try:
        import distributed
    except ImportError as error:
        raise UsageError(
            "Dask Distributed must be installed for this command: pip install 'musicdenoise[fleet]'"
        ) from error
    _silence()
    with contextlib.ExitStack() as stack:
        try:
            target = address or stack.enter_context(_local_cluster(processes))
            client = stack.enter_context(distributed.Client(target, timeout=_CONNECTING_SECONDS))
        except (ValueError, TypeError) as error:
            raise UsageError.wrong(
                "address", address, "that of a scheduler, such as tcp://10.0.0.1:8786"
            ) from error
        except OSError as error:
            if address is None:
                raise DataError(f"no workers can be started here: {reason_of(error)}") from error
            raise DataError(f"{address}: no scheduler answers; start one with 'dask scheduler'") from error
        try:
            client.wait_for_workers(1, timeout=_JOINING_SECONDS)
        except (TimeoutError, asyncio.TimeoutError) as error:
            if address is None:
                raise DataError(
                    "the workers on this machine do not start; try a smaller {jobs}", jobs=processes
                ) from error
            raise DataError(f"{address}: no worker joins; start some with 'dask worker {address}'") from error
        yield client


def spread(
    client: Any,
    function: Callable[[_Item], _Value],
    items: Sequence[_Item],
    *,
    retries: int = 2,
    has_failed: Callable[[_Value], bool] = lambda value: False,
) -> Iterator[Answer[_Value]]:
    """Results of ``function``, as they become ready.

    Parameters
    ----------
    client
        From `connected`.
    function
        Must be importable from a module (or a `functools.partial` of such a function) on the workers.
    items
        Arguments.
    retries
        How often a failure is tried again, on another worker if there is one. An item that killed four
        workers is given up.
    has_failed
        Whether a result is a failure. An error that the function raises always is one.

    Raises
    ------
    DataError
        If the scheduler is gone, or all workers are, and none comes back within a minute.
    """
    waiting = deque(_Try(index=index) for index in range(len(items)))
    running: dict[Any, _Try] = {}
    while waiting or running:
        with _watched():
            threads = client.nthreads()
            while waiting and len(running) < max(1, sum(threads.values())):
                attempt = waiting.popleft()
                running[_submit(client, function, items[attempt.index], attempt, threads)] = attempt
            done = _first_done(client, running)
        for future in done:
            attempt = running.pop(future)
            answer = _answer(future, attempt)
            is_failure = answer.error is not None or has_failed(answer.value)  # type: ignore[arg-type]
            if is_failure and answer.tries <= retries and not _is_deadly(answer.error):
                waiting.appendleft(attempt)
            else:
                yield answer


def map_on_fleet(
    client: Any, function: Callable[[_Item], _Value], items: Sequence[_Item]
) -> Iterator[tuple[int, _Value]]:
    """Results of ``function`` with the index of their item, as `map_jobs` gives them.

    Raises
    ------
    MusicDenoiseError
        What the function raised at last.
    DataError
        As `spread`, or if no worker survived an item.
    """
    for answer in spread(client, function, items):
        if isinstance(answer.error, MusicDenoiseError):
            raise answer.error
        if answer.error is not None:
            raise DataError(f"a worker could not do its part: {reason_of(answer.error)}") from answer.error
        yield answer.index, answer.value  # type: ignore[misc]


def _is_deadly(error: BaseException | None) -> bool:
    """Whether several workers died of an item; Dask has tried it often enough then."""
    return type(error).__name__ == "KilledWorker"


def is_closing() -> bool:
    """On a worker: whether it is about to end."""
    from distributed import get_worker

    return str(get_worker().status.name).startswith("clos")


def reason_of(error: BaseException) -> str:
    """One line about an error of a worker."""
    if _is_deadly(error):
        return "each worker that tried it was killed, perhaps because memory ran out"
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def _submit(
    client: Any,
    function: Callable[[_Item], _Value],
    item: _Item,
    attempt: _Try,
    threads: dict[str, int],
) -> Any:
    others = [worker for worker in threads if worker not in attempt.workers]
    choice = {"workers": others, "allow_other_workers": True} if attempt.workers and others else {}
    return client.submit(partial(_work, function), item, pure=False, **choice)


def _work(function: Callable[[_Item], _Value], item: _Item) -> tuple[str, _Value | None, Exception | None]:
    """On a worker: its address, and the result or the error."""
    from distributed import get_worker

    address = str(get_worker().address)
    try:
        return address, function(item), None
    except Exception as error:  # noqa: BLE001 - the address goes with it
        return address, None, error


def _answer(future: Any, attempt: _Try) -> Answer[Any]:
    attempt.tries += 1
    try:
        worker, value, error = future.result()
    except Exception as lost:  # noqa: BLE001 - no worker survived it, or none could load it
        return Answer(index=attempt.index, error=lost, tries=attempt.tries)
    attempt.workers.append(worker)
    return Answer(index=attempt.index, value=value, error=error, worker=worker, tries=attempt.tries)


def _first_done(client: Any, running: dict[Any, _Try]) -> list[Any]:
    """The items in work that are done; waits for one, but not for ever: more workers may have joined."""
    import distributed

    try:
        return list(
            distributed.wait(list(running), timeout=_JOINING_SECONDS, return_when="FIRST_COMPLETED").done
        )
    except (TimeoutError, asyncio.TimeoutError):
        if not client.nthreads():
            raise DataError("no worker is left; start some, and run again to go on") from None
    return []


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    """Turn the loss of the scheduler inside the block into one line."""
    try:
        yield
    except (OSError, asyncio.CancelledError, concurrent.futures.CancelledError) as error:
        raise DataError("the scheduler is gone; start it and its workers, and run again to go on") from error


def _silence() -> None:
    """Keep what Dask tells of each lost connection from the terminal, unless everything is asked for."""
    level = logging.NOTSET if logging.getLogger().isEnabledFor(logging.DEBUG) else logging.CRITICAL
    for name in ("distributed", "distributed.client", "distributed.gc"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(level)


@contextlib.contextmanager
def _local_cluster(processes: int) -> Iterator[Any]:
    """Workers on this machine. One that is killed is started again."""
    import dask
    import distributed

    threads = max(1, default_jobs() // processes)
    with (
        dask.config.set(_SETTINGS),
        distributed.LocalCluster(
            n_workers=processes,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            env={"OMP_NUM_THREADS": str(threads)},
        ) as cluster,
    ):
        yield cluster
