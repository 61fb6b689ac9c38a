"""When a run ends: the scheduler's own policy, tasks.turn(), against the seconds that each trial takes."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.schedule.tasks import turn


@dataclass(frozen=True)
class Simulation:
    """A run. makespan, wasted: seconds until all trials are done, and seconds that were trained twice.

    lower_bound: seconds that no policy can go below even without failures.
    """

    makespan: float
    lower_bound: float
    failures: int
    wasted: float


def simulate(
    seconds: Sequence[float],
    slots: int,
    costs: Sequence[float] | None = None,
    failures_per_hour: float = 0.0,
    checkpoints: Sequence[float] | None = None,
    seed: int = 0,
) -> Simulation:
    """A run of trials that take so many seconds each; a trial is not split.

    costs: what the policy goes by, else the seconds themselves. failures_per_hour: of a slot that is training, at random;
    a failure costs what its trial did since its last checkpoint, and the trial goes on wherever its turn comes.
    checkpoints: seconds between those of each trial; None: there are none.
    """
    if slots < 1:
        raise ValueError(f"slots: found {slots}; allowed: 1 or more")
    costs = seconds if costs is None else costs
    draw, rate = random.Random(seed), failures_per_hour / 3600
    waiting = [(turn(cost), trial) for trial, cost in enumerate(costs)]
    heapq.heapify(waiting)
    left, free, now, failures, wasted = list(seconds), slots, 0.0, 0, 0.0
    running: list[tuple[float, int, float]] = []  # when a trial ends or fails, which, and what is left of it then
    while waiting or running:
        while waiting and free:
            trial, free = heapq.heappop(waiting)[1], free - 1
            after = draw.expovariate(rate) if rate else math.inf
            if after >= left[trial]:
                heapq.heappush(running, (now + left[trial], trial, 0.0))
            else:
                kept = after - math.fmod(after, checkpoints[trial]) if checkpoints else 0.0
                failures, wasted = failures + 1, wasted + after - kept
                heapq.heappush(running, (now + after, trial, left[trial] - kept))
        now, trial, left[trial] = heapq.heappop(running)
        free += 1
        if left[trial]:
            heapq.heappush(waiting, (turn(costs[trial], retried=True), trial))
    bound = max(math.fsum(seconds) / slots, max(seconds, default=0.0))
    return Simulation(now, bound, failures, wasted)
