"""Reading ahead and writing behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from musicdenoise.denoising.background_io import ReadAhead, WriteBehind


def numbers(count: int, taken: list[int]) -> Iterator[int]:
    for number in range(count):
        taken.append(number)
        yield number


def test_items_come_in_order_and_only_a_few_ahead() -> None:
    taken: list[int] = []
    with ReadAhead(numbers(20, taken)) as items:
        for expected, item in enumerate(items):
            assert item == expected
            time.sleep(0.001)
            assert len(taken) <= expected + 4
    assert taken == list(range(20))


def test_an_error_comes_out_behind_what_was_good() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with ReadAhead(failing()) as items:
        assert next(items) == 1
        with pytest.raises(OSError, match="gone"):
            next(items)


def test_what_is_not_taken_is_not_read() -> None:
    taken: list[int] = []
    with ReadAhead(numbers(1000, taken)) as items:
        next(items)
    count = len(taken)
    assert count < 10
    time.sleep(0.01)
    assert len(taken) == count


def test_calls_are_made_in_order_by_one_thread() -> None:
    done: list[tuple[int, int]] = []
    with WriteBehind() as soon:
        for number in range(50):
            soon(lambda n: done.append((n, threading.get_ident())), number)
    assert [number for number, _ in done] == list(range(50))
    assert len({thread for _, thread in done} - {threading.get_ident()}) == 1


def test_few_calls_wait() -> None:
    gate = threading.Event()
    with WriteBehind() as soon:
        soon(gate.wait)
        soon(int)
        blocked = threading.Thread(target=soon, args=(int,))
        try:
            blocked.start()
            blocked.join(0.05)
            assert blocked.is_alive()
        finally:
            gate.set()
        blocked.join(60.0)
        assert not blocked.is_alive()


def fail() -> None:
    raise OSError("full")


def test_an_error_of_a_call_is_raised_and_the_rest_dropped() -> None:
    with pytest.raises(OSError, match="full"), WriteBehind() as soon:
        soon(fail)
        for _ in range(10):
            soon(int)
    with pytest.raises(OSError, match="full"), WriteBehind() as soon:
        soon(fail)
    done: list[int] = []
    began, gate = threading.Event(), threading.Event()
    with pytest.raises(KeyboardInterrupt), WriteBehind() as soon:
        soon(lambda: began.set() or gate.wait(0.2))
        soon(done.append, 1)
        began.wait()
        raise KeyboardInterrupt
    assert done == []


@pytest.mark.parametrize("make", [lambda: ReadAhead(iter([1, 2])), WriteBehind])
def test_an_interrupt_while_the_thread_starts_leaves_none(make, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught, make() as io:
        io(int) if isinstance(io, WriteBehind) else next(io)
    (thread,) = started
    thread.join(10.0)
    assert not thread.is_alive(), "the program would not end"
    assert caught.value is not None  # its traceback kept alive what started the thread, as a program's does
