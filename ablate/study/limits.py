"""Limits on costs that are measured on a device: of `where`, and of a budget of a measured cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ablate.kinds.costs import MEASURED_COSTS
from ablate.study.budget import Limit
from ablate.study.expression import names_in


class MeasuredBudget(Limit):
    """A limit on a cost that is measured on a device: a name of MEASURED_COSTS."""

    def miss(self, name: str, cost: float) -> str:
        """Why a variant misses the budget; "" if it meets it.

        Args:
            name: Of the variant.
            cost: That was measured.
        """
        if self.is_met(cost):
            return ""
        return f"{name} needs {cost:.4g} {MEASURED_COSTS[self.measure].words}; allowed: {self.asked('g')}"


class Measured(NamedTuple):
    """The measured costs of some variants, all on one device.

    Args:
        costs: Of each variant, by name; without those that are not measured.
        conditions: The device and what shares it, in words; "" where nothing is measured.
    """

    costs: Sequence[Mapping[str, float]]
    conditions: str


Measure = Callable[[Sequence[Any]], Measured]  # of variants


def limited_costs(where: str | None, budget: MeasuredBudget | None) -> tuple[str, ...]:
    """The measured costs that a study limits, in order.

    Args:
        where: The constraint as written, if any.
        budget: Of a measured cost, if any.
    """
    named = names_in(where) if where else set()
    return tuple(name for name in MEASURED_COSTS if name in named or (budget and name == budget.measure))
