"""The candidates of a search in order: which is the best, which stand on the Pareto front, what their trainings say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablate.report.pareto import pareto_front
from ablate.report.statistics import Verdict, reach_verdicts
from ablate.search.candidates import Candidate, CandidateState
from ablate.study.budget import Budget
from ablate.study.plan import plain
from ablate.study.study import Search

TOP = 10  # candidates that are shown, and compared with the best
UNIT = "training"  # what an error is of


@dataclass(frozen=True)
class Standing:
    """The candidates of a search by their objective. planned: how many there are to be; budget: of each, if any."""

    search: Search
    candidates: tuple[Candidate, ...]
    planned: int
    budget: Budget | None = None

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
        return self.budget.solve if self.budget else ()

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
        found = reach_verdicts([(_named(one), _named(best)) for one in others], unit=UNIT)
        return {one.number: verdict for one, verdict in zip(others, found)}

    @cached_property
    def runner_up(self) -> Verdict | None:
        """The best against the second, as a comparison by itself."""
        if len(self.top) < 2:
            return None
        best, second = self.top[:2]
        return reach_verdicts([(_named(best), _named(second))], unit=UNIT)[0]

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

    @property
    def ended(self) -> int:
        """How many were trained to the end or pruned; one that failed is tried again."""
        return len(self.of_state("complete", "pruned"))

    @property
    def finished(self) -> bool:
        return self.ended >= self.planned


def axes_of(search: Search) -> list[str]:
    """The axes that are searched, in order."""
    return list(dict.fromkeys(parameter.axis for parameter in search.parameters))


def name_of(candidate: Candidate) -> str:
    """ "candidate 12 (dropout 0.3, lr 0.1)"."""
    return f"candidate {candidate.number} ({values_text(candidate)})"


def values_text(candidate: Candidate) -> str:
    """ "dropout 0.3, lr 0.1": the searched values."""
    return ", ".join(
        f"{axis.rpartition('.')[2]} {value_text(candidate, value)}" for axis, value in candidate.values.items()
    )


def value_text(candidate: Candidate, value: Any) -> str:
    """A value as a reader would write it; a network of the reader's own by its name."""
    return candidate.variant.net if isinstance(value, dict) else plain(value)


def _named(candidate: Candidate) -> tuple[str, dict[int, float]]:
    return name_of(candidate), dict(candidate.errors)
