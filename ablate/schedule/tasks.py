"""What an executor receives and returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The work is called as work(payload, stop, report) -> status; see train_trial(). report({}) is a heartbeat.
Work = Callable[[Any, Callable[[], bool], Callable[[dict[str, Any]], None]], str]


@dataclass(frozen=True)
class Task:
    """One trial to run.

    Args:
        id: Unique in a run.
        label: For people.
        payload: What the work receives; any value that can be pickled.
        cost: In any unit; the order of tasks depends on it.
        log: Path of the file to which printed text is appended.
    """

    id: str
    label: str
    payload: Any
    cost: float
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Args:
        task: That ended.
        status: What the work returned, or "failed", "interrupted" or "not started".
        cause: Of a failure, in words.
        attempts: How often the task was tried.
    """

    task: Task
    status: str
    cause: str = ""
    attempts: int = 1


class Stop:
    """How far a run is asked to stop: level 0 not at all, 1 at the end of the running epoch, 2 now.

    Args:
        announce: Called once after the level has risen, from another thread than the signal handler's.

    Attributes:
        level: 0, 1 or 2.
        exit_code: The exit code of the process if the run was stopped, else 0.
    """

    def __init__(self, announce: Callable[[], None] = lambda: None) -> None:
        self.level = 0
        self.exit_code = 0
        self.announce = announce

    def raise_to(self, level: int, exit_code: int) -> None:
        """Raise the level; the level never falls, and the first exit code holds.

        It only sets numbers, so a signal handler may call it.

        Args:
            level: 1 or 2.
            exit_code: Of the process.
        """
        self.level = max(self.level, level)
        self.exit_code = self.exit_code or exit_code


# on_event(slot index, task, event): an event is {"event": "started" | "epoch" | "ended", ...}, or {"event": "note",
# "text": a line for the reader}, which work may report too; with "of": "run" it is not of this task alone. If it returns
# True at an epoch, only that task is asked to end: stop() then returns True to its work, and no further epoch of it is
# passed on.
OnEvent = Callable[[int, Task, dict[str, Any]], bool | None]

# run(task, on_event), from any thread: waits for a free slot and returns when the task has ended there.
Executor = Callable[[Task, OnEvent], Outcome]


def turn(cost: float, retried: bool = False) -> tuple[bool, float]:
    """The sort key of the scheduling policy: a free slot takes the waiting task with the smallest key, the first of equals.

    A task that failed while it ran comes first and continues from its checkpoint; then the costliest, so that no long task
    is left for the end. In this order a run takes at most 4/3 of the least possible time.

    Args:
        cost: Of the task, in any unit.
        retried: Whether the task has failed before.

    Source: Graham, Bounds on multiprocessing timing anomalies, 1969.
    """
    return not retried, -cost


def longest_first(tasks: list[Task]) -> list[Task]:
    """The tasks in the order in which they start, by turn(); the sort is stable."""
    return sorted(tasks, key=lambda task: turn(task.cost))
