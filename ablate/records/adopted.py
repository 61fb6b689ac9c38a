"""adopted.json in a runs directory: the trials whose record is that of a trial of earlier code.

    {"<id of the trial>": {"record": "<id of the earlier trial>", "code": {"<earlier digest>": "<digest>"}}, ...}

Where other code has the same earlier digest and another new one, the key is "<earlier digest> <file or reference>".

different.json: the records of earlier code with which a comparison found other results, so that nobody is advised to
compare again; {"<id of the trial>": ["<id of the earlier trial>", ...], ...}. It decides about no record.

An entry of adopted.json is believed only if the earlier trial's definition, with the digests of its code replaced, has the
trial's id. So no entry can make the record of another trial count.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import DamagedRecord, RecordError
from ablate.files import ID, content_id, read_file, real_directory, write_atomically
from ablate.records.code import with_codes
from ablate.records.remembered import writing

ADOPTED, DIFFERENT = "adopted.json", "different.json"
OF_LOCK = ".adopted.lock", 60.0  # of both; seconds to wait for another process


def adopted_from(runs: Path, trial_id: str) -> str | None:
    """The id of the earlier trial whose record counts for a trial; None if there is none.

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.

    Raises:
        RecordError: adopted.json is damaged, or binds the trial to one that differs in more than its code.
    """
    path, entry = runs / ADOPTED, read_adopted(runs).get(trial_id)
    if entry is None:
        return None
    try:
        definition = read_file(real_directory(runs / entry["record"]) / "trial.json")
    except FileNotFoundError:
        return None
    try:
        same = content_id(definition) == entry["record"] and content_id(with_codes(definition, entry["code"])) == trial_id
    except ValueError:
        same = False
    if not same:
        found = f"{trial_id} and {entry['record']} differ in more than code"
        raise DamagedRecord(f"{path}: {found}; remove the file and adopt again")
    return str(entry["record"])


def read_adopted(runs: Path) -> Mapping[str, Mapping[str, Any]]:
    """The entries of adopted.json, which adopted_from() checks; {} if there is no such file.

    Args:
        runs: The runs directory.

    Raises:
        RecordError: The file is damaged.
    """
    path = runs / ADOPTED
    try:
        status = os.lstat(path)
    except OSError:
        return {}
    return _read(path, status.st_mtime_ns, status.st_size, status.st_ino)


def write_adopted(runs: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Add entries to adopted.json.

    Args:
        runs: The runs directory.
        entries: By the id of the trial; each has the earlier `record` and the `code`, new digests by earlier ones.

    Raises:
        RecordError: The file is damaged, or another process holds its lock.
        OSError: The file cannot be written.
    """
    if not entries:
        return
    with writing(runs / ADOPTED, *OF_LOCK):
        found = {**read_adopted(runs), **{key: dict(entry) for key, entry in entries.items()}}
        write_atomically(runs / ADOPTED, orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


def read_different(runs: Path) -> dict[str, list[str]]:
    """The ids of the earlier trials with other results, by the id of the trial; {} if that is not known.

    Args:
        runs: The runs directory.
    """
    try:
        found = orjson.loads(read_file(runs / DIFFERENT))
    except (OSError, RecordError, orjson.JSONDecodeError):
        return {}
    return {key: ids for key, ids in found.items() if isinstance(ids, list)} if isinstance(found, dict) else {}


def write_different(runs: Path, earlier: Mapping[str, str]) -> None:
    """Add to different.json.

    Args:
        runs: The runs directory.
        earlier: The id of the earlier trial by that of the trial.

    Raises:
        RecordError: Another process holds its lock.
        OSError: The file cannot be written.
    """
    with writing(runs / DIFFERENT, *OF_LOCK):
        found = read_different(runs)
        found |= {trial: sorted({*found.get(trial, ()), one}) for trial, one in earlier.items()}
        write_atomically(runs / DIFFERENT, orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=8)
def _read(path: Path, *version: int) -> dict[str, dict[str, Any]]:
    """The entries of a file; `version` is another one for a file that was written again."""
    try:
        entries = orjson.loads(read_file(path))
    except (OSError, orjson.JSONDecodeError) as error:
        raise RecordError(f"{path}: cannot be read ({error}); remove it and adopt again") from None
    if not isinstance(entries, dict) or not all(_is_entry(*entry) for entry in entries.items()):
        raise RecordError(f"{path}: not as `ablate adopt` writes it; remove it and adopt again")
    return entries


def _is_entry(trial: str, entry: Any) -> bool:
    """Whether an entry of adopted.json has its form."""
    if not (isinstance(entry, dict) and entry.keys() == {"record", "code"} and isinstance(entry["code"], dict)):
        return False
    texts = (trial, entry["record"])
    return all(isinstance(text, str) and ID.fullmatch(text) for text in texts) and all(
        isinstance(new, str) for new in entry["code"].values()
    )
