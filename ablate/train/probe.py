"""probe(): measures how long a training step, a test batch and a prediction of a network take, with random images.

A round is a pass over a few batches in the training loop. So augmentation, normalization, precision, update and CUDA graphs
are those of a trial, and a round ends when the device has finished its work. A prediction is a forward pass of images that
are on the device and normalized, in evaluation mode and the recipe's precision, without a CUDA graph.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import nn

from ablate.data.location import default_cache
from ablate.data.tensors import LabelledTensors, Normalization
from ablate.kinds.hooks import Hooks
from ablate.nets.counts import count
from ablate.nets.custom import check_code
from ablate.own_modules import look_in
from ablate.study.costs import MIB, training_memory
from ablate.study.data import Data
from ablate.train.arithmetic import set_as
from ablate.train.batches import TEST_BATCH, TestBatches, TrainingBatches, resident_batch
from ablate.train.energy import energy_counter
from ablate.train.gpu_memory import Needed
from ablate.train.job import ProbeJob
from ablate.train.optimization import make_optimizer
from ablate.train.passes import Pass
from ablate.train.provenance import provenance
from ablate.train.setup import configure, network_of
from ablate.train.side_by_side import WARM_UP, CudaGraphs, SideBySide, own_stream
from ablate.train.testing import Testing
from ablate.train.training import Training
from ablate.train.trial import free_memory

SECONDS = 2.5  # of all timed training steps, within the limits of ROUNDS
ROUND_SECONDS = 0.2  # of a round on CUDA: long compared with the wait for the device at its end
ROUNDS = (2, 40)  # the least and the most
TEST_SECONDS = 2.0  # of a test batch: a batch that would take longer is made smaller
PREDICTED = (1, 128)  # images of a prediction that is timed
PREDICTION_SECONDS, PREDICTIONS = 0.5, (3, 50)  # of all timed predictions of a size, and the least and the most of them


def probe(job: ProbeJob, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """Time the network of a trial.

    Args:
        job: The network and the conditions.
        stop: Is not called: a probe is short.
        report: Receives {"train_ms": [milliseconds of a step, one for each round], "test_ms": [milliseconds of a batch],
            "test_batch": images, "inference_ms": {"1": [milliseconds], "128": [milliseconds]}, "energy_joules": of a step
            or None, "steps": number, "startup_seconds", "peak_memory_bytes", "device", "threads", "torch"}, and if seeds
            were timed side by side their number "together" and the share of each, "together_ms" and "together_test_ms", as
            "train_ms" and "test_ms"; or {"remark":
            why the network was skipped}. Energy is that of the device, divided by the processes that share it.

    Returns:
        "probed", or "skipped" if the estimated memory exceeds the memory that there is.
    """
    device = configure(job.device)
    try:
        with own_stream(device):
            return _probe(job, device, report)
    finally:
        free_memory()


def _probe(job: ProbeJob, device: torch.device, report: Callable[[dict[str, Any]], None]) -> str:
    """As probe(); only this function holds the networks, so that their memory is free when it returns."""
    timing = Timing(job, device)
    if remark := timing.lacking_memory():
        report({"remark": remark})
        return "skipped"
    report(timing.times())
    return "probed"


class Member(NamedTuple):
    """A seed of the network.

    Args:
        network: On the device.
        average: Of its weights; None: the recipe keeps none.
        optimizer: Of its weights.
    """

    network: nn.Module
    average: nn.Module | None
    optimizer: torch.optim.Optimizer

    @property
    def tested(self) -> nn.Module:
        """What is tested: the average, where there is one."""
        return self.average or self.network


class Timing:
    """The timing of a network.

    Args:
        job: The network and the conditions.
        device: From configure().

    Raises:
        NotationError: The reader's code has changed.
    """

    def __init__(self, job: ProbeJob, device: torch.device) -> None:
        self.job, self.device, self.trial, self.data = job, device, job.trial, job.trial.data
        recipe = job.trial.recipe
        part = recipe.batch_size // recipe.gpus  # the images of one GPU
        self.recipe = recipe.model_copy(update={"batch_size": part, "gpus": 1, "sync_batch_norm": False})
        look_in(*job.folders)
        if self.trial.architecture.code:
            check_code(self.trial.architecture)
        for code in self.trial.own_code:
            code.check_unchanged()
        self.hooks = Hooks(recipe.python) if recipe.python else None
        self.summed = [measure for measure in self.data.task.entry.measures if measure.total]  # others: no work of a step
        self.on_gpu = device.type == "cuda"
        self.members: list[Member] = []
        self.rounds = 0

    def lacking_memory(self) -> str:
        """Why the network cannot be trained in the memory that there is, in words; "" if it can."""
        job = self.job
        needed, free = training_memory(count(self.trial.blueprint), self.recipe).total, job.memory
        if self.on_gpu:
            unused, all_of_it = torch.cuda.mem_get_info(self.device)
            free = min(unused, all_of_it // job.side_by_side)
        if free is None or needed <= free:
            return ""
        share = f" for each of {job.side_by_side} processes" if job.side_by_side > 1 else ""
        return f"needs about {needed / MIB:,.0f} MiB to train; there are {free / MIB:,.0f} MiB{share}"

    def times(self) -> dict[str, Any]:
        """What probe() reports."""
        device, batch_size = self.device, self.recipe.batch_size
        channels = torch.ones(self.data.channels, device=device)
        self.normalization = Normalization(127.5 * channels, 64 * channels)
        begin = time.perf_counter()  # after the first use of the device, which initializes it
        self._add_member()
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
        train = self._train_round(1)
        first = train()
        ready = time.perf_counter() - begin
        step = first if first > SECONDS else train()
        batches = max(1, math.ceil(ROUND_SECONDS / step)) if self.on_gpu else 1
        if batches > 1:
            train = self._train_round(batches)
            step = train()  # the warm-up, which also captures the step
        joules = energy_counter(device)
        before = joules() if joules else 0.0
        train_ms = [1000 * train() for _ in range(_rounds(step * batches))]
        energy = (joules() - before) / len(train_ms) / batches / self.job.side_by_side if joules else None
        peak = torch.cuda.max_memory_reserved(device) if self.on_gpu else None
        usual = min(train_ms) / 1000
        as_trained = self.data.streamed or self.data.task.entry.own_loss
        test_batch = min(batch_size if as_trained else resident_batch(device), images_at_once(usual, batch_size))
        test = self._test_round(test_batch)
        warm_up = test()
        test_ms = [1000 * test() for _ in range(5 if warm_up < TEST_SECONDS / 5 else 1)]
        # A batch that would take too long is not timed.
        possible = [size for size in PREDICTED if usual / 3 / batch_size * size <= TEST_SECONDS]
        inference_ms = {str(size): self._predicting(size) if size in possible else [] for size in PREDICTED}
        made = provenance(device)
        return {
            **{key: made[key] for key in ("device", "threads", "torch")},
            "train_ms": train_ms,
            "steps": len(train_ms) * batches,
            "test_ms": test_ms,
            "test_batch": test_batch,
            "inference_ms": inference_ms,
            "energy_joules": energy,
            "startup_seconds": max(0.0, ready - usual),
            "peak_memory_bytes": peak,
            **self._times_together(batches, test_batch, peak),
        }

    def _times_together(self, batches: int, test_batch: int, peak: int | None) -> dict[str, Any]:
        """The times of a seed's share; empty where seeds are not trained side by side, or there is no room for it."""
        trial, job = self.trial, self.job
        count = 1 if trial.architecture.code or self.recipe.own_code or trial.recipe.gpus > 1 else job.together
        if peak and count > 1:
            free, whole = torch.cuda.mem_get_info(self.device)
            count = min(count, 1 + Needed(peak).fitting(min(free, whole // job.side_by_side)))
        if count < 2:
            return {}
        try:
            for _ in range(count - 1):
                self._add_member()
            train, test = self._train_round(batches), self._test_round(test_batch)
            step, _ = train(), test()  # the warm-up
            train_ms = [1000 * train() for _ in range(_rounds(step * batches * count))]
            test_ms = [1000 * test() for _ in range(3)]
        except torch.OutOfMemoryError:
            return {}
        return {"together": count, "together_ms": train_ms, "together_test_ms": test_ms}

    def _add_member(self) -> None:
        """Make one more seed."""
        recipe, cache = self.recipe, default_cache()
        network = network_of(self.trial, self.device, cache, recipe)
        average = network_of(self.trial, self.device, cache, recipe) if recipe.ema.decay else None
        self.members.append(Member(network, average, make_optimizer(recipe, network, hooks=self.hooks)))

    def _train_round(self, batches: int) -> Callable[[], float]:
        """A function that runs a training pass of each seed and returns the seconds per batch of each."""
        part = _random_part(self.recipe.batch_size * batches, self.data, self.device)
        images = [TrainingBatches(part, self.normalization, self.data, self.recipe, self.trial.seed) for _ in self.members]
        return self._timed(
            Training(one.network, one.optimizer, batches, self.recipe, average=one.average, hooks=self.hooks)
            for batches, one in zip(images, self.members)
        )

    def _test_round(self, size: int) -> Callable[[], float]:
        """A function that runs a test pass of each seed and returns the seconds per batch of each."""
        part = _random_part(size * (2 * WARM_UP if self.on_gpu else 1), self.data, self.device)
        return self._timed(self._testing(part, size, one) for one in self.members)

    def _predicting(self, size: int) -> list[float]:
        """Milliseconds of each of several forward passes of the first seed."""
        one = self._testing(_random_part(size, self.data, self.device), size, self.members[0])
        one.begin()
        images, _ = one.batches.take(size)
        with set_as(self.recipe):
            return _time_repeatedly(lambda: one.forward(images), self.device)

    def _testing(self, part: LabelledTensors, size: int, member: Member) -> Testing:
        """The test pass of a seed."""
        return Testing(member.tested, TestBatches(part, self.normalization, size), self.recipe, self.summed, self.hooks)

    def _timed(self, passes: Iterable[Pass]) -> Callable[[], float]:
        """A function that runs a pass of each seed and returns the seconds per batch of each."""
        together = SideBySide(passes, CudaGraphs() if self.on_gpu else None)

        def run() -> float:
            self.rounds += 1
            begun = time.perf_counter()
            together.run([self.rounds] * len(together.passes))
            return (time.perf_counter() - begun) / len(together.sizes) / len(together.passes)

        return run


def _rounds(seconds: float) -> int:
    """How many rounds of so many seconds are timed."""
    least, most = ROUNDS
    return min(most, max(least, int(SECONDS / seconds)))


@torch.no_grad()
def _time_repeatedly(work: Callable[[], Any], device: torch.device) -> list[float]:
    """Milliseconds of each of several calls, after one that warms up."""
    found: list[float] = []
    least, most = PREDICTIONS
    while len(found) <= least or (len(found) <= most and sum(found) < 1000 * PREDICTION_SECONDS):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(1000 * (time.perf_counter() - begun))
    return found[1:]


def images_at_once(step_seconds: float, batch_size: int) -> int:
    """How many images a timed test batch has: TEST_BATCH, or as many as take TEST_SECONDS.

    A forward pass is taken as a third of a training step.

    Args:
        step_seconds: Of a training step.
        batch_size: Images of a training step.
    """
    fitting = int(3 * TEST_SECONDS * batch_size / step_seconds)
    return max(1, min(TEST_BATCH, max(fitting, min(16, batch_size))))


def _random_part(images: int, data: Data, device: torch.device) -> LabelledTensors:
    """Random pixels and labels; their values do not affect the times. An image with boxes has one in its middle."""
    channels, height, width = data.input_shape
    pixels = torch.randint(0, 256, (images, height, width, channels), dtype=torch.uint8, device=device)
    if data.task.entry.boxes:
        side = float(height)
        target = [[side, side, 1, 1, 0, 0, 1], [side / 4, side / 4, 3 * side / 4, 3 * side / 4, 0, 0, side**2 / 4]]
        return LabelledTensors(pixels, torch.tensor(target, device=device).repeat(images, 1, 1))
    return LabelledTensors(pixels, torch.randint(0, data.classes, (images,), device=device))
