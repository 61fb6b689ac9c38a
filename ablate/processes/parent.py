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

END_SECONDS = 5.0  # for a child to end by itself when its input closes
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
    """A child process with this process's module search path. Any thread may call its methods, one at a time receive().

    Args:
        main: "module:function" of what it runs; the function makes a child.Parent.
        arguments: Texts that the function is called with.
        environment: Variables that are set or replaced in it.
        own_group: Whether it leads a process group of its own, so that Ctrl-C does not reach it and kill() ends
            whatever it has started.
        files: File descriptors that it inherits.

    Raises:
        OSError: It cannot be started.
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
        """Sends a message, anything that can be pickled.

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
        """The child's next message; waits for it.

        Raises:
            ChildEnded: The child has ended or is closed.
        """
        assert self.process.stdout is not None
        try:
            return pickle.load(self.process.stdout)
        except (OSError, ValueError, EOFError, pickle.UnpicklingError):
            raise ChildEnded from None

    def kill(self) -> None:
        """Ends the child now, with its process group if it has its own."""
        if not self.ended:
            self._kill()

    def close(self) -> str:
        """Ends the child by closing its input, waits for its end, and says how it ended, as in how_it_ended()."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self.process.wait()
        if self.own_group:
            self._kill()  # whatever it has started and left
        self.process.stdout.close()
        return self.how_it_ended()

    def how_it_ended(self) -> str:
        """ "was ended by SIGKILL" or "exited with code 1", of a child that has ended."""
        code = self.process.returncode
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            return "was ended by SIGKILL: the system had run out of memory"
        return f"was ended by {SIGNALS.get(-code, f'signal {-code}')}" if code < 0 else f"exited with code {code}"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.own_group:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()


def startup_code(main: str, arguments: Sequence[str] = ()) -> str:
    """What a child runs with `python -c`: it takes over this process's module search path and calls main.

    Nothing but the built-in sys is imported before: -c puts the current directory first, whose json.py, say, would be run.
    """
    module, _, function = main.partition(":")
    path = [str(entry) for entry in sys.path]
    return f"import sys; sys.path[:] = {path!r}; from {module} import {function}; {function}(*{[*arguments]!r})"


@functools.cache
def _starter(process: int) -> ThreadPoolExecutor:
    """The thread of this process that starts children. It never ends: on Linux they end with the thread that did."""
    return ThreadPoolExecutor(1, "starter")


def _oom_kills() -> int:
    """How many processes Linux has killed for want of memory since it started; 0 where it does not say."""
    try:
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("oom_kill", 0))
