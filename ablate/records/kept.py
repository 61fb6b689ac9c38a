"""Records that travel with a report: reports/<study>/records/, a small runs directory.

It has the sealed files of each finished trial (trial.json, epochs.jsonl, result.json, evaluation-NAME.json), and what they
are found by: the choices of tunings, the candidates of a search with the epochs of those that were pruned, adopted.json,
images.json, precision.json, and probes, as a limit on a measured cost leaves variants out. It has no checkpoints, logits or
logs. So the report can be made again by somebody who has the report alone, and `ablate merge` takes its records over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from ablate.errors import RecordError, printable
from ablate.files import ID, is_real_directory, read_file, real_directory, remove, write_atomically
from ablate.records.adopted import ADOPTED, read_adopted
from ablate.records.choices import FOLDER as CHOICES
from ablate.records.choices import Choice, choice_bytes, read_choice
from ablate.records.records import own_record
from ablate.records.remembered import (
    IMAGES,
    PRECISION,
    ChosenPrecision,
    copies_bytes,
    remembered_copies,
    remembered_precision,
)
from ablate.records.timings import probe_bytes, probe_path, probes_beside

FOLDER = "records"
NAMES = re.compile(r"trial\.json|epochs\.jsonl|result\.json|evaluation-[a-z0-9_-]+\.json")  # the last: of logits
MOST = 50_000_000  # bytes of records that a report takes along unless it is asked for more
WITH_LOGITS = re.compile(rf"{NAMES.pattern}|logits-[a-z0-9_-]+\.safetensors")
ASIDE = ".keeping"


@dataclass(frozen=True)
class Kept:
    """What travels with a report.

    Args:
        directory: Of the records.
        trials: How many records.
        size: Their bytes.
        written: Whether they are in `directory`; if not, they are more than allowed.
        left: The ids of records in `directory` that are not of the report and that the runs directory does not have.
    """

    directory: Path
    trials: int
    size: int
    written: bool
    left: tuple[str, ...] = ()


def keep_records(
    runs: Path,
    into: Path,
    trials: Iterable[str],
    tunings: Iterable[str] = (),
    files: Mapping[str, bytes] | None = None,
    most: int | None = MOST,
    names: re.Pattern[str] = NAMES,
    begun: Iterable[str] = (),
    precision: str = "",
) -> Kept:
    """Copy the records of some trials into a directory that has no others, and say what it has then.

    Each record is checked before it is copied, and is in the directory whole or not at all. Records of other trials are
    removed if `runs` has them too.

    Args:
        runs: The runs directory.
        into: Such as reports/<study>/records; it is created if it does not exist.
        trials: The ids of the trials; those that are not finished are left out. An id may be one of earlier code.
        tunings: The ids of the tunings whose choices, and the trials of these, are copied too.
        files: Further files, by name.
        most: If the records have more bytes, nothing is written; None: no limit.
        names: Of the files of a trial that are copied: NAMES, or WITH_LOGITS.
        begun: The ids of trials that are copied too if they are not finished, such as those that a search has pruned.
        precision: What `precision: auto` has become in the trials; "" if their study does not have it.

    Raises:
        RecordError: A record is damaged, or something else is in the place of a directory.
        OSError: A file cannot be read or written.
    """
    choices = [choice for one in tunings if (choice := read_choice(runs, one))]
    named = [*trials, *(trial for choice in choices for tried in choice.candidates for trial in tried.trials)]
    ids = [one for one in dict.fromkeys(named) if own_record(runs, one)]
    unfinished = [one for one in dict.fromkeys(begun) if one not in ids and is_real_directory(runs / one)]
    copied = [*ids, *unfinished]
    size = sum(os.lstat(path).st_size for one in copied for path in _paths(runs / one, names))
    if into.exists() and runs.exists() and runs.samefile(into):
        return Kept(into, len(ids), size, True)
    if not ids or (most is not None and size > most):
        return Kept(into, len(ids), size, not ids)
    real_directory(into).mkdir(parents=True, exist_ok=True)
    for path in into.glob(f".*{ASIDE}"):  # of a process that was killed
        remove(path)
    for one in copied:
        _copy(runs / one, into / one, names)
    for name, data in {**_beside(runs, ids, choices, precision), **(files or {})}.items():
        if not (into / name).is_file() or read_file(into / name) != data:
            real_directory((into / name).parent).mkdir(parents=True, exist_ok=True)
            write_atomically(into / name, data)
    others = [path for path in sorted(into.iterdir()) if ID.fullmatch(path.name) and path.name not in copied]
    return Kept(into, len(ids), size, True, tuple(path.name for path in others if not _removed(runs, path)))


def _paths(directory: Path, names: re.Pattern[str]) -> list[Path]:
    return sorted(path for path in directory.iterdir() if names.fullmatch(path.name))


def _sealed_files(directory: Path, names: re.Pattern[str] = NAMES) -> dict[str, bytes]:
    """The bytes of a record's files, by name."""
    return {path.name: read_file(path) for path in _paths(directory, names)}


def _copy(source: Path, target: Path, names: re.Pattern[str]) -> None:
    """Copy a record unless its copy is there and equal. The copy appears whole, by a rename."""
    files = _sealed_files(source, names)
    if os.path.lexists(real_directory(target)):
        try:
            if _sealed_files(target, names) == files:
                return
        except (OSError, RecordError):
            pass
    aside, old = (target.with_name(f".{target.name}{what}{ASIDE}") for what in ("", ".old"))
    aside.mkdir()
    for name, data in files.items():
        (aside / name).write_bytes(data)  # not flushed: a copy that a crash damages is noticed and made again
    if os.path.lexists(target):
        os.rename(target, old)
    os.rename(aside, target)
    remove(old)


def _beside(runs: Path, ids: Sequence[str], choices: Iterable[Choice], precision: str) -> dict[str, bytes]:
    """The files beside the records: adopted.json, images.json without paths, precision.json, each choice and probe."""
    found: dict[str, bytes] = {}
    wanted = set(ids)
    if adopted := {trial: entry for trial, entry in read_adopted(runs).items() if entry["record"] in wanted}:
        found[ADOPTED] = orjson.dumps(adopted, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    if copies := [replace(copy, root=None) for copy in remembered_copies(runs)]:
        found[IMAGES] = copies_bytes(copies)
    if precision:
        found[PRECISION] = _chosen_precision(runs, ids[0], precision).as_bytes()
    found |= {str(probe_path(Path(), probe)): probe_bytes(probe) for probe in probes_beside(runs, wanted)}
    return found | {f"{CHOICES}/{choice.tuning}.json": choice_bytes(choice) for choice in choices}


def _chosen_precision(runs: Path, trial: str, name: str) -> ChosenPrecision:
    """What precision.json says of a precision; where it is not there, with the device of a trial's record."""
    known = remembered_precision(runs)
    if known and known.name == name:
        return known
    record = own_record(runs, trial)
    device = record and record.result["provenance"].get("device")
    return ChosenPrecision(name, printable(device) if isinstance(device, str) else "another device")


def _removed(runs: Path, path: Path) -> bool:
    """Remove a record of another trial if `runs` has the same; return whether it is gone."""
    try:
        known = is_real_directory(path) and _sealed_files(path) == _sealed_files(real_directory(runs / path.name))
    except (OSError, RecordError):
        known = False
    if known:
        remove(path)
    return known
