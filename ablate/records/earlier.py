"""Records of a study's trials under earlier code: what an edit of the code would otherwise leave behind unseen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from ablate.errors import RecordError, printable
from ablate.files import content_id
from ablate.records.adopted import read_different
from ablate.records.code import changed_codes, has_code, without_codes
from ablate.records.definitions import read_definitions
from ablate.records.records import Record, own_record, read_record


class Earlier(NamedTuple):
    """The record of a trial under earlier code.

    Args:
        record: The record.
        code: As returned by changed_codes().
    """

    record: Record
    code: dict[str, tuple[str, str]]

    @property
    def codes(self) -> dict[str, str]:
        """The new digests by the keys of `code`."""
        return {old: new for old, (new, _) in self.code.items()}

    @property
    def finished(self) -> str:
        """When the record was finished, in ISO 8601; "" if that is not known."""
        return str(self.record.result.get("provenance", {}).get("finished", ""))


def find_earlier(runs: Path, definitions: Mapping[str, bytes]) -> dict[str, list[Earlier]]:
    """The records under earlier code, the newest first, by the id of the trial. Damaged ones are skipped.

    Args:
        runs: The runs directory.
        definitions: The definition of each trial by its id.
    """
    wanted: dict[bytes, str] = {without_codes(each): key for key, each in definitions.items() if has_code(each)}
    found: dict[str, list[Earlier]] = {}
    for name, definition in read_definitions(runs) if wanted else ():
        if not has_code(definition):
            continue
        with suppress(RecordError, ValueError):
            trial = wanted.get(without_codes(definition), name)
            if trial != name and content_id(definition) == name and (record := own_record(runs, name)):
                found.setdefault(trial, []).append(Earlier(record, changed_codes(definition, definitions[trial])))
    return {trial: sorted(several, key=lambda one: one.finished, reverse=True) for trial, several in found.items()}


class Defined(Protocol):
    """A trial, as far as its record is concerned."""

    @property
    def id(self) -> str:
        """The id: 16 hexadecimal digits."""

    @property
    def definition(self) -> bytes:
        """The bytes of trial.json."""

    @property
    def names_code(self) -> bool:
        """Whether they may name user-defined code."""


ADOPT = "`ablate adopt` takes over those that are still the same"
OTHER = "`ablate adopt` found other results, so they do not count"


def earlier_remarks(trials: Iterable[Defined], runs: Path, remedy: str = ADOPT) -> list[str]:
    """One sentence for each earlier version of the code with records of trials that have none; it names the remedy.

    Args:
        trials: Of a study.
        runs: The runs directory.
        remedy: The end of the sentence, but where `ablate adopt` has found other results.
    """
    coded = (one for one in trials if one.names_code and has_code(one.definition))
    missing = {one.id: one.definition for one in coded if not _is_recorded(runs, one.id)}
    different = read_different(runs) if missing else {}
    said: dict[str, list[Earlier]] = {remedy: [], OTHER: []}
    for trial, (newest, *_) in find_earlier(runs, missing).items():
        said[OTHER if newest.record.id in different.get(trial, ()) else remedy].append(newest)
    return [f"{line}; {end}" for end, records in said.items() for line in earlier_lines(records)]


def _is_recorded(runs: Path, trial_id: str) -> bool:
    """Whether a trial has a record; one that is damaged is one, as its reader will say so."""
    try:
        return read_record(runs, trial_id) is not None
    except RecordError:
        return True


def earlier_lines(records: Iterable[Earlier]) -> list[str]:
    """One text for each earlier version: "18 records under an earlier mynet.py (1f2e..., 2026-11-20)".

    Args:
        records: Under earlier code.
    """
    versions: dict[tuple[tuple[str, str], ...], list[Earlier]] = {}
    for one in records:
        files = {file: old.partition(" ")[0] for old, (_, file) in one.code.items()}
        versions.setdefault(tuple(files.items()), []).append(one)
    lines = []
    for files_of, several in versions.items():
        date = max(one.finished for one in several)[:10] or "of an unknown date"
        earlier = " and ".join(f"{file} ({old}, {date})" for file, old in files_of)
        lines.append(printable(f"{len(several)} {'record' if len(several) == 1 else 'records'} under an earlier {earlier}"))
    return lines
