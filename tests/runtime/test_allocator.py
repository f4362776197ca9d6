import platform
import subprocess
import sys

import pytest

from musicdenoise.runtime import allocator

# The last of three passes, whose largest map takes 36 MB.
COUNT_FAULTS = """
import resource
import sys

import torch

from musicdenoise.runtime.allocator import keep_freed_memory
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.fused import FusedDCUNet

if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.manual_seed(0)
torch.set_num_threads(1)
network = FusedDCUNet(DCUNet(DCUNetConfig.tapered()).eval())
features = torch.zeros(1, 2, 1025, 275).to(memory_format=torch.channels_last)
with torch.inference_mode():
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        network.mask(features)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_freed_blocks_are_used_again() -> None:
    assert faults("keep") < faults("give back") / 2


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()
