"""images.json in a runs directory: the copies that stand in the place of data sets in its records.

    images.json: {"cifar10": {"words": "JPEG copy", "root": "/data/cifar10"}}

It is written when trials are run with `--images`, so that later commands find the same trials. A merged directory keeps
the copies without their roots.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from ablate.data.copies import Copy, can_be_copied
from ablate.errors import RecordError
from ablate.files import hold_lock, read_file, real_directory, write_atomically

NAME = "images.json"
_LOCK = ".images.lock"
_MOST = 1 << 16  # bytes
PATIENCE = 10.0  # seconds to wait for another process


def remembered_copies(runs: Path) -> tuple[Copy, ...]:
    """The copies that the records of a directory were made with.

    Args:
        runs: The runs directory; it need not exist.

    Raises:
        RecordError: images.json is not what ablate writes.
    """
    path = runs / NAME
    try:
        found = orjson.loads(read_file(path, _MOST))
    except FileNotFoundError:
        return ()
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(_is_copy(name, each) for name, each in found.items()):
        raise RecordError(f"{path}: is not a file of ablate; remove it and give the images again with `images`")
    return tuple(Copy(name, each["words"], each["root"]) for name, each in found.items())


def remember_copies(runs: Path, copies: Iterable[Copy]) -> None:
    """Write copies to images.json, beside those of other data sets.

    Args:
        runs: The runs directory; it is created if it does not exist.
        copies: The copies; each has a data set.

    Raises:
        RecordError: images.json is not what ablate writes, or another process holds its lock.
    """
    copies = tuple(copies)
    if not copies:
        return
    runs.mkdir(parents=True, exist_ok=True)
    with hold_lock(real_directory(runs) / _LOCK, PATIENCE) as free:
        if not free:
            raise RecordError(f"{runs / NAME}: another process is writing it; try again")
        known = {copy.data_set: copy for copy in remembered_copies(runs)}
        wanted = known | {copy.data_set: copy for copy in copies}
        if wanted != known:
            write_atomically(runs / NAME, copies_bytes(wanted.values()))


def copies_bytes(copies: Iterable[Copy]) -> bytes:
    """The bytes of images.json.

    Args:
        copies: At most one of each data set.
    """
    found = sorted(copies, key=lambda copy: copy.data_set)
    rows = {copy.data_set: {"words": copy.words, "root": copy.root} for copy in found}
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2) + b"\n"


def _is_copy(name: Any, value: Any) -> bool:
    """Whether images.json may have this pair of a data set and its copy."""
    return (
        can_be_copied(name)
        and isinstance(value, dict)
        and value.keys() == {"words", "root"}
        and isinstance(value["words"], str)
        and 0 < len(value["words"]) <= 40
        and value["words"].isprintable()
        and isinstance(value["root"], str | None)
        and "\0" not in (value["root"] or "")
    )
