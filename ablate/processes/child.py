"""The child's side of the protocol."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, NoReturn

STOP = "stop"  # this work and all later work
END = "end"  # only this work
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_BROKEN_TYPES = ("MemoryError", "OutOfMemoryError", "AcceleratorError")  # of Python and torch, compared by name: no import
_BROKEN_WORDS = (
    *("CUDA error", "CUDA out of memory", "CUDA driver", "CUDA unknown error", "No CUDA GPUs are available"),
    *("CUBLAS_STATUS", "CUDNN_STATUS", "cuDNN error", "NCCL error", "NVML_SUCCESS", "DataLoader worker"),
)


class Parent:
    """The process that started this one.

    Create one instance, in the main thread of a child that parent.Child started. From then on standard input is empty,
    printed text goes to standard error, and a segmentation fault writes its traceback there. SIGINT, SIGTERM and SIGUSR1
    are ignored: a batch system sends them to all processes of a job, and the parent handles them.
    """

    def __init__(self) -> None:
        end_with_parent()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        self._input, self._output = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        # A process forked from this one to decode images would keep the pipes open, and the parent would not see that
        # this process has ended.
        pipes = self._input.fileno(), self._output.fileno()
        os.register_at_fork(after_in_child=lambda: _close(*pipes))
        faulthandler.enable()
        self._received: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stopping, self._ending = threading.Event(), threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def receive(self) -> Any:
        """Wait for the parent's next message other than STOP and END and return it."""
        return self._received.get()

    def send(self, *message: Any) -> None:
        """Send a message to the parent; end this process if the parent has ended.

        Args:
            message: The kind of the message, then any values that can be pickled.
        """
        data = pickle.dumps(message)
        try:
            self._output.write(data)
            self._output.flush()
        except OSError:
            _end()

    def report(self, event: dict[str, Any]) -> None:
        """Send a progress event to the parent.

        Args:
            event: Its values by name; {} is a heartbeat.
        """
        self.send("event", event)

    def asks_to_stop(self) -> bool:
        """Whether the parent has sent STOP, or has sent END since the current work began."""
        return self._stopping.is_set() or self._ending.is_set()

    def ask_to_stop(self) -> bool:
        """Ask the parent whether to stop, and wait for the answer."""
        self.send("stop?")
        return bool(self.receive())

    def _listen(self) -> None:
        # Work arrives as bytes: unpickling it here would import modules and delay noticing the end of the input.
        while True:
            try:
                message = pickle.load(self._input)
            except Exception:
                _end()
            if message == STOP:
                self._stopping.set()
            elif message == END:
                self._ending.set()
            else:
                self._ending.clear()  # an END may have arrived after its work had ended
                self._received.put(message)


def end_with_parent() -> None:
    """On Linux, have the system kill this process, even if stopped or blocked, when the thread that started it ends."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


class Broken(Exception):
    """A program that the work has started was ended from outside, or hangs. A new attempt may succeed."""


def has_broken(error: BaseException) -> bool:
    """Whether the process, its GPU or its memory caused an error, so that a new process may succeed."""
    if type(error).__module__.partition(".")[0] == "ablate":
        return isinstance(error, Broken)
    told = isinstance(error, RuntimeError) and any(words in str(error) for words in _BROKEN_WORDS)
    return told or any(kind.__name__ in _BROKEN_TYPES for kind in type(error).__mro__)


def _end() -> NoReturn:
    """End this process and, if it leads a process group, all processes that it has started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _close(*files: int) -> None:
    for file in files:
        os.close(file)
