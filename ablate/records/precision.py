"""precision.json in a runs directory: what `precision: auto` is in its records, and the device that it was chosen for.

    precision.json: {"precision": "bfloat16", "device": "NVIDIA H100 80GB HBM3 (compute capability 9.0)"}

It is written when trials are run, so that later commands find the same trials on any machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import orjson

from ablate.errors import RecordError
from ablate.files import hold_lock, read_file, real_directory, write_atomically
from ablate.kinds.precisions import CHOSEN

NAME = "precision.json"
_LOCK = ".precision.lock"
_MOST = 1 << 12  # bytes
PATIENCE = 10.0  # seconds to wait for another process


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
    path = runs / NAME
    try:
        found = orjson.loads(read_file(path, _MOST))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    match found:
        case {"precision": str(name), "device": str(device)} if len(found) == 2 and name in CHOSEN and device.isprintable():
            return ChosenPrecision(name, device)
    raise RecordError(f"{path}: is not a file of ablate; remove it and name the precision in the study")


def remember_precision(runs: Path, chosen: ChosenPrecision) -> None:
    """Write precision.json, if it is not there.

    Args:
        runs: The runs directory; it is created if it does not exist.
        chosen: What `precision: auto` has become.

    Raises:
        RecordError: Another run has chosen another precision, or precision.json is not what ablate writes.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with hold_lock(real_directory(runs) / _LOCK, PATIENCE) as free:
        if not free:
            raise RecordError(f"{runs / NAME}: another process is writing it; try again")
        known = remembered_precision(runs)
        if known is None:
            write_atomically(runs / NAME, chosen.as_bytes())
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
