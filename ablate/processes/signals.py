"""Signals that ask a process to end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

INTERRUPTED, PREEMPTED = 130, 75  # exit codes
PREEMPTING = (signal.SIGTERM, signal.SIGUSR1)  # Slurm can send SIGUSR1 before a job's time limit


@contextlib.contextmanager
def handling(actions: dict[int, Callable[[], None]]) -> Iterator[None]:
    """Replace signal handlers within the block; does nothing outside the main thread, where Python allows no handlers.

    Args:
        actions: The function to call, by signal number.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda n, frame: actions[n]()) for number in actions}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Preempted(SystemExit):
    """A signal asks this process to end. A SystemExit of another class comes from the code that is running."""


def preempted() -> NoReturn:
    """End this process with the exit code PREEMPTED (75).

    Raises:
        Preempted: Always.
    """
    raise Preempted(PREEMPTED)


def end_at_once(code: int, said: str = "") -> NoReturn:
    """End this process, while it imports: an exception may be raised in a callback, where Python prints it and goes on.

    Args:
        code: The exit code.
        said: On standard error.
    """
    os.write(2, said.encode())
    os._exit(code)
