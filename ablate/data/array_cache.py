"""Arrays of images on disk, uncompressed, so that all processes of a machine share one copy of them in memory.

A set of images is a directory with a .npy file per array and the SHA-256 of all arrays, which is checked at every load. The
cache decides nothing: what is damaged is made again, and a cache that cannot be used is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.sources import Arrays, Images, Labelled
from ablate.errors import RecordError
from ablate.files import flush_directory, hold_lock, is_real_directory, open_regular, read_file, real_directory, remove

LOCK_SECONDS, SAID_SECONDS = 3600.0, 10.0  # to wait for another process that decodes; before it is said
SUM = "sha256"  # the file with the digest
_said: set[Path] = set()  # cache directories of which this process has said that they cannot be used

Array = np.ndarray[Any, Any]


def kept(path: Path, kind: type[Arrays], make: Callable[[], Arrays], announce: Callable[[str], None]) -> Arrays:
    """The images in a directory of the cache. If it is missing or damaged, one process makes them while the others wait.

    Args:
        path: The directory, in the cache directory.
        kind: Images or Labelled.
        make: Returns the images.
        announce: Receives a line if another process is waited for, or if the cache cannot be used.

    Returns:
        Arrays that are mapped from the files and cannot be written to; if the cache cannot be used, those of make().
    """
    if (images := _read(path, kind)) is not None:
        return images
    with contextlib.ExitStack() as stack:
        problem = ""
        try:
            real_directory(path.parent).mkdir(parents=True, exist_ok=True)
            if not stack.enter_context(_hold(path.with_name(f"{path.name}.lock"), announce)):
                problem = f"{path.name}.lock was held by another process for {LOCK_SECONDS / 60:.0f} minutes"
            elif (images := _read(path, kind)) is not None:
                return images
        except (OSError, RecordError) as error:
            problem = str(error)
        images = make()
        if not problem:
            try:
                _write(path, images)
                return _read(path, kind) or images
            except OSError as error:
                problem = str(error)
    if path.parent not in _said:
        _said.add(path.parent)
        announce(
            f"the cache {path.parent} cannot be used: {problem}; every process now decodes images for itself; "
            "set ABLATE_CACHE to a directory that can be written to"
        )
    return images


def share(path: Path) -> None:
    """Let everybody write to a file or directory who may write to the directory that it is in, as far as we may say so."""
    with contextlib.suppress(OSError):
        above, mode = path.parent.stat().st_mode, path.stat().st_mode
        os.chmod(path, stat.S_IMODE(mode) | above & (stat.S_IWGRP | stat.S_IWOTH))


def digest_arrays(arrays: Iterable[Array]) -> str:
    """SHA-256 over the bytes of arrays, 64 hexadecimal digits. It does not depend on their shapes and types."""
    content = hashlib.sha256()
    for array in arrays:
        content.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return content.hexdigest()


@contextlib.contextmanager
def _hold(path: Path, announce: Callable[[str], None]) -> Iterator[bool]:
    """Whether the lock could be held within LOCK_SECONDS; says so if that takes long."""
    with contextlib.ExitStack() as stack:
        free = stack.enter_context(hold_lock(path, SAID_SECONDS))
        if not free:
            announce(f"waiting for another process that decodes the same images; it holds {path}")
            free = stack.enter_context(hold_lock(path, LOCK_SECONDS))
        share(path)
        yield free


def _read(path: Path, kind: type[Arrays]) -> Arrays | None:
    """The images of a directory; None if there are none or they are damaged."""
    if not is_real_directory(path):
        return None
    try:
        images = kind(*(_map(path / f"{name}.npy") for name in kind._fields))
        known = read_file(path / SUM)
        if not known.startswith(_forms(images)):  # a damaged header may claim any number of values
            return None
        return images if _sum(images) == known else None
    except Exception:  # bytes that are no array can raise any exception
        return None


def _sum(images: Images | Labelled) -> bytes:
    """The content of the file SUM: a digest of shapes, types and values."""
    return _forms(images) + digest_arrays(images).encode()


def _forms(images: Images | Labelled) -> bytes:
    return "".join(f"{array.dtype.str}{array.shape} " for array in images).encode()


def _map(path: Path) -> Array:
    """The array of a .npy file, mapped into memory. Raises an exception of any class if it is damaged."""
    with open(open_regular(path), "rb") as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran_order, dtype = read(file)
        if fortran_order or dtype.hasobject:
            raise ValueError("not as it was written")
        offset = file.tell()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    array: Array = np.ndarray(shape, dtype, mapped, offset)
    return array


def _write(path: Path, images: Images | Labelled) -> None:
    """Write the images into a new directory and put it in the place of the old one. The caller holds the lock."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):  # of a process that was killed
        remove(left)
    aside, old = (path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp") for _ in range(2))
    aside.mkdir()
    share(aside)
    try:
        for name, array in images._asdict().items():
            with open(aside / f"{name}.npy", "xb") as file:
                np.save(file, np.ascontiguousarray(array), allow_pickle=False)
                _seal(file)
        with open(aside / SUM, "xb") as file:
            file.write(_sum(images))
            _seal(file)
        if os.path.lexists(path):
            os.rename(path, old)
        os.rename(aside, path)
        flush_directory(path.parent)
    finally:
        remove(aside)
        remove(old)


def _seal(file: Any) -> None:
    """Flush a file to the disk and make it read-only."""
    file.flush()
    os.fsync(file.fileno())
    os.chmod(file.name, 0o444)
