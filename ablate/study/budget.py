"""Budgets: the allowed cost of a network, and the solving of its axes for that cost, one axis after the other.

There is no cost formula here. Costs are read from blueprints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ablate.errors import BudgetError, allowed, describe
from ablate.nets.architecture import (
    BASIC,
    DECIMALS,
    MAX_BASE_WIDTH,
    MAX_BLOCK,
    MAX_CARDINALITY,
    MAX_K,
    MAX_N,
    Architecture,
    DepthRule,
    convolutions_in,
    format_block,
)
from ablate.nets.counts import Counts
from ablate.nets.families import arguments_of, find_family, what_counts
from ablate.nets.notation import format_architecture
from ablate.own_modules import takes_argument
from ablate.study.steps import StepCosts, choose_step, closest_to, largest_within

SolvedAxis = Literal["depth", "k", "l", "cardinality", "base_width"]  # and args.* of user-defined code
ARGUMENT = "args."  # prefix of an argument of user-defined code
MOST_VALUES = 4096  # of a solved argument, where no `high` is written
CountsAlong = Callable[[Architecture, str], Callable[[Any], Counts]]  # (network, axis) -> value of the axis -> counts


@dataclass(frozen=True, slots=True)
class Limit:
    """The allowed cost of a network. A target is met within the tolerance; bounds are inclusive.

    Args:
        measure: The cost that is limited.
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

    def is_met(self, cost: float) -> bool:
        """Whether a cost is allowed.

        Args:
            cost: Of the measure.
        """
        if self.target:
            return abs(cost / self.target - 1) <= self.tolerance
        return (self.minimum or 0) <= cost <= (self.maximum or cost)

    def asked(self, form: str) -> str:
        """The allowed costs in words.

        Args:
            form: Of a number, as for format().
        """
        if self.target:
            return f"{self.target:{form}} ± {100 * self.tolerance:g}%"
        bounds = (("at least", self.minimum), ("at most", self.maximum))
        return " and ".join(f"{word} {bound:{form}}" for word, bound in bounds if bound)


@dataclass(frozen=True, slots=True)
class Budget(Limit):
    """A limit on a count of a network, and the axes that are solved for it.

    Args:
        solve: The axes that are solved for the budget, one after the other.
        quantum: K is solved in steps of this many channels of the first group.
        low: The lowest value of a solved argument of user-defined code; None: one step.
        high: The highest value; None: MOST_VALUES steps are allowed.
        step: The distance between two values.
    """

    target: int | None
    minimum: int | None
    maximum: int | None
    solve: tuple[str, ...] = ()
    quantum: int = 8
    low: float | int | None = None
    high: float | int | None = None
    step: float | int = 1


class Naming(NamedTuple):
    """How the networks of a study are named: the options of format_architecture().

    Args:
        rule: The layers that a depth counts.
        show_block: Whether the name shows the block.
        imagenet: Whether a name that two families share means the ImageNet family.
    """

    rule: DepthRule
    show_block: bool
    imagenet: bool = False

    def of(self, architecture: Architecture) -> str:
        """The name of a network.

        Args:
            architecture: The network.
        """
        return format_architecture(architecture, *self)


class SolvedValue(NamedTuple):
    """The value that an axis was solved for.

    Args:
        field: The field of Architecture.
        value: Its value.
        counts: The network's counts at this value.
        below: (value, cost) of the next cheaper value; None if there is none.
        above: (value, cost) of the next more expensive value; None if there is none.
    """

    field: str
    value: Any
    counts: Counts
    below: tuple[Any, int] | None
    above: tuple[Any, int] | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A network with the last solved axis at the value next to the chosen one.

    Args:
        net: Its name; of user-defined code, the argument that is solved, such as "width 32".
        count: Its cost.
    """

    net: str
    count: int


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """How a network meets its budget.

    Args:
        count: Its cost.
        deviation: (cost - reference) / reference, where the reference is the target or a bound.
        architecture: The network.
        solved: The last axis that was solved; None where none was. Its neighbours are named on request, because a large
            plan shows few of them.
        naming: How networks are named.
    """

    count: int
    deviation: float
    architecture: Architecture
    solved: SolvedValue | None
    naming: Naming

    @property
    def below(self) -> Neighbour | None:
        """The next cheaper network; None if there is none or no axis was solved."""
        return self._neighbour(self.solved.below) if self.solved else None

    @property
    def above(self) -> Neighbour | None:
        """The next more expensive network; None if there is none or no axis was solved."""
        return self._neighbour(self.solved.above) if self.solved else None

    def _neighbour(self, value_and_cost: tuple[Any, int] | None) -> Neighbour | None:
        if self.solved is None or value_and_cost is None:
            return None
        value, cost = value_and_cost
        if self.solved.field == "args":  # what differs is shorter, and the network is named in the same row
            ours, theirs = json.loads(self.architecture.args), json.loads(value)
            return Neighbour(", ".join(f"{key} {each:g}" for key, each in theirs.items() if ours.get(key) != each), cost)
        return Neighbour(self.naming.of(self.architecture.with_axis(self.solved.field, value)), cost)


class AxisValues(NamedTuple):
    """The values that an axis can be solved for, the cheapest first.

    Args:
        field: The field of Architecture.
        steps: Increasing numbers, one for each value.
        value: Step -> the value of the field.
    """

    field: str
    steps: Sequence[int]
    value: Callable[[int], Any]


def solve_budget(
    architecture: Architecture,
    budget: Budget,
    along: CountsAlong,
    cost: Callable[[Counts], int],
    naming: Naming,
    known: dict[Any, SolvedValue],
) -> tuple[Architecture, Counts, BudgetResult, str]:
    """The network after its axes are solved: architecture, counts, budget result, and why it misses the budget ("" if not).

    Each axis is solved with the earlier ones at their solved values and the later ones as given. With [depth, k], depth is
    solved first, in whole blocks, and k takes up the difference that remains.

    Args:
        architecture: The network; an axis in `budget.solve` may have any value.
        budget: The budget.
        along: The counts of a network at any value of one axis.
        cost: Counts -> the measure of the budget.
        naming: How networks are named in messages.
        known: The values that were solved before under the same budget, `along` and `cost`; new values are added. Networks
            that differ only in axes without a cost are solved once.

    Raises:
        BudgetError: The network does not have an axis that is to be solved.
    """
    solved = None
    for axis in budget.solve:
        key = axis, what_counts(architecture)
        if key not in known:
            solve = _solve_argument if axis.startswith(ARGUMENT) else _solve_axis
            known[key] = solve(architecture, axis, budget, along, cost)
        solved = known[key]
        architecture = architecture.with_axis(solved.field, solved.value)
    counts = solved.counts if solved else along(architecture, "N")(architecture.N)
    found = cost(counts)
    reference = budget.target or budget.maximum or budget.minimum
    assert reference is not None
    deviation = found / reference - 1
    result = BudgetResult(found, deviation, architecture, solved, naming)
    return architecture, counts, result, "" if budget.is_met(found) else _miss(naming.of(architecture), result, budget)


def _miss(net: str, result: BudgetResult, budget: Budget) -> str:
    """The message for a network that misses its budget: its cost, and the allowed cost."""
    closest = f", the closest any {' and then any '.join(budget.solve)} comes," if budget.solve else ""
    what = {"activation_memory": "bytes of activation memory"}.get(budget.measure, budget.measure)
    return f"{net}{closest} has {result.count:,} {what} ({result.deviation:+.1%}); allowed: {budget.asked(',')}"


def _solve_axis(
    architecture: Architecture, axis: str, budget: Budget, along: CountsAlong, cost: Callable[[Counts], int]
) -> SolvedValue:
    """The value of one axis with the cost closest to the target, or the largest value within the maximum."""
    field, steps, value = solvable_values(architecture, axis, budget.quantum)
    most, count = len(steps), along(architecture, field)
    found: dict[int, Counts] = {}

    def cost_of(i: int) -> int:
        if i not in found:
            found[i] = count(value(steps[i - 1]))
        return cost(found[i])

    def neighbour(i: int) -> tuple[Any, int] | None:
        return (value(steps[i - 1]), cost_of(i)) if 1 <= i <= most else None

    if budget.target:
        i = closest_to(budget.target, cost_of, most)
    else:
        i = max(1, largest_within(budget.maximum or 0, cost_of, most))
    return SolvedValue(field, value(steps[i - 1]), found[i], neighbour(i - 1), neighbour(i + 1))


def _solve_argument(
    architecture: Architecture, axis: str, budget: Budget, along: CountsAlong, cost: Callable[[Counts], int]
) -> SolvedValue:
    """The value of an argument of user-defined code, found as _solve_axis() finds that of an axis."""
    name = axis.removeprefix(ARGUMENT)
    _check_argument(architecture, name)
    low, step = budget.step if budget.low is None else budget.low, budget.step
    most = MOST_VALUES if budget.high is None else int((budget.high - low) / step + 1e-9) + 1
    written, count, found = json.loads(architecture.args), along(architecture, "args"), dict[int, Counts]()

    def value(i: int) -> str:
        number = low + (i - 1) * step
        return json.dumps(
            {**written, name: round(number, DECIMALS) if isinstance(number, float) else number}, sort_keys=True
        )

    def cost_of(i: int) -> int:
        found[i] = count(value(i))
        return cost(found[i])

    costs = StepCosts(cost_of, most)
    try:
        chosen, below, above = choose_step(costs, budget.target, budget.maximum or 0)
    except BudgetError as error:
        raise BudgetError(f"budget.solve: {axis}: {error}") from None

    def neighbour(i: int | None) -> tuple[Any, int] | None:
        return (value(i), costs.known[i]) if i is not None else None

    return SolvedValue("args", value(chosen), found[chosen], neighbour(below), neighbour(above))


def _check_argument(architecture: Architecture, name: str) -> None:
    """Raise BudgetError if a network's user-defined code has no numeric argument of a name."""
    reference = architecture.python or format_block(architecture.block)
    if not architecture.code:
        raise BudgetError(f"budget.solve: {architecture.family} has no args.{name}; only package.module:callable has")
    if not takes_argument(reference, name):
        known = [f"args.{each}" for each in arguments_of(architecture)]
        raise BudgetError(f"budget.solve: {reference} has no args.{name}; {allowed(f'args.{name}', known)}")
    usual = arguments_of(architecture).get(name, 1)
    if isinstance(usual, bool) or not isinstance(usual, (int, float)):
        raise BudgetError(f"budget.solve: args.{name} of {reference} is {describe(usual)}; allowed: a number")


def solvable_values(architecture: Architecture, axis: str, quantum: int) -> AxisValues:
    """The values that an axis of a network can be solved for.

    Args:
        architecture: The network.
        axis: One of SolvedAxis.
        quantum: K is solved in steps of this many channels of the first group.

    Raises:
        BudgetError: Networks of this family, or with this block, do not have the axis.
    """
    family = find_family(architecture.family)
    match axis:
        case "depth" if family.table:
            l = convolutions_in(architecture.block)
            depths = [depth for depth, blocks in family.table.items() if sum(blocks) * l + 2 == depth]
            return AxisValues("N", depths, lambda depth: family.table[depth])
        case "depth" if family.groups:
            return AxisValues("N", range(1, MAX_N + 1), int)
        case "k" if "k" in family.axes:
            least = -(-family.channels // (16 * quantum)) * quantum  # k from 1/16
            widths = range(least, int(MAX_K * family.channels) + 1, quantum)
            return AxisValues("k", widths, lambda width: round(width / family.channels, DECIMALS))
        case "l" if "l" in family.axes and not isinstance(architecture.block, str):
            return AxisValues("block", range(1, MAX_BLOCK + 1), lambda l: BASIC[:1] * l)
        case "cardinality" if "cardinality" in family.axes:
            return AxisValues(axis, range(1, MAX_CARDINALITY + 1), int)
        case "base_width" if "base_width" in family.axes:
            return AxisValues(axis, range(1, MAX_BASE_WIDTH + 1), int)
        case _:
            own = " with a block of your own" if ":" in format_block(architecture.block) else ""
            raise BudgetError(f"budget.solve: {family.key}{own} has no {axis}")
