"""How a process of ours treats memory that it has freed."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # mallopt's names for them, malloc.h
_KEPT_BYTES = 256 * 2**20
_LARGEST_FROM_HEAP = 32 * 2**20  # the most that glibc allows


def keep_freed_memory() -> None:
    """From now on freed arrays are handed out again, not given back to the kernel.

    Slabs and the tensors made of them come and go, each some megabytes. By default glibc maps such
    blocks afresh every time, and the kernel clears them page by page: a third of the time that it
    takes to score a slab. Threads get one heap in common, where each would have its own: a service whose
    threads take turns would work through as many sets of pages, of which the processor's cache holds
    one. Call it before threads start. Does nothing where the C library is not glibc.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_FROM_HEAP)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_ARENA_MAX, 1)
