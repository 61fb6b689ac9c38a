"""Simulates a run to find when it ends: the scheduler's own policy, tasks.turn(), on the seconds that each trial takes."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.schedule.tasks import turn


@dataclass(frozen=True)
class Simulation:
    """The result of a simulated run.

    Args:
        makespan: Seconds until all trials are done.
        lower_bound: Seconds; no policy has a smaller makespan, even without failures.
        failures: How often a trial failed.
        wasted: Seconds of training that were lost in failures.
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
    """Simulate a run; each trial occupies one slot at a time.

    A failure costs the training since the trial's last checkpoint; the trial then continues on any slot at its next turn.

    Args:
        seconds: That each trial takes.
        slots: How many trials run at the same time, from 1.
        costs: Of each trial, by which the policy orders them; None: the seconds.
        failures_per_hour: Mean number for a slot that is training; the times between failures are exponential.
        checkpoints: Seconds between the checkpoints of each trial; None: there are no checkpoints.
        seed: Of the failures.

    Raises:
        ValueError: Slots is less than 1.
    """
    if slots < 1:
        raise ValueError(f"slots: found {slots}; allowed: 1 or more")
    costs = seconds if costs is None else costs
    draw, rate = random.Random(seed), failures_per_hour / 3600
    waiting = [(turn(cost), trial) for trial, cost in enumerate(costs)]
    heapq.heapify(waiting)
    left, free, now, failures, wasted = list(seconds), slots, 0.0, 0, 0.0
    running: list[tuple[float, int, float]] = []  # when a trial ends or fails, its index, the seconds left of it then
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
