"""The process of a rank, started by ranks.py: it trains its part of a trial, then waits until it is ended."""

from __future__ import annotations

import pickle
import threading
import traceback
from typing import Any

import torch

from ablate.errors import AblateError, RunError
from ablate.processes.child import Parent, has_broken
from ablate.train.attempt import Attempt
from ablate.train.job import Job
from ablate.train.process_group import join_process_group
from ablate.train.ranks import RankDied
from ablate.train.setup import configure
from ablate.train.trial import train_side_by_side


def main() -> None:
    """Receive a pickled job and train it.

    Only rank 0 reports events, asks whether to stop and sends ("ended", status). Any rank may send ("raised", exception,
    whether another attempt would raise it again).
    """
    parent = Parent()
    job, rank, size, port, listening = pickle.loads(parent.receive())
    try:
        status = _train(parent, job, rank, size, port, listening)
        if rank == 0:
            parent.send("ended", status)
    except (AblateError, OSError) as error:  # a mistake of the user, or a full disk
        parent.send("raised", error, True)
    except Exception as error:
        traceback.print_exc()
        kind = RankDied if has_broken(error) else RunError
        parent.send("raised", kind(f"rank {rank} of {size}: {type(error).__name__}: {error}"), False)
    threading.Event().wait()


def _train(parent: Parent, job: Job, rank: int, size: int, port: int, listening: int) -> str:
    device = configure(f"cuda:{rank}" if job.device == "cuda" else job.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    group = join_process_group(rank, size, port, listening, device)

    def report(event: dict[str, Any]) -> None:
        if group.is_first:
            parent.report(event)

    def stop() -> bool:
        """Whether to stop; all ranks call it at the end of an epoch and get the same answer."""
        return bool(group.broadcast_object(parent.ask_to_stop() if group.is_first else None))

    ((_, status),) = train_side_by_side([Attempt(job, device, group)], stop, report)
    return status
