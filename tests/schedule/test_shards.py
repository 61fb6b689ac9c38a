"""The parts of a study that the jobs of an array take."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ablate.schedule.shards import assign_shards

COSTS = st.dictionaries(st.text("0123456789abcdef", min_size=1, max_size=4), st.integers(0, 1000), max_size=40)


@given(COSTS, st.integers(1, 12), st.randoms(use_true_random=False))
def test_each_trial_is_in_one_shard_whatever_the_order(costs: dict[str, int], shards: int, random: object) -> None:
    found = assign_shards(costs, shards)
    assert found.keys() == costs.keys() and set(found.values()) <= set(range(1, shards + 1))
    mixed = list(costs.items())
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert assign_shards(dict(mixed), shards) == found


@given(COSTS, st.integers(1, 12))
def test_shards_are_balanced_within_the_costliest_trial(costs: dict[str, int], shards: int) -> None:
    loads = Counter(dict.fromkeys(range(1, shards + 1), 0))
    for trial, shard in assign_shards(costs, shards).items():
        loads[shard] += costs[trial]
    assert max(loads.values()) - min(loads.values()) <= max(costs.values(), default=0)


def test_equal_trials_are_dealt_out_by_their_ids() -> None:
    found = assign_shards(dict.fromkeys("dbca", 1.0), 2)
    assert found == {"a": 1, "b": 2, "c": 1, "d": 2}


def test_the_costliest_come_first() -> None:
    assert assign_shards({"a": 2, "b": 3, "c": 3, "d": 2, "e": 2}, 2) == {"b": 1, "c": 2, "a": 1, "d": 2, "e": 1}
