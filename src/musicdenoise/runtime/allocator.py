"""How the C library gives out memory for large tensors."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD = -1  # parameters of mallopt(3), from malloc.h
M_MMAP_MAX = -4
KEPT_BYTES = 2**31 - 1  # the most that mallopt can be told


def keep_freed_memory() -> bool:
    """Let this process use memory again that it has freed, instead of giving it back at once.

    glibc takes every block above 32 MiB from the operating system and returns it when it is freed. So each
    map of the network is written to fresh pages, with a page fault every 4 KiB. That takes a quarter of the
    shipped network's time on the CPU. After this call, such blocks come from the heap, which keeps up to 2
    GiB. It holds for the whole process, so programs should call it, not libraries; see mallopt(3).

    Returns
    -------
    bool
        Whether it was set: False if the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_MAX, 0)) and bool(libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
