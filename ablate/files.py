"""Durable file operations, and ids of contents. After a crash, and to any reader, a file has its old or its new bytes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

TRIES = 3
_NO_SUCH_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF)


def content_id(data: bytes) -> str:
    """An id of some bytes: the first 16 hexadecimal digits of their SHA-256.

    Args:
        data: Such as the content of a trial.json.
    """
    return hashlib.sha256(data).hexdigest()[:16]


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically: write a temporary file beside it, flush it to the disk, and rename it.

    Args:
        path: The file, which may exist. Its directory must exist.
        data: The new content.

    Raises:
        OSError: The file cannot be written; the error names the file.
    """
    for tries in range(1, TRIES + 1):
        # The name is random because processes on other machines may share the directory, and have equal process ids.
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
            except FileNotFoundError:  # remove_leftovers() of another process removed it
                if tries == TRIES or not path.parent.is_dir():
                    raise
            finally:
                aside.unlink(missing_ok=True)


def flush_directory(directory: Path) -> None:
    """Flush a directory's entries, such as a rename, to the disk. Does nothing where the file system does not support it.

    Args:
        directory: An existing directory.

    Raises:
        OSError: The directory cannot be opened or flushed.
    """
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
    """Remove the temporary files that a killed write_atomically() left.

    Args:
        directory: The directory of the files.
    """
    for path in directory.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def append_durably(path: Path, line: bytes) -> None:
    """Append one line to a file and flush it to the disk.

    Args:
        path: The file; it is created if it does not exist.
        line: The line, with its line end.

    Raises:
        OSError: The file cannot be written; the error names the file.
    """
    with _naming(path), open(path, "ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name into an OSError. That of a full disk has none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(path), None
        raise


@contextlib.contextmanager
def hold_lock(path: Path, patience: float = 0.0) -> Iterator[bool]:
    """Context manager: whether the lock was acquired. If so, it is held until the end of the block.

    The operating system releases the lock if the process dies.

    Args:
        path: The lock file; it is created if it does not exist.
        patience: Seconds to wait for the lock.

    Raises:
        OSError: The lock file cannot be opened.
    """
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
