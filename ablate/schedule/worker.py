"""A worker process, started by `local` with the work's name, module:function. It lives across trials.

Pickled messages pass through its standard input and output, which nothing else may then use. It ends at once when its
input closes: however the driver dies, the system closes it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from typing import Any, BinaryIO

STOP = "stop"  # the job: this task and every later one
END = "end"  # the task under way alone


def main(work_name: str) -> None:
    """Reads (log path, pickled payload) requests, answers each with its events and then ("ended", status, cause)."""
    # A signal to the whole job is the driver's to hear: it asks for a stop, and its end is ours.
    for number in (signal.SIGINT, signal.SIGTERM):
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

    module, _, function = work_name.partition(":")
    while True:
        log, payload = waiting.get()
        with _log_to(log):
            try:
                work = getattr(importlib.import_module(module), function)
                status = work(pickle.loads(payload), stop, lambda event: _send(replies, ("event", event)))
                ended = ("ended", status, "")
            except Exception as error:
                traceback.print_exc()
                ended = ("ended", "failed", f"{type(error).__name__}: {error}")
        _send(replies, ended)


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
            os._exit(1)


def _send(replies: BinaryIO, message: tuple[Any, ...]) -> None:
    try:
        pickle.dump(message, replies)
        replies.flush()
    except OSError:
        os._exit(1)


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
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept, 1)
            os.dup2(kept, 2)
            os.close(kept)
