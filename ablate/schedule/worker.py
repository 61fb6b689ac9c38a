"""The worker process that local.py starts: it does one task after another."""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import importlib
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablate.errors import RecordError, describe_error
from ablate.files import open_to_append, real_directory
from ablate.processes.child import Parent, has_broken
from ablate.schedule.tasks import Work

# The statuses, besides "failed", of a task that ended by an exception:
BROKEN = "broken"  # caused by this process or by others on its GPU or memory: the task may succeed in a new process
NOWHERE = "nowhere"  # no file can be written, neither by this task nor by any other
_NO_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def main(work: str) -> None:
    """Do tasks until the process ends: receive (log path, pickled payload), report events, send ("ended", status, cause).

    Args:
        work: "module:function" or "module:class".
    """
    parent = Parent()
    while True:
        log, payload = parent.receive()
        parent.send(*do(work, log, functools.partial(pickle.loads, payload), parent.asks_to_stop, parent.report))


def do(
    work_name: str, log: str, load: Callable[[], Any], stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]
) -> tuple[str, str, str]:
    """Do one task and return ("ended", status, cause).

    Args:
        work_name: "module:function" or "module:class".
        log: Path of the file to which printed text is appended.
        load: Returns the payload.
        stop: Returns whether the task must end after its epoch.
        report: Receives the task's events.
    """
    try:
        with _log_to(log):
            try:
                return ("ended", _work_of_process(work_name)(load(), stop, report), "")
            except (Exception, SystemExit) as error:
                with contextlib.suppress(OSError):
                    traceback.print_exc()
                return ("ended", *what_failed(error))
    except (OSError, RecordError) as error:  # of the log itself
        return ("ended", *what_failed(error))


def load_work(name: str) -> Work:
    """Import the work: a function, or a new instance of a class, which keeps what its tasks share.

    Args:
        name: "module:function" or "module:class".
    """
    module, _, attribute = name.partition(":")
    collecting = gc.isenabled()
    gc.disable()  # nothing that an import makes is garbage, and torch makes much
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    finally:
        gc.enable() if collecting else None
    work: Work = found() if isinstance(found, type) else found
    return work


@functools.cache
def _work_of_process(name: str) -> Work:
    """The work, loaded once in this process and shared by all its tasks."""
    return load_work(name)


def what_failed(error: BaseException) -> tuple[str, str]:
    """The (status, cause) of a task that ended by an exception; the status is "failed", BROKEN or NOWHERE.

    Args:
        error: What the work raised; the first line of its message, or of that of the full memory behind it, is the cause.
    """
    told = _out_of_memory_behind(error) or error
    lines = str(told).strip().splitlines()
    cause = describe_error(told, lines[0]) if lines else type(told).__name__
    if isinstance(error, OSError) and error.errno in _NO_WRITING:
        return NOWHERE, cause
    return (BROKEN if has_broken(error) else "failed"), cause


def _out_of_memory_behind(error: BaseException) -> BaseException | None:
    """The error of a full memory that an error of the device followed from, as at the end of a capture that failed."""
    if not has_broken(error):
        return None
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, MemoryError) and type(behind).__name__ != "OutOfMemoryError":
        behind = behind.__cause__ or behind.__context__
    return behind


@contextlib.contextmanager
def _log_to(path: str) -> Any:
    """Append the text that the process prints to a file, including the traceback of a crash."""
    real_directory(Path(path).parent).mkdir(parents=True, exist_ok=True)
    kept = os.dup(2)
    with open(open_to_append(path), "ab") as log:
        sys.stdout.flush()
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):  # a full disk loses printed text but must not end the training
                    stream.flush()
            os.dup2(kept, 1)
            os.dup2(kept, 2)
            os.close(kept)
