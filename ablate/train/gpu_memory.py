"""The memory of a GPU: what trainings need, whether it is free, and what it means when an allocation failed.

A training is packed by what the allocator took from the device for it, in all pools and on all streams. The most bytes of
tensors at one time would be too few: the seeds of a cohort are captured one after the other, so each has its activations in
a pool of its own, of which never two are in use while the graph is made.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

import torch

from ablate.data.preprocessing import PREPROCESSING
from ablate.errors import RunError
from ablate.nets.counts import count
from ablate.study.costs import MIB, training_memory
from ablate.study.data import Data
from ablate.train.estimates import images_of, workload_of
from ablate.train.job import Job
from ablate.train.setup import ProcessCache

POLL_SECONDS, WAIT_SECONDS = 5.0, 3600.0  # between looks, and until a training is tried although there is no room
SHARE = 0.95  # the part of a GPU's free memory that trials may use
OTHERS, DISPLAY = 0.05, 2**30  # the part of a GPU's memory, and bytes: with less in use, no other process trains on it
CONTEXT = 600 * MIB  # that this process takes beside the allocator, at most: its CUDA context and loaded kernels
OVERHEAD, WORKSPACE = 1.25, 128 * MIB  # factor for the allocator and bytes for libraries, on the estimated memory
SPARE = 256 * MIB  # for workspaces of libraries that are larger than before: see failed_allocations()
FULL = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
LESS = "a smaller recipe.batch_size needs less, as does recipe.checkpoint_activations: blocks, with the same result"


class Needed(NamedTuple):
    """The bytes of GPU memory that trainings need.

    Args:
        each: Of one training.
        shared: Of all together: images that are not on the GPU yet, and a reserve.
    """

    each: int
    shared: int = 0

    def fitting(self, free: int) -> int:
        """How many trainings fit.

        Args:
            free: Bytes of the GPU.
        """
        return max(0, int(SHARE * free - self.shared) // max(1, self.each))


def memory_needed(job: Job, cache: ProcessCache) -> Needed:
    """The bytes that a training takes: measured here, measured by a probe, or estimated from the network's layers.

    Args:
        job: Of the trial.
        cache: Holds what this process has measured, and the images that are on the GPU already.
    """
    estimate = training_memory(count(job.trial.blueprint), job.trial.recipe).total
    each = cache.measured_memory.get(workload_of(job.trial)) or job.memory or int(OVERHEAD * estimate) + WORKSPACE
    return Needed(each, SPARE + max(0, resident_bytes(job.trial.data) - cache.images.nbytes))


def resident_bytes(data: Data) -> int:
    """The bytes of a trial's images on a GPU, all at once; 0 if they are streamed or their number is not known."""
    train, test = (0, 0) if data.streamed else images_of(data) or (0, 0)
    once = (data.test_size or data.full_sizes[1] or 0) if data.held_out and data.held_out.test and not data.streamed else 0
    return (train + test + once) * math.prod(data.input_shape) * (4 if PREPROCESSING[data.preprocess].prepare else 1)


def gpu_memory(device: torch.device) -> Optional[tuple[int, int]]:
    """The (free, total) bytes of a GPU, over all processes that use it; None on the CPU."""
    return torch.cuda.mem_get_info(device) if device.type == "cuda" else None


def reserved(device: torch.device, most: bool = False) -> int:
    """The bytes that this process's allocator holds of a GPU; 0 on the CPU.

    Args:
        device: Of this process.
        most: Whether to return the most since the statistics were reset.
    """
    if device.type != "cuda":
        return 0
    return torch.cuda.max_memory_reserved(device) if most else torch.cuda.memory_reserved(device)


def used_by_others(device: torch.device) -> int:
    """The bytes of a GPU that other processes train with; 0 if they use no more than a display does."""
    free, whole = gpu_memory(device) or (0, 0)
    others = whole - free - reserved(device) - CONTEXT
    return others if others > max(OTHERS * whole, DISPLAY) else 0


def failed_allocations(device: torch.device) -> int:
    """How many allocations of this process have failed so far; 0 on the CPU.

    cuDNN tries its algorithms in order until it gets the memory for one. So an allocation that fails need raise no error,
    but another algorithm gives other last bits.
    """
    return int(torch.cuda.memory_stats(device).get("num_ooms", 0)) if device.type == "cuda" else 0


def check_allocations(device: torch.device, before: int, together: int) -> None:
    """Check that no allocation has failed unseen since a count was taken.

    Args:
        device: Of this process.
        before: What failed_allocations() was.
        together: How many trainings run side by side.

    Raises:
        torch.OutOfMemoryError: One has, and fewer trainings at a time, or other processes that end, would leave room.
    """
    if failed_allocations(device) == before:
        return
    what = "an allocation failed and cuDNN took an algorithm that needs less memory, with other last bits"
    if together > 1 or used_by_others(device):
        raise torch.OutOfMemoryError(what)
    print(f"{what}; it will do so on every GPU of this size", flush=True)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the GPU's memory is full, be it torch's, the driver's or that of a library.

    An error that only followed from one, as at the end of a capture that failed, is none: after it the allocator goes on to
    fill the graph's pool, and only a new process recovers.
    """
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in FULL)


@dataclass
class Room:
    """Waits until trainings fit into the GPU's free memory.

    Args:
        device: Of this process.
        needed: By the trainings.
        stop: As in train_trial().
        report: Receives {} as a heartbeat, and a note of what is awaited.

    Attributes:
        overdue: Whether a training is tried although there is no room for it.
    """

    device: torch.device
    needed: Needed
    stop: Callable[[], bool]
    report: Callable[[dict[str, Any]], None]
    overdue: bool = False

    def wait(self) -> int:
        """Wait until a training fits and return how many fit; 0 if asked to stop before.

        If no other process uses the GPU, or none makes room for WAIT_SECONDS, the number is at least 1. On the CPU any
        number fits: the number of slots limits the memory in use.
        """
        begun, told = time.monotonic(), False
        while memory := gpu_memory(self.device):
            free, whole = memory
            if fitting := self.needed.fitting(free):
                self.overdue = False
                return fitting
            others = used_by_others(self.device)
            if not others:
                return 1
            if self.stop():
                return 0
            wanted = f"needs about {(self.needed.each + self.needed.shared) / MIB:,.0f} MiB of GPU memory"
            there = f"{free / MIB:,.0f} of {whole / MIB:,.0f} MiB are free, other processes have {others / MIB:,.0f}"
            if time.monotonic() - begun >= WAIT_SECONDS:
                self.overdue = True
                self.report({"event": "note", "text": f"{wanted}; still {there}; it is tried now"})
                return 1
            self.report({} if told else {"event": "note", "text": f"{wanted}; {there}; waiting for room"})
            told = True
            time.sleep(POLL_SECONDS)
        return 2**31

    def more(self) -> None:
        """Assume that more is needed, because one training ran out of memory.

        Raises:
            RunError: The device has no more, or other processes have kept it for WAIT_SECONDS.
        """
        free, whole = gpu_memory(self.device) or (0, 0)
        others = used_by_others(self.device)
        if not others:
            raise RunError(f"out of memory: the device's {whole / MIB:,.0f} MiB do not suffice; {LESS}")
        if self.overdue:
            raise RunError(
                f"out of memory: {free / MIB:,.0f} of the device's {whole / MIB:,.0f} MiB are free, other processes have "
                f"{others / MIB:,.0f}; run again when they have ended; {LESS}"
            )
        self.needed = self.needed._replace(each=max(self.needed.each, int(1.2 * free)))
