"""train_cohort(): trains the seeds of a variant side by side on one device, as many as fit into its memory.

Each trial has its own id, record and checkpoints, may diverge without the others, and gives the same bits as alone. If the
memory does not suffice for all, they are trained in several rounds. While other processes fill the GPU, trials wait.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Optional

import torch

from ablate.errors import AblateError, RunError
from ablate.nets.counts import count
from ablate.own_modules import look_in
from ablate.records.records import hold_attempt
from ablate.study.costs import MIB, training_memory
from ablate.train.attempt import Attempt, SendEvent
from ablate.train.estimates import workload_of
from ablate.train.job import Job
from ablate.train.ranks import train_on_ranks
from ablate.train.setup import ProcessCache, configure
from ablate.train.side_by_side import own_stream
from ablate.train.trial import free_memory, train_side_by_side

MEMORY_POLL_SECONDS = 5.0
SHARE = 0.95  # the part of a GPU's free memory that trials may use
OTHERS = 0.05  # of a GPU's memory: if less is in use, no other process trains on it
OVERHEAD, WORKSPACE = 1.25, 128 * 2**20  # factor for the allocator and bytes for libraries, on the estimated memory


class CohortWork:
    """train_cohort() as the work of a process, which keeps images and measured memory for the next cohort."""

    def __init__(self) -> None:
        self.cache = ProcessCache()

    def __call__(self, jobs: Sequence[Job], stop: Callable[[], bool], report: SendEvent) -> str:
        return train_cohort(jobs, stop, report, self.cache)


def train_cohort(
    jobs: Sequence[Job], stop: Callable[[], bool], report: SendEvent, cache: ProcessCache | None = None
) -> str:
    """Train trials of one variant and return "ended".

    Args:
        jobs: One for each trial, at least one.
        stop: As in train_trial().
        report: Receives the rows of each trial, and {"trial": id, "status": ..., "cause": ...} when a trial ends. The
            status is "failed" if an AblateError concerns only that trial.
        cache: What this process keeps for the next cohort; None: nothing is kept.

    Raises:
        Exception: An error that concerns all trials.
    """

    cache = cache or ProcessCache()

    def tell(job: Job, status: str, cause: str = "") -> None:
        report({"trial": job.trial.id, "status": status, "cause": cause})

    if jobs[0].trial.recipe.gpus > 1:
        for job in jobs:
            _train_on_ranks(job, stop, report, tell)
        return "ended"
    device = configure(jobs[0].device)
    with ExitStack() as locks, own_stream(device):
        begun = [job for job in jobs if _begin(job, locks, tell)]
        # A reader's code may draw from torch's global generator, so its trials are trained one after the other.
        own = bool(jobs[0].trial.architecture.code or jobs[0].trial.recipe.own_code)
        if own:
            look_in(*jobs[0].folders)
        waiting = deque([(job,) for job in begun] if own else [tuple(begun)] if begun else [])
        needed = memory_needed(jobs[0], cache)
        while waiting:
            group = waiting.popleft()
            room = wait_for_room(needed, device, stop, report)
            if not room:
                for job in group:
                    tell(job, "interrupted")
                continue
            if group[room:]:
                waiting.appendleft(group[room:])
            left = _train(group[:room], device, stop, report, tell, cache)
            free_memory()
            if len(left) > 1:
                half = (len(left) + 1) // 2
                waiting.extendleft((left[half:], left[:half]))
            elif left:
                needed = _more(needed, device)
                waiting.appendleft(left)
    return "ended"


def _begin(job: Job, locks: ExitStack, tell: Callable[..., None]) -> bool:
    """Begin an attempt at a trial and return True, or report why it cannot begin and return False."""
    try:
        why_not = locks.enter_context(hold_attempt(job.runs, job.trial.id, job.trial.definition))
        if not why_not:
            return True
        tell(job, why_not)
    except AblateError as error:
        tell(job, "failed", f"{type(error).__name__}: {error}")
    return False


def _train_on_ranks(job: Job, stop: Callable[[], bool], report: SendEvent, tell: Callable[..., None]) -> None:
    """Train a trial that takes all devices of this worker."""
    with ExitStack() as locks:
        if not _begin(job, locks, tell):
            return
        try:
            tell(job, train_on_ranks(job, stop, report))
        except AblateError as error:
            tell(job, "failed", f"{type(error).__name__}: {error}")


def _train(
    jobs: Sequence[Job],
    device: torch.device,
    stop: Callable[[], bool],
    report: SendEvent,
    tell: Callable[..., None],
    cache: ProcessCache,
) -> tuple[Job, ...]:
    """Train some trials together and return those that ran out of memory."""
    left = list(jobs)
    attempts: list[Attempt] = []
    try:
        for job in jobs:
            try:
                attempts.append(Attempt(job, device, images=cache.images))
            except AblateError as error:
                left.remove(job)
                tell(job, "failed", f"{type(error).__name__}: {error}")
        for attempt, status in train_side_by_side(attempts, stop, report):
            left.remove(attempt.job)
            tell(attempt.job, status)
    except torch.OutOfMemoryError as error:
        print(f"{len(left)} side by side: {error}", flush=True)
    if device.type == "cuda" and attempts and not left:
        cache.measured_memory[workload_of(jobs[0].trial)] = torch.cuda.max_memory_allocated(device) // len(attempts)
    return tuple(left)


def memory_needed(job: Job, cache: ProcessCache) -> int:
    """The bytes of GPU memory that a training takes: measured, or estimated from the network's layers and for libraries.

    Args:
        job: Of the trial.
        cache: Holds what this process has measured.
    """
    estimate = training_memory(count(job.trial.blueprint), job.trial.recipe).total
    return cache.measured_memory.get(workload_of(job.trial)) or job.memory or int(OVERHEAD * estimate) + WORKSPACE


def gpu_memory(device: torch.device) -> Optional[tuple[int, int]]:
    """The (free, total) bytes of a GPU, over all processes that use it; None on the CPU.

    Args:
        device: Of this process.
    """
    return torch.cuda.mem_get_info(device) if device.type == "cuda" else None


def wait_for_room(needed: int, device: torch.device, stop: Callable[[], bool], report: SendEvent) -> int:
    """Wait until a training fits into the GPU's free memory and return how many fit; 0 if asked to stop before.

    If no other process uses the GPU, the number is at least 1. On the CPU any number fits: the number of slots limits the
    memory in use.

    Args:
        needed: Bytes of one training.
        device: Of this process.
        stop: As in train_trial().
        report: Receives {} as a heartbeat.
    """
    while memory := gpu_memory(device):
        free, whole = memory
        if fitting := int(SHARE * free / needed):
            return fitting
        if whole - free < OTHERS * whole:
            return 1
        if stop():
            return 0
        report({})
        time.sleep(MEMORY_POLL_SECONDS)
    return 2**31


def _more(needed: int, device: torch.device) -> int:
    """The bytes assumed to be needed by a training that ran out of memory. Raises RunError if the device has no more."""
    free, whole = gpu_memory(device) or (0, 0)
    if whole - free < OTHERS * whole or not whole:
        raise RunError(
            f"out of memory: the device's {whole / MIB:,.0f} MiB do not suffice; a smaller recipe.batch_size needs less, "
            "as does recipe.checkpoint_activations: blocks, with the same result"
        )
    return max(needed, int(1.2 * free))
