"""Processes that do not outlive the one that started them, and what they do when they are told to end."""

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
