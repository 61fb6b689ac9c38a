"""train_on_ranks(): trains a trial on several devices, with one process on each; this process supervises them.

This process trains nothing, so it never waits in a collective operation for a rank that has died: it ends all ranks within
a second and starts them again from the last checkpoint. A rank ends when its input closes, or when the process group of its
worker is ended.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ablate.errors import RunError
from ablate.processes.parent import POLL_SECONDS, RETRIES, Child, ChildEnded
from ablate.train.job import Job

GRACE_SECONDS = 2.0  # to wait for the cause: the first report may only be that another rank left a collective operation
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}

Message = tuple[Any, ...]


class RankDied(RunError):
    """A rank ended before the trial and reported no error, or it lost its GPU or ran out of memory."""


def train_on_ranks(job: Job, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """Train a trial on recipe.gpus devices, from its last checkpoint.

    If a rank dies, all ranks are started once more from the last checkpoint.

    Args:
        job: The trial and where it is trained.
        stop, report: As in train_trial().

    Returns:
        A status, as train_trial() does.

    Raises:
        AblateError: A rank raised it.
        OSError: A rank raised it.
        RunError: A rank raised another exception or died again, or there are too few GPUs.
    """
    size = job.trial.recipe.gpus
    if job.device == "cuda":
        import torch

        if (there := torch.cuda.device_count()) < size:
            raise RunError(f"recipe.gpus: found {size}; there are {there} GPUs")
    for left in range(RETRIES, -1, -1):
        try:
            return _train(job, size, stop, report)
        except RankDied as died:
            if not left:
                raise
            if stop():
                return "interrupted"
            print(f"{died}; all are started again from the last checkpoint", flush=True)
    raise AssertionError("unreachable")


def _train(job: Job, size: int, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """Make one attempt; when it returns, no rank is running."""
    received: queue.SimpleQueue[tuple[int, Message]] = queue.SimpleQueue()
    children: list[Child] = []
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port, listening = server.getsockname()[1], server.fileno()
            environment = {**LOOPBACK, **os.environ}
            for rank in range(size):
                files = (listening,) if rank == 0 else ()
                children.append(Child("ablate.train.rank:main", (), environment, own_group=False, files=files))
            for rank, child in enumerate(children):
                _send(child, pickle.dumps((job, rank, size, port, listening)))
                threading.Thread(target=_listen, args=(rank, child, received), daemon=True).start()
        while True:
            try:
                rank, message = received.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if any(child.ended for child in children):
                    raise _died(children) from None
                continue
            match message:
                case ("event", event):
                    report(event)
                case ("stop?",):
                    _send(children[rank], stop())
                case ("ended", status):
                    return str(status)
                case _:
                    raise _cause(message, received, children)
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.close()


def _send(child: Child, message: Any) -> None:
    with contextlib.suppress(ChildEnded):  # _train() notices that a child has ended
        child.send(message)


def _listen(rank: int, child: Child, received: queue.SimpleQueue[tuple[int, Message]]) -> None:
    with contextlib.suppress(ChildEnded):
        while True:
            received.put((rank, child.receive()))


def _cause(message: Message, received: queue.SimpleQueue[tuple[int, Message]], children: list[Child]) -> Exception:
    """Why the ranks cannot continue: a user's mistake, else the death of a rank, else another exception.

    The order in which they were reported does not matter.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    _, error, final = message
    while not final and time.monotonic() < deadline:
        if any(child.ended for child in children):
            return _died(children)
        with contextlib.suppress(queue.Empty):
            _, another = received.get(timeout=POLL_SECONDS)
            if another[0] == "raised" and another[2]:
                return another[1]  # type: ignore[no-any-return]
    return error  # type: ignore[no-any-return]


def _died(children: list[Child]) -> RankDied:
    rank, child = next((rank, child) for rank, child in enumerate(children) if child.ended)
    return RankDied(f"rank {rank} of {len(children)} {child.how_it_ended()}")
