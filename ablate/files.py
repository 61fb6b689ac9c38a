"""Writing so that a reader, or a crash, sees the old bytes or the new ones and nothing between."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Writes aside, flushes to the disk, renames into place."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def remove_leftovers(directory: Path) -> None:
    """Removes what a killed write_atomically() left aside."""
    for path in directory.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def append_durably(path: Path, line: bytes) -> None:
    """Appends one line and flushes it to the disk."""
    with open(path, "ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def hold_lock(path: Path, patience: float = 0.0) -> Iterator[bool]:
    """Whether the lock became free within some seconds, in which case it is held in the block. It dies with its process."""
    lock = FileLock(path, timeout=patience)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
