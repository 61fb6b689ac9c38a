"""Solving the axes of a network for a budget, one at a time. No formula is kept by hand: costs are read from blueprints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
from ablate.nets.counts import Counts
from ablate.nets.families import find_family, what_counts
from ablate.study.fit import Fit, Naming, Solved
from ablate.study.study import Budget

Along = Callable[[Architecture, str], Callable[[Any], Counts]]  # what counts a network with any value of an axis


class Choices(NamedTuple):
    """The values that an axis can be solved for, cheapest first: `field` of an Architecture is value(step) of a step."""

    field: str
    steps: Sequence[int]
    value: Callable[[int], Any]


def fit_budget(
    architecture: Architecture,
    budget: Budget,
    along: Along,
    cost: Callable[[Counts], int],
    naming: Naming,
    known: dict[Any, Solved],
) -> tuple[Architecture, Counts, Fit, str]:
    """The architecture with axes solved, if the budget says so, its counts, how it fits, and "" or in words why not.

    Each axis is solved with those before it as they came out and those after it as they are given: with [depth, k]
    depth comes as close as whole blocks can, and k takes up the rest. known: what was solved before of the same budget,
    along and cost, and is added to; networks that differ in what costs nothing are solved once.
    """
    fitted, solved = architecture, None
    for axis in budget.solve:
        key = axis, what_counts(fitted)
        if key not in known:
            known[key] = _solve(fitted, axis, budget, along, cost)
        solved = known[key]
        fitted = fitted.with_axis(solved.field, solved.value)
    counts = solved.counts if solved else along(fitted, "N")(fitted.N)
    found = cost(counts)
    reference = budget.target or budget.maximum or budget.minimum
    assert reference is not None
    deviation = found / reference - 1
    fit = Fit(found, deviation, fitted, solved, naming)
    if budget.target:
        met = abs(deviation) <= budget.tolerance
    else:
        met = (budget.minimum or 0) <= found <= (budget.maximum or found)
    return fitted, counts, fit, "" if met else _miss(naming.of(fitted), fit, budget)


def _miss(net: str, fit: Fit, budget: Budget) -> str:
    """In words, what a network that misses its budget has, and what is allowed."""
    if budget.target:
        asked = f"{budget.target:,} ± {100 * budget.tolerance:g}%"
    else:
        bounds = (("at least", budget.minimum), ("at most", budget.maximum))
        asked = " and ".join(f"{word} {bound:,}" for word, bound in bounds if bound)
    closest = f", the closest any {' and then any '.join(budget.solve)} comes," if budget.solve else ""
    what = {"activation_memory": "bytes of activation memory"}.get(budget.measure, budget.measure)
    return f"{net}{closest} has {fit.count:,} {what} ({fit.deviation:+.1%}); allowed: {asked}"


def _solve(architecture: Architecture, axis: str, budget: Budget, along: Along, cost: Callable[[Counts], int]) -> Solved:
    """One axis solved."""
    field, steps, value = choices(architecture, axis, budget.quantum)
    most, count = len(steps), along(architecture, field)
    found: dict[int, Counts] = {}

    def cost_of(i: int) -> int:
        if i not in found:
            found[i] = count(value(steps[i - 1]))
        return cost(found[i])

    def beside(i: int) -> tuple[Any, int] | None:
        return (value(steps[i - 1]), cost_of(i)) if 1 <= i <= most else None

    if budget.target:
        i = closest_to(budget.target, cost_of, most)
    else:
        i = max(1, largest_within(budget.maximum or 0, cost_of, most))
    return Solved(field, value(steps[i - 1]), found[i], beside(i - 1), beside(i + 1))


def choices(architecture: Architecture, axis: str, quantum: int) -> Choices:
    """What an axis can be solved for; k goes in steps of `quantum` channels of the first group. Raises BudgetError."""
    family = find_family(architecture.family)
    match axis:
        case "depth" if family.table:
            l = convolutions_in(architecture.block)
            depths = [depth for depth, blocks in family.table.items() if sum(blocks) * l + 2 == depth]
            return Choices("N", depths, lambda depth: family.table[depth])
        case "depth" if family.groups:
            return Choices("N", range(1, MAX_N + 1), int)
        case "k" if "k" in family.axes:
            least = -(-family.channels // (16 * quantum)) * quantum  # k from 1/16
            widths = range(least, int(MAX_K * family.channels) + 1, quantum)
            return Choices("k", widths, lambda width: round(width / family.channels, DECIMALS))
        case "l" if "l" in family.axes and not isinstance(architecture.block, str):
            return Choices("block", range(1, MAX_BLOCK + 1), lambda l: BASIC[:1] * l)
        case "cardinality" if "cardinality" in family.axes:
            return Choices(axis, range(1, MAX_CARDINALITY + 1), int)
        case "base_width" if "base_width" in family.axes:
            return Choices(axis, range(1, MAX_BASE_WIDTH + 1), int)
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
    """The largest n in 1..high whose cost does not exceed the maximum; 0 if none does. Extrapolates, then bisects.

    Costs are linear in depth and nearly quadratic in width: a parabola through 1, 2 and the last n tells where to look.
    """
    first = cost(1)
    if first > maximum or high == 1:
        return int(first <= maximum)
    slope = cost(2) - first
    if first + slope > maximum or high == 2:
        return 1 + (first + slope <= maximum)
    low, over, curve, looks = 2, high + 1, 0.0, 0
    while low + 1 < over:
        root = (slope - curve) ** 2 + 4 * curve * (maximum - first)
        if looks < 10 and root > 0 and (halves := slope - curve + math.sqrt(root)) > 0:
            guess = int(1 + 2 * (maximum - first) / halves + 1e-6)  # of first + slope (n - 1) + curve (n - 1) (n - 2)
            guess = guess if looks else 1 << guess.bit_length()  # so that many look at the same, which is counted once
        else:
            guess = (low + over) // 2
        n, looks = min(max(guess, low + 1), over - 1), looks + 1
        found = cost(n)
        low, over = (n, over) if found <= maximum else (low, n)
        curve = ((found - first) / (n - 1) - slope) / (n - 2)
    return low
