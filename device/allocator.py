"""Memory that is given up goes back to the system at once.

glibc maps a large block by itself and unmaps it when it is freed, but what counts as large grows with each block that is
freed, up to 32 MB: after a few uploads they come from the heap, which keeps what lies below anything that is still used.
So the threshold is set, which also keeps it from growing. Other C libraries have no such function, and nothing is lost.
"""

from __future__ import annotations

import ctypes

LARGE_BYTES = 131_072
M_MMAP_THRESHOLD = -3  # of glibc's <malloc.h>


def give_back_large_blocks() -> None:
    """For this process, from now on."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option:
        set_option(M_MMAP_THRESHOLD, LARGE_BYTES)
