"""Runs trials on a Ray cluster: each task is a Ray task that runs where the resources that it needs are free.

run(task, on_event) submits a task to Ray and waits for its outcome. Ray's own retries are off: attempts.py decides which
trial is tried again, as it does on one machine.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.processes.parent import POLL_SECONDS, RETRIES
from ablate.schedule.attempts import DIED, LOST, Attempts
from ablate.schedule.ray_cluster import import_ray, in_words, needs, on_node
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Executor, Stop, Task
from ablate.schedule.watchdog import PATIENCE, Watchdog

SENT_SECONDS = 1.0  # to wait until the last message has left a process


@contextlib.contextmanager
def open_on_ray(
    work: str, slots: Sequence[Slot], gpus: float, stop: Stop, patience: float = PATIENCE
) -> Iterator[Executor]:
    """Yield run(task, on_event) -> Outcome, as local.open_workers() does, on the cluster that is open.

    A task is tried again up to RETRIES times if its process dies, hangs or runs out of memory, and in addition up to
    LOST_NODES times if its node is lost. On GPUs it is tried again on another node, and a node is closed as local.py closes
    a GPU; see pool.py. Which GPU of a node a task gets is Ray's choice.

    Args:
        work: "module:function" or "module:class".
        slots: From open_cluster().
        gpus: How many GPUs each task takes, or the fraction of one.
        stop: How far the run is asked to stop.
        patience: Seconds, as in open_workers(); the time that a task waits for its resources does not count.
    """
    cluster = Cluster(work, slots, gpus, stop, patience)
    threading.Thread(target=cluster.watch, daemon=True).start()
    try:
        yield Attempts(slots, stop, RETRIES, cluster.attempt).run
    finally:
        cluster.close()


@dataclass
class RayTask:
    """A task that was submitted to Ray.

    Args:
        watchdog: Of its process.
        process: The process id and the id of its node; (0, "") until it has begun.
        hung: Why it was ended as hung; "" if it was not.
    """

    watchdog: Watchdog
    process: tuple[int, str] = (0, "")
    hung: str = ""


class Cluster:
    """The tasks that are under way on the cluster that is open.

    Args:
        work, slots, gpus, stop, patience: As in open_on_ray().
    """

    def __init__(self, work: str, slots: Sequence[Slot], gpus: float, stop: Stop, patience: float) -> None:
        self.work, self.slots, self.stop, self.patience = work, slots, stop, patience
        self.ray = ray = import_ray()
        here = on_node(ray.get_runtime_context().get_node_id())  # any other node may be lost
        self.flags = ray.remote(num_cpus=0, scheduling_strategy=here)(Flags).remote()
        needed = needs(slots[0].device, gpus)
        options = {"num_cpus": needed["CPU"], "num_gpus": needed.get("GPU", 0), "max_retries": 0}
        self.remote = ray.remote(**options, num_returns="streaming")(work_through)
        self.end = ray.remote(num_cpus=0, max_retries=0)(_end)
        self.gone = set[str]()  # nodes that were lost; what was theirs runs anywhere
        self.under_way: dict[Any, RayTask] = {}
        self.done = threading.Event()

    def attempt(self, index: int, task: Task, hear: Callable[[dict[str, Any]], bool | None]) -> tuple[str, str]:
        """Try a task once; an Attempt of Attempts."""
        key, ending, node = uuid.uuid4().hex, False, self.slots[index].node
        remote = self.remote
        if node and node not in self.gone:
            remote = remote.options(scheduling_strategy=on_node(node, soft=True))
        stream = remote.remote(self.work, task.payload, str(task.log), os.getcwd(), self.flags, key)
        attempt = self.under_way[stream] = RayTask(Watchdog(self.patience))
        try:
            for reference in stream:
                attempt.watchdog.hear()
                what, *told = self.ray.get(reference)
                if what == "ended":
                    return told[0], told[1]
                if what == "begun":
                    attempt.process = told[0], told[1]
                    attempt.watchdog.begin()
                elif told[0] and not ending and hear(told[0]):
                    ending = True
                    self.ray.get(self.flags.end.remote(key))
                attempt.watchdog.listen()
            return DIED, "the task ended without a result"
        except self.ray.exceptions.RayError as error:
            return ("interrupted", "") if ending else self._how_it_died(attempt, error)
        finally:
            self.under_way.pop(stream)

    def _how_it_died(self, attempt: RayTask, error: Exception) -> tuple[str, str]:
        """The status and the cause of an attempt that Ray ended by an error."""
        if attempt.hung:
            return DIED, attempt.hung
        if self.stop.level and not attempt.process[0]:
            return "not started", ""
        if isinstance(error, (self.ray.exceptions.NodeDiedError, self.ray.exceptions.ObjectLostError)):
            self.gone.add(attempt.process[1])
            return LOST, "its node failed"
        return DIED, in_words(error)

    def watch(self) -> None:
        """Pass the stop level on to the tasks, because a signal handler only sets it, and end the tasks that hang."""
        told, before = 0, time.monotonic()
        while not self.done.wait(POLL_SECONDS):
            now = time.monotonic()
            passed, before = now - before, now
            for attempt in list(self.under_way.values()):
                if attempt.watchdog.wait(passed, self.stop.level > 0) and not attempt.hung:
                    attempt.hung = attempt.watchdog.cause()
                    number, node = attempt.process
                    self.end.options(scheduling_strategy=on_node(node)).remote(number)
            if self.stop.level > told:
                told = self.stop.level
                if told == 1:
                    self.stop.announce()
                    self.ray.get(self.flags.stop.remote())
                self._cancel(all_of_them=told > 1)

    def _cancel(self, all_of_them: bool) -> None:
        """End all tasks, or those that still wait for their resources."""
        for stream, attempt in list(self.under_way.items()):
            if all_of_them or not attempt.process[0]:
                self.ray.cancel(stream, force=True)

    def close(self) -> None:
        """End all tasks."""
        self.done.set()
        self._cancel(all_of_them=True)
        self.ray.kill(self.flags)


class Flags:
    """An actor that tasks ask after every epoch whether they must end."""

    def __init__(self) -> None:
        self.stopped = False
        self.ended: set[str] = set()

    def stop(self) -> None:
        """Ask all tasks to end."""
        self.stopped = True

    def end(self, key: str) -> None:
        """Ask one task to end."""
        self.ended.add(key)

    def ask(self, key: str) -> bool:
        """Whether a task must end."""
        return self.stopped or key in self.ended


def work_through(work: str, payload: Any, log: str, folder: str, flags: Any, key: str) -> Iterator[tuple[Any, ...]]:
    """Do a task on a node of the cluster.

    Args:
        work: "module:function" or "module:class".
        payload: What the work receives.
        log: Path of the file to which printed text is appended.
        folder: Working directory of the driver.
        flags: Handle of the Flags actor.
        key: Of this attempt.

    Yields:
        ("begun", process id, node id), then ("event", event) for every report, then ("ended", status, cause).
    """
    import ray

    from ablate.schedule.worker import BROKEN, do

    with contextlib.suppress(OSError):
        os.chdir(folder)  # so that the driver's relative paths hold on storage that every node sees

    yield "begun", os.getpid(), ray.get_runtime_context().get_node_id()
    said: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def stop() -> bool:
        return bool(ray.get(flags.ask.remote(key)))

    def train() -> None:
        said.put(do(work, log, lambda: payload, stop, lambda event: said.put(("event", event))))

    # The generator must yield from this thread, so the work runs in another.
    threading.Thread(target=train, daemon=True).start()
    while True:
        message = said.get()
        yield message
        if message[0] == "ended":
            if message[1] == BROKEN:  # for example, its CUDA context is lost: the next task needs a new process
                time.sleep(SENT_SECONDS)
                os._exit(1)
            return


def _end(process: int) -> None:
    """Kill a process of this node; ray.cancel() has no effect on a stopped process."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
