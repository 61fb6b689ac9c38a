"""The memory allocator of the C library on a CPU: freed memory is kept for the next step and given back around tests.

Each step frees its features and allocates as many again. By default glibc gives large blocks back to the system at once, so
every step has new pages, which the system must clear first. In float32 that took a sixth of a step of WRN-16-2. Where
there is no glibc these functions do nothing. No bit of a result depends on them.

Source: mallopt(3) and malloc_trim(3) of the Linux manual pages.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # parameters of mallopt
LARGEST = 2**30  # bytes; larger blocks still come from the system and go back to it
STEP = 2**26  # bytes by which the process grows


def keep_freed_memory() -> None:
    """Let this process keep freed blocks up to LARGEST bytes, for its next allocations."""
    libc = _glibc()
    if libc:
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
        libc.mallopt(TRIM_THRESHOLD, -1)
        libc.mallopt(TOP_PAD, STEP)


def release_freed_memory() -> None:
    """Give the memory that this process has freed back to the system, so that work of other sizes does not add to it."""
    libc = _glibc()
    if libc:
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    """The C library of this process if it is glibc, else None."""
    try:
        libc = ctypes.CDLL(None)
        return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
    except (OSError, TypeError):  # TypeError: Windows has no library without a name
        return None
