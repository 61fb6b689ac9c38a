"""The step of a range whose cost is the wanted one: by bisection where the cost grows, else by trying every step.

A step can be impossible, such as a width that the number of attention heads does not divide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ablate.errors import BudgetError, NotationError

MOST_TRIED = 256  # steps of a range that are all tried
MOST_AHEAD = 64  # impossible steps in a row that bisection passes over
IMPOSSIBLE = 1 << 62  # a cost above every budget

Cost = Callable[[int], int]


class Step(NamedTuple):
    """The chosen step of a range, and the next possible ones.

    Args:
        chosen: From 1.
        below: The next cheaper step; None if there is none.
        above: The next more expensive step; None if there is none.
    """

    chosen: int
    below: int | None
    above: int | None


class StepCosts:
    """The costs of the steps of a range, each computed once.

    Args:
        cost: Step -> cost. It raises NotationError for a step that is impossible.
        most: The last step; the first is 1.
    """

    def __init__(self, cost: Cost, most: int) -> None:
        self.cost, self.most = cost, most
        self.known: dict[int, int] = {}
        self.refused: dict[int, NotationError] = {}

    def of(self, step: int) -> int | None:
        """The cost of a step; None if it is impossible.

        Args:
            step: From 1 to `most`.
        """
        if step not in self.known and step not in self.refused:
            try:
                self.known[step] = self.cost(step)
            except NotationError as error:
                self.refused[step] = error
        return self.known.get(step)

    def next(self, step: int, by: int = 1) -> int | None:
        """The first possible step from a step on; None if there is none within MOST_AHEAD steps.

        Args:
            step: Where to begin, itself included.
            by: 1 for larger steps, -1 for smaller ones.
        """
        end = min(self.most, step + MOST_AHEAD) + 1 if by > 0 else max(1, step - MOST_AHEAD) - 1
        return next((each for each in range(step, end, by) if self.of(each) is not None), None)

    @property
    def grow(self) -> bool:
        """Whether the costs that are known do not fall from one step to the next."""
        costs = [self.known[step] for step in sorted(self.known)]
        return costs == sorted(costs)


def choose_step(costs: StepCosts, target: int | None, maximum: int) -> Step:
    """The step with the cost closest to a target, or with the largest cost within a maximum; the cheapest if there is none.

    Args:
        costs: Of the range.
        target: The wanted cost; None if there is a maximum.
        maximum: The highest allowed cost; ignored if there is a target.

    Raises:
        BudgetError: No step is possible, or the cost does not grow and there are too many steps to try them all.
    """
    missed = False

    def cost_from(step: int) -> int:
        nonlocal missed
        found = costs.next(step)
        missed = missed or found is None
        return IMPOSSIBLE if found is None else costs.known[found]

    n = closest_to(target, cost_from, costs.most) if target else max(1, largest_within(maximum, cost_from, costs.most))
    chosen = costs.next(n)
    if chosen is not None:
        found = Step(chosen, costs.next(chosen - 1, -1), costs.next(chosen + 1))
        if costs.grow and not missed:
            return found
    if costs.most > MOST_TRIED:
        refused = f": {costs.refused[min(costs.refused)]}" if costs.refused else ", as the cost does not grow with it"
        raise BudgetError(f"cannot be solved{refused}; budget.low, high and step may leave at most {MOST_TRIED:,} values")
    for step in range(1, costs.most + 1):
        costs.of(step)
    if not costs.known:
        raise BudgetError(f"no value is possible: {costs.refused[1]}")
    return _of_all(costs.known, target, maximum)


def _of_all(known: dict[int, int], target: int | None, maximum: int) -> Step:
    """The step of choose_step(), of all possible steps."""
    order = sorted(known, key=lambda step: (known[step], step))
    within = [step for step in order if known[step] <= maximum]
    if target:
        chosen = min(order, key=lambda step: (abs(known[step] - target), step))
    else:
        most = known[within[-1]] if within else known[order[0]]
        chosen = next(step for step in order if known[step] == most)
    cheaper = [step for step in order if known[step] < known[chosen]]
    dearer = [step for step in order if known[step] > known[chosen]]
    return Step(chosen, cheaper[-1] if cheaper else None, dearer[0] if dearer else None)


def closest_to(target: int, cost: Cost, high: int) -> int:
    """The n in 1..high with the cost closest to the target; the smaller n on a tie.

    Args:
        target: The wanted cost.
        cost: N -> cost, increasing.
        high: The largest n.
    """
    below = largest_within(target, cost, high)
    if below == 0:
        return 1
    if below == high:
        return high
    return below if target - cost(below) <= cost(below + 1) - target else below + 1


def largest_within(maximum: int, cost: Cost, high: int) -> int:
    """The largest n in 1..high with a cost within the maximum; 0 if there is none.

    Costs are linear in depth and nearly quadratic in width, so a parabola through the costs of 1, 2 and the last n
    predicts the answer. After ten predictions, bisection finds the rest.

    Args:
        maximum: The highest allowed cost.
        cost: N -> cost, increasing.
        high: The largest n.
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
            guess = guess if looks else 1 << guess.bit_length()  # a power of two, so that many networks share this count
        else:
            guess = (low + over) // 2
        n, looks = min(max(guess, low + 1), over - 1), looks + 1
        found = cost(n)
        low, over = (n, over) if found <= maximum else (low, n)
        curve = ((found - first) / (n - 1) - slope) / (n - 2)
    return low
