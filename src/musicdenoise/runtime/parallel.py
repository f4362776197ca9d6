"""Run one function over many items, in this process or in several.

The same function on the same item gives the same bytes either way. The number of threads can change the
last bits of a result, so torch uses one thread in both cases unless told otherwise.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import TypeVar

import torch

from musicdenoise.errors import DataError, UsageError
from musicdenoise.runtime.allocator import keep_freed_memory
from musicdenoise.runtime.interrupts import follow_parent, raise_when_possible

# Time that a process gets to remove its temporary files, when another one was killed.
_UNWINDING_SECONDS = 10.0

# What may have to be open at once: measured, 3 processes need between 20 and 24 files.
_OPEN_FILES = 16
_OPEN_FILES_PER_PROCESS = 4

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def default_jobs() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_jobs(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    jobs: int,
    *,
    threads: int = 1,
    apart: bool = False,
) -> Iterator[tuple[int, _Result]]:
    """Results of ``function`` with the index of their item, as they become ready.

    Parameters
    ----------
    function
        Must be importable from a module (or a `functools.partial` of such a function) if ``jobs`` is
        more than 1.
    items
        Arguments.
    jobs
        Number of processes; 1 computes in this one.
    threads
        Threads that torch uses in each process. More than 1 may change the last bits of a result.
    apart
        Whether a single item or process is computed in a process of its own, too.

    Raises
    ------
    UsageError
        If ``jobs`` is less than 1.
    DataError
        If a process was killed.
    """
    if jobs < 1:
        raise UsageError.wrong("jobs", jobs, "at least 1")
    if (jobs == 1 or len(items) <= 1) and not apart:
        yield from _map_here(function, items, threads)
    else:
        yield from _map_in_processes(function, items, jobs, threads)


def _map_in_processes(
    function: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int, threads: int
) -> Iterator[tuple[int, _Result]]:
    before = set(multiprocessing.active_children())
    executor: ProcessPoolExecutor | None = None
    is_complete = is_broken = False
    try:
        try:
            _allow_open_files(min(jobs, len(items)))
            executor = ProcessPoolExecutor(
                min(jobs, len(items)),
                mp_context=_context(function),
                initializer=_start_worker,
                initargs=(threads,),
            )
            futures = {executor.submit(function, item): index for index, item in enumerate(items)}
        except (EOFError, OSError) as error:  # too few files may be open, or too few processes run
            raise DataError(
                "more processes cannot be started; run again with fewer {jobs}, or raise the limits of open "
                "files and processes (ulimit)",
                jobs=jobs,
            ) from error
        for future in as_completed(futures):
            yield futures[future], future.result()
        is_complete = True
    except BrokenProcessPool as error:
        is_broken = True
        raise DataError(
            "a worker process was killed, perhaps because memory ran out; run again with fewer {jobs}",
            jobs=jobs,
        ) from error
    finally:
        if executor is not None:
            executor.shutdown(wait=is_complete, cancel_futures=True)
        if not is_complete:  # nobody wants what the others still compute
            children = set(multiprocessing.active_children()) - before
            _terminate_all(children, wait=is_broken)


def _terminate_all(children: set[BaseProcess], *, wait: bool) -> None:
    for child in children:
        child.terminate()
    if wait:  # what they leave half done has to be gone before somebody does it again
        for child in children:
            child.join(_UNWINDING_SECONDS)


def _map_here(
    function: Callable[[_Item], _Result], items: Sequence[_Item], threads: int
) -> Iterator[tuple[int, _Result]]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for index, item in enumerate(items):
            yield index, function(item)
    finally:
        torch.set_num_threads(before)


def _allow_open_files(processes: int) -> None:
    """Raise the limit of open files where processes need more; `OSError` if it may not be raised.

    The server that starts processes would end with a traceback.
    """
    if sys.platform == "win32":
        return
    import resource

    needed = _OPEN_FILES + processes * _OPEN_FILES_PER_PROCESS
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == resource.RLIM_INFINITY or now >= needed:
        return
    if most != resource.RLIM_INFINITY and most < needed:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))


def _context(function: Callable[..., object]) -> BaseContext:
    """How to start processes: from a server that has imported the modules once, if the system has one.

    A plain fork of this process could hang in the threads of torch, and importing torch in every
    process takes seconds.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    inner = function.func if isinstance(function, partial) else function
    context.set_forkserver_preload([inner.__module__])
    return context


def _start_worker(threads: int) -> None:
    # An interrupt from the keyboard reaches every process; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):  # a terminal that goes away tells every process, and Windows none
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
            signal.signal(getattr(signal, name), _terminate)
    torch.set_num_threads(threads)
    keep_freed_memory()
    follow_parent()


def _terminate(number: int, frame: FrameType | None) -> None:
    # Unwinds, so that temporary files are removed.
    raise_when_possible(SystemExit(1), number, frame)
