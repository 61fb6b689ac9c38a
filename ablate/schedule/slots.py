"""Where trials run: a slot is one worker process, pinned to its device."""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass, field

from ablate.errors import RunError
from ablate.processes.limits import count_cores

# On Linux every GPU needs one of these device files: NVIDIA's, AMD's, WSL's, Jetson's.
DEVICE_FILES = ("/dev/nvidia*", "/dev/kfd", "/dev/dxg", "/dev/nvmap", "/dev/nvhost*")


@dataclass(frozen=True)
class Slot:
    """One worker process and the device that it may use.

    Args:
        name: For people, such as "gpu 0".
        device: "cpu" or "cuda", as the worker sees it.
        environment: Environment variables that restrict the worker to its device.
    """

    name: str
    device: str
    environment: dict[str, str] = field(default_factory=dict)


def find_slots(
    device: str = "auto", slots: int | None = None, slots_per_gpu: int = 1, gpus_per_slot: int = 1
) -> list[Slot]:
    """The slots of this machine: slots_per_gpu on each GPU, or one process with one thread on each CPU core.

    Args:
        device: "auto" (GPUs if there are any), "cpu" or "cuda".
        slots: On GPUs the most slots, on the CPU their number; None: as many as the devices allow.
        slots_per_gpu: From 1; ignored if gpus_per_slot is more than 1.
        gpus_per_slot: GPUs of each slot; more than one are shared with no other slot. On the CPU: its processes.

    Raises:
        RunError: The options are not valid, or there are too few GPUs.
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
        # One thread for each process: it measured 1.1 to 1.2 times the throughput of one process with two threads.
        hidden = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        found = [Slot(f"core {i}", "cpu", hidden) for i in range(slots or max(1, count_cores() // gpus_per_slot))]
    return found[:slots]


def check_slots(device: str, slots: int | None, slots_per_gpu: int) -> None:
    """Check the options that hold for every backend.

    Args:
        device: "auto", "cpu" or "cuda".
        slots: From 1; None: as many as the devices allow.
        slots_per_gpu: From 1.

    Raises:
        RunError: An option has another value.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise RunError(f"`device`: found '{device}'; allowed: auto, cpu, cuda")
    if (slots is not None and slots < 1) or slots_per_gpu < 1:
        raise RunError("`slots` and `slots_per_gpu` must be 1 or more")


def _pinned(gpus: str) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": gpus, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def _gpus() -> list[str]:
    """The name of each GPU for CUDA_VISIBLE_DEVICES; asks the driver without creating a CUDA context."""
    if sys.platform == "linux" and not any(glob.glob(pattern) for pattern in DEVICE_FILES):
        return []  # before importing torch, which takes one or two seconds

    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (visible or [str(i) for i in range(count)])[:count]
