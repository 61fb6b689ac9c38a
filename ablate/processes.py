"""Processes: they do not outlive the one that started them, are told to end, and break."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

PREEMPTED = 75  # exit code
PREEMPTING = (signal.SIGTERM, signal.SIGUSR1)  # the latter as Slurm sends it before its limit
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_BROKEN_TYPES = ("MemoryError", "OutOfMemoryError", "AcceleratorError")  # Python's, and torch's, not imported here
_BROKEN_WORDS = ("CUDA error", "CUDA out of memory", "CUBLAS_STATUS", "CUDNN_STATUS", "cuDNN error", "DataLoader worker")


def end_with_parent() -> None:
    """On Linux, has the system end this process with the thread that started it, even while it is stopped or stuck."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def handling(actions: dict[int, Callable[[], None]]) -> Iterator[None]:
    """Actions that stand in for the signals' own within the block; where signals cannot be had, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda n, frame: actions[n]()) for number in actions}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def preempted() -> NoReturn:
    raise SystemExit(PREEMPTED)


def has_broken(error: BaseException) -> bool:
    """Whether this process, or what it shares a GPU or memory with, is to blame: in a fresh one the work may go well."""
    if type(error).__module__.partition(".")[0] == "ablate":
        return False
    told = isinstance(error, RuntimeError) and any(words in str(error) for words in _BROKEN_WORDS)
    return told or any(kind.__name__ in _BROKEN_TYPES for kind in type(error).__mro__)
