"""Where a study will run: what is asked for, and the machine that is found."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ablate.processes.devices import cpu_model, gpu_models
from ablate.records.timings import Pace, Probe, devices_of


@dataclass(frozen=True)
class CostOptions:
    """Where the study will run.

    Args:
        device: As in RunOptions.
        slots: As in RunOptions.
        slots_per_gpu: As in RunOptions.
        gpus: The numbers of GPUs on which the run is simulated, such as (4, 8).
        failures: Failures of a GPU per day in these simulations.
    """

    device: str = "auto"
    slots: int | None = None
    slots_per_gpu: int = 1
    gpus: tuple[int, ...] = ()
    failures: float = 0.0


class Hardware(NamedTuple):
    """A machine that a run is estimated for.

    Args:
        device: Name of its processor or GPU, as in probes and paces.
        kind: "cpu" or "cuda".
        slots: Number of slots.
        side_by_side: How many processes share a device; on the CPU all of them.
        gpus: Number of GPUs of a simulated machine; None for this machine.
    """

    device: str
    kind: str
    slots: int
    side_by_side: int
    gpus: int | None = None


def find_hardware(options: CostOptions, probes: Sequence[Probe], paces: Sequence[Pace]) -> Hardware | None:
    """This machine, by the name under which it was timed; None if it was not timed.

    A processor is found by its name, a GPU by the name that the driver lists; if the driver lists none, the GPU that was
    timed last is taken.

    Args:
        options: Where the study will run.
        probes: Oldest first.
        paces: Times of recorded trials.

    Raises:
        RunError: The options are not valid.
    """
    if not probes and not paces and options == CostOptions(gpus=options.gpus, failures=options.failures):
        return None  # before joblib, which counts the slots, is imported: that takes a tenth of a second
    from ablate.schedule.slots import DEVICE_FILES, find_slots

    gpu = options.device in ("auto", "cuda") and (
        sys.platform != "linux" or any(glob.glob(pattern) for pattern in DEVICE_FILES)
    )
    if gpu and sys.platform != "linux":
        gpu = any(probe.kind == "cuda" for probe in probes[-1:])
    # If there may be GPUs, find_slots() is called for the CPU only to check the options: it would count GPUs with torch.
    slots = len(find_slots("cpu" if gpu else options.device, options.slots, options.slots_per_gpu))
    if gpu:
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
        most = max(1, len(visible or glob.glob("/dev/nvidia[0-9]*"))) * options.slots_per_gpu
        slots = min(options.slots or most, most)
    models = gpu_models() if gpu else []
    latest = sorted(paces, key=lambda pace: pace.finished, reverse=True)
    for device in [probe.device for probe in reversed(probes)] + [pace.device for pace in latest]:
        if gpu:
            known = device in models if models else device in devices_of(probes, "cuda")
        else:
            known = device.startswith(f"{cpu_model()} (")
        if known:
            side_by_side = min(options.slots_per_gpu, slots) if gpu else slots
            return Hardware(device, "cuda" if gpu else "cpu", slots, side_by_side)
    return None
