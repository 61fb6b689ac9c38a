"""Watches what a reader does to the machine: which files it writes, what it starts, how much memory it takes, how long."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.font_manager  # noqa: F401 - its import makes directories of its own

from ablate.errors import UNPRINTABLE, AblateError

SECONDS = 20  # of a processor, that one input may take
MEGABYTES = 400  # that it may take beside what the process has
FORBIDDEN = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.kill", "socket.connect",
    "socket.getaddrinfo", "pickle.find_class", "ctypes.dlopen", "webbrowser.open",
)  # fmt: skip
CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_seen: list[str] | None = None  # what was forbidden and done, while something is watched


class Hostile(Exception):
    """A reader did what it must not do."""


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    if event in FORBIDDEN:
        _seen.append(f"{event} {args[:1]}")
    elif event in CHANGING or (event == "open" and isinstance(args[2], int) and args[2] & WRITING):
        for path in args[: 2 if event in ("os.rename", "os.link", "os.symlink") else 1]:
            if event in ("os.remove", "os.rmdir") and args[1] != -1:  # of shutil.rmtree(), in a directory that is open
                path = os.path.join(os.readlink(f"/proc/self/fd/{args[1]}"), path)
            if not _allowed(path):
                _seen.append(f"{event} {path!r}")


def _allowed(path: Any) -> bool:
    """Temporary files, Python's own compiled ones, and what has no name."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        return True
    name = os.path.realpath(os.fsdecode(path))
    return name.startswith(os.path.realpath(tempfile.gettempdir()) + os.sep) or "__pycache__" in name or name == os.devnull


sys.addaudithook(_hook)


@contextmanager
def watched(memory: bool = True) -> Iterator[None]:
    """Raises Hostile if something is done in the block that must not be done. Main thread only."""
    global _seen
    before = _reset_peak() if memory else 0
    old = signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    _seen = seen = []
    try:
        yield
    finally:
        _seen = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
    if seen:
        raise Hostile("; ".join(seen))
    if memory and (taken := _peak() - before) > MEGABYTES:
        raise Hostile(f"{taken} MB of memory")


def _too_long(*_: object) -> None:
    raise Hostile(f"more than {SECONDS} s")


def _reset_peak() -> int:
    """What the process has now, in MB; from here on the highest is kept anew. Linux alone can tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return _peak()


def _peak() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def attempt(read: Callable[[Path, bytes], object], data: bytes, folder: Path, memory: bool = True) -> str:
    """What a reader said of some bytes, "" where it took them. Raises whatever is a finding."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    try:
        with watched(memory):
            read(folder, data)
    except AblateError as error:
        return check_message(str(error))
    return ""


def check_message(message: str) -> str:
    """A message that is one line which a terminal can be shown."""
    if not message or UNPRINTABLE.search(message) or len(message) > 10_000:
        raise Hostile(f"no line for a reader: {message[:500]!r}")
    return message
