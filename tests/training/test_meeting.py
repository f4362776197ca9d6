"""Processes that are started again find each other, and not those that were lost."""

import contextlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist
from training_data import ENVIRONMENT

from musicdenoise.errors import TrainingError
from musicdenoise.training.meeting import meet

CONNECT_THREE_TIMES = """
import time
from training_data import CPU
from musicdenoise.training.distributed import Topology, process_group
topology = Topology.from_environment()
for late in (None, 0, 1):
    time.sleep(0.5 * (topology.rank == late))
    with process_group(topology, CPU):
        assert topology.average([topology.rank], CPU) == [0.5]
"""


def attempt(store: dist.Store, *delays: float) -> list[dist.Store]:
    """What processes get that come after some seconds each."""

    def come(rank: int) -> dist.Store:
        time.sleep(delays[rank])
        return meet(store, rank=rank, num_processes=len(delays), patience_seconds=20.0)

    with ThreadPoolExecutor(len(delays)) as pool:
        return list(pool.map(come, range(len(delays))))


@pytest.mark.parametrize("delays", [(0.0, 0.3, 0.0), (0.3, 0.0, 0.2)])
def test_each_attempt_has_a_part_of_the_store_for_itself(delays: tuple[float, ...]) -> None:
    store = dist.HashStore()
    for part in (first := attempt(store, 0.0, 0.0, 0.0)):
        part.set("address", "of a lost process")
    # An attempt that was lost before all had come.
    with pytest.raises(TrainingError, match="the 3 training processes did not all come within"):
        meet(store, rank=0, num_processes=3, patience_seconds=0.2)
    again = attempt(store, *delays)
    assert not any(part.check(["address"]) for part in again)
    again[0].set("address", "of a new process")
    assert [part.get("address") for part in (*first, *again)] == [b"of a lost process"] * 3 + [
        b"of a new process"
    ] * 3


@pytest.mark.timeout(300)  # two starts of PyTorch, which is long on a machine that is busy
def test_processes_connect_where_earlier_ones_left_their_addresses() -> None:
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port)}
    torchrun = {**ENVIRONMENT, **place, "TORCHELASTIC_USE_AGENT_STORE": "True"}
    with contextlib.ExitStack() as stack:
        processes = []
        for rank in "01":
            process = subprocess.Popen(
                [sys.executable, "-c", CONNECT_THREE_TIMES],
                env={**torchrun, "RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
        deadline = time.monotonic() + 240.0
        while any(process.poll() is None for process in processes):
            assert time.monotonic() < deadline, "they wait for ever"
            assert not any(process.poll() for process in processes), "they do not connect"
            time.sleep(0.05)
    assert [process.returncode for process in processes] == [0, 0]
