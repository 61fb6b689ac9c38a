"""tuned/ in a runs directory: what the search of a variant chose, one file for each tuning.

    tuned/<id of the tuning>.json:
    {"tuning": "<id>", "objective": "median_validation_error", "chosen": 2,
     "candidates": [{"values": {"recipe.lr": 0.1}, "errors": [12.5], "trials": ["<id>"]}, ...], "sha256": "..."}

The file is written once, when every candidate has ended, and names the trials that it was chosen by. Errors are null where
a training diverged; a pruned candidate has fewer. A study reads it without Optuna, so that a choice neither needs the
storage of the search nor moves with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import RecordError
from ablate.files import ID, is_real_directory, real_directory, write_atomically
from ablate.records.sealed import read_sealed, sealed_bytes

FOLDER = "tuned"
_FIELDS = {"tuning": str, "objective": str, "chosen": int, "candidates": list}


@dataclass(frozen=True)
class Tried:
    """A candidate of a tuning.

    Args:
        values: By axis.
        errors: The values of its trainings, such as errors in percent; None where one diverged.
        trials: The ids of these trainings.
    """

    values: dict[str, Any]
    errors: tuple[float | None, ...]
    trials: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What the search of a variant chose.

    Args:
        tuning: The id of the tuning: 16 hexadecimal digits.
        objective: What was lowest or highest, such as "median_validation_error".
        candidates: All that were tried, in order; the first has the variant's own values.
        chosen: The place of the best among them.
    """

    tuning: str
    objective: str
    candidates: tuple[Tried, ...]
    chosen: int

    @property
    def values(self) -> dict[str, Any]:
        """The chosen values by axis."""
        return self.candidates[self.chosen].values


def choice_path(runs: Path, tuning: str) -> Path:
    """The path of a choice.

    Args:
        runs: The runs directory.
        tuning: The id of the tuning.
    """
    return real_directory(runs / FOLDER) / f"{tuning}.json"


def read_choice(runs: Path, tuning: str) -> Choice | None:
    """The choice of a tuning; None if none is made yet.

    Args:
        runs: The runs directory.
        tuning: The id of the tuning.

    Raises:
        RecordError: The file is damaged, or is that of another tuning.
    """
    path = choice_path(runs, tuning)
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return _read(path, tuning, status.st_mtime_ns, status.st_size, status.st_ino)


def write_choice(runs: Path, choice: Choice) -> None:
    """Write a choice.

    Args:
        runs: The runs directory.
        choice: To write; one of the same tuning is replaced.

    Raises:
        OSError: The file cannot be written.
    """
    real_directory(runs / FOLDER).mkdir(parents=True, exist_ok=True)
    write_atomically(choice_path(runs, choice.tuning), choice_bytes(choice))


def choice_bytes(choice: Choice) -> bytes:
    """The content of a choice's file.

    Args:
        choice: To write.
    """
    candidates = [{"values": one.values, "errors": one.errors, "trials": one.trials} for one in choice.candidates]
    fields = {"tuning": choice.tuning, "objective": choice.objective, "chosen": choice.chosen, "candidates": candidates}
    return sealed_bytes(fields)


def choices_of(runs: Path) -> Iterator[str]:
    """The ids of the tunings that have a choice in a runs directory, in order.

    Args:
        runs: The runs directory.
    """
    if is_real_directory(runs / FOLDER):
        yield from sorted(path.stem for path in (runs / FOLDER).glob("*.json") if ID.fullmatch(path.stem))


def plan_choices(sources: Sequence[Path], into: Path) -> tuple[list[Choice], list[str]]:
    """The choices that a merge copies, and a line for each two that contradict each other.

    Args:
        sources: Runs directories, in the order in which they are preferred.
        into: The runs directory that is merged into; it may not exist yet.

    Raises:
        RecordError: A choice is damaged.
    """
    places: dict[str, list[Path]] = {}
    for runs in (into, *sources):
        for tuning in choices_of(runs):
            places.setdefault(tuning, []).append(runs)
    copies, conflicts = list[Choice](), list[str]()
    for tuning, (first, *others) in places.items():
        kept = read_choice(first, tuning)
        paths = [choice_path(runs, tuning) for runs in others if read_choice(runs, tuning) != kept]
        conflicts += [f"{choice_path(first, tuning)} and {path}: other candidates" for path in paths]
        copies += [kept] if kept and first != into else []
    return copies, conflicts


@lru_cache(maxsize=4096)
def _read(path: Path, tuning: str, *version: int) -> Choice:
    """The choice in a file; `version` is another one for a file that was written again."""
    try:
        fields = read_sealed(path) or {}
        right = all(type(fields.get(key)) is kind for key, kind in _FIELDS.items()) and fields["tuning"] == tuning
        tried = tuple(
            Tried(dict(one["values"]), tuple(one["errors"]), tuple(map(str, one["trials"]))) for one in fields["candidates"]
        )
        if right and tried[fields["chosen"]].values and fields["chosen"] >= 0:
            return Choice(tuning, fields["objective"], tried, fields["chosen"])
    except (KeyError, TypeError, ValueError, IndexError, orjson.JSONDecodeError):
        pass
    raise RecordError(f"{path}: not as `ablate run` writes it; remove it and run again")
