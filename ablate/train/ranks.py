"""train_on_ranks(): a trial on several devices, a process each, all of them supervised by this one, which trains nothing.

So this process cannot be caught in an exchange with a rank that has died: it ends them all within a second, and starts them
again from the last checkpoint. A rank ends when its input closes, and with the worker, whose process group is its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ablate.errors import AblateError, RunError
from ablate.train.job import Job

BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ablate.train.rank import main; main()"
RETRIES = 1
POLL_SECONDS = 0.2
GRACE_SECONDS = 2.0  # for the cause: an exchange that broke off, because another rank did, may be told first
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}

Message = tuple[Any, ...]


class RankDied(RunError):
    """A rank ended before the trial did, and said nothing, or lost its GPU or memory."""


def train_on_ranks(job: Job, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """Trains a trial on as many devices as its recipe asks for, from its last checkpoint on; see train_trial.

    If a rank dies, the whole trial goes on from its checkpoint once more. Raises what AblateError or OSError a rank
    raises, and RunError for anything else, for a rank that dies again, and where there are too few GPUs.
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
    """One attempt, after which no rank is left."""
    told: queue.SimpleQueue[tuple[int, Message]] = queue.SimpleQueue()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            for rank in range(size):
                processes.append(_start(server.fileno() if rank == 0 else None))
            for rank, process in enumerate(processes):
                _send(process, (job, rank, size, server.getsockname()[1], server.fileno()))
                threading.Thread(target=_listen, args=(rank, process, told), daemon=True).start()
        while True:
            try:
                rank, message = told.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if any(process.poll() is not None for process in processes):
                    raise _died(processes) from None
                continue
            match message:
                case ("epoch", row):
                    report(row)
                case ("stop?",):
                    _send(processes[rank], stop())
                case ("ended", status):
                    return str(status)
                case _:
                    raise _cause(message, told, processes)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
            assert process.stdin is not None and process.stdout is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.stdout.close()


def _start(listening: int | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", BOOT, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**LOOPBACK, **os.environ},
        pass_fds=() if listening is None else (listening,),
    )


def _send(process: subprocess.Popen[bytes], message: Any) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it has died, which is seen elsewhere
        pickle.dump(message, process.stdin)
        process.stdin.flush()


def _listen(rank: int, process: subprocess.Popen[bytes], told: queue.SimpleQueue[tuple[int, Message]]) -> None:
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError, EOFError, pickle.UnpicklingError):
        while True:
            told.put((rank, pickle.load(process.stdout)))


def _cause(
    message: Message, told: queue.SimpleQueue[tuple[int, Message]], processes: list[subprocess.Popen[bytes]]
) -> AblateError | OSError:
    """Why the ranks cannot go on: a user's mistake before a death before another exception, whichever came first."""
    deadline = time.monotonic() + GRACE_SECONDS
    error: AblateError | OSError
    _, error, of_the_user = message
    while not of_the_user and time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            return _died(processes)
        with contextlib.suppress(queue.Empty):
            _, another = told.get(timeout=POLL_SECONDS)
            if another[0] == "raised" and another[2]:
                return another[1]  # type: ignore[no-any-return]
    return error


def _died(processes: list[subprocess.Popen[bytes]]) -> RankDied:
    rank, code = next(
        (rank, process.returncode) for rank, process in enumerate(processes) if process.returncode is not None
    )
    hint = " (out of memory?)" if code == -signal.SIGKILL else ""
    how = f"was ended by {signal.Signals(-code).name}{hint}" if code < 0 else f"exited with code {code}"
    return RankDied(f"rank {rank} of {len(processes)} {how}")
