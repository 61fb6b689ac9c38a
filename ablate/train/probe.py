"""probe(): how long a training step and a test batch of a network take, on random images, in the trainer's own loop.

A round is a pass over a few batches, so augmentation, normalization, precision, update and CUDA graphs are those of a
trial, and the device is waited for at its end.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from typing import Any

import torch

from ablate.data.cache import default_cache
from ablate.data.tensors import LabelledTensors, Normalization
from ablate.nets.counts import count
from ablate.nets.custom import check_code, look_in
from ablate.study.costs import training_memory
from ablate.train.batches import TEST_BATCH, TestBatches, TrainingBatches
from ablate.train.job import ProbeJob
from ablate.train.loop import Pass, Testing, Training
from ablate.train.optimization import make_optimizer
from ablate.train.provenance import provenance
from ablate.train.setup import configure, make_network
from ablate.train.side_by_side import WARM_UP, CudaGraphs, SideBySide, own_stream

SECONDS = 2.5  # of timed training steps, where so many rounds fit in
ROUND_SECONDS = 0.2  # of a round on CUDA, so that waiting for the device at its end does not count
ROUNDS = (2, 40)  # at least, at most
TEST_SECONDS = 2.0  # of a test batch: one that would take longer is made smaller
MIB = 2**20


def probe(job: ProbeJob, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """Times a trial's network and reports {"train_ms", "test_ms": [a round or batch each], "test_batch", "steps", ...}.

    Returns "probed", or "skipped" after it reported why as "remark": memory by the estimate in study/costs.py.
    """
    device = configure(job.device)
    try:
        with own_stream(device):
            return _probe(job, device, report)
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _probe(job: ProbeJob, device: torch.device, report: Callable[[dict[str, Any]], None]) -> str:
    trial, recipe, data = job.trial, job.trial.recipe, job.trial.data
    part = recipe.batch_size // recipe.gpus  # what one of several GPUs has to do
    recipe = recipe.model_copy(update={"batch_size": part, "gpus": 1, "sync_batch_norm": False})
    if trial.architecture.code:
        look_in(*job.folders)
        check_code(trial.architecture)
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
    begin = time.perf_counter()  # by now the device is awake
    network = make_network(trial.blueprint, recipe, trial.seed, device, default_cache())
    optimizer = make_optimizer(recipe, network)
    rounds = 0

    def training(batches: int) -> Callable[[], float]:
        part = _random_part(recipe.batch_size * batches, data.input_shape, data.classes, device)
        return timed(Training(network, optimizer, TrainingBatches(part, normalization, data, recipe, trial.seed), recipe))

    def testing(size: int, batches: int) -> Callable[[], float]:
        part = _random_part(size * batches, data.input_shape, data.classes, device)
        return timed(Testing(network, TestBatches(part, normalization, size), recipe))

    def timed(one: Pass) -> Callable[[], float]:
        """What runs a pass and returns the seconds that it took, by batch."""
        passes = SideBySide([one], CudaGraphs() if device.type == "cuda" else None)

        def run() -> float:
            nonlocal rounds
            rounds += 1
            begun = time.perf_counter()
            passes.run([rounds])
            return (time.perf_counter() - begun) / len(one.batches.sizes)

        return run

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    train = training(1)
    first = train()
    ready = time.perf_counter() - begin
    step = first if first > SECONDS else train()
    batches = 1 if device.type == "cpu" else max(1, math.ceil(ROUND_SECONDS / step))
    if batches > 1:
        train = training(batches)
        step = train()  # warms up, and captures the step
    least, most = ROUNDS
    train_ms = [1000 * train() for _ in range(min(most, max(least, int(SECONDS / step / batches))))]
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    usual = min(train_ms) / 1000
    most = recipe.batch_size if data.name == "imagenet" else TEST_BATCH  # as a trial tests
    test_batch = min(most, images_at_once(usual, recipe.batch_size))
    test = testing(test_batch, 1 if device.type == "cpu" else 2 * WARM_UP)
    warm_up = test()
    test_ms = [1000 * test() for _ in range(5 if warm_up < TEST_SECONDS / 5 else 1)]
    made = provenance(device)
    report(
        {
            **{key: made[key] for key in ("device", "threads", "torch")},
            "train_ms": train_ms,
            "steps": len(train_ms) * batches,
            "test_ms": test_ms,
            "test_batch": test_batch,
            "startup_seconds": max(0.0, ready - usual),
            "peak_memory_bytes": peak,
        }
    )
    return "probed"


def images_at_once(step_seconds: float, batch_size: int) -> int:
    """How many images to test on at once: the trainer's, or what takes TEST_SECONDS if forward is a third of a step."""
    fitting = int(3 * TEST_SECONDS * batch_size / step_seconds)
    return max(1, min(TEST_BATCH, max(fitting, min(16, batch_size))))


def _random_part(images: int, shape: tuple[int, int, int], classes: int, device: torch.device) -> LabelledTensors:
    """Random pixels and labels; only their number counts."""
    channels, height, width = shape
    pixels = torch.randint(0, 256, (images, height, width, channels), dtype=torch.uint8, device=device)
    return LabelledTensors(pixels, torch.randint(0, classes, (images,), device=device))
