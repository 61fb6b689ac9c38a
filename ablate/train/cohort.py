"""train_cohort(): the seeds of a variant trained side by side on one device, as many as fit into its memory.

Each trial has its own record, checkpoint, divergence and id, and comes out as it would alone, bit for bit. Where the memory
does not suffice they are trained in several rounds; a trial waits while other processes leave no room on the GPU.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Optional

import torch

from ablate.errors import AblateError, RunError
from ablate.files import hold_lock
from ablate.nets.counts import count
from ablate.records.records import begin_attempt, open_trial, trial_directory
from ablate.study.costs import training_memory
from ablate.train.attempt import Attempt, SendEvent
from ablate.train.estimates import workload_of
from ablate.train.job import Job
from ablate.train.ranks import train_on_ranks
from ablate.train.setup import ProcessCache, configure
from ablate.train.side_by_side import own_stream
from ablate.train.trial import PATIENCE, free_memory, train_side_by_side

POLL_SECONDS = 5.0
SHARE = 0.95  # of the free memory that is given out
OTHERS = 0.05  # of a GPU's memory: what is taken while nobody else trains on it
OVERHEAD, WORKSPACE = 1.25, 128 * 2**20  # on the estimate of a training's memory: allocator and, in bytes, libraries
MIB = 2**20


class CohortWork:
    """train_cohort() as the work of a process, which keeps images and what it has measured for the next cohort."""

    def __init__(self) -> None:
        self.cache = ProcessCache()

    def __call__(self, jobs: Sequence[Job], stop: Callable[[], bool], report: SendEvent) -> str:
        return train_cohort(jobs, stop, report, self.cache)


def train_cohort(
    jobs: Sequence[Job], stop: Callable[[], bool], report: SendEvent, cache: ProcessCache | None = None
) -> str:
    """Trains trials of one variant and returns "ended".

    Args:
        jobs: One for each trial.
        stop: As in train_trial().
        report: Is given each trial's rows, and {"trial": id, "status": ..., "cause": ...} as it ends; the status is
            "failed" if it raised an AblateError that concerns it alone.
        cache: What this process keeps from one cohort to the next.

    Raises:
        Exception: What concerns all of them.
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
        own = bool(jobs[0].trial.architecture.code)  # it draws from torch's only generator, so each of them alone
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
    """Begins an attempt at a trial and returns True, or reports why it cannot begin."""
    directory = trial_directory(job.runs, job.trial.id)
    try:
        open_trial(directory, job.trial.definition)
        free = locks.enter_context(hold_lock(directory / "lock", PATIENCE))
        if free and not (directory / "result.json").exists():
            begin_attempt(directory)
            return True
        tell(job, "recorded" if free else "busy")
    except AblateError as error:
        tell(job, "failed", f"{type(error).__name__}: {error}")
    return False


def _train_on_ranks(job: Job, stop: Callable[[], bool], report: SendEvent, tell: Callable[..., None]) -> None:
    """Trains a trial that takes all devices of this worker."""
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
    """Trains some trials together and returns those that ran out of memory."""
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
    if device.type == "cuda" and not left:
        cache.measured_memory[workload_of(jobs[0].trial)] = torch.cuda.max_memory_allocated(device) // len(jobs)
    return tuple(left)


def memory_needed(job: Job, cache: ProcessCache) -> int:
    """The bytes that a training takes: measured, or estimated from the network's layers and what libraries add."""
    estimate = training_memory(count(job.trial.blueprint), job.trial.recipe).total
    return cache.measured_memory.get(workload_of(job.trial)) or job.memory or int(OVERHEAD * estimate) + WORKSPACE


def gpu_memory(device: torch.device) -> Optional[tuple[int, int]]:
    """(free, all) bytes of a GPU, whoever uses it; None on the CPU."""
    return torch.cuda.mem_get_info(device) if device.type == "cuda" else None


def wait_for_room(needed: int, device: torch.device, stop: Callable[[], bool], report: SendEvent) -> int:
    """Waits until a training fits into the GPU's free memory and returns how many fit; 0 if it is stopped before.

    At least one counts as fitting where no other process uses the GPU. On the CPU any number fits: its memory is shared out
    by the scheduler's slots.

    Args:
        needed: Bytes of a training.
        device: Of this process.
        stop: As in train_trial().
        report: Is given {} as a heartbeat.
    """
    while memory := gpu_memory(device):
        free, whole = memory
        if fitting := int(SHARE * free / needed):
            return fitting
        if whole - free < OTHERS * whole:
            return 1
        if stop():
            return 0
        report({})  # it goes on
        time.sleep(POLL_SECONDS)
    return 2**31


def _more(needed: int, device: torch.device) -> int:
    """The bytes a training is assumed to need after it ran out of memory. Raises RunError if the device has no more."""
    free, whole = gpu_memory(device) or (0, 0)
    if whole - free < OTHERS * whole or not whole:
        raise RunError(
            f"out of memory: the device's {whole / MIB:,.0f} MiB do not suffice; a smaller recipe.batch_size needs less, "
            "as does recipe.checkpoint_activations: blocks, with the same result"
        )
    return max(needed, int(1.2 * free))
