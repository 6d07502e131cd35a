"""Memory that is given up goes back to the system.

glibc maps a large block by itself and unmaps it when it is freed, but what counts as large grows with each block that is
freed, up to 32 MB: after a few uploads they come from the heap, which keeps what lies below anything that is still used.
So the threshold is set, which also keeps it from growing; threads share two heaps, and the heaps are trimmed now and then.
Other C libraries have no such functions, and nothing is lost.
"""

from __future__ import annotations

import ctypes

LARGE_BYTES, HEAPS = 131_072, 2
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's <malloc.h>
LIBRARY = ctypes.CDLL(None)


def give_back_large_blocks() -> None:
    """For this process, from now on."""
    set_option = getattr(LIBRARY, "mallopt", None)
    if set_option:
        set_option(M_MMAP_THRESHOLD, LARGE_BYTES)
        set_option(M_ARENA_MAX, HEAPS)


def trim() -> None:
    """Give back what the heaps don't use; takes milliseconds."""
    trim_heaps = getattr(LIBRARY, "malloc_trim", None)
    if trim_heaps:
        trim_heaps(0)
