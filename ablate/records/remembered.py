"""What a run remembers in a runs directory, so that later commands, on any machine, find the same trials.

images.json: {"cifar10": {"words": "JPEG copy", "root": "/data/cifar10"}}
    The copies that stand in the place of data sets, given with `--images`. A merged directory has them without roots.
precision.json: {"precision": "bfloat16", "device": "NVIDIA H100 80GB HBM3 (compute capability 9.0)"}
    What `precision: auto` is, and the device that it was chosen for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from ablate.data.copies import Copy, can_be_copied
from ablate.errors import RecordError
from ablate.files import hold_lock, read_file, real_directory, write_atomically
from ablate.kinds.precisions import CHOSEN

IMAGES, PRECISION = "images.json", "precision.json"
_SECONDS = 10.0  # to wait for another process


@contextmanager
def writing(path: Path, lock: str, seconds: float) -> Iterator[None]:
    """A context manager: within the block no other process writes a file of a runs directory.

    Args:
        path: Of the file.
        lock: The name of the lock file beside it.
        seconds: To wait for another process.

    Raises:
        RecordError: Another process holds the lock.
    """
    with hold_lock(path.with_name(lock), seconds) as free:
        if not free:
            raise RecordError(f"{path}: another process is writing it; try again")
        yield


def remembered_copies(runs: Path) -> tuple[Copy, ...]:
    """The copies that the records of a directory were made with.

    Args:
        runs: The runs directory; it need not exist.

    Raises:
        RecordError: images.json is not what ablate writes.
    """
    found = _read(runs / IMAGES, 1 << 16, {})
    if not isinstance(found, dict) or not all(_is_copy(name, each) for name, each in found.items()):
        raise RecordError(f"{runs / IMAGES}: is not a file of ablate; remove it and give the images again with `images`")
    return tuple(Copy(name, each["words"], each["root"]) for name, each in found.items())


def remember_copies(runs: Path, copies: Iterable[Copy]) -> None:
    """Write copies to images.json, beside those of other data sets.

    Args:
        runs: The runs directory; it is created if it does not exist.
        copies: The copies; each has a data set.

    Raises:
        RecordError: images.json is not what ablate writes, or another process holds its lock.
    """
    new = {copy.data_set: copy for copy in copies}
    if not new:
        return
    with _writing(runs, IMAGES):
        known = {copy.data_set: copy for copy in remembered_copies(runs)}
        if known | new != known:
            write_atomically(runs / IMAGES, copies_bytes((known | new).values()))


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


class ChosenPrecision(NamedTuple):
    """What `precision: auto` has become.

    Args:
        name: Of the precision.
        device: That it was chosen for, or its records were made on, in words.
    """

    name: str
    device: str

    def as_bytes(self) -> bytes:
        """The bytes of precision.json."""
        return orjson.dumps({"precision": self.name, "device": self.device}, option=orjson.OPT_INDENT_2) + b"\n"


def remembered_precision(runs: Path) -> ChosenPrecision | None:
    """What `precision: auto` is in the records of a directory; None if no run has chosen it.

    Args:
        runs: The runs directory; it need not exist.

    Raises:
        RecordError: precision.json is not what ablate writes.
    """
    if (found := _read(runs / PRECISION, 1 << 12, ...)) is ...:
        return None
    match found:
        case {"precision": str(name), "device": str(device)} if len(found) == 2 and name in CHOSEN and device.isprintable():
            return ChosenPrecision(name, device)
    raise RecordError(f"{runs / PRECISION}: is not a file of ablate; remove it and name the precision in the study")


def remember_precision(runs: Path, chosen: ChosenPrecision) -> None:
    """Write precision.json, if it is not there.

    Args:
        runs: The runs directory; it is created if it does not exist.
        chosen: What `precision: auto` has become.

    Raises:
        RecordError: Another run has chosen another precision, or precision.json is not what ablate writes.
    """
    with _writing(runs, PRECISION):
        known = remembered_precision(runs)
        if known is None:
            write_atomically(runs / PRECISION, chosen.as_bytes())
        elif known.name != chosen.name:
            raise RecordError(contradiction(runs, known, chosen))


def contradiction(runs: Path, known: ChosenPrecision, other: ChosenPrecision) -> str:
    """The line that two devices choose different precisions.

    Args:
        runs: The runs directory.
        known: What was chosen there.
        other: What another device chooses.
    """
    return (
        f"recipe.precision: auto is {known.name} in {runs}, for {known.device}; for {other.device} it is {other.name}; "
        f"use another directory, or run with -s recipe.precision={known.name}"
    )


def _read(path: Path, most: int, without: Any) -> Any:
    """The plain value of a file of at most so many bytes; None if it has none, `without` if there is no such file."""
    try:
        return orjson.loads(read_file(path, most))
    except FileNotFoundError:
        return without
    except ValueError:
        return None


@contextmanager
def _writing(runs: Path, name: str) -> Iterator[None]:
    """Create a runs directory, and keep other processes from writing one of its files within the block."""
    runs.mkdir(parents=True, exist_ok=True)
    with writing(real_directory(runs) / name, f".{name.removesuffix('.json')}.lock", _SECONDS):
        yield
