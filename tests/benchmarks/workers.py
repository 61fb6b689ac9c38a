"""What a benchmark's workers do: train as a trial does, or measure what the device can do at most."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import conv2d

from ablate.data.location import default_cache
from ablate.data.streaming import Batch
from ablate.data.tensors import LabelledTensors, Normalization, normalize
from ablate.kinds.precisions import PRECISIONS
from ablate.nets.families import blueprint
from ablate.records.epochs import EPOCH_FIELDS, append_epoch
from ablate.train.arithmetic import set_products
from ablate.train.batches import TrainingBatches
from ablate.train.checkpoint import save_checkpoint
from ablate.train.optimization import make_optimizer, start_epoch
from ablate.train.provenance import provenance
from ablate.train.setup import configure, make_network
from ablate.train.side_by_side import CudaGraphs, SideBySide, own_stream
from ablate.train.training import Training
from tests.benchmarks.jobs import TrainJob, WriteJob

SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices that are multiplied
WIDE = {"cpu": (8, 256, 32), "cuda": (256, 512, 32)}  # images, channels and pixels a side of the convolution
COPIED = {"cpu": 2**28, "cuda": 2**31}  # bytes that are copied
RATE_SECONDS = 1.0
ROWS = 200  # epochs in a checkpoint that is written
_ready: dict[TrainJob, Callable[[], None]] = {}  # by job: what trains one round of it, warm from the round before
_states: dict[TrainJob, dict[str, Any]] = {}  # by job: what a checkpoint of it holds

Stopping = Callable[[], bool]
Report = Callable[[dict[str, Any]], None]


def train_ours(job: TrainJob, stop: Stopping, report: Report) -> str:
    """Trains as a trial does: the same loop, with images that wait on the device."""
    if job not in _ready:
        _ready[job] = _prepare(job)
    _ready[job]()
    wait_for(job.device)
    report({"peak_memory_bytes": peak_memory(job.device)})
    return "completed"


def write_epochs(job: WriteJob, stop: Stopping, report: Report) -> str:
    """Writes what a trial leaves after an epoch, its line and a checkpoint, as it does or as a plain script would."""
    if job.network not in _states:
        _states[job.network] = _trained_state(job.network)
    state = _states[job.network]
    for epoch, row in enumerate(state["rows"][: job.epochs], 1):
        if job.plainly:
            with open(job.folder / "epochs.jsonl", "a") as file:
                file.write(json.dumps(row) + "\n")
            torch.save(state, job.folder / "checkpoint.pt")
        else:
            append_epoch(job.folder, row)
            save_checkpoint(job.folder, epoch, state)
    report({})
    return "completed"


def _trained_state(job: TrainJob) -> dict[str, Any]:
    """What a checkpoint of a job's network holds after an epoch."""
    (one,) = _passes(job)
    SideBySide([one]).run([1])
    states = {"network": one.network.state_dict(), "optimizer": one.optimizer.state_dict()}
    row = dict.fromkeys(EPOCH_FIELDS, 0.1 + 0.2)
    rows = [{**row, "epoch": epoch} for epoch in range(1, ROWS + 1)]
    return {**states, "data_digest": "0123456789abcdef", "rows": rows, "attempts": []}


def _prepare(job: TrainJob) -> Callable[[], None]:
    """One round of a job: its networks side by side or one after the other."""
    device, passes = torch.device(job.device), _passes(job)
    graphs = CudaGraphs() if device.type == "cuda" and not job.plain else None
    groups = [SideBySide(passes, graphs)] if job.together else [SideBySide([one], graphs) for one in passes]

    def train() -> None:
        with own_stream(device):
            for group in groups:
                group.run([1] * len(group.passes))

    return train


def _passes(job: TrainJob) -> list[Training]:
    """The training of each of its networks."""
    device, recipe, data = configure(job.device, job.deterministic), job.recipe, job.data
    images, labels = (tensor.to(device) for tensor in random_images(job))
    normalization = Normalization(*(torch.full((data.channels,), value, device=device) for value in (127.5, 64.0)))
    layers = blueprint(job.architecture, data.classes, data.input_shape)
    kind = SameBatch if job.steps_alone else TrainingBatches
    passes = []
    for seed in job.seeds:
        network = make_network(layers, recipe, seed, device, default_cache())
        optimizer = make_optimizer(recipe, network)
        start_epoch(recipe, optimizer, 1)
        passes.append(
            Training(network, optimizer, kind(LabelledTensors(images, labels), normalization, data, recipe, seed), recipe)
        )
    return passes


class SameBatch(TrainingBatches):
    """The first batch again and again, prepared once: what is left of a step is forward, backward and update."""

    def begin(self, epoch: int) -> None:
        assert isinstance(self.part, LabelledTensors)
        images, labels = (tensor[: self.size] for tensor in self.part)
        self.batch = normalize(images, self.normalization), labels

    def take(self, size: int) -> Batch:
        return self.batch


def random_images(job: TrainJob) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 (N, H, W, C) and labels int64 (N,) on the CPU, the same ones each time."""
    draws = torch.Generator().manual_seed(0)
    shape = (job.images, job.data.image_size, job.data.image_size, job.data.channels)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draws)
    return pixels, torch.randint(0, job.data.classes, (job.images,), generator=draws)


def wait_for(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def peak_memory(device: str) -> int:
    """Bytes: of tensors on a GPU, of this process on a processor."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def made_with(device: str) -> tuple[dict[str, Any], str]:
    """The provenance of a benchmark on a device, auto, cpu or cuda, and which of the two latter it is."""
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    return provenance(torch.device(kind)), kind


def measure_rates(job: tuple[str, str], stop: Stopping, report: Report) -> str:
    """The device's rates for (device, precision); see floor.Rates."""
    name, precision = job
    device, entry = configure(name), PRECISIONS[precision]
    kind = getattr(torch, entry.cast or "float32")
    set_products(entry.tf32)
    side = SIDE[device.type]
    a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    source = torch.zeros(COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    images, channels, pixels = WIDE[device.type]
    x = torch.randn(images, channels, pixels, pixels, device=device).to(kind, memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3, device=device).to(kind, memory_format=torch.channels_last)
    product = max(
        side**3 / _least_seconds(lambda: torch.mm(a, b), device.type),
        9 * channels**2 * images * pixels**2 / _least_seconds(lambda: conv2d(x, weight, padding=1), device.type),
    )
    copied = 2 * source.numel() / _least_seconds(lambda: target.copy_(source), device.type)
    report({"multiply_adds": product, "bytes": copied})
    return "completed"


def _least_seconds(call: Callable[[], object], device: str) -> float:
    """Of one call, in the best of the stretches that fit into a second."""
    call()
    wait_for(device)
    least, begun = float("inf"), time.perf_counter()
    while time.perf_counter() - begun < RATE_SECONDS:
        before = time.perf_counter()
        call()
        wait_for(device)
        least = min(least, time.perf_counter() - before)
    return least
