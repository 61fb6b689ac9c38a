"""Child processes that are forks of the test's process: they need not start Python and import torch again.

For tests of what such a process does, or of what its end does to others. That one starts by itself, with its module search
path and nothing in memory, is tested in tests/processes, tests/schedule and tests/faults.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

import torch

# With a GPU torch forbids a backward pass in a fork; elsewhere than on Linux the libraries of the system forbid forks.
POSSIBLE = sys.platform == "linux" and not torch.cuda.is_available()


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """A process that does the command `python -c CODE ARGUMENT...` in a fork of this one, where that is possible."""

    def __init__(self, command: Sequence[str], **more: Any) -> None:
        python, option, code, *arguments = command
        assert (python, option) == (sys.executable, "-c")
        if POSSIBLE:
            environment = dict(more.get("env") or os.environ)
            more["preexec_fn"] = functools.partial(_run, code, arguments, environment, more.get("pass_fds", ()))
        super().__init__(command, **more)


def said_by_two(code: str, *arguments: str) -> str:
    """What two processes print that run `python -c CODE ARGUMENT...`.

    The code says that it is ready, and calls input(), which both leave at the same moment.
    """
    command = [sys.executable, "-c", code, *arguments]
    both = [Forked(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    said = "".join(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    return said


def in_place_of_subprocess(started: list[subprocess.Popen[bytes]]) -> SimpleNamespace:
    """What ablate.processes.parent is to have as its module `subprocess`: children are forks, and are added to a list."""

    def start(command: Sequence[str], **more: Any) -> Forked:
        child = Forked(command, **more)
        started.append(child)
        return child

    return SimpleNamespace(Popen=start, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)


def _run(code: str, arguments: list[str], environment: dict[str, str], files: Sequence[int]) -> NoReturn:
    """Be what the command would be: no open files but its own, its environment, and no handler of this process."""
    status = 1
    try:
        gc.freeze()  # what is garbage here is for the other process to clear
        faulthandler.disable()
        for file in {int(name) for name in os.listdir("/dev/fd")} - {0, 1, 2, *files}:
            with contextlib.suppress(OSError):
                os.close(file)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        streams = (open(number, "w" if number else "r", closefd=False) for number in range(3))  # noqa: SIM115
        sys.stdin, sys.stdout, sys.stderr = streams
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["-c", *arguments]
        exec(code, {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
