"""Processes that die, and disks that fail, at the n-th step of writing: every write, flush, rename and removal is one."""

from __future__ import annotations

import builtins
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ablate import files

DEAD = 9  # the exit code of one that died


class Injector:
    """Counts the steps of writing and calls fail() at one of them; half of what is written then reaches the file."""

    def __init__(self, step: int, fail: Callable[[], None]) -> None:
        self.left = step
        self.fail = fail

    def count(self) -> bool:
        self.left -= 1
        return self.left == 0

    def step(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            if self.count():
                self.fail()
            return call(*args, **more)

        return counted

    def open(self, path: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        if "r" in mode:
            return builtins.open(path, mode, *args, **more)
        if self.count():
            self.fail()
        # What was written is written.
        file = builtins.open(path, mode, *args, buffering=0, **more)  # noqa: SIM115

        def write(data: Any) -> int:
            if self.count():
                file.write(memoryview(data)[: len(data) // 2])
                self.fail()
            return file.write(data)

        class Writing:
            def __enter__(self) -> Writing:
                return self

            def __exit__(self, *what: object) -> None:
                file.close()

        writing = Writing()
        writing.write, writing.flush, writing.fileno = write, self.step(file.flush), file.fileno  # type: ignore[attr-defined]
        return writing

    @contextmanager
    def injected(self, *calls: str) -> Iterator[None]:
        """Within the block the steps are counted, of os these calls."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "open", self.open, raising=False)
            for name in calls:
                patch.setattr(os, name, self.step(getattr(os, name)))
            yield


def dies_at(step: int, work: Callable[[], object]) -> bool:
    """Whether a process that does the work came to that step of writing, where it is dead without another word."""
    child = os.fork()
    if child == 0:
        try:
            with Injector(step, lambda: os._exit(DEAD)).injected("fsync", "replace", "unlink"):
                work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, DEAD), code
    return code == DEAD


def fails_at(step: int, work: Callable[[], object], number: int = errno.ENOSPC) -> OSError | None:
    """The error of a disk that fails at a step of writing, where the work has so many."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    try:
        with Injector(step, fail).injected("fsync", "replace"):
            work()
    except OSError as error:
        return error
    return None


def content(directory: Path) -> dict[str, bytes]:
    """Every file of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
