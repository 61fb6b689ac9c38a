"""probe(): how long a training step and a test batch of a network take, on random images, in the trainer's own loop.

A round is train_epoch() over a few batches, so augmentation, normalization, precision and update are those of a trial, and
the device is waited for at its end.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from typing import Any

import torch

from ablate.data.tensors import Normalization, Part
from ablate.nets.build import build, checkpoint_blocks
from ablate.nets.counts import count
from ablate.nets.custom import check_code, look_in
from ablate.study.memory import training_memory
from ablate.train.loop import TEST_BATCH, evaluate, train_epoch
from ablate.train.optimization import make_optimizer
from ablate.train.provenance import provenance
from ablate.train.randomness import generator
from ablate.train.trial import configure
from ablate.train.workload import ProbeJob

SECONDS = 2.5  # of timed training steps, where so many rounds fit in
ROUND_SECONDS = 0.2  # of a round on CUDA, so that waiting for the device at its end does not count
ROUNDS = (2, 40)  # at least, at most
TEST_SECONDS = 2.0  # of a test batch: one that would take longer is made smaller
MIB = 2**20


def probe(job: ProbeJob, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """Times a trial's network and reports {"train_ms", "test_ms": [a round or batch each], "test_batch", "steps", ...}.

    Returns "probed", or "skipped" after it reported why as "remark": memory by the estimate in study/memory.py.
    """
    try:
        return _probe(job, report)
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _probe(job: ProbeJob, report: Callable[[dict[str, Any]], None]) -> str:
    trial, recipe, data = job.trial, job.trial.recipe, job.trial.data
    device = configure(job.device)
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
    network = build(trial.blueprint, generator(trial.seed, "initialization"))
    if recipe.checkpoint_activations == "blocks":
        checkpoint_blocks(network)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(recipe, network)
    rounds = 0

    def train(part: Part) -> float:
        nonlocal rounds
        rounds += 1
        begun = time.perf_counter()
        train_epoch(network, optimizer, part, normalization, data, recipe, trial.seed, rounds)
        return time.perf_counter() - begun

    def test(part: Part) -> float:
        begun = time.perf_counter()
        evaluate(network, part, normalization, recipe)
        return time.perf_counter() - begun

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    part = _random_part(recipe.batch_size, data.input_shape, data.classes, device)
    first = train(part)
    ready = time.perf_counter() - begin
    step = first if first > SECONDS else train(part)
    batches = 1 if device.type == "cpu" else max(1, math.ceil(ROUND_SECONDS / step))
    part = _random_part(recipe.batch_size * batches, data.input_shape, data.classes, device)
    least, most = ROUNDS
    train_ms = [1000 * train(part) / batches for _ in range(min(most, max(least, int(SECONDS / step / batches))))]
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    usual = min(train_ms) / 1000
    most = recipe.batch_size if data.name == "imagenet" else TEST_BATCH  # as a trial tests
    test_batch = min(most, images_at_once(usual, recipe.batch_size))
    part = _random_part(test_batch, data.input_shape, data.classes, device)
    warm_up = test(part)
    test_ms = [1000 * test(part) for _ in range(5 if warm_up < TEST_SECONDS / 5 else 1)]
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


def _random_part(images: int, shape: tuple[int, int, int], classes: int, device: torch.device) -> Part:
    """Random pixels and labels; only their number counts."""
    channels, height, width = shape
    pixels = torch.randint(0, 256, (images, height, width, channels), dtype=torch.uint8, device=device)
    return Part(pixels, torch.randint(0, classes, (images,), device=device))
