"""adopt_records(): takes over records of earlier code, where one training of each variant shows that nothing has changed.

A variant whose code differs in comments, docstrings and formatting alone needs no training. Composes verify and launch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal

import orjson

from ablate.errors import RunError
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE, RunSummary
from ablate.own_modules import code_digest, normalized_digest
from ablate.records.adopted import write_adopted, write_different
from ablate.records.attempts import read_failure
from ablate.records.code import digests_in
from ablate.records.earlier import Earlier, find_earlier
from ablate.records.records import own_record, read_record, trial_directory
from ablate.study.decision import Decision
from ablate.study.program import ProgramTrial
from ablate.study.study import Trial
from ablate.verify import T, VerifiedTrial, compare

MEASURED = ("train_", "test_", "validation_")  # beginnings of the names of measured fields
How = Literal["unchanged", "equal", "different", "not trained"]


@dataclass(frozen=True)
class AdoptedVariant:
    """What became of the records that a variant has under earlier code.

    Args:
        label: The variant's name for people.
        how: "unchanged": the code differs in comments, docstrings and formatting alone; "equal": a trial that was trained
            again is bit-equal; "different": it is not; "not trained": it could not be trained.
        records: How many records were taken over.
        earlier: The records under the earlier code, of those trials that have no record of their own.
        seed: Of the trial that was trained again; None if none was.
        verdict: Its comparison with the earlier record; None without one.
        cause: Why it could not be trained, or what differs although all epochs are equal; else "".
    """

    label: str
    how: How
    records: int
    earlier: tuple[Earlier, ...]
    seed: int | None = None
    verdict: VerifiedTrial | None = None
    cause: str = ""

    def as_json(self) -> dict[str, Any]:
        """The values as plain ones with stable names."""
        return {
            "label": self.label,
            "how": self.how,
            "records": self.records,
            "earlier": [one.record.id for one in self.earlier],
            "seed": self.seed,
            "verdict": self.verdict and self.verdict.as_json(),
            "cause": self.cause or None,
        }


@dataclass(frozen=True)
class Adoption:
    """What became of the records under earlier code, by variant.

    Args:
        variants: Those that have records under earlier code.
        exit_code: 0 if all of these records were taken over.
    """

    variants: tuple[AdoptedVariant, ...]
    exit_code: int


@dataclass(frozen=True)
class _Candidate(Generic[T]):
    """A variant with records under one version of earlier code.

    Args:
        label: The variant's name for people.
        trials: The variant's trials without a record.
        earlier: The record of each of `trials` that has one under the earlier code, by the trial's id.
        check: The trial that is compared; None: the code is unchanged.
        checked: The earlier record of `check`.
    """

    label: str
    trials: tuple[T, ...]
    earlier: dict[str, Earlier]
    check: T | None = None
    checked: Earlier | None = None

    @property
    def device(self) -> str:
        """The kind of device that made the earlier record of `check`; "auto" if that is not known."""
        assert self.checked
        result = self.checked.record.result
        if "peak_memory_bytes" not in result:
            return "auto"
        return "cpu" if result["peak_memory_bytes"] is None else "cuda"


def adopt_records(
    run: Callable[[Sequence[T], RunOptions], RunSummary],
    variants: Sequence[tuple[str, Sequence[T]]],
    runs: Path,
    options: RunOptions,
    own: Decision | None = None,
) -> Adoption:
    """Take over the records of earlier code, of every variant whose results are still the same.

    One trial of a variant is trained again, into `runs`, on the kind of device that made its record; if all its epochs are
    equal, bit for bit, the variant's other records count too. They stay where and as they are.

    Args:
        run: Trains trials into `runs`.
        variants: The label and the trials of each variant.
        runs: Directory of the records.
        options: How to run; the device "auto" is that of the records.
        own: The measure of a program; None: the error on the images of each record's split.

    Raises:
        AblateError: The run cannot start.
    """
    definitions = {trial.id: trial.definition for _, trials in variants for trial in trials}
    earlier = find_earlier(runs, definitions)
    candidates: dict[tuple[str, ...], _Candidate[T]] = {}
    for label, trials in variants:
        if found := _candidate(label, trials, earlier, runs):
            candidates.setdefault(tuple(found.earlier), found)  # a variant may be tuned to its own values
    checks = {one.check.id: one for one in candidates.values() if one.check and not own_record(runs, one.check.id)}
    causes: dict[str, str] = {}
    stopped = 0
    for device in ("cuda", "cpu", "auto"):
        of_device = [one.check for one in checks.values() if one.device == device and one.check]
        if of_device and not stopped:
            asked = replace(options, device=device) if options.device == "auto" else options
            try:
                summary = run(of_device, asked)
                stopped = summary.exit_code if summary.exit_code not in (0, INCOMPLETE) else 0
            except RunError as error:
                causes |= {trial.id: f"recorded on {_device(checks[trial.id])}; {error}" for trial in of_device}
    done = [_adopt(one, runs, causes, own) for one in candidates.values()]
    missing = any(one.records < len(one.earlier) for one in done)
    return Adoption(tuple(done), stopped or (INCOMPLETE if missing else 0))


def _candidate(
    label: str, trials: Sequence[T], earlier: Mapping[str, Sequence[Earlier]], runs: Path
) -> _Candidate[T] | None:
    """A variant with what it has under the version of earlier code that has most of its records; None if it has none."""
    missing = tuple(trial for trial in trials if trial.id in earlier and read_record(runs, trial.id) is None)
    versions = Counter(_version(one) for trial in missing for one in earlier[trial.id])
    if not versions:
        return None
    ((version, _),) = versions.most_common(1)
    of_version = {id: next((one for one in several if _version(one) == version), None) for id, several in earlier.items()}
    found = {trial.id: one for trial in missing if (one := of_version[trial.id])}
    if all(map(_is_unchanged, ((trial, found[trial.id]) for trial in missing if trial.id in found))):
        return _Candidate(label, missing, found)
    both = [trial for trial in trials if of_version.get(trial.id)]
    check = next((trial for trial in both if own_record(runs, trial.id)), both[0])  # it may have been trained before
    return _Candidate(label, missing, found, check, of_version[check.id])


def _version(one: Earlier) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(one.codes.items()))


def _is_unchanged(pair: tuple[Trial | ProgramTrial, Earlier]) -> bool:
    """Whether the code of a trial differs from that of an earlier record in comments, docstrings and formatting alone."""
    trial, one = pair
    normalized = one.record.result.get("normalized_code", {})
    now = {each.digest: each.reference for each in digests_in(orjson.loads(trial.definition))}
    return all(
        ":" in (reference := now.get(new, ""))
        and code_digest(reference) == new
        and normalized.get(old) == normalized_digest(reference)
        for old, new in one.codes.items()
    )


def _adopt(one: _Candidate[T], runs: Path, causes: Mapping[str, str], own: Decision | None) -> AdoptedVariant:
    """Take a variant's records over, if its check is equal to its earlier record."""
    every = tuple(one.earlier.values())
    entries = {id: {"record": each.record.id, "code": each.codes} for id, each in one.earlier.items()}
    if one.check is None or one.checked is None:
        write_adopted(runs, entries)
        return AdoptedVariant(one.label, "unchanged", len(entries), every)
    now = own_record(runs, one.check.id)
    if now is None:
        cause = causes.get(one.check.id) or read_failure(trial_directory(runs, one.check.id)) or "no result"
        return AdoptedVariant(one.label, "not trained", 0, every, one.check.seed, None, cause)
    verdict = compare(one.label, one.checked.record, now, "", own)
    if not verdict.equal or (cause := _other_difference(one.checked.record.result, now.result)):
        write_different(runs, {id: each.record.id for id, each in one.earlier.items()})
        return AdoptedVariant(one.label, "different", 0, every, one.check.seed, verdict, "" if not verdict.equal else cause)
    entries.pop(one.check.id, None)  # it has a record of its own
    write_adopted(runs, entries)
    return AdoptedVariant(one.label, "equal", len(every), every, one.check.seed, verdict)


def _other_difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two results with equal epochs, in words: the images, or a measure of both; "" if none does."""
    if then.get("data_digest") != now.get("data_digest"):
        return "the images differ"
    for key in (key for key in then if key in now):
        measured = key.startswith(MEASURED) and not key.endswith("_seconds")
        if measured and repr(then[key]) != repr(now[key]):
            return f"{key} {then[key]} then, {now[key]} now"
    return ""


def _device(one: _Candidate[T]) -> str:
    assert one.checked
    return str(one.checked.record.result.get("provenance", {}).get("device", "another device"))
