"""How the C library gives out memory for large tensors."""

from __future__ import annotations

import ctypes
import platform

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD = -1  # parameters of mallopt(3), from malloc.h
M_MMAP_MAX = -4
KEPT_BYTES = 2**31 - 1  # the most that mallopt can be told


def keep_freed_memory() -> bool:
    """Let this process use memory again that it has freed, instead of giving it back at once.

    glibc maps every block above 32 MiB anew from the operating system and gives it back when it is freed,
    so that each map of the network is written to fresh pages, one page fault every 4 KiB: a quarter of the
    time of the shipped network on the CPU. Afterwards such blocks come from the heap, of which up to 2 GiB
    are kept. For the whole process, so it is for programs to call, not for libraries; see mallopt(3).

    Returns
    -------
    bool
        Whether it was set: False where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_MAX, 0)) and bool(libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
