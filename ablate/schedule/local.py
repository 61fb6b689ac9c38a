"""Trials in worker processes on this machine, joblib supervising: one supervising thread and one worker a slot.

A worker that dies, hangs or breaks costs its own trial one more attempt and touches no other: joblib's own processes
would all fall with the first that is killed, so its threads each keep a process apart.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from ablate.schedule.slots import Slot
from ablate.schedule.tasks import OnEvent, Outcome, Run, Stop, Task, longest_first
from ablate.schedule.watchdog import PATIENCE, Watchdog
from ablate.schedule.worker import BROKEN, END, NOWHERE, STOP

BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from ablate.schedule.worker import main; main(sys.argv[1])"
RETRIES = 1
POLL_SECONDS = 0.2


@functools.cache
def _starter(process: int) -> ThreadPoolExecutor:
    """The thread of this process that starts workers, and lives as long: on Linux they end with the thread that did."""
    return ThreadPoolExecutor(1, "starter")


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


def run_tasks(run: Run, tasks: Sequence[Task], slots: int, on_event: OnEvent) -> Iterator[Outcome]:
    """The outcome of every task as it ends, longest tasks first, on workers that are open, as many at once as slots."""
    parallel = Parallel(slots, backend="threading", return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1)
    outcomes: Iterator[Outcome] = parallel(delayed(run)(task, on_event) for task in longest_first(list(tasks)))
    return outcomes


@contextlib.contextmanager
def open_workers(
    work: str, slots: Sequence[Slot], stop: Stop, retries: int = RETRIES, patience: float = PATIENCE
) -> Iterator[Run]:
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
    """The worker process of a slot, started at its first task and again after it died. closed: it starts no more."""

    def __init__(self, work: str, slot: Slot, patience: float = PATIENCE) -> None:
        self.work = work
        self.slot = slot
        self.watchdog = Watchdog(patience)
        self.closed = False
        self._hung = ""  # the cause, of one that was given up
        self._oom_kills = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = False

    def run(self, task: Task, on_event: Callable[[dict[str, Any]], bool | None]) -> tuple[str, str]:
        """(status, cause) of a task; ("died", cause) if the process ended under it before the task was asked to end."""
        try:
            process = self._start()
        except (OSError, ValueError) as error:
            if self._process is None and not self.closed:
                return NOWHERE, f"the worker could not be started: {error}"
            return "died", self._reap()
        self.watchdog.begin()
        try:
            self._send((str(task.log), pickle.dumps(task.payload)))
        except (OSError, ValueError):  # ValueError: its input was just closed
            return "died", self._reap()
        assert process.stdout is not None
        ending = False
        while True:
            self.watchdog.listen()
            try:
                message = pickle.load(process.stdout)
            except (OSError, ValueError, EOFError, pickle.UnpicklingError):
                self.watchdog.hear()
                cause = self._reap()
                return ("interrupted", "") if ending else ("died", cause)
            self.watchdog.hear()
            if message[0] == "ended":
                return message[1], message[2]
            if message[1] and not ending and on_event(message[1]):
                ending = True
                with contextlib.suppress(OSError, ValueError):
                    self._send(END)

    def ask_to_stop(self) -> None:
        """Asks for the end of the task after its epoch."""
        if not self._stopping:
            self._stopping = True
            with contextlib.suppress(OSError, ValueError):
                self._send(STOP)

    def kill(self) -> None:
        """Ends the process now, with whatever it started; no other follows it."""
        self.closed = True
        self._end_group()

    def give_up(self) -> None:
        """Ends the process now, with whatever it started, because it hangs; another may follow it."""
        if not self._hung:
            self._hung = self.watchdog.cause()
            self._end_group()

    def _end_group(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the process; no other follows it."""
        self.closed = True
        self.retire()

    def retire(self) -> None:
        """Ends the process by closing its input."""
        self._reap()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._reap()  # it died between two tasks, at the cost of none
        if self._process is None:
            self._hung, self._oom_kills = "", _oom_kills()
            start = _starter(os.getpid()).submit(
                lambda: subprocess.Popen(
                    [sys.executable, "-c", BOOT, self.work, json.dumps(sys.path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **self.slot.environment},
                    start_new_session=True,  # a group of its own: Ctrl-C does not reach it, and it can be ended whole
                )
            )
            self._process = start.result()
            if self._stopping:
                self._send(STOP)
        if self.closed:  # asked last: a process that was started while the slot was being closed ends here
            raise OSError("the slot is closed")
        return self._process

    def _send(self, message: Any) -> None:
        process = self._process
        if process is not None:
            assert process.stdin is not None
            with self._lock:
                pickle.dump(message, process.stdin)
                process.stdin.flush()

    def _reap(self) -> str:
        """Closes the process's input, waits for its end, which follows, and says in words how it ended."""
        process, self._process = self._process, None
        if process is None:
            return "the worker is closed"
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started and could not end any more
        process.stdout.close()
        if self._hung:
            return self._hung
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            return "the worker was ended by SIGKILL: the system had run out of memory"
        if code < 0:
            return f"the worker was ended by {SIGNALS.get(-code, f'signal {-code}')}"
        return f"the worker exited with code {code}"


SIGNALS: dict[int, str] = {
    signal.SIGKILL: "SIGKILL",
    signal.SIGSEGV: "SIGSEGV, a segmentation fault",
    signal.SIGBUS: "SIGBUS, a bus error: a file that it had mapped was cut, or /dev/shm is full",
    signal.SIGABRT: "SIGABRT: a library gave up",
    signal.SIGFPE: "SIGFPE, an error of arithmetic",
    signal.SIGILL: "SIGILL: a library was built for another processor",
}


def _oom_kills() -> int:
    """How many processes the system has ended for want of memory since it started; 0 where it does not say."""
    try:
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("oom_kill", 0))
