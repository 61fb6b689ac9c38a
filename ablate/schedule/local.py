"""Runs trials in worker processes on this machine: each slot has one worker and one joblib thread that supervises it.

A worker that dies, hangs or breaks costs its own trial one more attempt and affects no other trial. joblib's processes
would all end when one of them is killed, so joblib runs threads, and each thread has its own worker process.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from joblib import Parallel, delayed

from ablate.processes.child import END, STOP
from ablate.processes.parent import POLL_SECONDS, RETRIES, Child, ChildEnded
from ablate.schedule.attempts import DIED, Attempts
from ablate.schedule.pool import under_way
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Executor, OnEvent, Outcome, Stop, Task, longest_first
from ablate.schedule.watchdog import PATIENCE, Watchdog
from ablate.schedule.worker import BROKEN, NOWHERE


def run_local(
    work: str,
    tasks: Sequence[Task],
    slots: Sequence[Slot],
    stop: Stop,
    on_event: OnEvent,
    retries: int = RETRIES,
    patience: float = PATIENCE,
) -> Iterator[Outcome]:
    """Run all tasks in workers, longest first, and yield the outcome of each as it ends.

    Args:
        work, slots, stop, retries, patience: As in open_workers().
        tasks: In any order.
        on_event: Receives the events of all tasks.
    """
    return run_in(open_workers(work, slots, stop, retries, patience), tasks, under_way(slots), on_event)


def run_in(
    opening: AbstractContextManager[Executor], tasks: Sequence[Task], slots: int, on_event: OnEvent
) -> Iterator[Outcome]:
    """Open an executor, run all tasks with it as run_tasks() does, and close it; without tasks it is not opened.

    Args:
        opening: Gives the executor, such as open_workers().
        tasks: In any order.
        slots: How many tasks are under way at the same time.
        on_event: Receives the events of all tasks.
    """
    if tasks:
        with opening as run:
            # Not `yield from`: if the consumer raises, our workers must close before joblib waits for its threads.
            for outcome in run_tasks(run, tasks, slots, on_event):  # noqa: UP028
                yield outcome


def run_tasks(run: Executor, tasks: Sequence[Task], slots: int, on_event: OnEvent) -> Iterator[Outcome]:
    """Run all tasks with an executor, longest first, and yield the outcome of each as it ends.

    Args:
        run: The executor, such as open_workers() yields.
        tasks: In any order.
        slots: How many tasks run at the same time.
        on_event: Receives the events of all tasks.
    """
    parallel = Parallel(slots, backend="threading", return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1)
    outcomes: Iterator[Outcome] = parallel(delayed(run)(task, on_event) for task in longest_first(list(tasks)))
    return outcomes


@contextlib.contextmanager
def open_workers(
    work: str, slots: Sequence[Slot], stop: Stop, retries: int = RETRIES, patience: float = PATIENCE
) -> Iterator[Executor]:
    """Yield run(task, on_event) -> Outcome; any thread may call it, and it waits for a free worker.

    A worker that dies, runs out of memory, loses its GPU or hangs is replaced, and its task is tried again, on another GPU
    if there is one; see pool.py. A task has failed if its work raises anything else. If nothing can be written or no worker
    can be started, no other task begins; the status of the other tasks is "not started".

    When stop.level rises to 1, running tasks are asked to stop and no other task starts; at 2 their workers are killed.
    Workers are also ended when the block is left. When on_event returns True at an epoch, only that task is asked to end,
    after the epoch that is running then. Its status is "interrupted", unless that epoch was its last, and it is not tried
    again if its worker dies.

    Args:
        work: "module:function" or "module:class".
        slots: One worker is made for each.
        stop: How far the run is asked to stop.
        retries: How many more attempts a task has.
        patience: Seconds without a report of a task after which its worker counts as hung; 0: never. After the first
            report of a task: a sixth of it, or ten times the longest interval between reports of that task if longer.
    """
    workers = [Worker(work, slot, patience) for slot in slots]

    def attempt(index: int, task: Task, hear: Callable[[dict[str, Any]], bool | None]) -> tuple[str, str]:
        worker = workers[index]
        try:
            status, cause = worker.run(task, hear)
        except BaseException:
            worker.retire()  # on_event raised: later reports of this task must not reach the next task
            raise
        if status in ("failed", BROKEN, NOWHERE) or (status == DIED and worker.closed):
            worker.retire()  # its faults must not affect the next task, nor a lost CUDA context or a full memory
        return status, cause

    done = threading.Event()
    threading.Thread(target=_pass_on, args=(stop, workers, done), daemon=True).start()
    try:
        yield Attempts(slots, stop, retries, attempt, lambda index: workers[index].closed).run
    finally:
        done.set()
        for worker in workers:
            worker.close()


def _pass_on(stop: Stop, workers: Sequence[Worker], done: threading.Event) -> None:
    """Pass the stop level on to the workers. It polls: a signal handler only sets the level."""
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
            if worker.watchdog.wait(passed, stop.level > 0):
                worker.give_up()


class Worker:
    """The worker process of a slot, started at its first task and again after it died.

    Args:
        work: As in open_workers().
        slot: Its environment is added to the environment of the process.
        patience: Seconds, as in open_workers().

    Attributes:
        closed: Whether no new process may be started.
    """

    def __init__(self, work: str, slot: Slot, patience: float = PATIENCE) -> None:
        self.work = work
        self.slot = slot
        self.watchdog = Watchdog(patience)
        self.closed = False
        self._hung = ""  # why the process was ended as hung; "" if it was not
        self._child: Child | None = None
        self._stopping = False

    def run(self, task: Task, on_event: Callable[[dict[str, Any]], bool | None]) -> tuple[str, str]:
        """Run a task and return its (status, cause); ("died", cause) if the process ended before it was asked to.

        Args:
            task: To run.
            on_event: Receives the task's events; True asks the task to end after its epoch.
        """
        try:
            child = self._start()
        except (OSError, ChildEnded) as error:
            if self._child is None and not self.closed:
                return NOWHERE, f"the worker could not be started: {error}"
            return DIED, self.retire()
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
            return ("interrupted", "") if ending else (DIED, cause)

    def ask_to_stop(self) -> None:
        """Ask the task, and every later one, to end after its epoch."""
        if not self._stopping:
            self._stopping = True
            if (child := self._child) is not None:
                with contextlib.suppress(ChildEnded):
                    child.send(STOP)

    def kill(self) -> None:
        """End the process and all processes that it started now; no new one is started."""
        self.closed = True
        if (child := self._child) is not None:
            child.kill()

    def give_up(self) -> None:
        """End the process and all processes that it started now because it hangs; a new one may be started."""
        if not self._hung and (child := self._child) is not None:
            self._hung = self.watchdog.cause()
            child.kill()

    def close(self) -> None:
        """End the process; no new one is started."""
        self.closed = True
        self.retire()

    def retire(self) -> str:
        """End the process by closing its input, wait until it has ended, and return how it ended, in words."""
        child, self._child = self._child, None
        if child is None:
            return "the worker is closed"
        how = f"the worker {child.close()}"
        return self._hung or how

    def _start(self) -> Child:
        if self._child is not None and self._child.ended:
            self.retire()  # it died between two tasks, which costs no task an attempt
        if self._child is None:
            self._hung = ""
            self._child = Child("ablate.schedule.worker:main", (self.work,), self.slot.environment)
            if self._stopping:
                self._child.send(STOP)
        if self.closed:  # checked last, so that a process started while the slot was being closed also ends
            raise ChildEnded("the slot is closed")
        return self._child
