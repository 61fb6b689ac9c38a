"""A worker process, started by `local` with the work's name, module:function. It lives across trials.

Pickled messages pass through its standard input and output, which nothing else may then use. It ends at once, with
whatever it has started, when its input closes: however the driver dies, the system closes it. On Linux the system ends it
besides, for one that is stopped or stuck in a library sees no input.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import importlib
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, NoReturn

from ablate.processes import end_with_parent, has_broken

STOP = "stop"  # the job: this task and every later one
END = "end"  # the task under way alone

# Besides "failed", how a task can end by an exception:
BROKEN = "broken"  # this process, or what it shares a GPU or memory with, is to blame: in a fresh one it may work
NOWHERE = "nowhere"  # nothing can be written, by this task or any other
_NO_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def main(work_name: str) -> None:
    """Reads (log path, pickled payload) requests, answers each with its events and then ("ended", status, cause)."""
    end_with_parent()
    # A signal to the whole job is the driver's to hear: it asks for a stop, and its end is ours.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    faulthandler.enable()  # a segmentation fault leaves its traceback in the trial's log
    waiting: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    stopping, ending = threading.Event(), threading.Event()
    threading.Thread(target=_listen, args=(requests, waiting, stopping, ending), daemon=True).start()

    def stop() -> bool:
        return stopping.is_set() or ending.is_set()

    def report(event: dict[str, Any]) -> None:
        _send(replies, ("event", event))

    while True:
        log, payload = waiting.get()
        _send(replies, do(work_name, log, partial(pickle.loads, payload), stop, report))


def do(
    work_name: str,
    log: str,
    load: Callable[[], Any],
    stop: Callable[[], bool],
    report: Callable[[dict[str, Any]], None],
) -> tuple[str, str, str]:
    """Does one task, and gives ("ended", status, cause). load: what gives the payload; what it prints goes into the log."""
    try:
        with _log_to(log):
            try:
                work = load_work(work_name)
                return ("ended", work(load(), stop, report), "")
            except (Exception, SystemExit) as error:
                with contextlib.suppress(OSError):
                    traceback.print_exc()
                return ("ended", *what_failed(error))
    except OSError as error:  # of the log itself
        return ("ended", *what_failed(error))


def load_work(name: str) -> Callable[..., str]:
    """The function that is called "module:function"."""
    module, _, function = name.partition(":")
    found: Callable[..., str] = getattr(importlib.import_module(module), function)
    return found


def what_failed(error: BaseException) -> tuple[str, str]:
    """(status, cause in one line) of a task whose work raised: "failed", BROKEN or NOWHERE."""
    lines = str(error).strip().splitlines()
    cause = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    if isinstance(error, OSError) and error.errno in _NO_WRITING:
        return NOWHERE, cause
    return (BROKEN if has_broken(error) else "failed"), cause


def _end() -> NoReturn:
    """Ends this process and whatever it has started: processes that decode images."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _listen(
    requests: BinaryIO,
    waiting: queue.SimpleQueue[tuple[str, bytes]],
    stopping: threading.Event,
    ending: threading.Event,
) -> None:
    """Takes requests without unpacking their payloads: it must import nothing, so that it sees the end at once."""
    while True:
        try:
            request = pickle.load(requests)
            if request == STOP:
                stopping.set()
            elif request == END:
                ending.set()
            else:
                ending.clear()  # an END that came after its task had ended: the next request is only sent after both
                waiting.put(request)
        except Exception:
            _end()


def _send(replies: BinaryIO, message: tuple[Any, ...]) -> None:
    try:
        pickle.dump(message, replies)
        replies.flush()
    except OSError:
        _end()


@contextlib.contextmanager
def _log_to(path: str) -> Any:
    """Sends what the process prints, a crash's traceback too, to the end of a file."""
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
