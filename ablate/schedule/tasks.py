"""What an executor is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The work is called as work(payload, stop, report) -> status; see train_trial. report({}) only says that it goes on.
Work = Callable[[Any, Callable[[], bool], Callable[[dict[str, Any]], None]], str]


@dataclass(frozen=True)
class Task:
    """One trial to run. payload: what the work is given, anything that pickles; cost: in any unit, for the order."""

    id: str
    label: str
    payload: Any
    cost: float
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How a task ended: the status the work returned, or "failed" with its cause, or "not started"."""

    task: Task
    status: str
    cause: str = ""
    attempts: int = 1


class Stop:
    """How far a run is asked to stop: 0 not, 1 at the end of the epoch under way, 2 now.

    raise_to() only sets numbers, so a signal handler may call it; announce() is called once, from another thread.
    """

    def __init__(self, announce: Callable[[], None] = lambda: None) -> None:
        self.level = 0
        self.exit_code = 0
        self.announce = announce

    def raise_to(self, level: int, exit_code: int) -> None:
        self.level = max(self.level, level)
        self.exit_code = self.exit_code or exit_code


# on_event(slot index, task, event): an event is {"event": "started" | "epoch" | "ended", ...}; True at an epoch asks
# for the end of that task alone: its work sees stop() hold, and no further epoch of it is passed on.
OnEvent = Callable[[int, Task, dict[str, Any]], bool | None]

# run(task, on_event), from any thread: blocks until a slot is free and the task has ended there
Executor = Callable[[Task, OnEvent], Outcome]


def turn(cost: float, retried: bool = False) -> tuple[bool, float]:
    """The policy: of all that waits, a free slot gets what has the least of this, the first of equals.

    What failed under way goes on first, from its checkpoint; then the costliest, so that no long one is left for the end.
    Longest first a run takes at most 4/3 of the least possible (Graham, Bounds on multiprocessing timing anomalies, 1969).
    """
    return not retried, -cost


def longest_first(tasks: list[Task]) -> list[Task]:
    """The order in which tasks start, by turn(); stable."""
    return sorted(tasks, key=lambda task: turn(task.cost))
