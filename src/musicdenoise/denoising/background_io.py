"""Reading ahead and writing behind: files are decoded and encoded while the network computes.

Each has one thread, which keeps the order, and at most two items on the way, which bounds memory. Errors
come out instead of the item. Decoders and encoders release Python's lock while they work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")

_ON_THE_WAY = 2  # blocks: one is worked on, one waits. Chosen, not measured

_END = object()


class ReadAhead(Generic[Item]):
    """Items of an iterator, prepared ahead by a thread; a context manager.

    Parameters
    ----------
    items
        The iterator. From now on only the thread may use it.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._executor = _one_thread()
        self._coming: deque[Future[object]] = deque()

    def _prepare(self) -> None:
        while len(self._coming) < _ON_THE_WAY:
            self._coming.append(self._executor.submit(next, self._items, _END))

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        self._prepare()
        item = self._coming[0].result()
        if item is _END:
            raise StopIteration
        self._coming.popleft()
        self._prepare()
        return item  # type: ignore[return-value]

    def __enter__(self) -> ReadAhead[Item]:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)


class WriteBehind:
    """Calls made one after the other by a thread, at most two of them waiting; a context manager.

    Leaving the block waits until all calls are done. After an error, waiting calls are dropped.
    """

    def __init__(self) -> None:
        self._executor = _one_thread()
        self._waiting: deque[Future[object]] = deque()

    def __call__(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function soon; raise what an earlier call raised."""
        while len(self._waiting) >= _ON_THE_WAY:
            self._waiting.popleft().result()
        self._waiting.append(self._executor.submit(function, *arguments))

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._executor.shutdown(cancel_futures=True)


def _one_thread() -> ThreadPoolExecutor:
    """An executor whose thread runs, so that an interrupt finds it and ends it.

    One that comes while a thread starts leaves a thread that the executor does not know. So the first task
    does nothing, and the thread is told to end: otherwise the program would wait for it for ever.
    """
    executor = ThreadPoolExecutor(1)
    try:
        executor.submit(int)
    except BaseException:
        executor.shutdown(wait=False)
        raise
    return executor
