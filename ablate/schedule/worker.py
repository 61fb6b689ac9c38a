"""A worker process: `python -m ablate.schedule.worker module:function`. It lives across trials.

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

STOP = "stop"


def main() -> None:
    """Reads (payload, log path) requests, answers each with its events and then ("ended", status, cause)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the driver's to hear
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    faulthandler.enable()  # a segmentation fault leaves its traceback in the trial's log
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stopping = threading.Event()
    threading.Thread(target=_listen, args=(requests, waiting, stopping), daemon=True).start()

    module, _, function = sys.argv[1].partition(":")
    work = None
    while True:
        payload, log = waiting.get()
        with _log_to(log):
            try:
                if work is None:
                    work = getattr(importlib.import_module(module), function)
                ended = ("ended", work(payload, stopping.is_set, lambda event: _send(replies, ("event", event))), "")
            except Exception as error:
                traceback.print_exc()
                ended = ("ended", "failed", f"{type(error).__name__}: {error}")
        _send(replies, ended)


def _listen(requests: BinaryIO, waiting: queue.SimpleQueue[Any], stopping: threading.Event) -> None:
    while True:
        try:
            request = pickle.load(requests)
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)
        if request == STOP:
            stopping.set()
        else:
            waiting.put(request)


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


if __name__ == "__main__":
    main()
