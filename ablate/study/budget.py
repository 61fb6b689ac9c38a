"""Solving the axes of a network for a budget, one at a time. No formula is kept by hand: costs are read from blueprints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ablate.errors import BudgetError
from ablate.nets.architecture import (
    BASIC,
    DECIMALS,
    MAX_BASE_WIDTH,
    MAX_BLOCK,
    MAX_CARDINALITY,
    MAX_K,
    MAX_N,
    Architecture,
    convolutions_in,
    format_block,
)
from ablate.nets.families import find_family
from ablate.study.study import Budget, Fit, Neighbour

Make = Callable[[Any], Architecture]


def fit_budget(
    architecture: Architecture,
    budget: Budget,
    cost: Callable[[Architecture], int],
    name: Callable[[Architecture], str],
) -> tuple[Architecture, Fit, str]:
    """The architecture with axes solved, if the budget says so, how it fits, and "" or in words why it does not.

    Each axis is solved with those before it as they came out and those after it as they are given: with [depth, k]
    depth comes as close as whole blocks can, and k takes up the rest.
    """
    fitted, below, above = architecture, None, None
    for axis in budget.solve:
        fitted, below, above = _solve(fitted, axis, budget, cost, name)
    found = cost(fitted)
    reference = budget.target or budget.maximum or budget.minimum
    assert reference is not None
    deviation = found / reference - 1
    if budget.target:
        met = abs(deviation) <= budget.tolerance
        asked = f"{reference:,} ± {100 * budget.tolerance:g}%"
    else:
        met = (budget.minimum or 0) <= found <= (budget.maximum or found)
        bounds = (("at least", budget.minimum), ("at most", budget.maximum))
        asked = " and ".join(f"{word} {bound:,}" for word, bound in bounds if bound)
    closest = f", the closest any {' and then any '.join(budget.solve)} comes," if budget.solve else ""
    what = {"activation_memory": "bytes of activation memory"}.get(budget.measure, budget.measure)
    miss = f"{name(fitted)}{closest} has {found:,} {what} ({deviation:+.1%}); allowed: {asked}"
    return fitted, Fit(found, deviation, below, above), "" if met else miss


def _solve(
    architecture: Architecture,
    axis: str,
    budget: Budget,
    cost: Callable[[Architecture], int],
    name: Callable[[Architecture], str],
) -> tuple[Architecture, Neighbour | None, Neighbour | None]:
    """The architecture with one axis solved, and the networks below and above it along that axis."""
    values, make = choices(architecture, axis, budget.quantum)
    most = len(values)
    made: dict[int, Architecture] = {}
    costs: dict[int, int] = {}

    def cost_of(i: int) -> int:
        if i not in costs:
            made[i] = make(values[i - 1])
            costs[i] = cost(made[i])
        return costs[i]

    def neighbour(i: int) -> Neighbour | None:
        if not 1 <= i <= most:
            return None
        count = cost_of(i)
        return Neighbour(name(made[i]), count)

    if budget.target:
        i = closest_to(budget.target, cost_of, most)
    else:
        i = max(1, largest_within(budget.maximum or 0, cost_of, most))
    return make(values[i - 1]), neighbour(i - 1), neighbour(i + 1)


def choices(architecture: Architecture, axis: str, quantum: int) -> tuple[Sequence[Any], Make]:
    """The values an axis can be solved for, cheapest first, and what makes the architecture of one.

    quantum: k goes in steps of that many channels of the first group. Raises BudgetError.
    """
    family = find_family(architecture.family)
    match axis:
        case "depth" if family.table:
            l = convolutions_in(architecture.block)
            depths = [depth for depth, blocks in family.table.items() if sum(blocks) * l + 2 == depth]
            return depths, lambda depth: replace(architecture, N=family.table[depth])
        case "depth" if family.groups:
            return range(1, MAX_N + 1), architecture.with_blocks
        case "k" if "k" in family.axes:
            least = -(-family.channels // (16 * quantum)) * quantum  # k from 1/16
            widths = range(least, int(MAX_K * family.channels) + 1, quantum)
            return widths, lambda width: replace(architecture, k=round(width / family.channels, DECIMALS))
        case "l" if "l" in family.axes and not isinstance(architecture.block, str):
            return range(1, MAX_BLOCK + 1), lambda l: replace(architecture, block=BASIC[:1] * l)
        case "cardinality" if "cardinality" in family.axes:
            return range(1, MAX_CARDINALITY + 1), lambda cardinality: replace(architecture, cardinality=cardinality)
        case "base_width" if "base_width" in family.axes:
            return range(1, MAX_BASE_WIDTH + 1), lambda width: replace(architecture, base_width=width)
        case _:
            own = " with a block of your own" if ":" in format_block(architecture.block) else ""
            raise BudgetError(f"solve: found {axis}, which {family.key}{own} does not have")


def closest_to(target: int, cost: Callable[[int], int], high: int = MAX_N) -> int:
    """The n in 1..high whose cost comes closest to the target, the smaller on a tie; cost must increase with n."""
    below = largest_within(target, cost, high)
    if below == 0:
        return 1
    if below == high:
        return high
    return below if target - cost(below) <= cost(below + 1) - target else below + 1


def largest_within(maximum: int, cost: Callable[[int], int], high: int = MAX_N) -> int:
    """The largest n in 1..high whose cost does not exceed the maximum; 0 if none does. Extrapolates, then bisects."""
    first = cost(1)
    if first > maximum:
        return 0
    low, over = 1, high + 1
    if high > 1:
        guess = 1 + (maximum - first) // max(1, cost(2) - first)  # exact where the cost is linear, as it is in depth
        for probe in (guess, guess + 1):
            if low < probe < over:
                low, over = (probe, over) if cost(probe) <= maximum else (low, probe)
    while low + 1 < over:
        middle = (low + over) // 2
        low, over = (middle, over) if cost(middle) <= maximum else (low, middle)
    return low
