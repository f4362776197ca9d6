"""An interrupt in the middle of a callback from native code still ends the program, and breaks no file."""

import io
import signal
import time
from types import FrameType

import numpy as np
import pytest
import soundfile

from musicdenoise.cli.signals import unwinding
from musicdenoise.runtime.interrupts import raise_when_possible


class InterruptedFile(io.BytesIO):
    """Sends a signal with the first bytes that are written."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self._number: signal.Signals | None = number

    def write(self, data) -> int:
        number, self._number = self._number, None
        if number is not None:
            signal.raise_signal(number)
        return super().write(data)


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_while_libsndfile_writes_is_raised_afterwards(number, expected) -> None:
    samples = np.zeros((1_000, 2), dtype=np.float32)
    whole = io.BytesIO()
    soundfile.write(whole, samples, 44_100, format="FLAC", subtype="PCM_16")
    file = InterruptedFile(number)
    with pytest.raises(expected), unwinding():
        soundfile.write(file, samples, 44_100, format="FLAC", subtype="PCM_16")
        for _ in range(1_000):  # signals from another thread do not end a sleep
            time.sleep(0.01)
    assert file.getvalue() == whole.getvalue()


def test_elsewhere_it_is_raised_at_once() -> None:
    def handler(number: int, frame: FrameType | None) -> None:
        raise_when_possible(KeyboardInterrupt(), number, frame)

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
