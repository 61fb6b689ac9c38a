"""Attempts: which task is tried again, and where; the same for worker processes and for a Ray cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ablate.schedule.pool import SlotPool, Ticket
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import OnEvent, Outcome, Stop, Task
from ablate.schedule.worker import BROKEN, NOWHERE

LOST_NODES = 10  # attempts of a task that may be lost with their nodes, in addition to those that it has

# The statuses of an attempt that did not end the task, besides BROKEN:
DIED = "died"  # its process has ended
LOST = "lost"  # its node has failed
AGAIN = "again"  # any of them, if the task is tried again

# attempt(slot index, task, hear) -> (status, cause): tries a task once; `hear` receives the events of the work and
# returns whether the task is asked to end.
Attempt = Callable[[int, Task, Callable[[dict[str, Any]], "bool | None"]], tuple[str, str]]


class Attempts:
    """Gives tasks slots, and tries those again whose process, device or node failed, on another GPU if there is one.

    Args:
        slots: All slots.
        stop: How far the run is asked to stop; then no task is started.
        retries: How many more attempts a task has.
        attempt: Tries a task once.
        closed: Whether a slot, by its index, can be used no more.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        stop: Stop,
        retries: int,
        attempt: Attempt,
        closed: Callable[[int], bool] = lambda index: False,
    ) -> None:
        self.pool, self.stop, self.retries, self.attempt, self.closed = SlotPool(slots), stop, retries, attempt, closed
        self.nowhere = threading.Event()  # set when the cause that ended one task would end all others too

    def run(self, task: Task, on_event: OnEvent) -> Outcome:
        """Run a task to its end; an Executor."""
        ticket, lost, cause = Ticket(task.label), 0, ""
        while True:
            with self.pool.taken(ticket) as index:
                tried = ticket.attempts - 1
                if self.stop.level or self.closed(index) or self.nowhere.is_set():
                    return Outcome(task, "interrupted" if tried else "not started", attempts=max(1, tried))
                status, cause = self._try(index, task, ticket, cause, on_event)
                lost += status == LOST
                if status == LOST and lost <= LOST_NODES:
                    status = AGAIN
                elif status in (DIED, LOST, BROKEN):
                    for line in self.pool.note_broken(index, ticket, cause):
                        on_event(index, task, {"event": "note", "of": "run", "text": line})
                    status = AGAIN if ticket.attempts - min(lost, LOST_NODES) <= self.retries else "failed"
                on_event(index, task, {"event": "ended", "status": status, "cause": cause})
            if status != AGAIN:
                return Outcome(task, status, cause, ticket.attempts)

    def _try(self, index: int, task: Task, ticket: Ticket, cause: str, on_event: OnEvent) -> tuple[str, str]:
        """Try a task once and return its (status, cause); the status is DIED, LOST or BROKEN if it may be tried again."""

        def hear(event: dict[str, Any]) -> bool | None:
            ticket.trained = ticket.trained or "epoch" in event
            return on_event(index, task, {"event": "epoch", **event})

        ticket.trained = False
        on_event(index, task, {"event": "started", "attempt": ticket.attempts, "cause": cause})
        status, cause = self.attempt(index, task, hear)
        if status in (DIED, LOST, BROKEN):
            if self.stop.level or self.closed(index):
                return "interrupted", cause if status == BROKEN else ""
        elif status == NOWHERE:
            self.nowhere.set()
            return "failed", cause
        elif status not in ("failed", "interrupted", "not started"):
            self.pool.note_trained(index)
        return status, cause
