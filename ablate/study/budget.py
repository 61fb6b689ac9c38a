"""Solving one axis of a network for a budget. No formula is kept by hand: costs are read from blueprints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ablate.nets.notation import MAX_N, Architecture
from ablate.study.study import Budget, Fit, Neighbour


def fit_budget(
    architecture: Architecture,
    budget: Budget,
    cost: Callable[[Architecture], int],
    name: Callable[[Architecture], str],
) -> tuple[Architecture, Fit, str]:
    """The architecture with its depth solved, if the budget says so, how it fits, and "" or in words why it does not."""

    def cost_of(n: int) -> int:
        return cost(replace(architecture, N=n))

    def neighbour(n: int) -> Neighbour | None:
        return Neighbour(name(replace(architecture, N=n)), cost_of(n)) if 1 <= n <= MAX_N else None

    n, below, above = architecture.N, None, None
    if budget.solve:
        n = closest_to(budget.target, cost_of) if budget.target else max(1, largest_within(budget.maximum or 0, cost_of))
        below, above = neighbour(n - 1), neighbour(n + 1)
    found, fitted = cost_of(n), replace(architecture, N=n)
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
    closest = ", the closest any depth comes," if budget.solve else ""
    miss = f"{name(fitted)}{closest} has {found:,} {budget.measure} ({deviation:+.1%}); allowed: {asked}"
    return fitted, Fit(deviation, below, above), "" if met else miss


def closest_to(target: int, cost: Callable[[int], int], high: int = MAX_N) -> int:
    """The n in 1..high whose cost comes closest to the target, the smaller on a tie; cost must increase with n."""
    below = largest_within(target, cost, high)
    if below == 0:
        return 1
    if below == high:
        return high
    return below if target - cost(below) <= cost(below + 1) - target else below + 1


def largest_within(maximum: int, cost: Callable[[int], int], high: int = MAX_N) -> int:
    """The largest n in 1..high whose cost does not exceed the maximum; 0 if none does. Interpolates, then bisects."""
    if cost(1) > maximum:
        return 0
    if high == 1 or cost(high) <= maximum:
        return high
    low, step = 1, cost(2) - cost(1)
    guess = 1 + (maximum - cost(1)) // max(1, step)  # exact where the cost is linear, as it is in depth
    if low < guess < high:
        low, high = (guess, high) if cost(guess) <= maximum else (low, guess)
    if low + 1 < high and cost(low + 1) > maximum:
        return low
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= maximum else (low, middle)
    return low
