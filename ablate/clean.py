"""What `ablate clean` removes from a runs directory: planned first, with sizes; then removed, each trial under its lock.

Only files that ablate makes are removed, and nothing of a trial that is being trained. A directory is renamed before it is
removed, so that a record is there whole or not at all; what a killed clean leaves, the next one removes.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from ablate.api import AnyExperiment
from ablate.errors import RecordError, RunError, allowed
from ablate.files import ID, LEFTOVER, content_id, hold_lock, is_real_directory, read_file, real_directory, remove
from ablate.network_experiment import Experiment
from ablate.records.adopted import adopted_from
from ablate.records.choices import choices_of, read_choice
from ablate.records.earlier import find_earlier
from ablate.records.former import former_ids
from ablate.records.records import FILES, read_record
from ablate.report.numbers import counted
from ablate.search.experiment import SearchExperiment

ASIDE = ".cleaning"
CHECKPOINT = re.compile(r"checkpoint-\d{6,9}\.(pt|sha256|version\d+)")
LOGITS = re.compile(r"logits-[a-z0-9_-]+\.safetensors")
TRIAL = re.compile(
    r"trial\.json|epochs\.jsonl|result\.json(\.damaged)?|failure\.json|running\.json|evaluation-[a-z0-9_-]+\.json|log\.txt|lock"
)
What = Literal["checkpoints", "logits", "variant", "orphans"]
FILES_OF: Mapping[What, re.Pattern[str]] = {"checkpoints": CHECKPOINT, "logits": LOGITS}


@dataclass(frozen=True)
class Item:
    """Something of one trial that is to be removed.

    Args:
        what: Why: one of What.
        group: What it is listed under, such as a variant's name.
        directory: The trial's directory.
        size: Bytes.
    """

    what: What
    group: str
    directory: Path
    size: int


@dataclass(frozen=True)
class Cleaning:
    """What is to be removed, or was.

    Args:
        items: One or more for a trial.
        left: One line for each trial whose files stay although they were asked for.
    """

    items: tuple[Item, ...]
    left: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return sum(one.size for one in self.items)

    def as_json(self) -> dict[str, Any]:
        """The plain values that `ablate clean --json` prints; sizes in bytes."""
        listed = [
            {"what": one.what, "group": one.group, "directory": str(one.directory), "size": one.size} for one in self.items
        ]
        return {"size": self.size, "items": listed, "left": list(self.left)}


def plan_clean(experiments: Sequence[AnyExperiment], wanted: Iterable[What], variants: Sequence[str] = ()) -> Cleaning:
    """What would be removed of some studies that share a runs directory. Nothing is written.

    Args:
        experiments: At least one, all with the same runs directory.
        wanted: checkpoints, logits: of finished trials, and checkpoints of candidates that a search has given up. orphans:
            the trials that none of the studies has, be its variants within limits on measured costs or not. variant: the
            trials of `variants` that no other variant or search of these studies has.
        variants: Names of variants, as `ablate status` shows them.

    Raises:
        RunError: A study has no such variant, or is a search; or a search is not in this storage.
    """
    wanted, runs = tuple(wanted), experiments[0].runs
    experiments = [one.without_measured_limits() if isinstance(one, Experiment) else one for one in experiments]
    every = [each for one in experiments for each in (one, *searches_of(one))]
    items, left = list[Item](), list[str]()
    if "variant" in wanted:
        found, left = _of_variants(experiments, every, variants)
        items += found
    if "orphans" in wanted:
        if name := next(_unknown(experiments), ""):
            told = f"`orphans`: no candidate of the search of {name} is known here"
            raise RunError(f"{told}; begin the search first, or name its `storage`")
        found, kept = _orphans(every, runs)
        items, left = items + found, left + kept
    whole = {one.directory for one in items}
    if parts := [what for what in FILES_OF if what in wanted]:
        given_up = {trial for one in every if isinstance(one, SearchExperiment) for trial in one.given_up()}
        seen = set[Path]()  # several ids may have one record
        for name, trial in {trial.id: (name, trial) for one in every for name, trial in one.named_trials()}.values():
            try:
                record = read_record(runs, trial.id)
            except RecordError as error:
                left.append(f"{error}")
                continue
            directory = record.directory if record else runs / trial.id
            for what in parts if directory not in whole | seen else ():
                if record or (what == "checkpoints" and trial.id in given_up):
                    size = sum(_size(path) for path in _files(directory, FILES_OF[what]))
                    items += [Item(what, name, directory, size)] if size else []
            seen.add(directory)
    return Cleaning(tuple(items), tuple(left))


def _unknown(experiments: Sequence[AnyExperiment]) -> Iterator[str]:
    """The names of searches, and of variants that are tuned, whose candidates are not known here."""
    for one in experiments:
        if isinstance(one, SearchExperiment):
            yield from [] if one.begun else [one.study.name]
        else:
            names = [(tuning.name, tuning.id) for tuning in one.tunings]
            searches = zip(names, searches_of(one))
            yield from (name for (name, id), each in searches if not read_choice(one.runs, id) and not each.begun)


def searches_of(experiment: AnyExperiment) -> list[SearchExperiment]:
    """The searches that a study gives its variants; none for other studies."""
    if isinstance(experiment, SearchExperiment):
        return []
    location = experiment.location() if isinstance(experiment, Experiment) else None
    about = experiment.runs, experiment.storage, location
    return [SearchExperiment(one.study, "", *about, one.make) for one in experiment.tunings]


def carry_out(plan: Cleaning) -> Cleaning:
    """Remove what a plan says, and return what was removed. What has changed since, or is being trained, is left.

    Raises:
        OSError: A file cannot be removed.
    """
    done, left = [], list(plan.left)
    for one in plan.items:
        if why := _remove_files(one) if one.what in FILES_OF else remove_trial(one.directory):
            left.append(f"{one.directory}: left, {why}")
        else:
            done.append(one)
    return Cleaning(tuple(done), tuple(left))


def remove_trial(directory: Path) -> str:
    """Remove the directory of a trial and return ""; or why it is left.

    Args:
        directory: Of the trial, or what a killed clean left of one.
    """
    aside = directory if directory.name.endswith(ASIDE) else directory.with_name(f".{directory.name}{ASIDE}")
    if aside != directory and is_real_directory(directory):
        with hold_lock(directory / "lock") as free:
            if not free:
                return "it is being trained"
            if strange := _strange(directory):
                return f"it has a file that ablate did not make: {strange}"
            remove(aside)
            os.rename(directory, aside)
    remove(aside)
    return "it cannot be removed" if os.path.lexists(aside) else ""


def _remove_files(item: Item) -> str:
    """Remove some files of a finished trial, or of one that was given up; return "" or why they are left."""
    if not is_real_directory(item.directory):
        return ""
    with hold_lock(item.directory / "lock") as free:
        if not free:
            return "it is being trained"
        # A checkpoint goes before its hash: a hash without a checkpoint is ignored, one without a hash is damaged.
        for path in sorted(_files(item.directory, FILES_OF[item.what]), key=lambda path: path.suffix == ".sha256"):
            path.unlink(missing_ok=True)
    return ""


def _of_variants(
    experiments: Sequence[AnyExperiment], every: Sequence[AnyExperiment], variants: Sequence[str]
) -> tuple[list[Item], list[str]]:
    """The trials of some variants, and a line for each variant of which others have trials too: those stay."""
    studies = [one for one in experiments if not isinstance(one, SearchExperiment)]
    if not studies:
        raise RunError(f"`variant`: {experiments[0].study.name} is a search; name a study without 'search'")
    runs = experiments[0].runs
    named = [(name, trial.id, one.study.name) for one in studies for name, trial in one.named_trials()]
    names = list(dict.fromkeys(name for name, _, _ in named))
    for variant in variants:
        if variant not in names:
            raise RunError(f"`variant`: found '{variant}'; {allowed(variant, names)}")
    others = [(f"the search of {one.study.name}", one.known_trials()) for one in every if isinstance(one, SearchExperiment)]
    others += [("the search of a variant", _chosen_by(runs))]
    others += [(f"{name} of {study}", {trial}) for name, trial, study in named if name not in variants]
    owners = {record: owner for owner, trials in others for trial in trials for record in _records_of(runs, trial)}
    items, left = dict[Path, Item](), list[str]()
    for variant in dict.fromkeys(variants):
        shared = dict[str, str]()
        for each in (record for name, trial, _ in named if name == variant for record in _records_of(runs, trial)):
            if is_real_directory(runs / each):
                if each in owners:
                    shared[each] = owners[each]
                else:
                    items.setdefault(runs / each, Item("variant", variant, runs / each, _size(runs / each)))
        for owner, count in Counter(shared.values()).items():
            left.append(f"{counted(count, 'trial')} of {variant} left, {owner} has the same")
    return list(items.values()), left


def _records_of(runs: Path, trial: str) -> list[str]:
    """The ids of the records that may count for a trial: its own, one that was adopted, and former ids of it."""
    return [*dict.fromkeys([trial, *filter(None, [adopted_from(runs, trial)]), *former_ids(runs, trial)])]


def _chosen_by(runs: Path) -> set[str]:
    """The ids of the trials that the choices of tunings rest on."""
    choices = filter(None, (read_choice(runs, one) for one in choices_of(runs)))
    return {trial for choice in choices for tried in choice.candidates for trial in tried.trials}


def _orphans(experiments: Sequence[AnyExperiment], runs: Path) -> tuple[list[Item], list[str]]:
    """The trials that no study has, what was left aside, and a line on records that `ablate adopt` may still take over."""
    known = {trial for one in experiments for trial in one.known_trials()}
    known = {record for trial in known for record in _records_of(runs, trial)} | _chosen_by(runs)
    asked = {trial.id: trial.definition for one in experiments for _, trial in one.named_trials()}
    missing = {trial: text for trial, text in asked.items() if not read_record(runs, trial)}
    earlier = {one.record.id for several in find_earlier(runs, missing).values() for one in several}
    found = []
    for path in sorted(runs.iterdir()) if runs.is_dir() else ():
        if path.name.startswith(".") and path.name.endswith(ASIDE) and is_real_directory(path):
            found.append(Item("orphans", "left by a clean that was killed", path, _size(path)))
        elif ID.fullmatch(path.name) and path.name not in known | earlier and (group := _described(path)):
            found.append(Item("orphans", group, path, _size(path)))
    adopt = "of earlier versions of your code stay: `ablate adopt` may take them over"
    return found, [f"{len(earlier - known)} records {adopt}"] if earlier - known else []


def _described(directory: Path) -> str:
    """The data or program and the epochs of a trial, in words; "" if the directory is not one of a trial."""
    if not is_real_directory(directory):
        return ""
    try:
        definition = read_file(directory / "trial.json")
        value = orjson.loads(definition)
        if content_id(definition) != directory.name:
            return ""
        if "program" in value:
            return " ".join(map(str, value["program"]["command"]))
        data = value["data"]
        return f"{data.get('title', data['name'])}, {value['recipe']['epochs']} epochs"
    except (OSError, RecordError, orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return ""


def _files(directory: Path, names: re.Pattern[str]) -> list[Path]:
    """The files of a trial with such names."""
    if not is_real_directory(directory):
        return []
    return [path for path in directory.iterdir() if names.fullmatch(path.name) and not is_real_directory(path)]


def _strange(directory: Path) -> str:
    """The name of something in a trial's directory that ablate did not make; "" if there is none."""
    for path in sorted(directory.iterdir()):
        ours = any(names.fullmatch(path.name) for names in (TRIAL, CHECKPOINT, LOGITS, LEFTOVER))
        if not (ours and not is_real_directory(path)) and not (path.name == FILES and is_real_directory(path)):
            return path.name
    return ""


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a directory; no link is followed."""
    if not is_real_directory(path):
        return os.lstat(path).st_size
    return sum(_size(real_directory(path) / each) for each in os.listdir(path))
