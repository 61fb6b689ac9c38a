"""The step of a range with the wanted cost, where steps can be impossible and costs can fall."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import BudgetError, NotationError
from ablate.study.steps import MOST_TRIED, Step, StepCosts, choose_step


def chosen(cost: Callable[[int], int], most: int, target: int | None = None, maximum: int = 0) -> tuple[Step, int]:
    """The step, and how many costs were computed."""
    asked = []

    def counted(step: int) -> int:
        asked.append(step)
        return cost(step)

    found = choose_step(StepCosts(counted, most), target, maximum)
    assert len(set(asked)) == len(asked)
    return found, len(asked)


@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 12_000), st.booleans())
def test_the_closest_possible_step_is_found(most: int, multiple: int, wanted: int, is_target: bool) -> None:
    def cost(step: int) -> int:
        if step % multiple:
            raise NotationError(f"{step} is not divisible")
        return 3 * step**2

    possible = range(multiple, most + 1, multiple)
    if not possible:
        with pytest.raises(BudgetError, match="no value is possible: 1 is not divisible"):
            chosen(cost, most, wanted)
        return
    found, _ = chosen(cost, most, *((wanted, 0) if is_target else (None, wanted)))
    if is_target:
        assert abs(cost(found.chosen) - wanted) == min(abs(cost(step) - wanted) for step in possible)
    else:
        within = [step for step in possible if cost(step) <= wanted]
        assert found.chosen == (within[-1] if within else possible[0])
    assert found.below == (found.chosen - multiple or None)
    assert found.above == (found.chosen + multiple if found.chosen + multiple <= most else None)


def test_a_growing_cost_is_bisected() -> None:
    found, asked = chosen(lambda step: 7 * step**2 + 5, 4096, 1_000_000)
    assert found.chosen == 378 and asked < 40


@pytest.mark.parametrize("target, expected", [(100, Step(10, 11, 9)), (999, Step(1, 2, None)), (10, Step(32, None, 31))])
def test_a_falling_cost_is_tried_everywhere(target: int, expected: Step) -> None:
    assert chosen(lambda step: 1000 // step, 32, target)[0] == expected


def test_too_many_values_of_a_falling_cost_are_refused() -> None:
    with pytest.raises(BudgetError, match=f"the cost does not grow with it; .* at most {MOST_TRIED} values"):
        chosen(lambda step: 10_000 // step, MOST_TRIED + 1, 100)
