"""Files that ablate keeps: durable writes, bounded reads, locks, and ids of contents.

After a crash, and to any reader, a file has its old or its new bytes. The directories may come from elsewhere, so no link
in them is followed, nothing but a regular file is opened, and no more than a limit is read.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ablate.errors import RecordError

TRIES = 3
MOST_BYTES = 1 << 28  # that read_file() reads unless another limit is given; the epochs of a long trial take a tenth of it
CHUNK = 65536  # bytes, about 250 epochs
KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Follow no link, do not wait for the other end of a pipe, pass the file on to no other program; O_BINARY: Windows.
_SAFELY = sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))
ID = re.compile("[0-9a-f]{16}")  # the form of content_id()
LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.tmp", re.DOTALL)  # the name of a temporary file of write_atomically()
_NO_SUCH_LOCK = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
_NO_SUCH_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF)


def content_id(data: bytes) -> str:
    """An id of some bytes: the first 16 hexadecimal digits of their SHA-256.

    Args:
        data: Such as the content of a trial.json.
    """
    return hashlib.sha256(data).hexdigest()[:16]


def expand(path: str | Path) -> Path:
    """A path with ~ and $VARIABLES replaced, as a shell would; what is not known stays as it is."""
    return Path(os.path.expanduser(os.path.expandvars(path)))


def real_directory(path: Path) -> Path:
    """A path, unless something other than a directory is in its place, such as a link to one.

    Args:
        path: Of a directory that ablate makes; it need not exist.

    Raises:
        RecordError: It is no directory.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(mode := os.lstat(path).st_mode):
            raise RecordError(f"{path}: is {_kind(mode)}, not a directory; remove it and run again")
    return path


def regular_file(path: Path) -> Path:
    """A path, unless something other than a regular file is in its place.

    Args:
        path: Of a file that another library opens by its path; it need not exist.

    Raises:
        RecordError: It is no regular file.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(mode := os.lstat(path).st_mode):
            raise _no_file(path, mode)
    return path


def is_real_directory(path: Path) -> bool:
    """Whether there is a directory at a path, and not only a link to one."""
    return path.is_dir() and not path.is_symlink()


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file and return its descriptor. No link is followed, and the call never waits.

    Args:
        path: In a directory of real_directory().
        flags: As in os.open(); with os.O_CREAT a new file is readable and writable as the umask says.

    Raises:
        RecordError: Something else is in the place of the file.
        OSError: The file cannot be opened; the error names it.
    """
    try:
        descriptor = os.open(path, flags | _SAFELY, 0o666)
    except OSError as error:
        with contextlib.suppress(OSError):
            if not stat.S_ISREG(mode := os.lstat(path).st_mode):
                raise _no_file(path, mode) from None
        error.filename = str(path)
        raise
    if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path, mode)
    return descriptor


def open_to_append(path: str | Path) -> int:
    """Open a file to append to it and return its descriptor. A file that has a second name (a hard link) is copied first.

    Args:
        path: In a directory of real_directory(); the file is created if it does not exist.

    Raises:
        RecordError: Something else is in the place of the file.
        OSError: The file cannot be opened; the error names it.
    """
    descriptor = open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        write_atomically(Path(path), read_file(path))
        descriptor = open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return descriptor


def read_file(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file, in half the time of Path.read_bytes(). A report reads thousands of small files.

    Args:
        path: In a directory of real_directory().
        most: How many bytes it may have.

    Raises:
        RecordError: Something else is in the place of the file, or it is larger.
        OSError: The file cannot be read; the error names it.
    """
    descriptor = open_regular(path)
    try:
        data = os.read(descriptor, CHUNK)
        if len(data) == CHUNK:
            if os.fstat(descriptor).st_size > most:
                raise RecordError(f"{path}: more than {most:,} bytes; remove it and run again")
            with open(descriptor, "rb", closefd=False) as file:
                data += file.read(most)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        os.close(descriptor)
    return data


def read_from(path: str | Path, offset: int, most: int = CHUNK) -> bytes:
    """Some bytes of a regular file that another process appends to; b"" at its end, or if there is no such file.

    Args:
        path: In a directory of real_directory().
        offset: Where the bytes begin.
        most: How many bytes are read.

    Raises:
        RecordError: Something else is in the place of the file.
        OSError: The file cannot be read; the error names it.
    """
    try:
        descriptor = open_regular(path)
    except FileNotFoundError:
        return b""
    with open(descriptor, "rb") as file:
        file.seek(offset)
        return file.read(most)


def _kind(mode: int) -> str:
    return KINDS.get(stat.S_IFMT(mode), "a regular file" if stat.S_ISREG(mode) else "of another kind")


def _no_file(path: str | Path, mode: int) -> RecordError:
    remedy = "put the file itself in its place" if stat.S_ISLNK(mode) else "remove it and run again"
    return RecordError(f"{path}: is {_kind(mode)}, not a regular file; {remedy}")


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
                with open(aside, "xb") as file:
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


def remove_leftovers(directory: Path, of: str = "") -> None:
    """Remove the temporary files that a killed write_atomically() left; a directory is none.

    Args:
        directory: The directory of the files.
        of: The name of the file that was being written; "" for any.
    """
    for path in directory.iterdir():
        if LEFTOVER.fullmatch(path.name) and path.name.startswith(f".{of}") and not is_real_directory(path):
            path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove whatever is at a path, if it can be removed. Of a link, what it leads to stays.

    Args:
        path: Of a file, a link or a directory with all that is in it.
    """
    with contextlib.suppress(OSError):
        if is_real_directory(path):
            shutil.rmtree(path)
        else:
            path.unlink()


def copy_durably(source: Path, target: Path) -> None:
    """Copy a regular file and its times, and flush the copy to the disk.

    Args:
        source: In a directory of real_directory().
        target: A new file.

    Raises:
        RecordError: Something else is in the place of the source.
        OSError: A file cannot be read or written; the error names it.
    """
    with open(open_regular(source), "rb") as read, _naming(target), open(target, "xb") as written:
        shutil.copyfileobj(read, written)
        written.flush()
        os.fsync(written.fileno())
        status = os.fstat(read.fileno())
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def append_durably(path: Path, line: bytes) -> None:
    """Append one line to a file and flush it to the disk.

    Args:
        path: The file; it is created if it does not exist.
        line: The line, with its line end.

    Raises:
        OSError: The file cannot be written; the error names the file.
    """
    with _naming(path), open(open_to_append(path), "ab") as file:
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
            error.filename = str(path)
            del error.filename2  # None would be shown
        raise


@contextlib.contextmanager
def hold_lock(path: Path, patience: float = 0.0) -> Iterator[bool]:
    """Context manager: whether the lock was acquired. If so, it is held until the end of the block.

    The operating system releases the lock if the process dies.

    Args:
        path: The lock file; it is created if it does not exist.
        patience: Seconds to wait for the lock.

    Raises:
        RecordError: Something else is in the place of the lock file.
        OSError: The lock file cannot be opened, or its file system cannot lock files.
    """
    from filelock import FileLock, Timeout  # imports asyncio

    descriptor = open_regular(path, os.O_WRONLY | os.O_CREAT)
    status = os.fstat(descriptor)
    os.close(descriptor)
    if status.st_nlink > 1 and status.st_size:  # a lock is empty: this is another file, which filelock might empty
        raise RecordError(f"{path}: has content and a second name (a hard link); remove it and run again")
    lock = FileLock(path, timeout=patience, fallback_to_soft=False)
    try:
        with _naming(path):
            lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        if error.errno in _NO_SUCH_LOCK:
            raise OSError(
                error.errno, "its file system cannot lock files (flock); use another directory", str(path)
            ) from None
        raise
    try:
        yield True
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process, of any machine that shares the directory, holds a lock. Nothing is written.

    A lock file that may not be read, such as another user's, counts as free.

    Args:
        path: The lock file; it need not exist.
    """
    try:
        descriptor = open_regular(path)
    except (OSError, RecordError):
        return False
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # for a moment, beside other readers
        return False
    except BlockingIOError:
        return True
    except ImportError:  # Windows
        with hold_lock(path) as free:
            return not free
    except OSError:
        return False
    finally:
        os.close(descriptor)
