"""Runs trials on a Ray cluster: each task is a Ray task that runs where the resources that it needs are free.

run(task, on_event) submits a task to Ray and waits for its outcome. Ray's own retries are off; this module decides which
trial is tried again, as local.py does on one machine. Only this module imports ray.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import secrets
import signal
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ablate.errors import RunError
from ablate.files import write_atomically
from ablate.processes.parent import POLL_SECONDS, RETRIES
from ablate.schedule.pool import SlotPool, Ticket
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Executor, OnEvent, Outcome, Stop, Task
from ablate.schedule.watchdog import PATIENCE, Watchdog
from ablate.schedule.worker import BROKEN, NOWHERE

LOST_NODES = 10  # attempts of a trial that may be lost with their nodes, in addition to RETRIES
SENT_SECONDS = 1.0  # to wait until the last message has left a process
# Within these every node must have read the driver's token file; a line says between them which nodes have not answered,
# as a worker process takes minutes to start on a busy node.
TOKEN_SECONDS = (60.0, 840.0)
ENVIRONMENT = {  # of a cluster that is started here
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": "0",
    "RAY_worker_niceness": "0",  # Ray's default gives trials a lower priority than local workers have
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextlib.contextmanager
def open_cluster(
    address: Optional[str],
    runs: Path,
    device: str,
    slots: Optional[int],
    gpus: float,
    announce: Callable[[str], None],
) -> Iterator[list[Slot]]:
    """Connect to a Ray cluster and yield its slots: one for each trial that fits at the same time.

    A cluster that is started here ends with the block. It has no dashboard, listens on this machine only, and requires a
    token that only this process has.

    Args:
        address: Of a cluster; None: that of $RAY_ADDRESS, else the one that runs on this machine, else a new one.
        runs: Directory of the records; every node must see the files that the driver writes there.
        device: "auto" (GPUs if a node has any), "cpu" or "cuda".
        slots: The most slots; None: no limit.
        gpus: GPUs of each slot, or the fraction of one.
        announce: Receives lines of text about the cluster.

    Raises:
        RunError: Ray is not installed, there is no such cluster, or its nodes lack the resources or the directory.
    """
    ray, ours = _connect(address, announce)
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        gpu = device == "cuda" or (device == "auto" and any(_has(node, "GPU") for node in nodes))
        needed = needs("cuda" if gpu else "cpu", gpus)
        check_resources(nodes, needed)
        _check_storage(ray, nodes, runs, announce)
        found = [
            Slot(f"node {node['NodeManagerAddress']}", "cuda", node=node["NodeID"])
            if gpu
            else Slot(f"{node['NodeManagerAddress']} {number}", "cpu")
            for node in nodes
            for number in range(_fitting(node, needed))
        ]
        yield found[:slots]
    finally:
        if ours:
            ray.shutdown()


def needs(kind: str, gpus: float) -> dict[str, float]:
    """The amounts of Ray's resources that a trial needs, by their names.

    Args:
        kind: "cpu" or "cuda".
        gpus: How many GPUs the trial takes, or the fraction of one; it gets as many cores, at least one.
    """
    cores = max(1.0, gpus)
    return {"CPU": cores, "GPU": gpus} if kind == "cuda" else {"CPU": cores}


def check_resources(nodes: Sequence[Mapping[str, Any]], needed: Mapping[str, float]) -> None:
    """Check that at least one node has the resources that a trial needs.

    Args:
        nodes: As ray.nodes() returns them.
        needed: Amounts by name, from needs().

    Raises:
        RunError: No node has them.
    """
    if any(_fitting(node, needed) for node in nodes):
        return
    wanted = " and ".join(f"{amount:g} {name}" for name, amount in needed.items())
    have = "; ".join(
        f"{node['NodeManagerAddress']} {', '.join(f'{_has(node, name):g} {name}' for name in needed)}" for node in nodes
    )
    raise RunError(f"Ray: a trial needs {wanted} on one node; the nodes have: {have or 'none is there'}")


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


@contextlib.contextmanager
def open_on_ray(
    work: str, slots: Sequence[Slot], gpus: float, stop: Stop, retries: int = RETRIES, patience: float = PATIENCE
) -> Iterator[Executor]:
    """Yield run(task, on_event) -> Outcome, as local.open_workers() does, on the cluster that is open.

    A task is tried again up to `retries` times if its process dies, hangs or runs out of memory, and in addition up to
    LOST_NODES times if its node is lost. On GPUs it is tried again on another node, and a node is closed as local.py closes
    a GPU; see pool.py. Which GPU of a node a task gets is Ray's choice.

    Args:
        work: "module:function" or "module:class".
        slots: From open_cluster().
        gpus: How many GPUs each task takes, or the fraction of one.
        stop: How far the run is asked to stop.
        retries: How many more attempts a task has.
        patience: Seconds, as in open_workers(); the time that a task waits for its resources does not count.
    """
    ray = _import_ray()
    here = _on_node(ray.get_runtime_context().get_node_id())  # any other node may be lost
    flags = ray.remote(num_cpus=0, scheduling_strategy=here)(Flags).remote()
    needed = needs(slots[0].device, gpus)
    options = {"num_cpus": needed["CPU"], "num_gpus": needed.get("GPU", 0), "max_retries": 0, "num_returns": "streaming"}
    remote = ray.remote(**options)(work_through)
    end = ray.remote(num_cpus=0, max_retries=0)(_end)
    pool, gone = SlotPool(slots), set[str]()  # the second: nodes that were lost; what was theirs runs anywhere
    under_way: dict[Any, RayTask] = {}
    done, nowhere = threading.Event(), threading.Event()

    def run(task: Task, on_event: OnEvent) -> Outcome:
        ticket, lost, cause = Ticket(task.label), 0, ""
        while True:
            with pool.taken(ticket) as index:
                if stop.level or nowhere.is_set():
                    on_event(index, task, {"event": "ended", "status": "interrupted", "cause": ""})
                    return Outcome(task, "interrupted" if cause else "not started")
                on_event(index, task, {"event": "started", "attempt": ticket.attempts, "cause": cause})
                status, cause, node_lost = one(index, task, ticket, on_event)
                if status in ("died", BROKEN):
                    if stop.level:
                        continue
                    if node_lost and lost < LOST_NODES:
                        lost += 1
                        continue
                    for line in pool.note_broken(index, ticket, cause):
                        on_event(index, task, {"event": "note", "of": "run", "text": line})
                    if ticket.attempts - lost <= retries:
                        continue
                elif status not in ("failed", "interrupted", NOWHERE):
                    pool.note_trained(index)
                if status == NOWHERE:
                    nowhere.set()
                status = "failed" if status in ("died", BROKEN, NOWHERE) else status
                on_event(index, task, {"event": "ended", "status": status, "cause": cause})
                return Outcome(task, status, cause, ticket.attempts)

    def one(index: int, task: Task, ticket: Ticket, on_event: OnEvent) -> tuple[str, str, bool]:
        """Make one attempt at a task; returns (status, cause, whether its node was lost)."""
        key, ending, node = uuid.uuid4().hex, False, slots[index].node
        node = "" if node in gone else node
        ticket.trained = False
        there = remote.options(scheduling_strategy=_on_node(node, soft=True)) if node else remote
        stream = there.remote(work, task.payload, str(task.log), os.getcwd(), flags, key)
        attempt = under_way[stream] = RayTask(Watchdog(patience))
        try:
            for reference in stream:
                attempt.watchdog.hear()
                what, *told = ray.get(reference)
                if what == "ended":
                    return told[0], told[1], False
                if what == "begun":
                    attempt.process = told[0], told[1]
                    attempt.watchdog.begin()
                elif told[0]:
                    ticket.trained = ticket.trained or "epoch" in told[0]
                    if not ending and on_event(index, task, {"event": "epoch", **told[0]}):
                        ending = True
                        ray.get(flags.end.remote(key))
                attempt.watchdog.listen()
            return "died", "the task ended without a result", False
        except ray.exceptions.RayError as error:
            if ending:
                return "interrupted", "", False
            if attempt.hung:
                return "died", attempt.hung, False
            if stop.level and not attempt.process[0]:
                return "died", "", False
            lost = isinstance(error, (ray.exceptions.NodeDiedError, ray.exceptions.ObjectLostError))
            gone.update({attempt.process[1]} if lost else ())
            return "died", "its node failed" if lost else _in_words(error), lost
        finally:
            under_way.pop(stream)

    def pass_on() -> None:
        """Pass the stop level on to the tasks, because a signal handler only sets it, and end the tasks that hang."""
        told, before = 0, time.monotonic()
        while not done.wait(POLL_SECONDS):
            now = time.monotonic()
            for attempt in list(under_way.values()):
                if attempt.watchdog.wait(now - before, stop.level > 0) and not attempt.hung:
                    attempt.hung = attempt.watchdog.cause()
                    number, node = attempt.process
                    end.options(scheduling_strategy=_on_node(node)).remote(number)
            before = now
            if stop.level > told:
                told = stop.level
                if told == 1:
                    stop.announce()
                    ray.get(flags.stop.remote())
                    for stream, attempt in list(under_way.items()):
                        if not attempt.process[0]:  # it still waits for its resources
                            ray.cancel(stream, force=True)
                else:
                    for stream in list(under_way):
                        ray.cancel(stream, force=True)

    threading.Thread(target=pass_on, daemon=True).start()
    try:
        yield run
    finally:
        done.set()
        for stream in list(under_way):
            ray.cancel(stream, force=True)
        ray.kill(flags)


class Flags:
    """An actor that tasks ask after every epoch whether they must end."""

    def __init__(self) -> None:
        self.stopped = False
        self.ended: set[str] = set()

    def stop(self) -> None:
        """Ask all tasks to end."""
        self.stopped = True

    def end(self, key: str) -> None:
        """Ask one task to end.

        Args:
            key: Of the task's attempt.
        """
        self.ended.add(key)

    def ask(self, key: str) -> bool:
        """Whether a task must end.

        Args:
            key: Of the task's attempt.
        """
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


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise RunError("Ray is not installed; pip install 'ablate-studies[ray]'") from None
    return ray


def _connect(address: Optional[str], announce: Callable[[str], None]) -> tuple[Any, bool]:
    """Connect to a cluster, or start one; returns the module ray and whether this call connected it. Raises RunError."""
    address = address or os.environ.get("RAY_ADDRESS") or _local_address()
    how: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
    if not address:  # Ray reads these when it is imported
        # RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 keeps Ray from replacing 127.0.0.1 by this machine's public address.
        own = {"RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
        for name, value in {**ENVIRONMENT, **own}.items():
            os.environ.setdefault(name, value)
        how |= {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    ray = _import_ray()
    if ray.is_initialized():
        return ray, False
    here = Path.cwd()
    try:
        os.chdir(here.anchor)  # Ray puts the current directory into the module search path of every worker
        ray.init(**how)
    except Exception as error:  # ray.init() may raise an error of any class
        raise RunError(f"Ray: {address or 'a cluster here'}: {_in_words(error)}") from None
    finally:
        os.chdir(here)
    announce(f"connected to the Ray cluster at {address}" if address else "started a Ray cluster on this machine")
    return ray, True


def _local_address() -> Optional[str]:
    """The address of the cluster that `ray start` started on this machine; None if none answers there."""
    try:
        address = (Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster").read_text().strip()
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=2):
            return address
    except (OSError, ValueError):
        return None


def _check_storage(ray: Any, nodes: Sequence[Mapping[str, Any]], runs: Path, announce: Callable[[str], None]) -> None:
    """Raise RunError with the nodes that cannot read a file that the driver writes into the records' directory."""
    runs.mkdir(parents=True, exist_ok=True)
    runs = runs.resolve()
    token, secret = runs / f".token-{uuid.uuid4().hex}", secrets.token_hex(8)
    write_atomically(token, secret.encode())
    read = ray.remote(num_cpus=0, max_retries=0)(_read)
    silent = ""
    try:
        asked = {}
        for node in nodes:
            asked[read.options(scheduling_strategy=_on_node(node["NodeID"])).remote(str(token))] = node[
                "NodeManagerAddress"
            ]
        for seconds in TOKEN_SECONDS:
            if silent:
                announce(f"Ray: waiting for {silent} to read {runs}")
            answered, waiting = ray.wait(list(asked), num_returns=len(asked), timeout=seconds)
            if blind := [asked[one] for one in answered if ray.get(one) != secret]:
                raise RunError(
                    f"`runs`: {runs} is not the same directory on {', '.join(blind)}; "
                    "use one on storage that every node of the Ray cluster sees at the same path"
                )
            silent = ", ".join(asked[one] for one in waiting)
            if not silent:
                return
    except ray.exceptions.RayError as error:
        raise RunError(
            f"Ray: a node cannot run the check ({_in_words(error)}); give all nodes the same ablate and ray"
        ) from None
    finally:
        token.unlink()
    raise RunError(
        f"Ray: no answer from {silent} within {sum(TOKEN_SECONDS) / 60:g} minutes; "
        "run again when the nodes are less busy, or remove them from the cluster"
    )


def _on_node(node: str, soft: bool = False) -> Any:
    """The scheduling strategy of a task that may run on one node only; if it is soft, elsewhere when the node is lost."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=soft)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _end(process: int) -> None:
    """Kill a process of this node; ray.cancel() has no effect on a stopped process."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _fitting(node: Mapping[str, Any], needed: Mapping[str, float]) -> int:
    """How many trials a node has the resources for."""
    return int(min(math.floor(_has(node, name) / amount + 1e-6) for name, amount in needed.items()))


def _has(node: Mapping[str, Any], name: str) -> float:
    return float(node["Resources"].get(name, 0.0))


def _in_words(error: BaseException) -> str:
    """The cause of a Ray error, in one line."""
    name = type(error).__name__
    return f"{name}: {next(iter(str(error).strip().splitlines()), name)}"
