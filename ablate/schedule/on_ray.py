"""Trials on a Ray cluster: each task a Ray task with the resources that it needs, wherever these are free.

The executor is that of local.py with another place for the work: run(task, on_event) hands a task out and waits for it. Ray
retries nothing; which trial is tried again is decided here, as on one machine. Only this module imports ray.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from ablate.errors import RunError
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import OnEvent, Outcome, Run, Stop, Task

RETRIES = 1
LOST_NODES = 10  # a trial is begun again after as many: they are not its fault
POLL_SECONDS = 0.2
TOKEN_SECONDS = 60.0  # for every node to read what the driver has written
ENVIRONMENT = {  # of a cluster that is started here
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextlib.contextmanager
def open_cluster(
    address: Optional[str], runs: Path, device: str, gpus: float, announce: Callable[[str], None]
) -> Iterator[list[Slot]]:
    """The slots of a Ray cluster: as many as trials fit on its nodes at once, of one core and, on GPUs, `gpus` each.

    address: of a cluster; None: the one of $RAY_ADDRESS or of this machine, else one that is started here and ends with
    the block, without a dashboard, for this machine alone and with a token that nobody else has. device: auto (GPUs where
    there are any), cpu or cuda. Every node must see what the driver writes into `runs`. Raises RunError.
    """
    ray = _import_ray()
    _connect(ray, address, announce)
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        kind = "cuda" if device == "cuda" or (device == "auto" and any(_has(node, "GPU") for node in nodes)) else "cpu"
        needed = {"CPU": 1.0, **({"GPU": gpus} if kind == "cuda" else {})}
        check_resources(nodes, needed)
        _check_storage(ray, nodes, runs)
        yield [
            Slot(f"{node['NodeManagerAddress']} {number}", kind, {})
            for node in nodes
            for number in range(_fitting(node, needed))
        ]
    finally:
        ray.shutdown()


def check_resources(nodes: Sequence[Mapping[str, Any]], needed: Mapping[str, float]) -> None:
    """Raises RunError where no node has what a trial needs."""
    if any(_fitting(node, needed) for node in nodes):
        return
    wanted = " and ".join(f"{amount:g} {name}" for name, amount in needed.items())
    have = "; ".join(
        f"{node['NodeManagerAddress']} {', '.join(f'{_has(node, name):g} {name}' for name in needed)}" for node in nodes
    )
    raise RunError(f"--on ray: a trial needs {wanted} of one node; there are: {have or 'no nodes'}")


@contextlib.contextmanager
def open_on_ray(work: str, gpus: float, stop: Stop, retries: int = RETRIES) -> Iterator[Run]:
    """Gives run(task, on_event) -> Outcome, as local.open_workers does, on the cluster that is open.

    gpus: of each task, parts of one where several share it; 0 on processors.
    """
    ray = _import_ray()
    flags = ray.remote(num_cpus=0, max_concurrency=8)(Flags).remote()
    remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0, num_returns="streaming")(work_through)
    under_way: set[Any] = set()
    done = threading.Event()

    def run(task: Task, on_event: OnEvent) -> Outcome:
        lost, attempt, cause = 0, 1, ""
        index = slots.get()
        try:
            while not stop.level:
                on_event(index, task, {"event": "started", "attempt": attempt, "cause": cause})
                status, cause, node_died = one(index, task, on_event)
                if status == "died" and stop.level:
                    status, cause = "interrupted", ""
                if status == "died" and node_died and lost < LOST_NODES:
                    lost += 1
                elif status == "died" and attempt <= retries:
                    attempt += 1
                else:
                    status = "failed" if status == "died" else status
                    on_event(index, task, {"event": "ended", "status": status, "cause": cause})
                    return Outcome(task, status, cause, attempt)
            return Outcome(task, "not started" if not cause else "interrupted")
        finally:
            slots.put(index)

    def one(index: int, task: Task, on_event: OnEvent) -> tuple[str, str, bool]:
        """(status, cause, whether its node was lost) of one attempt."""
        key, ending = uuid.uuid4().hex, False
        stream = remote.remote(work, task.payload, str(task.log), flags, key)
        under_way.add(stream)
        try:
            for reference in stream:
                what, *told = ray.get(reference)
                if what == "ended":
                    return told[0], told[1], False
                if told[0] and not ending and on_event(index, task, {"event": "epoch", **told[0]}):
                    ending = True
                    ray.get(flags.end.remote(key))
            return "died", "the task ended without a word", False
        except ray.exceptions.RayError as error:
            if ending:
                return "interrupted", "", False
            lost = isinstance(error, (ray.exceptions.NodeDiedError, ray.exceptions.ObjectLostError))
            return "died", _in_words(error), lost or "node" in _in_words(error).lower()
        finally:
            under_way.discard(stream)

    def pass_on() -> None:
        """Hands the stop to the tasks; a signal handler only sets its level, so this one polls."""
        told = 0
        while not done.wait(POLL_SECONDS):
            if stop.level > told:
                told = stop.level
                if told == 1:
                    stop.announce()
                    ray.get(flags.stop.remote())
                else:
                    for stream in list(under_way):
                        ray.cancel(stream, force=True)

    slots: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(_capacity(ray, gpus)):
        slots.put(index)
    threading.Thread(target=pass_on, daemon=True).start()
    try:
        yield run
    finally:
        done.set()
        for stream in list(under_way):
            ray.cancel(stream, force=True)
        ray.kill(flags)


class Flags:
    """An actor that tasks ask after every epoch whether they are to end."""

    def __init__(self) -> None:
        self.stopped = False
        self.ended: set[str] = set()

    def stop(self) -> None:
        self.stopped = True

    def end(self, key: str) -> None:
        self.ended.add(key)

    def ask(self, key: str) -> bool:
        return self.stopped or key in self.ended


def work_through(work: str, payload: Any, log: str, flags: Any, key: str) -> Iterator[tuple[Any, ...]]:
    """The task itself, on a node: yields ("event", event) for every report and then ("ended", status, cause)."""
    import ray

    from ablate.schedule.worker import do

    said: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def stop() -> bool:
        return bool(ray.get(flags.ask.remote(key)))

    def train() -> None:
        said.put(do(work, log, lambda: payload, stop, lambda event: said.put(("event", event))))

    # A generator yields from its own thread, so the work has another.
    threading.Thread(target=train, daemon=True).start()
    while True:
        message = said.get()
        yield message
        if message[0] == "ended":
            return


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise RunError("--on ray: ray is not installed; pip install 'ablate-studies[ray]'") from None
    return ray


def _connect(ray: Any, address: Optional[str], announce: Callable[[str], None]) -> None:
    """Connects to a cluster, or starts one."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if ray.is_initialized():
        return
    try:
        ray.init(address=address or "auto", **quiet)
        announce(f"connected to a Ray cluster of {len(ray.nodes())} nodes")
        return
    except ConnectionError as error:
        if asked := address or os.environ.get("RAY_ADDRESS"):
            raise RunError(f"--on ray: no cluster at {asked}: {_first_line(error)}") from None
    except (RuntimeError, ValueError, OSError, AssertionError) as error:
        raise RunError(f"--on ray: {_first_line(error)}") from None
    for name, value in {**ENVIRONMENT, "RAY_AUTH_TOKEN": secrets.token_hex(32)}.items():
        os.environ.setdefault(name, value)
    ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    announce("started a Ray cluster on this machine")


def _check_storage(ray: Any, nodes: Sequence[Mapping[str, Any]], runs: Path) -> None:
    """Raises RunError naming the nodes that do not see what the driver writes into the records' directory."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    runs.mkdir(parents=True, exist_ok=True)
    token, secret = runs / f".token-{uuid.uuid4().hex}", secrets.token_hex(8)
    token.write_text(secret)
    read = ray.remote(num_cpus=0, max_retries=0)(_read)
    try:
        asked = {}
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[read.options(scheduling_strategy=there).remote(str(token))] = node
        seen, _ = ray.wait(list(asked), num_returns=len(asked), timeout=TOKEN_SECONDS)
        blind = [node["NodeManagerAddress"] for one, node in asked.items() if one not in seen or ray.get(one) != secret]
    finally:
        token.unlink()
    if blind:
        raise RunError(
            f"--runs: {runs.resolve()} is not the same directory on {', '.join(blind)}; "
            "allowed: one on storage that every node of the Ray cluster sees at the same path"
        )


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _capacity(ray: Any, gpus: float) -> int:
    needed = {"CPU": 1.0, **({"GPU": gpus} if gpus else {})}
    return max(1, sum(_fitting(node, needed) for node in ray.nodes() if node["Alive"]))


def _fitting(node: Mapping[str, Any], needed: Mapping[str, float]) -> int:
    """How many trials a node has the resources for."""
    return int(min(math.floor(_has(node, name) / amount + 1e-6) for name, amount in needed.items()))


def _has(node: Mapping[str, Any], name: str) -> float:
    return float(node["Resources"].get(name, 0.0))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _in_words(error: BaseException) -> str:
    """The cause of a Ray error, in one line."""
    return f"{type(error).__name__}: {_first_line(error)}"
