"""Records under the ids of earlier versions, in which the measures of a study were part of a trial's id.

A trial without a record of its own has that of a directory whose trial.json is its definition with measures.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import orjson

from ablate.files import content_id
from ablate.records.definitions import read_definitions

_MEASURES = b'"measures"'


def without_measures(definition: bytes) -> bytes | None:
    """The definition of the same trial without measures; None if it has none.

    Args:
        definition: The bytes of a trial.json.
    """
    if _MEASURES not in definition:
        return None
    try:
        fields = orjson.loads(definition)
        del fields["data"]["measures"]
        seed = int(fields.pop("seed"))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    unseeded = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    return b'%s,\n  "seed": %d\n}\n' % (unseeded.removesuffix(b"\n}"), seed)


def former_ids(runs: Path, trial_id: str) -> tuple[str, ...]:
    """The ids under which earlier versions recorded a trial, those with most measures first.

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.
    """
    try:
        status = os.stat(runs)
    except OSError:
        return ()
    return _find(runs, status.st_mtime_ns, status.st_ino).get(trial_id, ())


@lru_cache(maxsize=8)
def _find(runs: Path, *version: int) -> dict[str, tuple[str, ...]]:
    """The former ids by id; `version` is another one for a directory in which trials were added."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name, definition in read_definitions(runs):
        same = without_measures(definition)
        if same is not None and content_id(definition) == name:
            found.setdefault(content_id(same), []).append((-len(definition), name))
    return {trial: tuple(name for _, name in sorted(names)) for trial, names in found.items()}
