"""Limits on costs that are measured on a device: of `where`, and of a budget of a measured cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ablate.kinds.costs import MEASURED_COSTS
from ablate.study.expression import names_in


@dataclass(frozen=True)
class MeasuredBudget:
    """The allowed value of a measured cost. Bounds are inclusive.

    Args:
        measure: A name of MEASURED_COSTS.
        target: The wanted cost; None if there are bounds.
        tolerance: The allowed deviation from the target, as a fraction.
        minimum: The lower bound, if any.
        maximum: The upper bound, if any.
        on_miss: "error": a variant that misses the budget is an error; "drop": it is left out.
    """

    measure: str
    target: float | None
    tolerance: float
    minimum: float | None
    maximum: float | None
    on_miss: Literal["error", "drop"]

    def miss(self, name: str, cost: float) -> str:
        """Why a variant misses the budget; "" if it meets it.

        Args:
            name: Of the variant.
            cost: That was measured.
        """
        if self.target:
            met, asked = abs(cost / self.target - 1) <= self.tolerance, f"{self.target:g} ± {100 * self.tolerance:g}%"
        else:
            met = (self.minimum or 0) <= cost <= (self.maximum or cost)
            bounds = (("at least", self.minimum), ("at most", self.maximum))
            asked = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound)
        return "" if met else f"{name} needs {cost:.4g} {MEASURED_COSTS[self.measure].words}; allowed: {asked}"


class Measured(NamedTuple):
    """The measured costs of some variants, all on one device.

    Args:
        costs: Of each variant, by name; without those that are not measured.
        conditions: The device and what shares it, in words; "" where nothing is measured.
    """

    costs: Sequence[Mapping[str, float]]
    conditions: str


Measure = Callable[[Sequence[Any]], Measured]  # of variants


def nothing_measured(variants: Sequence[Any]) -> Measured:
    """What is known of the measured costs of variants where there are no probes: nothing.

    Args:
        variants: Any.
    """
    return Measured([{}] * len(variants), "")


def limited_costs(where: str | None, budget: MeasuredBudget | None) -> tuple[str, ...]:
    """The measured costs that a study limits, in order.

    Args:
        where: The constraint as written, if any.
        budget: Of a measured cost, if any.
    """
    named = names_in(where) if where else set()
    return tuple(name for name in MEASURED_COSTS if name in named or (budget and name == budget.measure))


@dataclass
class Limited:
    """What the limits on measured costs left of a study's variants.

    Args:
        dropped: One line for each variant that does not meet them.
        unmeasured: The labels of the variants that are not measured; they are kept.
        conditions: As in Measured.
    """

    dropped: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)
    conditions: str = ""
