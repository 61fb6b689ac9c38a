"""Divides the trials of a study among several jobs, which need no communication."""

from __future__ import annotations

import heapq
from collections.abc import Mapping


def assign_shards(costs: Mapping[str, float], shards: int) -> dict[str, int]:
    """The shard, from 1, of each trial by its id.

    Trials are assigned in order of falling cost, each to the shard with the least total cost so far. The totals of two
    shards differ by at most the cost of the costliest trial, and the largest total is at most 4/3 of the least possible.

    Args:
        costs: Of each trial by its id, in any unit; their order does not matter.
        shards: The number of shards, from 1.

    Source: Graham, Bounds on multiprocessing timing anomalies, 1969.
    """
    loads = [(0.0, shard) for shard in range(1, shards + 1)]
    found = {}
    for trial in sorted(costs, key=lambda trial: (-costs[trial], trial)):
        load, found[trial] = loads[0]
        heapq.heapreplace(loads, (load + costs[trial], found[trial]))
    return found
