"""The process of a rank, started by ranks.py: it trains its part of a trial and waits to be ended.

Pickled messages pass through its standard input and output. It ends at once when its input closes: however the process that
started it dies, the system closes it.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import queue
import signal
import threading
import traceback
from typing import Any, BinaryIO

import torch

from ablate.errors import AblateError, RunError
from ablate.processes import end_with_parent, has_broken
from ablate.train.attempt import Attempt, configure
from ablate.train.group import join
from ablate.train.job import Job
from ablate.train.ranks import RankDied
from ablate.train.trial import train_side_by_side


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


def main() -> None:
    """Reads what to train; answers with ("epoch", row), ("stop?",), to which it is told yes or no, and how it ended."""
    end_with_parent()  # one that is stuck in a library sees no input
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):  # the driver's to hear
        signal.signal(number, signal.SIG_IGN)
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    pipes = requests.fileno(), replies.fileno()
    # What decodes images is forked from here: holding these open it would hide this process's end.
    os.register_at_fork(after_in_child=lambda: _close(*pipes))
    faulthandler.enable()
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, answers), daemon=True).start()
    job, rank, size, port, listening = answers.get()
    try:
        status = _train(job, rank, size, port, listening, replies, answers)
        if rank == 0:
            _send(replies, ("ended", status))
    except (AblateError, OSError) as error:  # a user's mistake, or a full disk: another attempt meets it again
        _send(replies, ("raised", error, True))
    except Exception as error:
        traceback.print_exc()
        kind = RankDied if has_broken(error) else RunError
        _send(replies, ("raised", kind(f"rank {rank} of {size}: {type(error).__name__}: {error}"), False))
    threading.Event().wait()


def _train(
    job: Job, rank: int, size: int, port: int, listening: int, replies: BinaryIO, answers: queue.SimpleQueue[Any]
) -> str:
    device = configure(f"cuda:{rank}" if job.device == "cuda" else job.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    group = join(rank, size, port, listening, device)

    def report(row: dict[str, Any]) -> None:
        if group.first:
            _send(replies, ("epoch", row))

    def stop() -> bool:
        """Asked at the end of an epoch by all ranks at once."""
        if group.first:
            _send(replies, ("stop?",))
        return bool(group.agree(answers.get() if group.first else None))

    ((_, status),) = train_side_by_side([Attempt(job, device, group)], stop, report)
    return status


def _listen(requests: BinaryIO, answers: queue.SimpleQueue[Any]) -> None:
    while True:
        try:
            answers.put(pickle.load(requests))
        except Exception:
            os._exit(1)


def _send(replies: BinaryIO, message: tuple[Any, ...]) -> None:
    try:
        pickle.dump(message, replies)
        replies.flush()
    except OSError:
        os._exit(1)
