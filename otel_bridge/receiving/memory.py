"""Memory that is given back to the system when it is not needed any more (I/O: the process's allocator)."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""The options of ``mallopt(3)``."""
_LARGE_BYTES = 256 << 10
_ARENAS = 2
_COLLECT_AFTER = (700, 10, 10)
"""New objects, and collections of younger ones: Python's own choice."""


def give_memory_back() -> None:
    """Keep little of what is not needed any more, for a process that runs for days.

    glibc by itself gives each thread a heap of its own and, having seen large blocks, keeps them there: a receiver
    would stay as large as all its threads' largest requests together. And a short command may look for cycles seldom;
    here they hold the bodies of requests.
    """
    gc.set_threshold(*_COLLECT_AFTER)
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for option, value in ((_ARENA_MAX, _ARENAS), (_MMAP_THRESHOLD, _LARGE_BYTES), (_TRIM_THRESHOLD, _LARGE_BYTES)):
            library.mallopt(option, value)
