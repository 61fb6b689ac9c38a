"""Writing so that a reader, or a crash, sees the old bytes or the new ones and nothing between."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

TRIES = 3
_NO_SUCH_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF)


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Writes aside, flushes to the disk, renames into place. Raises OSError, which names the file."""
    for tries in range(1, TRIES + 1):
        # A name that no process on another machine has either: they may share the directory, and their numbers.
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        with _naming(path):
            try:
                with open(aside, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(aside, path)
                flush_directory(path.parent)
                return
            except FileNotFoundError:  # another's remove_leftovers() took it
                if tries == TRIES or not path.parent.is_dir():
                    raise
            finally:
                aside.unlink(missing_ok=True)


def flush_directory(directory: Path) -> None:
    """Flushes to the disk what was renamed in a directory, where its file system knows that."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NO_SUCH_FLUSH:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_FLUSH:
            raise
    finally:
        os.close(descriptor)


def remove_leftovers(directory: Path) -> None:
    """Removes what a killed write_atomically() left aside."""
    for path in directory.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def append_durably(path: Path, line: bytes) -> None:
    """Appends one line and flushes it to the disk. Raises OSError, which names the file."""
    with _naming(path), open(path, "ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Names the file in an OSError: that of a full disk would not say which disk."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(path), None
        raise


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
