"""Trials in worker processes on this machine, joblib supervising: one supervising thread and one worker a slot.

A worker that dies costs its own trial one more attempt and touches no other: joblib's own processes would all fall with
the first that is killed, so its threads each keep a process apart.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed

from ablate.schedule.slots import Slot
from ablate.schedule.tasks import OnEvent, Outcome, Stop, Task, longest_first
from ablate.schedule.worker import STOP

RETRIES = 1
POLL_SECONDS = 0.2


def run_local(
    work: str, tasks: Sequence[Task], slots: Sequence[Slot], stop: Stop, on_event: OnEvent, retries: int = RETRIES
) -> Iterator[Outcome]:
    """Yields the outcome of every task as it ends, longest tasks first. work: "module:function".

    A worker that dies is replaced and its task tried again up to `retries` times; a task whose work raises has failed.
    When stop rises to 1 running tasks are asked to stop and no other starts; at 2 their workers are killed.
    """
    if not tasks:
        return
    free: queue.SimpleQueue[tuple[int, Worker]] = queue.SimpleQueue()
    workers = [Worker(work, slot) for slot in slots]
    for slot in enumerate(workers):
        free.put(slot)

    def supervise(task: Task) -> Outcome:
        if stop.level:
            return Outcome(task, "not started")
        index, worker = free.get()
        try:
            return _supervise(task, index, worker, stop, on_event, retries)
        finally:
            free.put((index, worker))

    done = threading.Event()
    watcher = threading.Thread(target=_pass_on, args=(stop, workers, done), daemon=True)
    watcher.start()
    try:
        parallel = Parallel(
            len(workers), backend="threading", return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1
        )
        yield from parallel(delayed(supervise)(task) for task in longest_first(list(tasks)))
    finally:
        done.set()
        for worker in workers:
            worker.close()


def _supervise(task: Task, index: int, worker: Worker, stop: Stop, on_event: OnEvent, retries: int) -> Outcome:
    for attempt in range(1, retries + 2):
        on_event(index, task, {"event": "started", "attempt": attempt})
        status, cause = worker.run(task, lambda event: on_event(index, task, {"event": "epoch", **event}))
        if status == "died" and stop.level:
            status = "interrupted"
        if status != "died" or attempt > retries:
            break
    if status == "died":
        status = "failed"
    outcome = Outcome(task, status, cause, attempt)
    on_event(index, task, {"event": "ended", "status": status, "cause": cause})
    return outcome


def _pass_on(stop: Stop, workers: Sequence[Worker], done: threading.Event) -> None:
    """Hands the stop to the workers; signal handlers only set a level, so this one polls."""
    passed = 0
    while not done.wait(POLL_SECONDS):
        if stop.level > passed:
            passed = stop.level
            for worker in workers:
                if passed == 1:
                    worker.ask_to_stop()
                else:
                    worker.kill()


class Worker:
    """The worker process of a slot, started at its first task and again after it died."""

    def __init__(self, work: str, slot: Slot) -> None:
        self.work = work
        self.slot = slot
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = False

    def run(self, task: Task, on_event: Any) -> tuple[str, str]:
        """(status, cause) of a task; ("died", cause) if the process ended under it."""
        try:
            process = self._start()
            assert process.stdout is not None
            self._send((task.payload, str(task.log)))
            while True:
                message = pickle.load(process.stdout)
                if message[0] == "event":
                    on_event(message[1])
                else:
                    return message[1], message[2]
        except (OSError, EOFError, pickle.UnpicklingError):
            return "died", self._reap()

    def ask_to_stop(self) -> None:
        """Asks for the end of the task after its epoch."""
        self._stopping = True
        with contextlib.suppress(OSError):
            if self._process is not None:
                self._send(STOP)

    def kill(self) -> None:
        """Ends the process now, with whatever it started."""
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the idle process by closing its input."""
        if self._process is None:
            return
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ablate.schedule.worker", self.work],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **self.slot.environment},
                start_new_session=True,  # a group of its own: Ctrl-C does not reach it, and it can be ended whole
            )
            if self._stopping:
                self._send(STOP)
        return self._process

    def _send(self, message: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        with self._lock:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()

    def _reap(self) -> str:
        """Waits for the dead process and says in words how it ended."""
        process, self._process = self._process, None
        if process is None:
            return "the worker could not be started"
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        if code < 0:
            hint = " (out of memory?)" if code == -signal.SIGKILL else ""
            return f"the worker was ended by {signal.Signals(-code).name}{hint}"
        return f"the worker exited with code {code}"
