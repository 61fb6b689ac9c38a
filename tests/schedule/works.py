"""Work for the scheduler's tests: what a worker is told to do stands in its payload."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def work(payload: dict[str, Any], stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    marks = Path(payload["marks"])
    name = payload["name"]
    with open(marks / name, "a") as file:
        file.write(f"{os.getpid()}\n")
    print(f"{name} runs")
    deadline = time.monotonic() + payload.get("seconds", 0)
    waiting = marks / payload["until"] if "until" in payload else None  # for this file
    while time.monotonic() < deadline or (waiting and not waiting.exists()):
        if stop():
            return "interrupted"
        time.sleep(0.02)
    if os.environ.get("CUDA_VISIBLE_DEVICES") in payload.get("bad", ()):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
    if payload.get("dies", 0) >= len((marks / name).read_text().split()):
        os.kill(os.getpid(), payload.get("signal", signal.SIGKILL))
    if "raises" in payload:
        raise ValueError(payload["raises"])
    epochs = payload.get("epochs", 1)
    for epoch in range(1, epochs + 1):
        report({"epoch": epoch, "epochs": epochs, "test_error": 5.0, "images_per_second": 1.0})
        time.sleep(payload.get("pause", 0))
        if stop() and epoch < epochs:
            return "interrupted"
    return "completed"
