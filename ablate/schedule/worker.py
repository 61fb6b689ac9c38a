"""A worker process: it does one task after another, started by `local` with the work's name, "module:function"."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import Any

from ablate.processes.child import Parent, has_broken
from ablate.schedule.tasks import Work

# Besides "failed", how a task can end by an exception:
BROKEN = "broken"  # this process, or what it shares a GPU or memory with, is to blame: in a fresh one it may work
NOWHERE = "nowhere"  # nothing can be written, by this task or any other
_NO_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def main(work: str) -> None:
    """Receives (log path, pickled payload), reports events, sends ("ended", status, cause), and waits for the next."""
    parent = Parent()
    while True:
        log, payload = parent.receive()
        parent.send(*do(work, log, functools.partial(pickle.loads, payload), parent.asks_to_stop, parent.report))


def do(
    work_name: str,
    log: str,
    load: Callable[[], Any],
    stop: Callable[[], bool],
    report: Callable[[dict[str, Any]], None],
) -> tuple[str, str, str]:
    """Does one task and returns ("ended", status, cause).

    Args:
        work_name: "module:function".
        log: Path of the file to which whatever the task prints is appended.
        load: Returns the payload.
        stop: Whether the task is to end after its epoch.
        report: Takes its events.
    """
    try:
        with _log_to(log):
            try:
                return ("ended", work_of_process(work_name)(load(), stop, report), "")
            except (Exception, SystemExit) as error:
                with contextlib.suppress(OSError):
                    traceback.print_exc()
                return ("ended", *what_failed(error))
    except OSError as error:  # of the log itself
        return ("ended", *what_failed(error))


def load_work(name: str) -> Work:
    """Imports "module:name": a function, or a class whose new instance does the work and keeps what its tasks share."""
    module, _, attribute = name.partition(":")
    found: Any = getattr(importlib.import_module(module), attribute)
    work: Work = found() if isinstance(found, type) else found
    return work


@functools.cache
def work_of_process(name: str) -> Work:
    """The work that all tasks of this process share."""
    return load_work(name)


def what_failed(error: BaseException) -> tuple[str, str]:
    """The (status, cause in one line) of a task whose work raised; the status is "failed", BROKEN or NOWHERE."""
    lines = str(error).strip().splitlines()
    cause = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    if isinstance(error, OSError) and error.errno in _NO_WRITING:
        return NOWHERE, cause
    return (BROKEN if has_broken(error) else "failed"), cause


@contextlib.contextmanager
def _log_to(path: str) -> Any:
    """Appends to a file what the process prints, the traceback of a crash included."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    kept = os.dup(2)
    with open(path, "ab") as log:
        sys.stdout.flush()
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):  # a full disk loses what was printed, not what was trained
                    stream.flush()
            os.dup2(kept, 1)
            os.dup2(kept, 2)
            os.close(kept)
