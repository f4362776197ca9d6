"""One song at a time, with one network kept loaded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

from musicdenoise.denoising.batch import Task, try_to_denoise
from musicdenoise.denoising.denoise_report import DenoiseReport
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.errors import AudioError, MusicDenoiseError

Result = DenoiseReport | MusicDenoiseError


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a song is to be denoised.

    Parameters
    ----------
    noise
        Its kind or a word for it; empty for noise of any kind.
    always
        Whether to denoise where there is next to nothing to remove, too.
    strength
        Share of the noise that is removed, 0 to 1.
    """

    noise: str = ""
    always: bool = False
    strength: float = 1.0


class Work:
    """A song in work, or waiting for the one before it.

    Attributes
    ----------
    began : float or None
        When it began, by `time.monotonic`; None while it waits.
    share : float
        Share of the song that is done, 0 to 1.
    """

    def __init__(self) -> None:
        self.began: float | None = None
        self.share = 0.0
        self._last = 0.0  # when the share was told
        self._is_stopped = threading.Event()

    def begin(self) -> None:
        """It is its turn."""
        self.began = self._last = time.monotonic()

    def stop(self) -> None:
        """Nobody wants the result any more: it ends as soon as it can."""
        self._is_stopped.set()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped."""
        return self._is_stopped.is_set()

    def check(self) -> None:
        """Raise `AudioError` if it was stopped."""
        if self.is_stopped:
            raise AudioError("stopped")

    def tell(self, done: int, total: int | None) -> None:
        """Note how many samples of how many are done; errors as those of `check`."""
        self.check()
        self.share = done / total if total else 0.0
        self._last = time.monotonic()

    @property
    def seconds_left(self) -> float | None:
        """How long it still takes; None where that cannot be told."""
        if self.began is None or self.share == 0.0:
            return None
        whole = (self._last - self.began) / self.share
        return max(0.0, whole - (time.monotonic() - self.began))


class Workshop:
    """Denoises songs in a thread, one after the other.

    Parameters
    ----------
    make
        Makes what denoises as wished for. The last one is kept.
    """

    def __init__(self, make: Callable[[Wish], SongDenoiser]) -> None:
        self._denoiser = lru_cache(maxsize=1)(make)
        self._thread = ThreadPoolExecutor(1, "denoise")
        self._works: list[tuple[Work, Future[Result]]] = []

    def warm_up(self) -> None:
        """Load the network for noise of any kind, so that the first song need not wait for it."""
        self._thread.submit(self._denoiser, Wish())

    def begin(self, task: Task, wish: Wish) -> tuple[Work, Future[Result]]:
        """Denoise a song when those before it are done. Errors are results."""
        work = Work()
        future = self._thread.submit(self._denoise, work, task, wish)
        self._works = [(other, its) for other, its in self._works if not its.done()] + [(work, future)]
        return work, future

    def stop(self) -> None:
        """Stop what is in work and what waits."""
        for work, _ in self._works:
            work.stop()

    def close(self) -> None:
        """Stop everything, and wait until it has ended."""
        self.stop()
        self._thread.shutdown(cancel_futures=True)

    def _denoise(self, work: Work, task: Task, wish: Wish) -> Result:
        try:
            work.check()
            work.begin()
            result = try_to_denoise(self._denoiser(wish), task, on_progress=work.tell)
        except MusicDenoiseError as error:
            return error
        return result if isinstance(result, DenoiseReport) else AudioError(str(result))
