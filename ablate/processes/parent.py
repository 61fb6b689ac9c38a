"""The parent's side of the protocol."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RETRIES = 1  # times that work is tried again after its process or its device failed
POLL_SECONDS = 0.2  # between looks at whether a stop was asked for
END_SECONDS = 5.0  # that a child has to end by itself after its input was closed
SIGNALS: dict[int, str] = {
    signal.SIGKILL: "SIGKILL",
    signal.SIGSEGV: "SIGSEGV, a segmentation fault",
    signal.SIGBUS: "SIGBUS, a bus error: a file that it had mapped was cut, or /dev/shm is full",
    signal.SIGABRT: "SIGABRT: a library gave up",
    signal.SIGFPE: "SIGFPE, an error of arithmetic",
    signal.SIGILL: "SIGILL: a library was built for another processor",
}


class ChildEnded(Exception):
    """The child has ended, or its parent has closed it."""


class Child:
    """A child process with this process's module search path.

    Any thread may call its methods, but only one thread at a time may call receive().

    Args:
        main: "module:function" that the child runs; the function must create a child.Parent.
        arguments: Strings that the function is called with.
        environment: Environment variables to set or replace in the child; None: no change.
        own_group: Whether the child leads a process group of its own: Ctrl-C then does not reach it, and kill() also ends
            all processes that it has started.
        files: File descriptors that the child inherits.

    Raises:
        OSError: The child cannot be started.
    """

    def __init__(
        self,
        main: str,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        own_group: bool = True,
        files: Sequence[int] = (),
    ) -> None:
        self.own_group = own_group
        self._lock = threading.Lock()
        self._oom_kills = _oom_kills()
        command = [sys.executable, "-c", startup_code(main, arguments)]

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **(environment or {})},
                start_new_session=own_group,
                pass_fds=files,
            )

        self.process = _starter(os.getpid()).submit(start).result()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def send(self, message: Any) -> None:
        """Send a message to the child.

        Args:
            message: Any value that can be pickled.

        Raises:
            ChildEnded: The child has ended or is closed.
        """
        data = pickle.dumps(message)
        assert self.process.stdin is not None
        try:
            with self._lock:
                self.process.stdin.write(data)
                self.process.stdin.flush()
        except (OSError, ValueError):
            raise ChildEnded from None

    def receive(self) -> Any:
        """Wait for the child's next message and return it.

        Raises:
            ChildEnded: The child has ended or is closed.
        """
        assert self.process.stdout is not None
        try:
            return pickle.load(self.process.stdout)
        except (OSError, ValueError, EOFError, pickle.UnpicklingError):
            raise ChildEnded from None

    def kill(self) -> None:
        """End the child now, with its process group if it leads one."""
        if not self.ended:
            self._kill()

    def close(self) -> str:
        """End the child by closing its input, wait until it has ended, and return how_it_ended()."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self.process.wait()
        if self.own_group:
            self._kill()  # processes that the child has started and not ended
        self.process.stdout.close()
        return self.how_it_ended()

    def how_it_ended(self) -> str:
        """How a child that has ended did so, such as "was ended by SIGKILL" or "exited with code 1"."""
        code = self.process.returncode
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            return "was ended by SIGKILL: the system had run out of memory"
        if code == 0:
            return "exited with code 0 before its work was done"
        return f"was ended by {SIGNALS.get(-code, f'signal {-code}')}" if code < 0 else f"exited with code {code}"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.own_group:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()


def startup_code(main: str, arguments: Sequence[str] = ()) -> str:
    """The code that a child runs with `python -c`: it sets the module search path and calls a function.

    It imports only the built-in gc and sys before the path is set: `python -c` puts the current directory first in the
    path, so a file such as json.py there would be run.

    Args:
        main: "module:function".
        arguments: Strings that the function is called with.
    """
    module, _, function = main.partition(":")
    begin = f"import gc, sys; gc.disable(); sys.path[:] = {search_path()!r}"  # nothing that an import makes is garbage
    return f"{begin}; from {module} import {function}; gc.enable(); {function}(*{[*arguments]!r})"


def search_path() -> list[str]:
    """This process's module search path without the current directory that `python -m` and `python -c` put first.

    A directory that was installed, or named in PYTHONPATH, stays. If ablate itself is in the current directory, as in a
    checkout, it comes last, where it replaces no other module.
    """
    try:
        here = os.path.realpath(os.curdir)
    except FileNotFoundError:  # it was removed
        here = ""
    path = [str(entry) for entry in sys.path if entry not in ("", os.curdir)]
    if path and os.path.realpath(path[0]) == here:
        del path[0]
    package = os.path.realpath(Path(__file__).parents[2])
    return [*path, package] if package == here and package not in path else path


@functools.cache
def _starter(process: int) -> ThreadPoolExecutor:
    """The thread of this process that starts children. It never ends: on Linux a child ends with its starting thread."""
    return ThreadPoolExecutor(1, "starter")


def _oom_kills() -> int:
    """How many processes Linux has killed since it started because memory ran out; 0 where this is not known."""
    try:
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("oom_kill", 0))
