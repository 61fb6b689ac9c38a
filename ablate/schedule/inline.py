"""Runs trials one after the other in this process: for tests, notebooks and debuggers."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from ablate.errors import describe_error
from ablate.files import open_to_append, real_directory
from ablate.schedule.tasks import Executor, OnEvent, Outcome, Stop, Task, Work, longest_first


def run_inline(work: Work, tasks: Sequence[Task], stop: Stop, on_event: OnEvent) -> Iterator[Outcome]:
    """Run all tasks, longest first, and yield the outcome of each as it ends; a task has failed if its work raises."""
    with open_inline(work, stop) as run:
        for task in longest_first(list(tasks)):
            yield run(task, on_event)


@contextlib.contextmanager
def open_inline(work: Work, stop: Stop) -> Iterator[Executor]:
    """Yield run(task, on_event) -> Outcome, as local.open_workers() does: one task at a time, in the calling thread."""
    free = threading.Lock()

    def run(task: Task, on_event: OnEvent) -> Outcome:
        with free:
            return Outcome(task, "not started") if stop.level else _run(work, task, stop, on_event)

    yield run


def _run(work: Work, task: Task, stop: Stop, on_event: OnEvent) -> Outcome:
    on_event(0, task, {"event": "started", "attempt": 1})
    cause, ending = "", False

    def report(event: dict[str, Any]) -> None:
        nonlocal ending
        ending = ending or bool(event and on_event(0, task, {"event": "epoch", **event}))

    try:
        status = work(task.payload, lambda: ending or stop.level > 0, report)
    except Exception as error:
        status, cause = "failed", describe_error(error, str(error))
        real_directory(task.log.parent).mkdir(parents=True, exist_ok=True)
        with open(open_to_append(task.log), "a") as log:
            traceback.print_exc(file=log)
    on_event(0, task, {"event": "ended", "status": status, "cause": cause})
    return Outcome(task, status, cause)
