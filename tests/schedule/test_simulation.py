"""A simulated run against the least possible, found by trying every assignment, and against hand-checkable values."""

from __future__ import annotations

import heapq
import math
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.schedule.simulation import simulate
from ablate.schedule.tasks import Task, longest_first

SECONDS = st.lists(st.integers(0, 20).map(float), max_size=30)


def in_order(seconds: list[float], slots: int) -> float:
    """When the last ends if each in its turn goes onto the slot that is free first."""
    busy_until = [0.0] * slots
    for duration in seconds:
        heapq.heapreplace(busy_until, busy_until[0] + duration)
    return max(busy_until)


@pytest.mark.parametrize(
    ("seconds", "slots", "whole"),
    [
        ([3, 3, 2, 2, 2], 2, 7),  # 3 2 2 | 3 2: the known worst of longest first on two, the best is 6
        ([5, 4, 3, 3, 3], 2, 10),  # 5 3 | 4 3 3
        ([1, 1, 4], 2, 4),
        ([], 3, 0),
    ],
)
def test_the_longest_goes_to_the_slot_that_is_free_first(seconds: list[float], slots: int, whole: float) -> None:
    assert simulate(seconds, slots).makespan == whole


def test_the_order_is_by_cost_where_that_is_given() -> None:
    found = simulate([1, 1, 4], 2, costs=[3, 2, 1])  # 1 4 | 1
    assert (found.makespan, found.lower_bound, found.failures, found.wasted) == (5, 4, 0, 0)


@given(SECONDS, st.lists(st.integers(0, 3).map(float), min_size=30, max_size=30), st.integers(1, 8))
def test_without_failures_it_is_the_order_of_a_run(seconds: list[float], costs: list[float], slots: int) -> None:
    tasks = [Task(str(i), "", i, cost, Path()) for i, cost in enumerate(costs[: len(seconds)])]
    order = [seconds[task.payload] for task in longest_first(tasks)]
    found = simulate(seconds, slots, costs[: len(seconds)])
    assert found.makespan == in_order(order, slots) >= found.lower_bound


@given(st.lists(st.integers(1, 20).map(float), min_size=1, max_size=7), st.integers(1, 3))
def test_longest_first_is_within_four_thirds_of_the_best(seconds: list[float], slots: int) -> None:
    choices = product(range(slots), repeat=len(seconds))
    best = min(max(sum(s for s, slot in zip(seconds, choice) if slot == one) for one in range(slots)) for choice in choices)
    found = simulate(seconds, slots)
    assert found.lower_bound - 1e-9 <= best <= found.makespan <= (4 / 3 - 1 / (3 * slots)) * best + 1e-9


@given(SECONDS, st.integers(1, 8), st.floats(0, 600), st.integers(0, 1000))
def test_with_failures_every_trial_completes(seconds: list[float], slots: int, rate: float, seed: int) -> None:
    checkpoints = [max(1.0, s / 4) for s in seconds]
    found = simulate(seconds, slots, None, rate, checkpoints, seed)
    assert found == simulate(seconds, slots, None, rate, checkpoints, seed)
    work = math.fsum(seconds) + found.wasted
    assert found.makespan >= max(found.lower_bound, work / slots) * (1 - 1e-9)
    assert found.makespan <= work / slots + found.wasted + max(seconds, default=0.0) + 1e-9  # no slot idles before the end
    assert 0 <= found.wasted <= found.failures * max(checkpoints, default=0.0)
    if slots == 1:
        assert found.makespan == pytest.approx(work)


def test_failures_are_as_frequent_as_they_are_said_to_be() -> None:
    """100 hours of training at one failure an hour: each loses half an epoch on average, and that is trained again."""
    found = simulate([3600.0] * 100, 10, failures_per_hour=1.0, checkpoints=[36.0] * 100)
    assert found.failures == pytest.approx(100, abs=40)
    assert found.wasted / found.failures == pytest.approx(18, abs=5)
    without = simulate([3600.0] * 100, 10, failures_per_hour=1.0)
    assert without.wasted > 20 * found.wasted and without.makespan > found.makespan


def test_a_hundred_thousand_trials_on_ten_thousand_gpus() -> None:
    seconds = [1800.0 + i % 5400 for i in range(100_000)]
    found = simulate(seconds, 10_000, failures_per_hour=0.01, checkpoints=[60.0] * 100_000)
    assert found.failures > 1000 and 1 <= found.makespan / found.lower_bound < 1.02


def test_no_slot_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="slots: found 0"):
        simulate([1.0], 0)
