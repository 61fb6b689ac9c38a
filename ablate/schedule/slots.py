"""Where trials run: a slot is one worker process, pinned to its device."""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass, field

import joblib

from ablate.errors import RunError

# On Linux no GPU works without one of these: NVIDIA's, AMD's, WSL's, Jetson's.
DEVICE_FILES = ("/dev/nvidia*", "/dev/kfd", "/dev/dxg", "/dev/nvmap", "/dev/nvhost*")


@dataclass(frozen=True)
class Slot:
    """device: "cpu" or "cuda", as the worker sees it; environment: what pins the worker to it."""

    name: str
    device: str
    environment: dict[str, str] = field(default_factory=dict)


def find_slots(
    device: str = "auto", slots: int | None = None, slots_per_gpu: int = 1, gpus_per_slot: int = 1
) -> list[Slot]:
    """The slots of this machine: on GPUs slots_per_gpu each, else one process of one thread a core.

    device: auto (GPUs where there are any), cpu or cuda. slots: how many instead, on GPUs at most. gpus_per_slot: for
    trials on several, which share none of them with others; on the CPU so many processes a slot. Raises RunError.
    """
    check_slots(device, slots, slots_per_gpu)
    gpus = [] if device == "cpu" else _gpus()
    if device == "cuda" and not gpus:
        raise RunError("no CUDA device is visible; use the device cpu")
    if gpus and gpus_per_slot > 1:
        if gpus_per_slot > len(gpus):
            raise RunError(f"recipe.gpus: found {gpus_per_slot}; there are {len(gpus)} GPUs")
        firsts = range(0, len(gpus) - gpus_per_slot + 1, gpus_per_slot)
        found = [
            Slot(f"gpus {i} to {i + gpus_per_slot - 1}", "cuda", _pinned(",".join(gpus[i : i + gpus_per_slot])))
            for i in firsts
        ]
    elif gpus:
        found = [Slot(f"gpu {i}", "cuda", _pinned(gpu)) for _ in range(slots_per_gpu) for i, gpu in enumerate(gpus)]
    else:
        # One thread a process: measured 1.1 to 1.2 times the throughput of one process of two threads.
        hidden = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        found = [Slot(f"core {i}", "cpu", hidden) for i in range(slots or max(1, joblib.cpu_count() // gpus_per_slot))]
    return found[:slots]


def check_slots(device: str, slots: int | None, slots_per_gpu: int) -> None:
    """Raises RunError for options that no backend allows."""
    if device not in ("auto", "cpu", "cuda"):
        raise RunError(f"`device`: found '{device}'; allowed: auto, cpu, cuda")
    if (slots is not None and slots < 1) or slots_per_gpu < 1:
        raise RunError("`slots` and `slots_per_gpu` must be 1 or more")


def _pinned(gpus: str) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": gpus, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def _gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES would call each GPU; asks the driver without making a CUDA context."""
    if sys.platform == "linux" and not any(glob.glob(pattern) for pattern in DEVICE_FILES):
        return []  # without importing torch, which takes a second or two

    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (visible or [str(i) for i in range(count)])[:count]
