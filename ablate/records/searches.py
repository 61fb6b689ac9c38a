"""searches/ in a runs directory: the candidates of a search as its report found them, one file for each search.

    searches/<name of the study>-<8 digits of the search's digest>.json:
    {"search": "<name>-<digits>", "planned": 24, "importances": {"recipe.lr": 0.7}, "candidates": [{
        "number": 0, "state": "complete", "values": {"recipe.lr": 0.1}, "trials": ["<id>"], "errors": {"0": 12.5},
        "intermediate": {"1": 30.0}, "costs": {}, "enqueued": false}, ...], "sha256": "..."}

`ablate report` writes it among the records beside the report, and it is read where there is no storage of the search. So a
report can be made again without Optuna's database. Errors are null where a training diverged; they are in the order of the
trainings, whose ids are `trials`. `intermediate` is what the pruner was told, null where that is no number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablate.errors import RecordError
from ablate.files import is_real_directory, real_directory, write_atomically
from ablate.records.sealed import read_sealed, sealed_bytes

FOLDER = "searches"
ENDED = ("complete", "pruned")
STATES = (*ENDED, "failed", "running", "interrupted")
NAME = re.compile(r"[\w.-]+-[0-9a-f]{8}")
MOST, DIGITS = 1_000_000, 7  # candidates; digits of a step
LARGEST = 1e100  # value of an error or a cost


@dataclass(frozen=True)
class KeptCandidate:
    """A candidate of a search in plain values.

    Args:
        number: Its number in the search, from 0.
        state: "complete", "pruned", "failed", "running" or "interrupted".
        values: By axis.
        trials: The ids of its trainings, in order.
        errors: The values of its trainings by their index, such as errors in percent; None where one diverged.
        intermediate: What the pruner was told, by step; None where it was no number.
        costs: The costs that the search minimizes too, by name.
        enqueued: Whether the study file names it.
    """

    number: int
    state: str
    values: dict[str, Any]
    trials: tuple[str, ...]
    errors: Mapping[int, float | None]
    intermediate: Mapping[int, float | None]
    costs: Mapping[str, float]
    enqueued: bool


@dataclass(frozen=True)
class KeptSearch:
    """The candidates of a search.

    Args:
        name: Of the search: search_name().
        planned: How many candidates it evaluates in total.
        importances: The share of the variance that each parameter explains; None if it is not known.
        candidates: Those that have begun, in the order of their numbers.
    """

    name: str
    planned: int
    importances: Mapping[str, float] | None
    candidates: tuple[KeptCandidate, ...]

    @property
    def ended(self) -> int:
        """How many candidates were trained to the end or pruned."""
        return sum(one.state in ENDED for one in self.candidates)


def search_name(study: str, digest: str) -> str:
    """The name of a search in a runs directory.

    Args:
        study: The name of the study.
        digest: Of the search.
    """
    return f"{study}-{digest[:8]}"


def search_path(runs: Path, name: str) -> Path:
    """The path of a search's file.

    Args:
        runs: The runs directory.
        name: Of the search.
    """
    return real_directory(runs / FOLDER) / f"{name}.json"


def searches_of(runs: Path) -> list[str]:
    """The names of the searches in a runs directory, in order.

    Args:
        runs: The runs directory.
    """
    if not is_real_directory(runs / FOLDER):
        return []
    return sorted(path.stem for path in (runs / FOLDER).glob("*.json") if NAME.fullmatch(path.stem))


def search_bytes(search: KeptSearch) -> bytes:
    """The content of a search's file.

    Args:
        search: To write.
    """

    def keyed(values: Mapping[int, float | None]) -> dict[str, float | None]:
        return {str(key): value for key, value in values.items()}

    candidates = [
        {**asdict(one), "errors": keyed(one.errors), "intermediate": keyed(one.intermediate)} for one in search.candidates
    ]
    fields = {"search": search.name, "planned": search.planned, "importances": search.importances}
    return sealed_bytes({**fields, "candidates": candidates})


def write_search(runs: Path, search: KeptSearch) -> None:
    """Write a search; one of the same name is replaced.

    Args:
        runs: The runs directory.
        search: To write.

    Raises:
        OSError: The file cannot be written.
    """
    real_directory(runs / FOLDER).mkdir(parents=True, exist_ok=True)
    write_atomically(search_path(runs, search.name), search_bytes(search))


def read_search(runs: Path, name: str) -> KeptSearch | None:
    """A search in a runs directory; None if it is not there.

    Args:
        runs: The runs directory.
        name: Of the search.

    Raises:
        RecordError: The file is damaged, or is that of another search.
    """
    path = search_path(runs, name)
    if not os.path.lexists(path):
        return None
    try:
        fields = read_sealed(path)
        candidates = tuple(map(_candidate, fields["candidates"]))
        importances = fields["importances"]
        found = KeptSearch(fields["search"], _whole(fields["planned"]), importances and _numbers(importances), candidates)
        if found.name == name and all(one.state in STATES and one.values for one in candidates):
            return found
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise RecordError(f"{path}: not as `ablate report` writes it; remove it and make the report again")


def newest_searches(sources: Sequence[Path], into: Path) -> list[KeptSearch]:
    """The searches that a merge copies: of each the one with the most ended candidates, unless `into` has as many.

    Args:
        sources: Runs directories, in the order in which they are preferred.
        into: The runs directory that is merged into; it may not exist yet.

    Raises:
        RecordError: A file is damaged.
    """
    found: dict[str, KeptSearch] = {}
    copied: dict[str, KeptSearch] = {}
    for runs in (into, *sources):
        for one in filter(None, (read_search(runs, name) for name in searches_of(runs))):
            if one.name not in found or found[one.name].ended < one.ended:
                found[one.name] = one
                copied |= {one.name: one} if runs != into else {}
    return list(copied.values())


def _candidate(fields: Mapping[str, Any]) -> KeptCandidate:
    return KeptCandidate(
        _whole(fields["number"]),
        str(fields["state"]),
        dict(fields["values"]),
        tuple(map(str, fields["trials"])),
        {_key(key): None if value is None else _number(value) for key, value in fields["errors"].items()},
        {_key(key): None if value is None else _number(value) for key, value in fields["intermediate"].items()},
        _numbers(fields["costs"]),
        bool(fields["enqueued"]),
    )


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(key): _number(value) for key, value in values.items()}


def _number(value: Any) -> float:
    """A finite number whose square is one too, as statistics need it."""
    if type(value) in (int, float) and abs(value) <= LARGEST:
        return float(value)
    raise ValueError(value)


def _whole(value: Any) -> int:
    """A count, or a number from 0."""
    if type(value) is int and 0 <= value <= MOST:
        return value
    raise ValueError(value)


def _key(text: str) -> int:
    """A whole number from 0 that is the key of a mapping."""
    if text.isascii() and text.isdigit() and len(text) <= DIGITS:
        return int(text)
    raise ValueError(text)
