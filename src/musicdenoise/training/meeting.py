"""Training processes that find each other where earlier ones have left notes.

Processes connect by a store of keys and values, in which each writes where it can be reached. ``torchrun``
keeps one store for all its attempts (PyTorch 2.11 and 2.14). So a process that is started again finds the
addresses of lost ones. If it comes before the others, it tries these, and either fails or waits for ever. The
number of the attempt, ``TORCHELASTIC_RESTART_COUNT``, is no remedy: each machine counts by itself.

References: https://github.com/pytorch/pytorch/issues/135712 (the same with nccl),
https://docs.pytorch.org/docs/stable/distributed.html (stores).
"""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import TYPE_CHECKING

import torch.distributed as dist

from musicdenoise.errors import TrainingError

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

_PREFIX = "musicdenoise"
_PAUSE_SECONDS = 0.1


def meet(store: Store, *, rank: int, num_processes: int, patience_seconds: float) -> Store:
    """A part of the store that only the processes of this attempt use. Returns when all have come.

    Each process writes a name that was never used before. All names together name the meeting, and each
    process signs it. A process that reads the name of a lost one gets a meeting that the lost one has not
    signed. So it reads again.

    Parameters
    ----------
    store
        A store that all processes reach. It may hold what earlier attempts have left.
    rank, num_processes
        Number of this process, and of all.
    patience_seconds
        How long to wait for the others.

    Raises
    ------
    TrainingError
        If not all have come by then.
    """
    store = dist.PrefixStore(_PREFIX, store)  # type: ignore[attr-defined]
    store.set(f"name/{rank}", uuid.uuid4().hex)
    names = [f"name/{other}" for other in range(num_processes)]
    deadline = time.monotonic() + patience_seconds
    while True:
        if store.check(names):
            meeting = hashlib.sha256(b" ".join(store.multi_get(names))).hexdigest()
            store.set(f"{meeting}/signed/{rank}", "yes")
            if store.check([f"{meeting}/signed/{other}" for other in range(num_processes)]):
                return dist.PrefixStore(meeting, store)  # type: ignore[attr-defined]
        if time.monotonic() > deadline:
            raise TrainingError(
                f"the {num_processes} training processes did not all come within {patience_seconds / 60:g} "
                "minutes; see what the others say, and start them again with torchrun"
            )
        time.sleep(_PAUSE_SECONDS)
