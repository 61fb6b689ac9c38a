"""run_tunings(): gives each variant of a study with `tune` its search, and keeps what the searches chose."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RecordError
from ablate.launch.connections import teller
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE, RunSummary
from ablate.records.choices import Choice, Tried, choice_path, read_choice, write_choice
from ablate.report.numbers import counted, format_of
from ablate.report.setting import describe_held_out
from ablate.report.tuned import Tuned
from ablate.schedule.shards import assign_shards
from ablate.search.candidates import Candidates
from ablate.search.experiment import SearchExperiment, candidates_of, describe_parameter
from ablate.study.axis_text import short_axis, values_text
from ablate.study.program import ProgramStudy
from ablate.study.space import allows
from ablate.study.study import Study
from ablate.study.tuning import Tuning, V

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.location import Location
    from ablate.report.candidate import Candidate

ENDED = ("complete", "pruned")
ANSWERS = ("", ", not tuned")  # what follows a variant's name: at the values that were chosen, and at its own


@dataclass
class TuningSummary:
    """What a run did before it trained the seeds.

    Args:
        tried: How many candidates it evaluated.
        untuned: How many variants have no choice at its end.
        failed: (label, cause, path of the log) of each candidate that failed.
        exit_code: As of a search.
    """

    tried: int = 0
    untuned: int = 0
    failed: list[tuple[str, str, Path]] = field(default_factory=list)
    exit_code: int = 0

    @property
    def stopped(self) -> bool:
        """Whether a signal ended it."""
        return self.exit_code not in (0, INCOMPLETE)

    def add_to(self, summary: RunSummary) -> RunSummary:
        """The summary of the run with this in it.

        Args:
            summary: Of the trials; it is changed.
        """
        summary.tried, summary.untuned = self.tried, self.untuned
        summary.failed[:0] = self.failed
        summary.exit_code = summary.exit_code or self.exit_code
        return summary


def chosen(tuning: Tuning[Any], runs: Path) -> Choice | None:
    """The choice of a tuning; None if none is made yet.

    Args:
        tuning: Of a variant.
        runs: The runs directory.

    Raises:
        RecordError: The choice is damaged, or has values that are not in the space.
    """
    choice = read_choice(runs, tuning.id)
    for one in choice.candidates if choice else ():
        if not allows(tuning.search.parameters, one.values):
            raise RecordError(
                f"{choice_path(runs, tuning.id)}: has values that are not in the space; remove it and run again"
            )
    return choice


def variants_at_best(tunings: Sequence[Tuning[V]], runs: Path) -> list[V]:
    """Each variant at the values that its search chose, or open until it has.

    Args:
        tunings: Of the variants of a study.
        runs: The runs directory.

    Raises:
        RecordError: A choice is damaged.
    """
    return [one.at(choice.values) if (choice := chosen(one, runs)) else one.open for one in tunings]


def tunings_of_shard(
    tunings: Sequence[Tuning[V]], options: RunOptions, cost: Callable[[V], float], others: bool = False
) -> list[Tuning[V]]:
    """The tunings of the shard that the options name, or all. A shard has whole variants, as their seeds wait for them.

    Args:
        tunings: Of all variants of a study.
        options: How to run.
        cost: Of a training of a variant, in any unit.
        others: Whether those of the other shards follow: rounds of seeds wait for all variants.
    """
    if not options.shard:
        return list(tunings)
    shards = assign_shards({one.id: cost(one.variant) for one in tunings}, options.shard[1])
    mine = [one for one in tunings if shards[one.id] == options.shard[0]]
    return mine + [one for one in tunings if others and shards[one.id] != options.shard[0]]


def run_tunings(
    tunings: Sequence[Tuning[Any]],
    runs: Path,
    storage: str,
    location: Location | None,
    options: RunOptions,
    console: Console,
) -> TuningSummary:
    """Evaluate the candidates that remain of each tuning, side by side, and keep what is chosen.

    Args:
        tunings: Of variants.
        runs: The runs directory.
        storage: URL of Optuna's database or path of a journal; "" for an SQLite file in the runs directory.
        location: Where the images are; None for a program.
        options: How to run; its shard has no effect.
        console: Where progress is printed.

    Raises:
        AblateError: A search cannot start, or the storage fails.
    """
    found, say = TuningSummary(), teller(console, options.quiet)
    groups: dict[int, list[tuple[Tuning[Any], Candidates[Any, Any]]]] = {}
    for tuning in {one.id: one for one in tunings if chosen(one, runs) is None}.values():
        candidates = candidates_of(tuning.study, location, tuning.make)
        groups.setdefault(candidates.gpus, []).append((tuning, candidates))
    if groups:
        from ablate.search.results import read_candidates
        from ablate.search.run import run_searches
        from ablate.search.storage import check_url, default_storage

        url = check_url(storage) or default_storage(runs)
        waiting = sum(map(len, groups.values()))
        say(f"{counted(waiting, 'variant')} to tune, {counted(tunings[0].search.trials, 'candidate')} each")
    for gpus in sorted(groups, reverse=True):
        drivers = run_searches([candidates for _, candidates in groups[gpus]], runs, url, options, console)
        for (tuning, kind), driver in zip(groups[gpus], drivers):
            summary, planned = driver.summary, driver.count_planned()
            found.tried += summary.evaluated + summary.pruned
            found.failed += summary.failed
            found.exit_code = summary.exit_code or found.exit_code
            tried = read_candidates(kind, driver.opened, runs)[:planned]
            if len(tried) == planned and all(one.state in ENDED for one in tried):
                write_choice(runs, choice := make_choice(tuning.id, kind, tried))
                say(f"tuned: {tuning.name}: {_choice_text(choice, tuning)}")
        if drivers[0].stop.exit_code:
            break
    found.untuned = sum(chosen(one, runs) is None for one in tunings)
    return found


def make_choice(tuning_id: str, kind: Candidates[Any, Any], candidates: Sequence[Candidate]) -> Choice:
    """What a search chose: the candidate with the best objective; of several the first.

    Where all diverged, and where none is better, that is the first: the variant's own values.

    Args:
        tuning_id: Of the choice.
        kind: What the candidates are.
        candidates: All of the search, each ended.
    """
    search, decision = kind.search, kind.decision

    def cost(index: int) -> float:
        one = candidates[index]
        return decision.cost(search.objective_of(one.errors.values())) if one.state == "complete" else math.inf

    tried = []
    for one in candidates:
        errors = tuple(value if math.isfinite(value := one.errors[i]) else None for i in sorted(one.errors))
        tried.append(Tried(one.values, errors, one.recorded_ids))
    best = min(range(len(candidates)), key=lambda index: (cost(index), index))
    return Choice(tuning_id, search.objective, tuple(tried), best)


def _choice_text(choice: Choice, tuning: Tuning[Any]) -> str:
    """A choice in words: "lr 0.05: 12.50% validation error, the best of 8; 14.20% at its own lr 0.1"."""
    decision = tuning.study.decision

    def reached(index: int) -> str:
        errors = [decision.worst if one is None else one for one in choice.candidates[index].errors]
        value = tuning.search.objective_of(errors) if errors else math.inf
        return format_of(decision.unit).with_unit(value) if math.isfinite(value) else "diverged"

    best = f"{_values_text(choice.values)}: {reached(choice.chosen)} {decision.words}, the best of {len(choice.candidates)}"
    return best + (
        f"; {reached(0)} at its own {_values_text(choice.candidates[0].values)}" if choice.chosen else ", its own"
    )


def _values_text(values: Mapping[str, Any]) -> str:
    """Values in words, such as "lr 0.05, weight_decay 0"."""
    return values_text({short_axis(axis): value for axis, value in values.items()})


@dataclass(frozen=True)
class TuningState:
    """How far the tuning of a variant is.

    Args:
        tuning: Of the variant.
        choice: What was chosen; None if it is open.
        states: The number of candidates in each state.
        recorded: How many trainings of candidates are recorded.
        under_way: The label and the trainings of each candidate that is being evaluated.
        problems: What is wrong with each candidate whose record is damaged.
    """

    tuning: Tuning[Any]
    choice: Choice | None
    states: dict[str, int]
    recorded: int
    under_way: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def open(self) -> int:
        """How many trainings of candidates are left."""
        search, seeds = self.tuning.search, len(self.tuning.study.seeds)
        return max(0, search.trials * (len(search.held_out) or 1) * seeds - self.recorded) if self.choice is None else 0

    def as_json(self) -> dict[str, Any]:
        """Plain values under stable names."""
        chosen = self.choice and self.choice.values
        return {
            "net": self.tuning.name,
            "id": self.tuning.id,
            "chosen": chosen,
            "candidates": self.states,
            "problems": [*self.problems],
        }


def tuning_states(
    tunings: Sequence[Tuning[Any]], runs: Path, storage: str, location: Location | None, damaged: bool = False
) -> Iterator[TuningState]:
    """How far each tuning is. Optuna's storage is read for those that are open.

    Args:
        tunings: Of the variants of a study.
        runs: The runs directory.
        storage: As in run_tunings().
        location: As in run_tunings().
        damaged: Whether a candidate with a damaged record is counted as such.

    Raises:
        AblateError: The storage or a choice cannot be read; or a record, unless `damaged`.
    """
    for tuning in tunings:
        if choice := chosen(tuning, runs):
            yield TuningState(
                tuning, choice, {"ended": len(choice.candidates)}, sum(len(c.trials) for c in choice.candidates)
            )
            continue
        search = SearchExperiment(tuning.study, "", runs, storage, location, tuning.make)
        candidates = search.candidates(damaged)[: search.planned]
        states = Counter("ended" if one.state in ENDED else one.state for one in candidates)
        missing = search.planned - len(candidates)
        trainings = sum(len(one.errors) for one in candidates)
        under_way = tuple((one.label, one.trials) for one in candidates if one.state == "running")
        problems = tuple(one.problem for one in candidates if one.problem)
        counted = {**states, **({"missing": missing} if missing > 0 else {})}
        yield TuningState(tuning, None, counted, trainings, under_way, problems)


def choosing(states: Iterable[TuningState]) -> list[tuple[str, Any]]:
    """The label of its candidate and each training of the candidates that are being evaluated.

    Args:
        states: Of the variants of a study.
    """
    return [(label, trial) for state in states for label, trials in state.under_way for trial in trials]


def how_tuned(tunings: Sequence[Tuning[Any]], runs: Path, study: Study | ProgramStudy) -> Tuned:
    """How the variants of a study were tuned, for its report.

    Args:
        tunings: Of its variants.
        runs: The runs directory.
        study: With `tune`.

    Raises:
        RecordError: A choice is damaged.
    """
    assert study.tune is not None
    decision = tunings[0].study.decision
    told = dict.fromkeys(describe_held_out(one.search.held_out) for one in tunings if one.search.held_out)
    images = f"the {decision.words} on {' and '.join(told)}" if told else f"the {decision.words} that the program reports"
    choices = tuple(chosen(one, runs) for one in tunings)
    return Tuned(study.tune, decision, images, choices)


def plan_tuning(states: Sequence[TuningState], also_untuned: Sequence[str]) -> dict[str, Any]:
    """What a plan says of the tuning, in plain values.

    Args:
        states: Of all variants.
        also_untuned: The state of each trial of the variants at their own values, if they are trained too.
    """
    first, study = states[0].tuning.search, states[0].tuning.study
    part = first.held_out[0] if first.held_out else None
    return {
        "space": [describe_parameter(parameter) for parameter in first.parameters],
        "candidates": first.trials,
        "sampler": first.sampler,
        "pruner": first.pruner,
        "objective": first.objective,
        "goal": study.decision.goal,
        "seeds": list(study.seeds),
        "folds": len(first.held_out),
        "held_out": part and part.images,
        "folder": part and part.folder,
        "also_untuned": list(also_untuned),
        "variants": [state.as_json() for state in states],
        "open_trainings": sum(state.open for state in states),
    }
