"""train_cohort(): trains the seeds or folds of a variant side by side on one device, as many as fit into its memory.

Each trial has its own id, record and checkpoints, may diverge without the others, and gives the same bits as alone. If the
memory does not suffice for all, they are trained in several rounds. While other processes fill the GPU, trials wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch

from ablate.errors import AblateError
from ablate.own_modules import look_in
from ablate.records.attempts import hold_attempt
from ablate.train.attempt import Attempt, SendEvent
from ablate.train.estimates import workload_of
from ablate.train.gpu_memory import Room, gpu_memory, is_out_of_memory, memory_needed, reserved, used_by_others
from ablate.train.job import Job
from ablate.train.ranks import train_on_ranks
from ablate.train.setup import ProcessCache, configure
from ablate.train.side_by_side import own_stream
from ablate.train.trial import free_memory, train_side_by_side


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
        room = Room(device, memory_needed(jobs[0], cache), stop, report)
        while waiting:
            group = waiting.popleft()
            fitting = room.wait()
            if not fitting:
                for job in group:
                    tell(job, "interrupted")
                continue
            if group[fitting:]:
                waiting.appendleft(group[fitting:])
            left = _train(group[:fitting], device, stop, report, tell, cache)
            free_memory()
            if len(left) > 1:
                half = (len(left) + 1) // 2
                waiting.extendleft((left[half:], left[:half]))
            elif left:
                room.more()
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
        tell(job, "failed", str(error))
    return False


def _train_on_ranks(job: Job, stop: Callable[[], bool], report: SendEvent, tell: Callable[..., None]) -> None:
    """Train a trial that takes all devices of this worker."""
    with ExitStack() as locks:
        if not _begin(job, locks, tell):
            return
        try:
            tell(job, train_on_ranks(job, stop, report))
        except AblateError as error:
            tell(job, "failed", str(error))


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
    before, resident = gpu_memory(device), cache.images.nbytes
    try:
        for job in jobs:
            try:
                attempts.append(Attempt(job, device, images=cache.images))
            except AblateError as error:
                left.remove(job)
                tell(job, "failed", str(error))
        for group in _of_equal_sizes(attempts):
            for attempt, status in train_side_by_side(group, stop, report):
                left.remove(attempt.job)
                tell(attempt.job, status)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        print(f"{len(left)} side by side: {error}", flush=True)
    if before and attempts and not left:
        took = reserved(device, most=True) - cache.images.nbytes
        if not used_by_others(device):  # beside the allocator: graphs, kernels that were loaded
            now = gpu_memory(device) or before
            took = max(took, before[0] - now[0] - (cache.images.nbytes - resident))
        cache.measured_memory[workload_of(jobs[0].trial)] = max(1, took // len(attempts))
    return tuple(left)


def _of_equal_sizes(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """The attempts in groups whose passes have equally many images: folds may differ by one."""
    groups: dict[tuple[int, ...], list[Attempt]] = {}
    for attempt in attempts:
        sizes = *attempt.training.batches.sizes, 0, *attempt.testing.batches.sizes
        groups.setdefault(sizes, []).append(attempt)
    return [*groups.values()]
