"""Trials one after the other in this process: for tests, notebooks and debuggers."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence

from ablate.schedule.tasks import OnEvent, Outcome, Stop, Task, Work, longest_first


def run_inline(work: Work, tasks: Sequence[Task], stop: Stop, on_event: OnEvent) -> Iterator[Outcome]:
    """Yields the outcome of every task as it ends, longest first; a task whose work raises has failed."""
    for task in longest_first(list(tasks)):
        yield Outcome(task, "not started") if stop.level else _run(work, task, stop, on_event)


def _run(work: Work, task: Task, stop: Stop, on_event: OnEvent) -> Outcome:
    on_event(0, task, {"event": "started", "attempt": 1})
    cause = ""
    try:
        status = work(task.payload, lambda: stop.level > 0, lambda event: on_event(0, task, {"event": "epoch", **event}))
    except Exception as error:
        status, cause = "failed", f"{type(error).__name__}: {error}"
        task.log.parent.mkdir(parents=True, exist_ok=True)
        with open(task.log, "a") as log:
            traceback.print_exc(file=log)
    on_event(0, task, {"event": "ended", "status": status, "cause": cause})
    return Outcome(task, status, cause)
