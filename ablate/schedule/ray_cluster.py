"""Connects to a Ray cluster, or starts one, and finds the slots that its nodes have room for; ray is imported here."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import secrets
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from ablate.errors import RunError
from ablate.files import write_atomically
from ablate.schedule.slots import Slot

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
    address: Optional[str], runs: Path, device: str, slots: Optional[int], gpus: float, announce: Callable[[str], None]
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


def import_ray() -> Any:
    """The module ray. Raises RunError if it is not installed."""
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
    ray = import_ray()
    if ray.is_initialized():
        return ray, False
    here = Path.cwd()
    try:
        os.chdir(here.anchor)  # Ray puts the current directory into the module search path of every worker
        ray.init(**how)
    except Exception as error:  # ray.init() may raise an error of any class
        raise RunError(f"Ray: {address or 'a cluster here'}: {in_words(error)}") from None
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
            asked[read.options(scheduling_strategy=on_node(node["NodeID"])).remote(str(token))] = node["NodeManagerAddress"]
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
            f"Ray: a node cannot run the check ({in_words(error)}); give all nodes the same ablate and ray"
        ) from None
    finally:
        token.unlink()
    raise RunError(
        f"Ray: no answer from {silent} within {sum(TOKEN_SECONDS) / 60:g} minutes; "
        "run again when the nodes are less busy, or remove them from the cluster"
    )


def on_node(node: str, soft: bool = False) -> Any:
    """The scheduling strategy of a task that may run on one node only.

    Args:
        node: Its id.
        soft: Whether the task may run elsewhere when the node is lost.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=soft)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _fitting(node: Mapping[str, Any], needed: Mapping[str, float]) -> int:
    """How many trials a node has the resources for."""
    return int(min(math.floor(_has(node, name) / amount + 1e-6) for name, amount in needed.items()))


def _has(node: Mapping[str, Any], name: str) -> float:
    return float(node["Resources"].get(name, 0.0))


def in_words(error: BaseException) -> str:
    """The cause of a Ray error, in one line."""
    name = type(error).__name__
    return f"{name}: {next(iter(str(error).strip().splitlines()), name)}"
