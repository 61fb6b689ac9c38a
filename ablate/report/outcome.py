"""What the comparison of a variant with its baseline came to, whether the number of seeds is fixed or not."""

from __future__ import annotations

import math
from typing import Any, Final, Literal, NamedTuple

from ablate.report.compared import Compared
from ablate.report.numbers import finite
from ablate.statistics.comparison import LEVEL

NOT_TOLD_APART: Final = "not told apart"
Result = Literal["better", "worse", "equivalent", "not told apart", "undecided", "open"]


class Outcome(NamedTuple):
    """What a comparison of a variant with its baseline came to.

    Args:
        name: The name of the variant.
        baseline: The name of its baseline.
        result: The verdict on the variant. Without one, NOT_TOLD_APART; with `seeds.until`, "undecided" after the most
            seeds and "open" before.
        difference: The Hodges-Lehmann estimate; None where it is not known.
        interval: All differences that the seeds do not contradict, with 95%; infinite where they allow no 95%.
        seeds: The seeds that it took, with `seeds.until`; else None.
    """

    name: str
    baseline: str
    result: Result
    difference: float | None
    interval: tuple[float, float] = (-math.inf, math.inf)
    seeds: int | None = None

    @property
    def reached(self) -> bool:
        """Whether there is a verdict."""
        return self.result in ("better", "worse", "equivalent")


def outcome_of(analysis: Compared[Any], summary: Any) -> Outcome | None:
    """What the comparison of a variant with its baseline came to; None where it has none.

    Args:
        analysis: Of a study or of a program.
        summary: One of its summaries.
    """
    baseline, course, verdict = analysis.baseline(summary), analysis.course(summary), analysis.verdict(summary)
    if baseline is None:
        return None
    result: Result
    if course:
        if course.verdict == "different":
            worse = (course.interval[0] > 0) != analysis.decision.maximized
            result = "worse" if worse else "better"
        else:
            result = course.verdict
        return Outcome(summary.name, baseline.name, result, finite(course.estimate), course.interval, course.n)
    if verdict is None:
        return None
    compared = verdict.comparison
    result = NOT_TOLD_APART
    if verdict.reached:
        result = "better" if compared.direction < 0 else "worse"
    low, high, level = compared.interval
    interval = (low, high) if level >= LEVEL else (-math.inf, math.inf)
    return Outcome(summary.name, baseline.name, result, finite(compared.difference), interval)
