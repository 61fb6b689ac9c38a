"""verify_trials(): trains recorded trials again in a temporary directory and compares the results with the records.

The records are only read. Composes launch and records.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ablate.errors import RecordError, RunError
from ablate.launch.summary import INCOMPLETE, RunSummary
from ablate.records.attempts import read_failure
from ablate.records.epochs import EPOCH_FIELDS, Row
from ablate.records.logits import read_evaluations
from ablate.records.records import Record, read_record, trial_directory
from ablate.records.result import FINAL
from ablate.study.decision import TEST_ERROR, Decision
from ablate.study.program import ProgramTrial
from ablate.study.study import Trial
from ablate.study.tasks import CLASSIFICATION, TASKS

T = TypeVar("T", Trial, ProgramTrial)
TIMES = ("train_seconds", "test_seconds")
COMPARED = tuple(field for field in EPOCH_FIELDS if field not in TIMES)
MADE_WITH = (
    *("device", "threads", "torch", "torchvision", "cuda", "cudnn", "driver", "numpy", "python", "platform", "ablate"),
    "revision",
)


@dataclass(frozen=True)
class VerifiedTrial:
    """How the second training of a trial compares with its record.

    Args:
        id: Of the trial.
        label: The name of the trial for people.
        equal: Whether the losses and errors of all epochs, and what was evaluated after the last, are equal bit for bit.
        first_difference: The first epoch that differs, from 1; None if none does or there is no second result.
        error: Of the record and of the second training, in the unit of `by`; None if there is none.
        furthest: The largest difference of an epoch's error; None if none can be compared.
        device: On which the record was made.
        changed: The provenance of the record and of the second training, by name, where they differ.
        cause: Why the trial could not be trained again; "" if it was.
        by: The measure that is shown.
        images: The sets of images, such as those of `also_test`, on which the two differ after epochs that are all equal.
    """

    id: str
    label: str
    equal: bool
    first_difference: int | None
    error: tuple[float | None, float | None]
    furthest: float | None
    device: str
    changed: dict[str, tuple[Any, Any]]
    cause: str = ""
    by: Decision = TEST_ERROR
    images: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain values with stable names."""
        changed = {name: {"then": then, "now": now} for name, (then, now) in self.changed.items()}
        error = {"then": self.error[0], "now": self.error[1]}
        return {
            "id": self.id,
            "label": self.label,
            "equal": self.equal,
            "first_difference": self.first_difference,
            self.by.name: error,
            "images": list(self.images),
            "furthest": self.furthest,
            "device": self.device,
            "changed": changed,
            "cause": self.cause or None,
        }


@dataclass(frozen=True)
class Verification:
    """The comparisons of the trials that were trained again.

    Args:
        seed: That chose the trials.
        recorded: How many trials of the study were recorded.
        trials: The comparison of each chosen trial.
        exit_code: 0 if all are equal, bit for bit.
    """

    seed: int
    recorded: int
    trials: list[VerifiedTrial]
    exit_code: int

    def as_json(self) -> dict[str, Any]:
        """The verification as plain values with stable names."""
        return {"seed": self.seed, "recorded": self.recorded, "trials": [verdict.as_json() for verdict in self.trials]}


def choose_trials(recorded: Sequence[T], count: int, seed: int) -> list[T]:
    """Choose some of the trials at random; they keep their order.

    Args:
        recorded: The trials that have a record.
        count: How many to choose, from 1.
        seed: The same seed chooses the same of the same trials.

    Raises:
        RunError: No trial is recorded, or fewer than `count`.
    """
    if not recorded:
        raise RunError("nothing to verify yet: no trial is recorded; run the study first")
    if not 1 <= count <= len(recorded):
        raise RunError(f"`trials`: {count} asked for, {len(recorded)} recorded; use 1 to {len(recorded)}")
    chosen = set(random.Random(seed).sample(sorted(trial.id for trial in recorded), count))
    return [trial for trial in recorded if trial.id in chosen]


def verify_trials(
    run: Callable[[Sequence[T], Path], RunSummary],
    trials: Sequence[T],
    labels: Mapping[str, str],
    runs: Path,
    count: int,
    seed: int,
    own: Decision | None = None,
) -> Verification:
    """Train some of the recorded trials again and compare the results with the records.

    The new results are in a temporary directory, which is removed; nothing is written to `runs`.

    Args:
        run: Trains trials into a runs directory.
        trials: Of the study.
        labels: The name of each trial for people, by its id.
        runs: Directory of the records.
        count: How many trials to choose at random, from 1.
        seed: The seed of the random choice.
        own: The measure of a program; None: the first one of the task.

    Raises:
        AblateError: The run cannot start, or a record was removed meanwhile.
    """
    recorded = [trial for trial in trials if read_record(runs, trial.id)]
    chosen = choose_trials(recorded, count, seed)
    with tempfile.TemporaryDirectory(prefix="ablate-verify-", ignore_cleanup_errors=True) as folder:
        again = Path(folder) / "runs"
        summary = run(chosen, again)
        stopped = summary.exit_code not in (0, INCOMPLETE)
        verdicts = [
            compare(labels[trial.id], _record(runs, trial), now, _cause(again, trial), own, _images(trial))
            for trial, now in [(trial, read_record(again, trial.id)) for trial in chosen]
            if now or not stopped
        ]
    exit_code = summary.exit_code if stopped else 0 if all(verdict.equal for verdict in verdicts) else INCOMPLETE
    return Verification(seed, len(recorded), verdicts, exit_code)


def compare(
    label: str,
    then: Record,
    now: Record | None,
    cause: str = "",
    own: Decision | None = None,
    images: Mapping[str, str] | None = None,
) -> VerifiedTrial:
    """Compare the second training of a trial with its record.

    Args:
        label: The name of the trial for people.
        then: The record.
        now: The record of the second training; None if there is none.
        cause: Why there is none; "" if that is not known.
        own: The measure of a program; None: the first one of the task.
        images: The names of further test images for people, by their key.
    """
    by = own or TASKS[then.result.get("task", CLASSIFICATION)].decision(then.split)
    made = {"device": "?", **then.result.get("provenance", {})}
    if now is None:
        return VerifiedTrial(
            then.id, label, False, None, (_shown(then, by), None), None, made["device"], {}, cause or "no result", by
        )
    old, new = then.epochs(), now.epochs()
    first = next((i for i, (a, b) in enumerate(zip(old, new), start=1) if _bits(a) != _bits(b)), None)
    if first is None and len(old) != len(new):
        first = min(len(old), len(new)) + 1
    pairs = [(a.get(by.column), b.get(by.column)) for a, b in zip(old, new)]
    furthest = max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=None)
    remade = now.result.get("provenance", {})
    changed = {what: (made.get(what), remade.get(what)) for what in MADE_WITH if made.get(what) != remade.get(what)}
    digests = then.result.get("data_digest"), now.result.get("data_digest")
    changed |= {"images": digests} if digests[0] != digests[1] else {}
    equal = first is None and then.result["status"] == now.result["status"] and _tested_alike(then, now)
    differing, other = _evaluated(then, now, images or {}) if equal else ((), {})
    changed |= other
    equal = equal and not differing
    if not equal and first is None:
        first = len(old)  # the test images are evaluated after the last epoch
    errors = (_shown(then, by), _shown(now, by))
    return VerifiedTrial(then.id, label, equal, first, errors, furthest, made["device"], changed, by=by, images=differing)


def _shown(record: Record, by: Decision) -> float | None:
    """The value of the measure that is shown; None if the trial diverged."""
    return None if record.diverged else record.result.get(by.column)


def _tested_alike(then: Record, now: Record) -> bool:
    """Whether the one evaluation of the test images is equal, bit for bit, in the measures that both have.

    Which these are depends on what a study decides by, which is no part of a trial.
    """
    old, new = then.result, now.result
    names = [name for name in old.keys() & new.keys() if name.startswith(FINAL) and name != f"{FINAL}seconds"]
    return all(repr(old[name]) == repr(new[name]) for name in names)


def _images(trial: Trial | ProgramTrial) -> dict[str, str]:
    """The names of a trial's further test images for people, by their key."""
    return {one.key: one.title for one in trial.data.also_test} if isinstance(trial, Trial) else {}


def _evaluated(then: Record, now: Record, titles: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, tuple[Any, Any]]]:
    """The sets of images that both evaluated after the last epoch with other bits, and what is changed in these images."""
    if not then.split:
        return (), {}
    old, new = read_evaluations(then), read_evaluations(now)
    differing, changed = list[str](), dict[str, tuple[Any, Any]]()
    for name in (name for name in old if name in new):
        one, other = old[name], new[name]
        title = titles.get(one.images, f"the {one.images} images")
        if one.data_digest != other.data_digest:
            changed[f"images of {title}"] = (one.data_digest, other.data_digest)
        same = all(
            repr(one.measures[key]) == repr(other.measures[key]) for key in one.measures.keys() & other.measures.keys()
        )
        kept = {one.logits_sha256, other.logits_sha256} - {None}
        if not same or len(kept) > 1 or one.count != other.count:
            differing.append(title)
    return tuple(dict.fromkeys(differing)), changed


def _bits(row: Row) -> list[str]:
    """The numbers of an epoch that are compared, each with the digits that determine it exactly."""
    if "test_error" in row and "train_error" in row:
        return [repr(row[field]) for field in COMPARED]
    times = ("seconds", "train_seconds", "test_seconds")
    return sorted(f"{name} {value!r}" for name, value in row.items() if name not in times)  # of a program, another task


def _record(runs: Path, trial: Trial | ProgramTrial) -> Record:
    record = read_record(runs, trial.id)
    if record is None:
        raise RecordError(f"{trial_directory(runs, trial.id)}: the record went away while it was verified")
    return record


def _cause(runs: Path, trial: Trial | ProgramTrial) -> str:
    return read_failure(trial_directory(runs, trial.id)) or ""
