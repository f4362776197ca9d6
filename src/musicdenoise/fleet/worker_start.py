"""What a worker on this machine does when it starts; Dask imports this module there."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(_worker: Any) -> None:
    """An interrupt from the keyboard reaches every process; the program decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
