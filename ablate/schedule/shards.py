"""Which part of a study each of several jobs takes, without a word between them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping


def assign_shards(costs: Mapping[str, float], shards: int) -> dict[str, int]:
    """The shard, from 1, of each trial by its id: the costliest first, each to the shard with the least so far.

    costs: of each trial by its id, in any unit; their order does not matter. No two shards differ by more than the
    costliest trial, and none has more than 4/3 of the least possible (Graham, Bounds on multiprocessing timing anomalies,
    1969).
    """
    loads = [(0.0, shard) for shard in range(1, shards + 1)]
    found = {}
    for trial in sorted(costs, key=lambda trial: (-costs[trial], trial)):
        load, found[trial] = loads[0]
        heapq.heapreplace(loads, (load + costs[trial], found[trial]))
    return found
