"""Merge several runs directories into one. Everything is checked, and conflicts are found, before anything is written.

Two records of one trial are equal if their errors are, whatever time they took; the first is kept. A trial is copied to a
temporary directory beside its destination and then renamed, so a merge that was killed can be run again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from ablate.data.copies import Copy
from ablate.errors import RecordError
from ablate.files import (
    ID,
    content_id,
    copy_durably,
    flush_directory,
    hold_lock,
    is_real_directory,
    read_file,
    real_directory,
    remove,
)
from ablate.records.adopted import ADOPTED, DIFFERENT, read_adopted, write_adopted
from ablate.records.attempts import RUNNING
from ablate.records.choices import FOLDER as CHOICES
from ablate.records.choices import Choice, plan_choices, write_choice
from ablate.records.epochs import Row, measured_on, read_epochs
from ablate.records.imported import imported_id
from ablate.records.records import IMPORTED, own_record, trial_state
from ablate.records.remembered import (
    IMAGES,
    PRECISION,
    contradiction,
    remember_copies,
    remember_precision,
    remembered_copies,
    remembered_precision,
)
from ablate.records.result import FINAL, OWN
from ablate.records.searches import FOLDER as SEARCHES
from ablate.records.searches import KeptSearch, newest_searches, write_search
from ablate.records.timings import Probe, probe_path, read_probes, write_probe

LOCK = ".merge.lock"
SEARCH = "search.db"  # Optuna's storage
MOST_COPIED = 1 << 34  # bytes of a file, as of a checkpoint
_ASIDE, _OLD = ".merging", ".old"
_TEMPORARY = re.compile(r"\..*\.tmp", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """The content of a trial's directory.

    Args:
        directory: The trial's directory.
        definition: The bytes of trial.json.
        sealed: The bytes of result.json; None while the trial is unfinished.
        result: Its fields.
        errors: (training, test) of each epoch, in percent; of a program all that it reported.
    """

    directory: Path
    definition: bytes
    sealed: bytes | None
    result: dict[str, Any] | None
    errors: tuple[tuple[Any, ...], ...]

    def differs_from(self, other: Found) -> str:
        """The first difference between the results of two records of a trial, in words.

        The text is empty if nothing but times and provenance differ, or if one of the trials is unfinished.

        Args:
            other: Another record of the same trial.
        """
        if self.result is None or other.result is None:
            return ""
        for key in ("status", "epochs", "data_digest", "test_error", f"{FINAL}error"):
            mine, others = self.result.get(key), other.result.get(key)
            if mine != others:
                return f"{key} {mine} and {others}"
        pairs = enumerate(zip(self.errors, other.errors), start=1)
        return next((f"other errors in epoch {epoch}" for epoch, (mine, others) in pairs if mine != others), "")


@dataclass(frozen=True)
class MergePlan:
    """What a merge will do. Nothing is written if there are conflicts.

    Args:
        into: The runs directory that is merged into.
        copies: (from, to) of each trial that is copied.
        probes: The probes that are copied.
        choices: What was chosen for variants that are tuned, as far as it is copied.
        searches: The candidates of searches as their reports found them, as far as they are copied.
        equal: How many finished trials `into` and a source both have, with equal results.
        conflicts: One line for each pair of records that contradict each other.
        kept: One line for each trial that was trained twice, and for each search that is not merged.
        passed_over: One line for each directory that cannot be merged.
    """

    into: Path
    copies: tuple[tuple[Found, Path], ...]
    probes: tuple[Probe, ...]
    choices: tuple[Choice, ...]
    searches: tuple[KeptSearch, ...]
    equal: int
    conflicts: tuple[str, ...]
    kept: tuple[str, ...]
    passed_over: tuple[str, ...]

    @property
    def finished(self) -> int:
        """How many of the copied trials are finished."""
        return sum(found.result is not None for found, _ in self.copies)


def merge_runs(sources: Sequence[Path], into: Path) -> MergePlan:
    """Merge runs directories into one.

    Args:
        sources: Runs directories, in the order in which their records are preferred.
        into: The runs directory to merge into; it is created if it does not exist. Its own records are preferred to all.

    Returns:
        What was done. If it has conflicts, nothing was written.

    Raises:
        RecordError: A directory is not a runs directory, another merge is running, or a trial changed or is being trained.
    """
    _check_directories(sources, into)
    if (plan := plan_merge(sources, into)).conflicts:
        return plan
    adopted = {trial: entry for source in reversed(sources) for trial, entry in read_adopted(source).items()}
    into.mkdir(parents=True, exist_ok=True)
    with hold_lock(into / LOCK) as free:
        if not free:
            raise RecordError(f"another merge into {into} is going on; wait for its end")
        for folder in (into, real_directory(into / IMPORTED)):
            for left in folder.glob(f".*{_ASIDE}"):  # from a merge that was killed
                target = folder / left.name.removeprefix(".").removesuffix(_ASIDE).removesuffix(_OLD)
                if left.name.endswith(f"{_OLD}{_ASIDE}") and is_real_directory(left) and not os.path.lexists(target):
                    os.rename(left, target)  # killed between the two renames of _copy()
                else:
                    remove(left)
        plan = plan_merge(sources, into)  # another merge may have changed it before the lock was held
        if not plan.conflicts:
            _carry_out(plan)
            known = {copy.data_set for copy in remembered_copies(into)}
            found = {copy.data_set: replace(copy, root=None) for source in sources for copy in remembered_copies(source)}
            remember_copies(into, [copy for name, copy in found.items() if name not in known])
            for chosen in filter(None, map(remembered_precision, sources)):
                remember_precision(into, chosen)
            write_adopted(into, {trial: entry for trial, entry in adopted.items() if trial not in read_adopted(into)})
    return plan


def _check_directories(sources: Sequence[Path], into: Path) -> None:
    """Check that these are runs directories, and that they can be merged into one. Raises RecordError if not."""
    if into.exists() and not into.is_dir():
        raise RecordError(f"`into`: {into} is not a directory")
    for source in sources:
        if not source.is_dir():
            raise RecordError(f"{source} {'is a file' if source.exists() else 'does not exist'}; name a runs directory")
        if into.exists() and source.samefile(into):
            raise RecordError(f"{source} is the directory that is merged into; name another runs directory")
        if not any(_trials(source)) and not is_real_directory(source / "probes"):
            raise RecordError(f"{source} holds no trials; name a runs directory")


def plan_merge(sources: Sequence[Path], into: Path) -> MergePlan:
    """The plan of a merge. Nothing is written.

    Args:
        sources: Runs directories, in the order in which their records are preferred.
        into: The runs directory to merge into; it may not exist yet.
    """
    places: dict[str, list[Path]] = {}
    passed_over: list[str] = []
    storages: list[Path] = []
    for runs in (into, *sources):
        for directory in _trials(runs):
            places.setdefault(str(directory.relative_to(runs)), []).append(directory)
        if runs != into:
            passed_over += _strangers(runs)
            storages += [runs / SEARCH] if (runs / SEARCH).exists() else []
    copies: list[tuple[Found, Path]] = []
    choices, conflicts = plan_choices(sources, into)
    chosen = [(runs, one) for runs in (into, *sources) if (one := remembered_precision(runs))]
    conflicts += [contradiction(*chosen[0], other) for _, other in chosen[1:] if other.name != chosen[0][1].name]
    conflicts += _other_copies((into, *sources))
    kept = [f"{path}: not merged; the trainings of its searches are, so to search again costs little" for path in storages]
    equal = 0
    for name, directories in sorted(places.items()):
        imported = name.startswith(IMPORTED)
        if against := [] if imported else _other_definitions(directories):  # imports may differ in the log's file name
            conflicts += against
            continue
        found: list[Found] = []
        for directory in directories:
            try:
                found.append(look(directory, imported))
            except RecordError as error:
                passed_over.append(str(error))
        in_place = [each for each in found if each.directory == into / name]
        if not found or (directories[0] == into / name and not in_place):
            continue  # all are damaged; or the record in `into` is damaged, and is not overwritten
        first = next((each for each in found if each.result is not None), found[0])
        against = [f"{first.directory} and {each.directory}: {why}" for each in found if (why := first.differs_from(each))]
        conflicts += against
        if first not in in_place:
            copies.append((first, into / name))
        elif first.result is not None and len(found) > 1 and not against:
            equal += 1
        kept += [] if against else _left(first, found)
    probes, searches = _newer_probes(sources, into), tuple(newest_searches(sources, into))
    found_out = tuple(conflicts), tuple(kept), tuple(passed_over)
    return MergePlan(into, tuple(copies), probes, tuple(choices), searches, equal, *found_out)


def _other_copies(directories: Iterable[Path]) -> list[str]:
    """The data sets in whose place two directories remember different images: commands would find those of one alone."""
    first: dict[str, tuple[Path, Copy]] = {}
    all_copies = [(runs, copy) for runs in directories for copy in remembered_copies(runs)]
    both = [(*first.setdefault(copy.data_set, (runs, copy)), runs, copy) for runs, copy in all_copies]
    return [
        f"{copy.data_set} is the {copy.words} in {runs}, and the {other.words} in {elsewhere}; merge them apart"
        for runs, copy, elsewhere, other in both
        if copy.words != other.words
    ]


def _other_definitions(directories: Sequence[Path]) -> list[str]:
    """One line for each directory with another trial.json than the first directory."""
    definitions = []
    for directory in directories:
        with suppress(OSError, RecordError):  # look() reports it
            definitions.append((directory, read_file(directory / "trial.json")))
    return [
        f"{definitions[0][0]} and {directory}: another trial.json"
        for directory, definition in definitions
        if definition != definitions[0][1]
    ]


def _left(first: Found, found: Sequence[Found]) -> list[str]:
    """One line for each directory that is not copied although its trial is recorded or begun elsewhere too."""
    lines = []
    for each in found:
        if each is not first and each.result is None and first.result is None:
            lines.append(f"{first.directory}: unfinished, kept; {each.directory} is left")
        elif each.result is not None and each.result != first.result:
            lines.append(f"{first.directory}: kept; {each.directory} has the same errors and is left")
    return lines


def look(directory: Path, imported: bool = False) -> Found:
    """The content of a trial's directory.

    Args:
        directory: The trial's directory.
        imported: Whether the directory is of an imported training, with an id of another kind.

    Raises:
        RecordError: The record is damaged, or the trial is being trained.
    """
    try:
        definition = read_file(directory / "trial.json")
        made = imported_id(orjson.loads(definition)) if imported else content_id(definition)
    except (OSError, orjson.JSONDecodeError, AttributeError):
        raise RecordError(f"{directory}: damaged, its trial.json cannot be read; not merged") from None
    if made != directory.name:
        raise RecordError(f"{directory}: damaged, its trial.json is that of trial {made}; not merged")
    if trial_state(directory.parent, directory.name) == "running":
        raise RecordError(f"{directory}: is being trained; merge again when it is done")
    record, rows = own_record(directory.parent, directory.name), read_epochs(directory)
    if record:
        record.check_epochs(len(rows))
    errors = tuple(map(_measures if measured_on(directory) == OWN else _errors, rows))
    sealed = read_file(directory / "result.json") if record else None
    return Found(directory, definition, sealed, record.result if record else None, errors)


def _errors(row: Row) -> tuple[Any, ...]:
    """The errors of an epoch; of another task than classification all but its times."""
    if "test_error" in row:
        return row["train_error"], row["test_error"]
    return tuple(value for name, value in row.items() if not name.endswith("seconds"))


def _measures(row: Row) -> tuple[Any, ...]:
    """All that a program reported of an epoch."""
    return tuple(sorted((key, value) for key, value in row.items() if key != "seconds"))


def _trials(runs: Path) -> Iterator[Path]:
    """The directories of the trials of a runs directory, then those of its imported trainings."""
    for folder in (runs, runs / IMPORTED):
        if folder.is_dir() if folder == runs else is_real_directory(folder):
            yield from sorted(path for path in folder.iterdir() if ID.fullmatch(path.name) and is_real_directory(path))


def _strangers(runs: Path) -> Iterator[str]:
    """One line for each file or directory that is not part of a runs directory."""
    for path in sorted(runs.iterdir()):
        trial = ID.fullmatch(path.name) and is_real_directory(path)
        if not (
            trial
            or path.name in (IMPORTED, "probes", SEARCH, ADOPTED, DIFFERENT, CHOICES, SEARCHES, IMAGES, PRECISION)
            or path.name.startswith(".")
        ):
            yield f"{path}: is no trial; not merged"


def _newer_probes(sources: Iterable[Path], into: Path) -> tuple[Probe, ...]:
    """The probes that `into` does not have, or has an older version of."""
    newest: dict[Path, Probe] = {probe_path(into, probe): probe for probe in read_probes(into)}
    before = dict(newest)
    for source in sources:
        for probe in read_probes(source):
            path = probe_path(into, probe)
            if path not in newest or newest[path].date < probe.date:
                newest[path] = probe
    return tuple(probe for path, probe in newest.items() if before.get(path) != probe)


def _carry_out(plan: MergePlan) -> None:
    """Copy the trials and the probes of a plan."""
    for found, target in plan.copies:
        _copy(found, target)
    for probe in plan.probes:
        write_probe(plan.into, probe)
    for choice in plan.choices:
        write_choice(plan.into, choice)
    for search in plan.searches:
        write_search(plan.into, search)


def _copy(found: Found, target: Path) -> None:
    """Copy a trial to a temporary directory and rename it. An unfinished trial at the destination is replaced."""
    real_directory(target.parent).mkdir(exist_ok=True)
    aside, old = (target.with_name(f".{target.name}{what}{_ASIDE}") for what in ("", _OLD))
    aside.mkdir()
    try:
        for path in found.directory.iterdir():
            if _is_copied(path):
                copy_durably(path, aside / path.name)
    except BaseException:
        remove(aside)
        raise
    flush_directory(aside)
    sealed = read_file(aside / "result.json") if (aside / "result.json").exists() else None
    if (read_file(aside / "trial.json"), sealed) != (found.definition, found.sealed):
        raise RecordError(f"{found.directory}: changed while it was copied; merge again")
    with ExitStack() as stack:
        if os.path.lexists(real_directory(target)):
            if not stack.enter_context(hold_lock(target / "lock")):
                raise RecordError(f"{target}: is being trained; merge again when it is done")
            os.rename(target, old)
        os.rename(aside, target)
    remove(old)


def _is_copied(path: Path) -> bool:
    """Whether a file of a trial is copied: a regular file of MOST_COPIED bytes, no lock, no leftover, no running.json."""
    status = path.lstat()
    regular = stat.S_ISREG(status.st_mode) and status.st_size <= MOST_COPIED
    return regular and path.name not in ("lock", RUNNING) and not _TEMPORARY.fullmatch(path.name)
