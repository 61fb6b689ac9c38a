"""Work that is hurt, as its payload says: how, and in how many of its first attempts."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablate.processes.child import end_with_parent

lost = False  # this process has lost its GPU, as after an illegal memory access: every call fails from then on


class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


def work(payload: dict[str, Any], stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """A number of epochs, of which those that a checkpoint has are not done again."""
    global lost
    marks, name, how = Path(payload["marks"]), payload["name"], payload.get("how", "")
    with open(marks / name, "a") as file:
        file.write(f"{os.getpid()}\n")
    attempt = len((marks / name).read_text().split())
    checkpoint = marks / f"{name}.checkpoint"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for epoch in range(done + 1, payload.get("epochs", 4) + 1):
        if lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if epoch == 3 and attempt <= payload.get("attempts", 1):
            hurt(how, marks / f"{name}.child")
        with open(marks / f"{name}.epochs", "a") as file:
            file.write(f"{epoch} ")
        checkpoint.write_text(str(epoch))
        report({"epoch": epoch, "epochs": 4, "test_error": 5.0, "images_per_second": 1.0})
        for _ in range(payload.get("beats", 0)):
            time.sleep(payload["pause"])
            report({})
        time.sleep(payload.get("pause", 0))
    return "completed"


def hurt(how: str, child: Path) -> None:
    global lost
    if how == "killed":
        os.kill(os.getpid(), 9)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "segfault with a child":
        child.write_text(str(subprocess.Popen(["sleep", "300"]).pid))
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "exit":
        sys.exit("a network of a reader that ends it all")
    elif how == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
        bytearray(1 << 33)
    elif how == "GPU memory":
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee the documentation")
    elif how == "GPU":
        lost = True
        raise RuntimeError(
            "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be reported late"
        )
    elif how == "eats":
        time.sleep(1)
        [bytearray(b"1" * (1 << 20)) for _ in range(200)]
    elif how == "disk":
        raise OSError(28, "No space left on device", "runs/checkpoint-000003.pt")
    elif how == "hangs":
        started = subprocess.Popen(["sleep", "300"], preexec_fn=end_with_parent)  # as processes that decode do
        child.write_text(str(started.pid))
        time.sleep(300)
    elif how == "stopped":
        os.kill(os.getpid(), 19)
        time.sleep(1)  # another thread may be the one that takes the signal
    elif how == "holds the GIL":
        child.write_text(str(os.getpid()))
        ctypes.PyDLL(None).sleep(300)
    elif how == "raises":
        raise ValueError("no such thing")


def drive(marks: str, *how: str) -> None:
    """A driver of a task a way, a slot each."""
    from ablate.schedule.local import run_local
    from ablate.schedule.slots import Slot
    from ablate.schedule.tasks import Stop, Task

    tasks = [Task(way, way, {"marks": marks, "name": way, "how": way}, 1.0, Path(marks, f"{way}.log")) for way in how]
    for outcome in run_local("hurt:work", tasks, [Slot(way, "cpu") for way in how], Stop(), lambda *event: None):
        print(outcome.task.id, outcome.status, outcome.cause, flush=True)


if __name__ == "__main__":
    drive(*sys.argv[1:])
