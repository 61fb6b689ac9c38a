"""Trials in worker processes on this machine, joblib supervising: one supervising thread and one worker a slot.

A worker that dies, hangs or breaks costs its own trial one more attempt and touches no other: joblib's own processes
would all fall with the first that is killed, so its threads each keep a process apart.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed

from ablate.processes.child import END, STOP
from ablate.processes.parent import Child, ChildEnded
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Executor, OnEvent, Outcome, Stop, Task, longest_first
from ablate.schedule.watchdog import PATIENCE, Watchdog
from ablate.schedule.worker import BROKEN, NOWHERE

RETRIES = 1
POLL_SECONDS = 0.2


def run_local(
    work: str,
    tasks: Sequence[Task],
    slots: Sequence[Slot],
    stop: Stop,
    on_event: OnEvent,
    retries: int = RETRIES,
    patience: float = PATIENCE,
) -> Iterator[Outcome]:
    """Yields the outcome of every task as it ends, longest tasks first; see open_workers."""
    if not tasks:
        return
    with open_workers(work, slots, stop, retries, patience) as run:
        # Not `yield from`: if the consumer raises, our workers must close before joblib waits for its threads.
        for outcome in run_tasks(run, tasks, len(slots), on_event):  # noqa: UP028
            yield outcome


def run_tasks(run: Executor, tasks: Sequence[Task], slots: int, on_event: OnEvent) -> Iterator[Outcome]:
    """The outcome of every task as it ends, longest tasks first, on workers that are open, as many at once as slots."""
    parallel = Parallel(slots, backend="threading", return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1)
    outcomes: Iterator[Outcome] = parallel(delayed(run)(task, on_event) for task in longest_first(list(tasks)))
    return outcomes


@contextlib.contextmanager
def open_workers(
    work: str, slots: Sequence[Slot], stop: Stop, retries: int = RETRIES, patience: float = PATIENCE
) -> Iterator[Executor]:
    """Gives run(task, on_event) -> Outcome, which any thread may call; it waits for a free worker. work: "module:function".

    A worker that dies, runs out of memory, loses its GPU or hangs is replaced and its task tried again up to `retries`
    times; a task whose work raises anything else has failed. patience: seconds without a report of a task after which
    its worker counts as hung, 0: never; after the first report a sixth of it, or ten times the slowest interval between
    reports of that task if that is longer. Where nothing can be written or started no other task begins: "not started".
    When stop rises to 1 running tasks are asked to stop and no other starts; at 2 their workers are killed, as they are
    when the block is left. When on_event returns True at an epoch, that task alone is asked to end, after the epoch that
    is under way by then; it is "interrupted", unless that was its last, and it is not tried again if its worker dies.
    """
    free: queue.SimpleQueue[tuple[int, Worker]] = queue.SimpleQueue()
    workers = [Worker(work, slot, patience) for slot in slots]
    for slot in enumerate(workers):
        free.put(slot)
    nowhere = threading.Event()  # what ended a task would end every other

    def run(task: Task, on_event: OnEvent) -> Outcome:
        index, worker = free.get()
        try:
            if stop.level or worker.closed or nowhere.is_set():
                return Outcome(task, "not started")
            return _supervise(task, index, worker, stop, on_event, retries, nowhere)
        except BaseException:
            worker.retire()  # on_event raised: what the task still reports must not reach the next
            raise
        finally:
            free.put((index, worker))

    done = threading.Event()
    threading.Thread(target=_pass_on, args=(stop, workers, done), daemon=True).start()
    try:
        yield run
    finally:
        done.set()
        for worker in workers:
            worker.close()


def _supervise(
    task: Task, index: int, worker: Worker, stop: Stop, on_event: OnEvent, retries: int, nowhere: threading.Event
) -> Outcome:
    cause = ""
    for attempt in range(1, retries + 2):
        on_event(index, task, {"event": "started", "attempt": attempt, "cause": cause})
        status, cause = worker.run(task, lambda event: on_event(index, task, {"event": "epoch", **event}))
        if status == "died" and (stop.level or worker.closed):
            status, cause = "interrupted", ""
        if status == BROKEN:
            worker.retire()  # its CUDA context is lost, or its memory is full of what nobody can free
            status = "interrupted" if stop.level else status
        if status not in ("died", BROKEN):
            break
    if status == NOWHERE:
        nowhere.set()
    if status in ("died", "failed", BROKEN, NOWHERE):
        status = "failed"
        worker.retire()  # what broke in it must not break the next task
    on_event(index, task, {"event": "ended", "status": status, "cause": cause})
    return Outcome(task, status, cause, attempt)


def _pass_on(stop: Stop, workers: Sequence[Worker], done: threading.Event) -> None:
    """Hands the stop to the workers; a signal handler only sets its level, so this one polls."""
    announced, before = False, time.monotonic()
    while not done.wait(POLL_SECONDS):
        now = time.monotonic()
        passed, before = now - before, now
        if stop.level and not announced:
            announced = True
            stop.announce()
        for worker in workers:
            if stop.level == 1:
                worker.ask_to_stop()
            elif stop.level > 1:
                worker.kill()
            if worker.watchdog.wait(passed):
                worker.give_up()


class Worker:
    """The worker process of a slot, started at its first task and again after it died.

    Args:
        work: "module:function".
        slot: Whose environment it has.
        patience: Seconds, as for open_workers().

    Attributes:
        closed: Whether no other process follows the present one.
    """

    def __init__(self, work: str, slot: Slot, patience: float = PATIENCE) -> None:
        self.work = work
        self.slot = slot
        self.watchdog = Watchdog(patience)
        self.closed = False
        self._hung = ""  # the cause, of one that was given up
        self._child: Child | None = None
        self._stopping = False

    def run(self, task: Task, on_event: Callable[[dict[str, Any]], bool | None]) -> tuple[str, str]:
        """Does a task and returns its (status, cause); ("died", cause) if the process ended before it was asked to."""
        try:
            child = self._start()
        except (OSError, ChildEnded) as error:
            if self._child is None and not self.closed:
                return NOWHERE, f"the worker could not be started: {error}"
            return "died", self.retire()
        self.watchdog.begin()
        ending = False
        try:
            child.send((str(task.log), pickle.dumps(task.payload)))
            while True:
                self.watchdog.listen()
                try:
                    message = child.receive()
                finally:
                    self.watchdog.hear()
                match message:
                    case ("ended", status, cause):
                        return status, cause
                    case ("event", event) if event and not ending and on_event(event):
                        ending = True
                        with contextlib.suppress(ChildEnded):
                            child.send(END)
        except ChildEnded:
            cause = self.retire()
            return ("interrupted", "") if ending else ("died", cause)

    def ask_to_stop(self) -> None:
        """Asks for the end of the task after its epoch."""
        if not self._stopping:
            self._stopping = True
            if (child := self._child) is not None:
                with contextlib.suppress(ChildEnded):
                    child.send(STOP)

    def kill(self) -> None:
        """Ends the process now, with whatever it started; no other follows it."""
        self.closed = True
        if (child := self._child) is not None:
            child.kill()

    def give_up(self) -> None:
        """Ends the process now, with whatever it started, because it hangs; another may follow it."""
        if not self._hung and (child := self._child) is not None:
            self._hung = self.watchdog.cause()
            child.kill()

    def close(self) -> None:
        """Ends the process; no other follows it."""
        self.closed = True
        self.retire()

    def retire(self) -> str:
        """Ends the process by closing its input, waits for its end, and says how it ended."""
        child, self._child = self._child, None
        if child is None:
            return "the worker is closed"
        how = f"the worker {child.close()}"
        return self._hung or how

    def _start(self) -> Child:
        if self._child is not None and self._child.ended:
            self.retire()  # it died between two tasks, at the cost of none
        if self._child is None:
            self._hung = ""
            self._child = Child("ablate.schedule.worker:main", (self.work,), self.slot.environment)
            if self._stopping:
                self._child.send(STOP)
        if self.closed:  # asked last: a process that was started while the slot was being closed ends here
            raise ChildEnded("the slot is closed")
        return self._child
