"""When a run ends: the scheduler simulated, each trial in its turn onto the slot that is free first."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Seconds until all trials are done; `seconds` of each, in the order in which they start; a trial is not split.

    Longest first it is at most 4/3 of the least possible (Graham, Bounds on multiprocessing timing anomalies, 1969).
    """
    if slots < 1:
        raise ValueError(f"slots: found {slots}; allowed: 1 or more")
    busy_until = [0.0] * min(slots, len(seconds))
    for duration in seconds:
        heapq.heapreplace(busy_until, busy_until[0] + duration)
    return max(busy_until, default=0.0)
