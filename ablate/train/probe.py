"""probe(): measures how long a training step, a test batch and a prediction of a network take, with random images.

A round is a pass over a few batches in the training loop. So augmentation, normalization, precision, update and CUDA graphs
are those of a trial, and a round ends when the device has finished its work. A prediction is a forward pass of images that
are on the device and normalized, in evaluation mode and the recipe's precision, without a CUDA graph.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

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
from ablate.train.optimization import make_optimizer, own_optimizer
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
    trial, recipe, data = job.trial, job.trial.recipe, job.trial.data
    part = recipe.batch_size // recipe.gpus  # the images of one GPU
    recipe = recipe.model_copy(update={"batch_size": part, "gpus": 1, "sync_batch_norm": False})
    look_in(*job.folders)
    if trial.architecture.code:
        check_code(trial.architecture)
    for code in trial.own_code:
        code.check_unchanged()
    hooks = Hooks(recipe.python) if recipe.python else None
    needed, free = training_memory(count(trial.blueprint), recipe).total, job.memory
    if device.type == "cuda":
        unused, all_of_it = torch.cuda.mem_get_info(device)
        free = min(unused, all_of_it // job.side_by_side)
    if free is not None and needed > free:
        share = f" for each of {job.side_by_side} processes" if job.side_by_side > 1 else ""
        report({"remark": f"needs about {needed / MIB:,.0f} MiB to train; there are {free / MIB:,.0f} MiB{share}"})
        return "skipped"
    channels = torch.ones(data.channels, device=device)
    normalization = Normalization(127.5 * channels, 64 * channels)
    begin = time.perf_counter()  # after the first use of the device, which initializes it
    members: list[tuple[nn.Module, nn.Module | None, torch.optim.Optimizer]] = []
    summed = [measure for measure in data.task.entry.measures if measure.total]  # others are no work of a step
    rounds = 0

    def add_member() -> None:
        """A seed: its network, the average of that, its optimizer."""
        network = network_of(trial, device, default_cache(), recipe)
        average = network_of(trial, device, default_cache(), recipe) if recipe.ema.decay else None
        own = hooks and "optimizer" in hooks and own_optimizer(hooks, recipe, network)
        members.append((network, average, own or make_optimizer(recipe, network)))

    def training(batches: int) -> Callable[[], float]:
        part = _random_part(recipe.batch_size * batches, data, device)
        images = [TrainingBatches(part, normalization, data, recipe, trial.seed) for _ in members]
        return timed(
            Training(network, optimizer, batches, recipe, average=average, hooks=hooks)
            for batches, (network, average, optimizer) in zip(images, members)
        )

    def testing(size: int, batches: int) -> Callable[[], float]:
        part = _random_part(size * batches, data, device)
        return timed(
            Testing(average or network, TestBatches(part, normalization, size), recipe, summed, hooks)
            for network, average, _ in members
        )

    def timed(passes: Iterable[Pass]) -> Callable[[], float]:
        """A function that runs a pass of each seed and returns the seconds per batch of each."""
        together = SideBySide(passes, CudaGraphs() if device.type == "cuda" else None)

        def run() -> float:
            nonlocal rounds
            rounds += 1
            begun = time.perf_counter()
            together.run([rounds] * len(together.passes))
            return (time.perf_counter() - begun) / len(together.sizes) / len(together.passes)

        return run

    add_member()
    network, average, _ = members[0]

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    train = training(1)
    first = train()
    ready = time.perf_counter() - begin
    step = first if first > SECONDS else train()
    batches = 1 if device.type == "cpu" else max(1, math.ceil(ROUND_SECONDS / step))
    if batches > 1:
        train = training(batches)
        step = train()  # the warm-up, which also captures the step
    least, most = ROUNDS
    joules = energy_counter(device)
    before = joules() if joules else 0.0
    train_ms = [1000 * train() for _ in range(min(most, max(least, int(SECONDS / step / batches))))]
    energy = (joules() - before) / len(train_ms) / batches / job.side_by_side if joules else None
    peak = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
    usual = min(train_ms) / 1000
    most = recipe.batch_size if data.streamed or data.task.entry.own_loss else resident_batch(device)  # as in a trial
    test_batch = min(most, images_at_once(usual, recipe.batch_size))
    test = testing(test_batch, 1 if device.type == "cpu" else 2 * WARM_UP)
    warm_up = test()
    test_ms = [1000 * test() for _ in range(5 if warm_up < TEST_SECONDS / 5 else 1)]

    def predicting(size: int) -> list[float]:
        """Milliseconds of the forward passes of so many images; empty for a batch that would take too long."""
        if usual / 3 / recipe.batch_size * size > TEST_SECONDS:
            return []
        part = _random_part(size, data, device)
        one = Testing(average or network, TestBatches(part, normalization, size), recipe, summed, hooks)
        one.begin()
        images, _ = one.batches.take(size)
        with set_as(recipe):
            return time_repeatedly(lambda: one.forward(images), device)

    inference_ms = {str(size): predicting(size) for size in PREDICTED}

    def timed_together() -> dict[str, Any]:
        """The times of a seed's share; empty where seeds are not trained side by side, or there is no room for it."""
        count = 1 if trial.architecture.code or recipe.own_code or trial.recipe.gpus > 1 else job.together
        if peak and count > 1:
            free, whole = torch.cuda.mem_get_info(device)
            count = min(count, 1 + Needed(peak).fitting(min(free, whole // job.side_by_side)))
        if count < 2:
            return {}
        try:
            for _ in range(count - 1):
                add_member()
            train, test = training(batches), testing(test_batch, 1 if device.type == "cpu" else 2 * WARM_UP)
            step, _ = train(), test()  # the warm-up
            least, most = ROUNDS
            enough = min(most, max(least, int(SECONDS / (step * batches * count))))
            shares = [[1000 * run() for _ in range(number)] for run, number in ((train, enough), (test, 3))]
        except torch.OutOfMemoryError:
            return {}
        return {"together": count, "together_ms": shares[0], "together_test_ms": shares[1]}

    made = provenance(device)
    report(
        {
            **{key: made[key] for key in ("device", "threads", "torch")},
            "train_ms": train_ms,
            "steps": len(train_ms) * batches,
            "test_ms": test_ms,
            "test_batch": test_batch,
            "inference_ms": inference_ms,
            "energy_joules": energy,
            "startup_seconds": max(0.0, ready - usual),
            "peak_memory_bytes": peak,
            **timed_together(),
        }
    )
    return "probed"


@torch.no_grad()
def time_repeatedly(work: Callable[[], Any], device: torch.device) -> list[float]:
    """Milliseconds of each of several calls, after one that warms up.

    Args:
        work: Runs on the device.
        device: Is waited for at the end of each call.
    """
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
