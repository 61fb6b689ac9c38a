"""Where trials run: a slot is one worker process, pinned to its device."""

from __future__ import annotations

import glob
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ablate.errors import RunError
from ablate.processes.devices import nvidia_driver
from ablate.processes.limits import count_cores

# On Linux every GPU needs one of these device files: NVIDIA's, AMD's, WSL's, Jetson's.
DEVICE_FILES = ("/dev/nvidia*", "/dev/kfd", "/dev/dxg", "/dev/nvmap", "/dev/nvhost*")
NVIDIA = ("/dev/nvidia[0-9]*", "/proc/driver/nvidia/gpus/*")  # one of these is there if an NVIDIA GPU is
INSTALL = "update the driver, or install a torch that is made for it (pytorch.org)"


@dataclass(frozen=True)
class Slot:
    """One worker process and the device that it may use.

    Args:
        name: For people, such as "gpu 0".
        device: "cpu" or "cuda", as the worker sees it.
        environment: Environment variables that restrict the worker to its device.
        model: What its GPU is called, as torch names it; "" on a processor.
        node: The id of its node in a Ray cluster; "" on this machine.
    """

    name: str
    device: str
    environment: dict[str, str] = field(default_factory=dict)
    model: str = ""
    node: str = ""

    @property
    def words(self) -> str:
        """Its name with that of its GPU, such as "gpu 0 (NVIDIA L4)"."""
        return f"{self.name} ({self.model})" if self.model else self.name


class Gpu(NamedTuple):
    """A GPU of this machine.

    Args:
        visible: Its name in CUDA_VISIBLE_DEVICES.
        model: What it is called, as torch names it.
        unusable: Why this torch cannot use it; "" if it can.
    """

    visible: str
    model: str = ""
    unusable: str = ""


def find_slots(
    device: str = "auto",
    slots: int | None = None,
    slots_per_gpu: int = 1,
    gpus_per_slot: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> list[Slot]:
    """The slots of this machine: slots_per_gpu on each GPU, or one process with one thread on each CPU core.

    Args:
        device: "auto" (GPUs if there are any), "cpu" or "cuda".
        slots: On GPUs the most slots, on the CPU their number; None: as many as the devices allow.
        slots_per_gpu: From 1; ignored if gpus_per_slot is more than 1.
        gpus_per_slot: GPUs of each slot; more than one are shared with no other slot. On the CPU: its processes.
        say: Receives a line if GPUs are there that are not used, or if they are of different kinds.

    Raises:
        RunError: The options are not valid, there are too few GPUs, or "cuda" is asked for and torch can use none.
    """
    check_slots(device, slots, slots_per_gpu)
    there = [] if device == "cpu" else _gpus()
    gpus = [gpu for gpu in there if not gpu.unusable]
    why_not = "; ".join(dict.fromkeys(gpu.unusable for gpu in there if gpu.unusable))
    if device == "cuda" and not gpus:
        raise RunError(f"{why_not}; or use the device cpu" if why_not else "no CUDA device is visible; use the device cpu")
    if why_not:
        say(why_not if gpus else f"{why_not}; the processor is used")
    if gpus and gpus_per_slot > 1:
        if gpus_per_slot > len(gpus):
            raise RunError(f"recipe.gpus: found {gpus_per_slot}; there are {len(gpus)} GPUs")
        firsts = range(0, len(gpus) - gpus_per_slot + 1, gpus_per_slot)
        groups = [(f"gpus {i} to {i + gpus_per_slot - 1}", gpus[i : i + gpus_per_slot]) for i in firsts]
        found = [_on_gpus(name, group) for name, group in groups]
    elif gpus:
        names = [f"gpu {i}" for i, gpu in enumerate(there) if not gpu.unusable]
        found = [_on_gpus(name, [gpu]) for _ in range(slots_per_gpu) for name, gpu in zip(names, gpus)]
    else:
        # One thread for each process: it measured 1.1 to 1.2 times the throughput of one process with two threads.
        hidden = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        found = [Slot(f"core {i}", "cpu", hidden) for i in range(slots or max(1, count_cores() // gpus_per_slot))]
    kinds = Counter(slot.model for slot in found[:slots])
    if len(kinds) > 1:
        told = ", ".join(f"{count} on {model}" for model, count in kinds.items())
        say(f"slots on different kinds of GPUs: {told}; their last bits differ, and each trial's record names its own")
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


def has_kernels(architectures: Sequence[str], capability: tuple[int, int]) -> bool:
    """Whether code for some architectures runs on a GPU.

    Binary code runs on the same major version from its minor version on; "compute" code is compiled for any newer GPU; code
    whose name ends with "a" runs on no other architecture.

    Args:
        architectures: Such as ["sm_80", "sm_90a", "compute_120"]; empty where torch does not know: then it is assumed.
        capability: (major, minor) of the GPU.

    Source: CUDA C++ programming guide, binary and PTX compatibility.
    """
    known = [re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", name) for name in architectures]
    for kind, major, minor, ending in (one.groups() for one in known if one):
        of = int(major), int(minor)
        newer = of[0] == capability[0] and of <= capability if kind == "sm" or ending == "f" else of <= capability
        if of == capability if ending == "a" else newer:
            return True
    return not any(known)


def _on_gpus(name: str, gpus: Sequence[Gpu]) -> Slot:
    pinned = {"CUDA_VISIBLE_DEVICES": ",".join(gpu.visible for gpu in gpus), "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    return Slot(name, "cuda", pinned, " and ".join(dict.fromkeys(gpu.model for gpu in gpus)))


def _gpus() -> list[Gpu]:
    """The GPUs that this process may see; asks the driver without creating a CUDA context."""
    if sys.platform == "linux" and not any(glob.glob(pattern) for pattern in DEVICE_FILES + NVIDIA):
        return []  # before importing torch, which takes one or two seconds

    import torch

    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = [name.strip() for name in (asked or "").split(",") if name.strip()]
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        hidden = asked is not None and (not visible or visible[0] == "-1")
        there = any(glob.glob(pattern) for pattern in NVIDIA)
        return [Gpu("", unusable=_why_unusable())] if there and not hidden else []
    return [_gpu(name, i) for i, name in enumerate((visible or [str(i) for i in range(count)])[:count])]


def _gpu(name: str, index: int) -> Gpu:
    """A GPU that torch counts, by its name in CUDA_VISIBLE_DEVICES and its number in this process."""
    import torch

    try:
        with warnings.catch_warnings():  # torch warns in five lines of what is said here in one
            warnings.simplefilter("ignore")
            about = torch.cuda.get_device_properties(index)
    except (RuntimeError, AssertionError) as error:
        return Gpu(name, unusable=f"gpu {index} is left out, as torch cannot use it: {_first_line(error)}")
    capability, made_for = (about.major, about.minor), torch.cuda.get_arch_list()
    if torch.version.hip or has_kernels(made_for, capability):
        return Gpu(name, about.name)
    what = f"gpu {index} ({about.name}, sm_{about.major}{about.minor}) is left out"
    why = f"torch {torch.__version__} has kernels for {', '.join(made_for)} alone; {INSTALL}"
    return Gpu(name, about.name, f"{what}: {why}")


def _why_unusable() -> str:
    """Why torch can use none of the GPUs that are there, with the versions of the driver and of CUDA, and a remedy."""
    import torch

    there = f"an NVIDIA GPU is in this machine (driver {nvidia_driver() or 'of unknown version'})"
    if not (torch.version.cuda or torch.version.hip):
        return f"{there}, but torch {torch.__version__} is built without CUDA; install a torch with CUDA (pytorch.org)"
    made_for = f"torch {torch.__version__} for CUDA {torch.version.cuda}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.cuda.init()  # type: ignore[no-untyped-call]
        why = "it sees no device"
    except (RuntimeError, AssertionError) as error:
        why = _first_line(error)
    return f"{there}, but {made_for} cannot use it: {why}; {INSTALL}"


def _first_line(error: BaseException) -> str:
    """The first sentence of an error's message."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line.split(". ")[0].rstrip(".")
