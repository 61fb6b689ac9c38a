"""The candidates of a search in order: the best, the Pareto set, and the comparisons between their trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ablate.report.candidate import DIVERGED, Candidate, CandidateState
from ablate.report.document import scale_badge
from ablate.report.numbers import UnitFormat, counted, format_of
from ablate.report.pareto import pareto_front
from ablate.report.program_analysis import describe_command
from ablate.report.seeds import TRAINING
from ablate.report.setting import describe_measured, describe_search
from ablate.report.verdicts import Verdict, reach_verdicts
from ablate.statistics.comparison import PAIRED_FROM
from ablate.statistics.family import adjusted_p_values, smallest_p_values
from ablate.statistics.sample_size import seeds_needed
from ablate.study.axis_text import short_axis
from ablate.study.budget import Budget
from ablate.study.decision import Decision
from ablate.study.program import EPOCHS, ProgramStudy
from ablate.study.search import Search
from ablate.study.study import Study

TOP = 10  # candidates that are shown and compared with the best


@dataclass(frozen=True)
class SearchAnalysis:
    """The candidates of a search, ordered by their objective.

    ProgramSearchAnalysis, below, says what is different where a candidate is a run of a program. Methods take candidates
    of the search.

    Args:
        study: As loaded by load_study(), with a search.
        candidates: The candidates of the search.
        runs: The runs directory.
        study_file: The path of the study file that describes the search.
        importances: The importance of each parameter, as a share of the variance; None if it is not known.
        limit: The number of candidates planned, where it differs from the study's, as for a grid; None for the study's.
    """

    study: Study | ProgramStudy
    candidates: tuple[Candidate, ...]
    runs: Path
    study_file: str
    importances: Mapping[str, float] | None = None
    limit: int | None = None

    @property
    def search(self) -> Search:
        """The description of the search."""
        assert self.study.search is not None
        return self.study.search

    @property
    def decision(self) -> Decision:
        """What candidates are compared by."""
        return self.study.decision

    @property
    def format(self) -> UnitFormat:
        """How values of the measure that candidates are compared by are written."""
        return format_of(self.decision.unit)

    @property
    def networks(self) -> Study:
        """The study, where candidates are networks."""
        assert isinstance(self.study, Study), f"{self.study.name} is a study of a program"
        return self.study

    @property
    def of_networks(self) -> bool:
        """Whether candidates are networks, which have a name and counts."""
        return True

    @property
    def budget(self) -> Budget | None:
        """The allowed cost of a network, if any."""
        return self.networks.budget

    @property
    def trainings(self) -> int:
        """The number of trainings of a candidate."""
        return len(self.search.held_out) * len(self.study.seeds)

    @property
    def same_epochs(self) -> int:
        """The epochs of every training; 0 if they differ between candidates."""
        return 0 if "recipe.epochs" in self.search.axes else self.networks.recipe.epochs

    def has_value(self, told: float) -> bool:
        """Whether what the pruner was told is the value of a training that had not diverged."""
        return told < DIVERGED

    @property
    def caution(self) -> str:
        """Why the best value of several candidates is not what a new measurement will give."""
        best = self.best
        assert best is not None
        by, low = self.decision, self.decision.lowest.removesuffix("est")
        return (
            f"The best of {len(self.distinct)} candidates is too optimistic: it was chosen because its {by.noun} is "
            f"{low}, so {self.format.with_unit(self.objective(best))} is not an estimate of the test {by.noun}. "
            "The test images were not read; a study that takes these values evaluates them."
        )

    @property
    def planned(self) -> int:
        """The number of candidates planned."""
        return self.search.trials if self.limit is None else self.limit

    @property
    def recorded(self) -> int:
        """The number of candidates trained to the end or pruned. A failed candidate is tried again."""
        return len(self.of_state("complete", "pruned"))

    @property
    def finished(self) -> bool:
        """Whether all planned candidates have ended."""
        return self.recorded >= self.planned

    @property
    def progress(self) -> str:
        """The progress as text, such as "31 of 40 candidates have ended"."""
        return f"{self.recorded} of {counted(self.planned, 'candidate')} {'has' if self.recorded == 1 else 'have'} ended"

    @property
    def badge(self) -> str:
        """The text beside every title of a search that runs at another scale; empty otherwise."""
        return scale_badge(self.study.scale)

    def setting(self, separator: str) -> str:
        """The data, the recipe, the searched axes and the budget, in words.

        Args:
            separator: The text between two parts, "; " or ". "; after a full stop the next part begins with a capital.
        """
        return describe_search(self.networks, separator)

    def measured(self) -> str:
        """What the errors are measured on.

        Such as "validation error on 5 folds of the training images, 5 trainings per candidate, ...".
        """
        return f"{describe_measured(self.networks)}; the test images were not read"

    @property
    def caption_start(self) -> str:
        """What the caption of every figure begins with: the setting, and what the errors are measured on."""
        return f"{self.setting('; ')}; {self.measured()}"

    @cached_property
    def ranked(self) -> list[Candidate]:
        """The candidates trained to the end with a finite objective, the best first.

        Ties are broken by the lower cost if the cost is an objective, then by the lower number.
        """
        found = [one for one in self.of_state("complete") if math.isfinite(self.objective(one))]
        return sorted(found, key=lambda one: (self.decision.cost(self.objective(one)), self.costs(one), one.number))

    @cached_property
    def _alike(self) -> list[list[Candidate]]:
        """The ranked candidates, grouped by their trainings: equal values share their trainings."""
        found: dict[tuple[str, ...], list[Candidate]] = {}
        for one in self.ranked:
            found.setdefault(tuple(trial.id for trial in one.trials), []).append(one)
        return list(found.values())

    @property
    def distinct(self) -> list[Candidate]:
        """The first candidate of each group of candidates with equal values, in the order of the ranks."""
        return [alike[0] for alike in self._alike]

    @property
    def ranks(self) -> dict[int, int]:
        """The rank of each ranked candidate, from 1, by its number. Candidates with equal values share a rank."""
        return {one.number: rank for rank, alike in enumerate(self._alike, 1) for one in alike}

    @property
    def diverged(self) -> list[Candidate]:
        """The candidates trained to the end that have an infinite objective."""
        return [one for one in self.of_state("complete") if math.isinf(self.objective(one))]

    def of_state(self, *states: CandidateState) -> list[Candidate]:
        """The candidates in one of some states."""
        return [one for one in self.candidates if one.state in states]

    def objective(self, candidate: Candidate) -> float:
        """The median or mean of the recorded values, such as errors in percent.

        It is infinite if the candidate diverged or nothing is recorded.
        """
        return self.search.objective_of(candidate.errors.values()) if candidate.errors else self.decision.worst

    @property
    def best(self) -> Candidate | None:
        """The candidate with the best objective; None if none is ranked."""
        return self.ranked[0] if self.ranked else None

    @property
    def ties(self) -> str:
        """Other distinct candidates with the objective of the best, such as "3 others have the same"; empty for none."""
        ties = sum(self.objective(one) == self.objective(self.distinct[0]) for one in self.distinct[1:])
        return f"{counted(ties, 'other')} {'has' if ties == 1 else 'have'} the same" if ties else ""

    @property
    def solved(self) -> tuple[str, ...]:
        """The axes that are solved for the budget; empty without a budget.

        With such axes the network's name contains more than the searched values.
        """
        return self.budget.solve if self.budget else ()

    @property
    def top(self) -> list[Candidate]:
        """The first TOP distinct candidates."""
        return self.distinct[:TOP]

    @property
    def paired_from(self) -> int:
        """The fewest common trainings that are compared in pairs: with folds any, as folds differ more than candidates."""
        return PAIRED_FROM if len(self.search.held_out) < 2 else 1

    @cached_property
    def verdicts(self) -> dict[int, Verdict]:
        """The comparison of each other top candidate with the best, by the candidate's number.

        The family of a candidate is its comparisons with all others, so it does not matter that the best was chosen
        among them: the truly best candidate is called worse than another one with probability 0.05 or less.
        """
        return {one.number: self._verdict(one) for one in self.top[1:]}

    def _verdict(self, one: Candidate) -> Verdict:
        """The verdict on a candidate and the best, within the family of the candidate and all others."""
        others = [other for other in self.distinct if other is not one]
        cost = self.decision.cost
        costs = [{key: cost(value) for key, value in each.errors.items()} for each in (one, *others)]
        both = [(one.name, costs[0]), (others[0].name, costs[1])]  # the first of the others is the best
        (first,) = reach_verdicts(both, [(0, 1)], self.paired_from, self.decision.maximized)
        pairs = [(0, other) for other in range(1, len(costs))]
        adjusted = adjusted_p_values(costs, pairs, self.paired_from)
        least = smallest_p_values([errors.keys() for errors in costs], pairs, self.paired_from)
        needed = seeds_needed(costs[0], costs[1], len(pairs))
        return first._replace(adjusted_p=adjusted[0], adjusted_floor=least[0], family=len(pairs), needed=needed)

    def leads(self, one: Candidate) -> bool:
        """Whether a candidate is the best or cannot be distinguished from it; False for all if none can."""
        verdicts = self.verdicts
        worse = {number for number, verdict in verdicts.items() if verdict.reached and verdict.comparison.direction > 0}
        return bool(worse) and (one is self.best or (one.number in verdicts and one.number not in worse))

    @cached_property
    def front(self) -> list[Candidate]:
        """The Pareto set of error and costs, sorted by cost; empty for a search with one objective."""
        if not self.search.also_minimize:
            return []
        points = [(*map(float, self.costs(one)), self.decision.cost(self.objective(one))) for one in self.distinct]
        return [self.distinct[i] for i in pareto_front(points)]

    def costs(self, candidate: Candidate) -> tuple[float, ...]:
        """The values of the further objectives, such as a number of parameters; empty for a search with one objective."""
        return tuple(candidate.cost(name) for name in self.search.also_minimize)


@dataclass(frozen=True)
class ProgramSearchAnalysis(SearchAnalysis):
    """The candidates of a search of a program, ordered by the measure that the study decides by."""

    study: ProgramStudy

    @property
    def of_networks(self) -> bool:
        """False: a candidate has no network that ablate knows."""
        return False

    @property
    def budget(self) -> Budget | None:
        """None: a program has no counts."""
        return None

    @property
    def trainings(self) -> int:
        return len(self.study.seeds)

    @property
    def same_epochs(self) -> int:
        epochs = self.study.base.get(EPOCHS, self.study.program.epochs)
        return epochs if isinstance(epochs, int) and EPOCHS not in self.search.axes else 0

    def has_value(self, told: float) -> bool:
        return math.isfinite(told)

    @property
    def caution(self) -> str:
        best, by = self.best, self.decision
        assert best is not None
        return (
            f"The best of {len(self.distinct)} candidates is too optimistic: it was chosen because its {by.noun} is "
            f"{'high' if by.maximized else 'low'}, so {self.format.with_unit(self.objective(best))} is not an estimate for "
            "other seeds; a study that takes its values measures that."
        )

    def setting(self, separator: str) -> str:
        """The command, the values that are not searched, the files and the searched axes, in words."""
        word = "Searched" if separator.startswith(".") else "searched"
        command = describe_command(self.study.program, self.study.base, separator)
        return separator.join([*command, f"{word}: {', '.join(map(short_axis, self.search.axes))}"])

    def measured(self) -> str:
        return f"{self.decision.words} as reported last, {counted(self.trainings, TRAINING)} per candidate"
