from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.schedule.makespan import makespan

Seconds = st.lists(st.integers(0, 1000).map(float), max_size=30)


@pytest.mark.parametrize(
    ("seconds", "slots", "whole"),
    [
        ([], 3, 0.0),
        ([5.0], 8, 5.0),
        ([3.0, 3.0, 2.0, 2.0, 2.0], 2, 7.0),  # 3 2 2 beside 3 2: longest first is not the best, 6, here
        ([1.0, 1.0, 4.0], 2, 5.0),  # as given, the long one starts last
        ([4.0, 1.0, 1.0], 2, 4.0),
        ([2.0] * 25, 8, 8.0),  # four rounds
        ([2.0] * 25, 512, 2.0),
    ],
)
def test_a_trial_goes_to_the_slot_that_is_free_first(seconds: list[float], slots: int, whole: float) -> None:
    assert makespan(seconds, slots) == whole


@given(Seconds, st.integers(1, 40))
def test_it_is_within_the_bounds_of_list_scheduling(seconds: list[float], slots: int) -> None:
    found = makespan(seconds, slots)
    longest, total = max(seconds, default=0.0), sum(seconds)
    assert max(longest, total / slots) <= found + 1e-9
    assert found <= total / slots + (1 - 1 / slots) * longest + 1e-9
    assert makespan(seconds, 1) == total


@settings(max_examples=40)
@given(st.lists(st.integers(1, 20).map(float), min_size=1, max_size=6), st.integers(1, 3))
def test_longest_first_is_within_four_thirds_of_the_best(seconds: list[float], slots: int) -> None:
    ways = itertools.product(range(slots), repeat=len(seconds))
    best = min(max(sum(s for s, slot in zip(seconds, way) if slot == i) for i in range(slots)) for way in ways)
    longest_first = makespan(sorted(seconds, reverse=True), slots)
    assert best <= longest_first <= (4 / 3 - 1 / (3 * slots)) * best + 1e-9


def test_no_slots_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="allowed: 1 or more"):
        makespan([1.0], 0)
