"""The candidates of a search in order: which is the best, which stand on the Pareto front, what their trainings say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ablate.report.candidate import Candidate, CandidateState
from ablate.report.document import scale_badge
from ablate.report.numbers import counted
from ablate.report.pareto import pareto_front
from ablate.report.search_setting import TRAINING, describe_search, describe_trainings, describe_validation
from ablate.report.statistics import Verdict, reach_verdicts
from ablate.study.study import Search, Study

TOP = 10  # candidates that are shown, and compared with the best


@dataclass(frozen=True)
class SearchAnalysis:
    """The candidates of a search by their objective.

    study_file: where the search is described; importances: of its parameters, shares of the variance; limit: how many
    candidates there are to be, where that is not what the study says, as for a grid.
    """

    study: Study
    candidates: tuple[Candidate, ...]
    runs: Path
    study_file: str
    importances: Mapping[str, float] | None = None
    limit: int | None = None

    @property
    def search(self) -> Search:
        """What is looked for, and how."""
        assert self.study.search is not None
        return self.study.search

    @property
    def planned(self) -> int:
        """How many candidates there are to be."""
        return self.search.trials if self.limit is None else self.limit

    @property
    def recorded(self) -> int:
        """How many were trained to the end or pruned; one that failed is tried again."""
        return len(self.of_state("complete", "pruned"))

    @property
    def finished(self) -> bool:
        """Whether all that are to be have ended."""
        return self.recorded >= self.planned

    @property
    def progress(self) -> str:
        """ "31 of 40 candidates have ended"."""
        return f"{self.recorded} of {counted(self.planned, 'candidate')} {'has' if self.recorded == 1 else 'have'} ended"

    @property
    def badge(self) -> str:
        """What stands by every title of a search at another scale."""
        return scale_badge(self.study.scale)

    def setting(self, separator: str) -> str:
        """Data, recipe, what is searched, the budget."""
        return describe_search(self.study, separator)

    def measured(self) -> str:
        """What the errors are: "validation error on 5 folds of the training images, 5 trainings a candidate, ..."."""
        return f"{describe_validation(self.study)}, {describe_trainings(self.study)}; the test images were not read"

    @cached_property
    def ranked(self) -> list[Candidate]:
        """Those trained to the end with a finite objective, the lowest first.

        Of equal ones the cheaper comes first where the cost is an objective, then the lower number.
        """
        found = [one for one in self.of_state("complete") if math.isfinite(self.objective(one))]
        return sorted(found, key=self._order)

    def _order(self, one: Candidate) -> tuple[float, int, int]:
        return self.objective(one), self.cost(one) if self.search.also_minimize else 0, one.number

    @cached_property
    def _alike(self) -> list[list[Candidate]]:
        """The ranked ones, those together that have the same values and so share their trainings."""
        found: dict[tuple[str, ...], list[Candidate]] = {}
        for one in self.ranked:
            found.setdefault(tuple(trial.id for trial in one.trials), []).append(one)
        return list(found.values())

    @property
    def distinct(self) -> list[Candidate]:
        """The first of each of those that are alike, in the order of the ranks."""
        return [alike[0] for alike in self._alike]

    @property
    def ranks(self) -> dict[int, int]:
        """The rank of each, from 1, by its number; those that are alike share one."""
        return {one.number: rank for rank, alike in enumerate(self._alike, 1) for one in alike}

    @property
    def diverged(self) -> list[Candidate]:
        """Those trained to the end whose objective is infinite."""
        return [one for one in self.of_state("complete") if math.isinf(self.objective(one))]

    def of_state(self, *states: CandidateState) -> list[Candidate]:
        return [one for one in self.candidates if one.state in states]

    def objective(self, candidate: Candidate) -> float:
        """The median or mean of what is recorded, in percent; infinite where it diverged or nothing is recorded."""
        value = candidate.objective(self.search.objective)
        return math.inf if value is None else value

    @property
    def best(self) -> Candidate | None:
        return self.ranked[0] if self.ranked else None

    @property
    def ties(self) -> int:
        """How many distinct others have exactly the objective of the best."""
        return sum(self.objective(one) == self.objective(self.distinct[0]) for one in self.distinct[1:])

    @property
    def solved(self) -> tuple[str, ...]:
        """The axes that are solved for the budget, so that a network's name says more than the searched values."""
        return self.study.budget.solve if self.study.budget else ()

    @property
    def top(self) -> list[Candidate]:
        """The first of the distinct ones."""
        return self.distinct[:TOP]

    @cached_property
    def verdicts(self) -> dict[int, Verdict]:
        """Each of the top against the best, by the candidate's number, corrected for their number."""
        if not self.top:
            return {}
        best, *others = self.top
        found = reach_verdicts([(_named(one), _named(best)) for one in others], unit=TRAINING)
        return {one.number: verdict for one, verdict in zip(others, found)}

    @cached_property
    def runner_up(self) -> Verdict | None:
        """The best against the second, as a comparison by itself."""
        if len(self.top) < 2:
            return None
        best, second = self.top[:2]
        return reach_verdicts([(_named(best), _named(second))], unit=TRAINING)[0]

    @cached_property
    def front(self) -> list[Candidate]:
        """The Pareto set of error and cost, by cost; empty for a search with one objective."""
        if not self.search.also_minimize:
            return []
        points = [(float(self.cost(one)), self.objective(one)) for one in self.distinct]
        return [self.distinct[i] for i in pareto_front(points)]

    def cost(self, candidate: Candidate) -> int:
        """The second objective of a search that has one."""
        assert self.search.also_minimize is not None
        return int(getattr(candidate.variant.counts, self.search.also_minimize))


def _named(candidate: Candidate) -> tuple[str, dict[int, float]]:
    return candidate.name, dict(candidate.errors)
