"""train_trial(): trains one trial from its last checkpoint to its result; train_side_by_side(): several, epoch by epoch."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Optional

import torch

from ablate.records.attempts import hold_attempt
from ablate.train.arithmetic import refusals_explained
from ablate.train.attempt import Attempt, SendEvent
from ablate.train.gpu_memory import check_allocations, failed_allocations
from ablate.train.job import Job
from ablate.train.ranks import train_on_ranks
from ablate.train.setup import ProcessCache, configure
from ablate.train.side_by_side import Capture, CudaGraphs, SideBySide, own_stream

BEAT_SECONDS = 10.0  # between heartbeats within an epoch, for the watchdog


class TrialWork:
    """train_trial() as the work of a process that keeps images for the next trial."""

    def __init__(self) -> None:
        self.cache = ProcessCache()

    def __call__(self, job: Job, stop: Callable[[], bool], report: SendEvent) -> str:
        return train_trial(job, stop, report, self.cache)


def train_trial(job: Job, stop: Callable[[], bool], report: SendEvent, cache: ProcessCache | None = None) -> str:
    """Train a trial to its result, from its last checkpoint.

    On the same device, a resumed trial equals an uninterrupted one bit for bit.

    Args:
        job: The trial and where it is trained.
        stop: Called at the end of each epoch; if it returns True, a checkpoint is written and training ends.
        report: Receives the row and the images per second of each epoch, {} as a heartbeat, and notes.
        cache: What this process keeps for the next trial; None: nothing is kept.

    Returns:
        "completed", "diverged", "interrupted", "recorded" (the trial had a result) or "busy" (another process trains it).

    Raises:
        AblateError: The trial cannot be trained.
    """
    cache = cache or ProcessCache()
    with hold_attempt(job.runs, job.trial.id, job.trial.definition) as why_not:
        if why_not:
            return why_not
        if job.trial.recipe.gpus > 1:
            return train_on_ranks(job, stop, report)
        device = configure(job.device)
        try:
            with own_stream(device):
                ((_, status),) = train_side_by_side([Attempt(job, device, images=cache.images)], stop, report)
            return status
        finally:
            free_memory()


def train_side_by_side(
    attempts: Sequence[Attempt], stop: Callable[[], bool], report: SendEvent, capture: Optional[Capture] = None
) -> Iterator[tuple[Attempt, str]]:
    """Train trials on the same images together: one epoch of each, then the next epoch of each.

    Args:
        attempts: Of the trials, on one device.
        stop, report: As in train_trial().
        capture: Captures their steps; None: CUDA graphs on a GPU, unless the jobs are plain.

    Yields:
        Each attempt as it ends, with its status as train_trial() returns it.

    Raises:
        torch.OutOfMemoryError: The device has too little memory for all; epochs that are recorded are as they are alone.
    """
    waiting, beat = list(attempts), _beating(report)
    for attempt in waiting:
        attempt.beat = beat
        if attempt.moved and not attempt.ended:
            report({"event": "note", "trial": attempt.job.trial.id, "text": attempt.moved})
    while waiting:
        # An attempt may have ended before: its process was killed just before it wrote the result.
        for attempt in [attempt for attempt in waiting if attempt.ended]:
            waiting.remove(attempt)
            yield attempt, attempt.record()
        if not waiting:
            return
        together = list(waiting)
        captures = together[0].device.type == "cuda" and not together[0].job.plain
        graphs = capture or (CudaGraphs() if captures else None)
        training = SideBySide([attempt.training for attempt in together], graphs, beat)
        testing = SideBySide([attempt.testing for attempt in together], graphs, beat)
        while waiting == together:  # until an attempt has ended
            begin = time.monotonic()
            for attempt in together:
                attempt.start_epoch()
            epochs = [attempt.epoch for attempt in together]
            failed = failed_allocations(together[0].device)
            with refusals_explained(str(together[0].job.trial.architecture)):
                train = training.run(epochs)
            middle = time.monotonic()
            if testing.capture is None:
                for attempt in together:
                    attempt.keep_logits_of_last_pass()
            with refusals_explained(str(together[0].job.trial.architecture)):
                test = testing.run(epochs)
            end = time.monotonic()
            check_allocations(together[0].device, failed, len(together))
            for attempt, scores, tested in zip(together, train, test):
                attempt.add_epoch(scores, tested, middle - begin, end - middle, len(together), report)
            stopping = stop()
            for attempt in together:
                if status := attempt.keep(stopping):
                    waiting.remove(attempt)
                    yield attempt, status


def _beating(report: SendEvent) -> Callable[[], None]:
    """A function that reports a heartbeat, at most one every BEAT_SECONDS."""
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= BEAT_SECONDS:
            last = now
            report({})

    return beat


def free_memory() -> None:
    """Release cached GPU memory to other processes."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
