"""What a trial does on CUDA, taken apart: bits, checkpoints, waits for the device, memory, milliseconds.

python -m tests.gpu.checks bits resume syncs speed precision memory     # --device cpu: a rehearsal
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablate.data.location import default_cache
from ablate.data.tensors import LabelledTensors, Normalization
from ablate.nets.counts import count
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.study.costs import MIB, training_memory
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.train.batches import TestBatches, TrainingBatches
from ablate.train.gpu_memory import OVERHEAD, WORKSPACE, failed_allocations
from ablate.train.optimization import make_optimizer, restore, start_epoch
from ablate.train.setup import configure, make_network
from ablate.train.side_by_side import CudaGraphs, SideBySide, own_stream
from ablate.train.testing import Testing
from ablate.train.training import Training
from tests.gpu.figures import say

# A network, and how it is trained: each a kind of kernel that can differ in bits, or that a graph might not take.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("WRN-16-2-dropout0.3", {}),
    ("WRN-16-2-dropout0.3", {"precision": "bfloat16"}),
    ("WRN-16-2", {"base": "adam"}),
    ("NIN", {"lr": 0.01}),
    ("VGG", {"precision": "bfloat16", "lr": 0.01}),
    ("WRN-16-2-groupnorm", {"precision": "bfloat16"}),
    ("ResNeXt-29-2x4d", {"precision": "bfloat16"}),
    ("WRN-16-2", {"checkpoint_activations": "blocks"}),
    ("WRN-16-2", {"last_batch": "keep", "decay_on": "weights"}),
    ("WRN-16-2-dropout0.3", {"precision": "float16"}),
    ("WRN-16-2", {"precision": "tf32"}),
    ("WRN-16-2", {"ema": {"decay": 0.9}, "mixup": 0.2, "cutmix": 1.0, "loss": "bce"}),
]


class Checks:
    """The checks on a device; on the CPU they are tiny."""

    def __init__(self, device: str) -> None:
        self.name, self.gpu = device, device == "cuda"
        self.device = configure(device)
        self.batch = 128 if self.gpu else 8
        self.cases = CASES if self.gpu else [("WRN-10-0.25-dropout0.3", {})]
        self.net = "WRN-16-2-dropout0.3" if self.gpu else "WRN-10-0.25-dropout0.3"
        self.few = (10 if self.gpu else 2) * self.batch + self.batch // 2  # so many steps and a half

    def synchronize(self) -> None:
        if self.gpu:
            torch.cuda.synchronize()

    def free(self) -> None:
        gc.collect()
        if self.gpu:
            torch.cuda.empty_cache()

    def seeds(self, net: str, seeds: Sequence[int], images: int, **more: Any) -> Seeds:
        return Seeds(self, net, seeds, images, **more)

    def bits(self) -> None:
        """Step by step == in a graph == three seeds in one graph; two epochs, in the second the rate has dropped."""
        for net, how in self.cases:
            with telling(f"bits {net} {words(how)}") as tell, warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                begun, seen, captured = time.perf_counter(), [], [0, 0]
                for seeds, plain in (((0,), True), ((0,), False), ((1, 0, 2), False)):
                    with own_stream(self.device):
                        one = self.seeds(net, seeds, self.few, plain=plain, **how)
                        losses, at = [one.epoch(1), one.epoch(2)], seeds.index(0)
                        seen.append(([epoch[at] for epoch in losses], one.state(at)))
                        captured = [len(one.training.captured), len(one.testing.captured)]
                plain_one, alone, three = seen
                tell(
                    {
                        "plain == graph": same(plain_one, alone),
                        "graph == three": same(alone, three),
                        "graphs": captured,
                        "finite": all(value == value for pair in plain_one[0] for value in pair),
                        "seconds": round(time.perf_counter() - begun, 1),
                        "warnings": sorted({str(one.message)[:90] for one in told}),
                    }
                )

    def resume(self) -> None:
        """The second epoch after a checkpoint, in new objects, == that of an uninterrupted training."""
        for how in ({"precision": "bfloat16"}, {"base": "adam"}):
            with telling(f"resume {words(how)}") as tell, own_stream(self.device), tempfile.TemporaryDirectory() as folder:
                whole = self.seeds(self.net, (0,), self.few, **how)
                whole.epoch(1)
                kept = {"network": whole.state(0), "optimizer": whole.optimizers[0].state_dict()}
                torch.save(kept, Path(folder) / "checkpoint.pt")
                expected = whole.epoch(2), whole.state(0)
                again = self.seeds(self.net, (0,), self.few, **how)
                state = torch.load(Path(folder) / "checkpoint.pt", map_location="cpu", weights_only=True)
                again.networks[0].load_state_dict(state["network"])
                restore(again.optimizers[0], state["optimizer"])
                tell({"equal": same(expected, (again.epoch(2), again.state(0)))})
        with telling("resume adam, begun on the CPU") as tell:
            begun, here = (torch.nn.Linear(3, 2).to(device) for device in ("cpu", self.device))
            first, then = (make_optimizer(Recipe.named("adam"), one) for one in (begun, here))
            begun(torch.ones(4, 3)).sum().backward()
            first.step()
            restore(then, first.state_dict())
            tell({"steps are counted on": next(iter(then.state.values()))["step"].device.type})

    def syncs(self) -> None:
        """A training step, without graphs, that waits for the device raises an error."""
        for net, how in self.cases:
            with telling(f"syncs {net} {words(how)}") as tell:
                one = self.seeds(net, (0,), 4 * self.batch, plain=True, **how)
                one.epoch(1)
                step = one.training.passes[0]
                step.begin(2)
                self.synchronize()
                with reads_refused(self.gpu):
                    for _ in range(2):
                        step.prepare(self.batch)
                        step.step(self.batch)
                tell("none")

    def speed(self) -> None:
        """Step by step as a careful loop, with batched casts, in a graph; then several seeds in one."""
        nets = {"WRN-16-2": (1, 2, 5, 8), "WRN-28-10": (1, 5), "WRN-40-2": (1, 5), "WRN-40-4": (1, 5)}
        images = self.batch * (40 if self.gpu else 2)
        for net, sizes in nets.items() if self.gpu else [("WRN-10-0.25", (1, 2))]:
            for way, plain in (("plain", True), ("batched casts", False)):
                with telling(f"speed {net} bfloat16 {way}") as tell, own_stream(self.device):
                    one = self.seeds(net, (0,), images, plain=plain, graphs=False, precision="bfloat16")
                    tell(self.timed(one, 1.0))
            for n in sizes:
                with telling(f"speed {net} bfloat16 graph x{n}") as tell, own_stream(self.device):
                    tell(self.timed(self.seeds(net, range(n), images, precision="bfloat16"), 1.5))
            self.free()

    def precision(self) -> None:
        """Each precision; float32 also contiguous, and with any algorithm."""
        ways: dict[str, dict[str, Any]] = {
            "float32": {},
            "tf32": {},
            "float32, contiguous": {"contiguous": True},
            "float32, any algorithm": {"deterministic": False},
            "bfloat16": {},
            "bfloat16, any algorithm": {"deterministic": False},
            "float16": {},
        }
        for net in ("WRN-16-2", "WRN-28-10") if self.gpu else ("WRN-10-0.25",):
            for name, way in ways.items():
                with telling(f"precision {net} {name}") as tell, own_stream(self.device):
                    configure(self.name, way.get("deterministic", True))
                    one = self.seeds(net, (0,), self.batch * (20 if self.gpu else 2), precision=name.partition(",")[0])
                    if way.get("contiguous"):
                        one.networks[0].to(memory_format=torch.contiguous_format)
                        step = one.training.passes[0]
                        step.compute = of_contiguous(step.compute)  # type: ignore[method-assign]
                    tell(self.timed(one, 1.0))
                configure(self.name)
                self.free()

    def memory(self) -> None:
        """MiB a training: the most of tensors, what the allocator and the device gave, and what is estimated."""
        cases: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
            ("WRN-40-4", {}, (1, 5)),
            ("WRN-40-4", {"precision": "bfloat16"}, (1, 5)),
            ("WRN-28-10", {"precision": "bfloat16"}, (1, 5)),
            ("WRN-40-10", {"checkpoint_activations": "blocks"}, (1,)),
        ]
        for net, how, sizes in cases if self.gpu else []:
            for n in sizes:
                self.free()
                with telling(f"memory {net} {words(how)} x{n}") as tell, own_stream(self.device):
                    free, failed = torch.cuda.mem_get_info()[0], failed_allocations(self.device)
                    torch.cuda.reset_peak_memory_stats()
                    one = self.seeds(net, range(n), 10 * self.batch, **how)
                    for epoch in (1, 2):
                        one.epoch(epoch)
                    self.synchronize()
                    estimate = OVERHEAD * training_memory(count(one.layers), one.recipe).total + WORKSPACE
                    taken = {
                        "tensors": torch.cuda.max_memory_allocated(),
                        "reserved": torch.cuda.max_memory_reserved(),
                        "of the device": free - torch.cuda.mem_get_info()[0],
                        "estimated": n * estimate,
                    }
                    each = {name: int(value / n / MIB) for name, value in taken.items()}
                    tell({**each, "failed allocations": failed_allocations(self.device) - failed})
                one = None  # type: ignore[assignment]

    def timed(self, one: Seeds, seconds: float) -> dict[str, float]:
        """Milliseconds a step of all seeds together in the best of some passes, images a second, and the first pass."""
        begun = time.perf_counter()
        one.run(1)
        self.synchronize()
        first, best = time.perf_counter() - begun, float("inf")
        stop = time.perf_counter() + (seconds if self.gpu else 0.01)
        while best == float("inf") or time.perf_counter() < stop:
            begin = time.perf_counter()
            one.run(2)
            self.synchronize()
            best = min(best, time.perf_counter() - begin)
        steps = len(one.training.sizes)
        images = steps * self.batch * len(one.networks)
        return {"ms": round(1000 * best / steps, 3), "images/s": round(images / best), "first pass s": round(first, 2)}


class Seeds:
    """Some seeds of a network, trained and tested side by side as trials are."""

    def __init__(
        self,
        checks: Checks,
        net: str,
        seeds: Sequence[int],
        images: int,
        plain: bool = False,
        graphs: bool = True,
        base: str = "wrn_cifar",
        **recipe: Any,
    ) -> None:
        device, data = checks.device, Data.named("cifar10")
        about = {"epochs": 2, "milestones": (0.5,), "batch_size": checks.batch, **recipe}
        self.recipe = Recipe.named(base, **about)
        draws = torch.Generator().manual_seed(0)
        pixels = torch.randint(0, 256, (images, 32, 32, 3), dtype=torch.uint8, generator=draws).to(device)
        part = LabelledTensors(pixels, torch.randint(0, 10, (images,), generator=draws).to(device))
        normalization = Normalization(*(torch.full((3,), value, device=device) for value in (127.5, 64.0)))
        self.layers = blueprint(parse_architecture(net), 10, (3, 32, 32))
        make = [make_network(self.layers, self.recipe, seed, device, default_cache()) for seed in seeds for _ in (0, 1)]
        self.networks, averages = make[::2], make[1::2]
        self.optimizers = [make_optimizer(self.recipe, network) for network in self.networks]
        training, testing = [], []
        for seed, network, average, optimizer in zip(seeds, self.networks, averages, self.optimizers):
            batches = TrainingBatches(part, normalization, data, self.recipe, seed)
            kept = average if self.recipe.ema.decay else None
            training.append(Training(network, optimizer, batches, self.recipe, plain, kept))
            testing.append(Testing(kept or network, TestBatches(part, normalization, 2 * checks.batch), self.recipe))
        capture = CudaGraphs() if checks.gpu and graphs and not plain else None
        self.training, self.testing = SideBySide(training, capture), SideBySide(testing, capture)

    def run(self, epoch: int) -> list[float]:
        """A training pass of each seed; its loss."""
        for one in self.training.passes:
            start_epoch(self.recipe, one.optimizer, epoch, one.rates)  # type: ignore[attr-defined]
        return [scores.loss for scores in self.training.run([epoch] * len(self.networks))]

    def epoch(self, epoch: int) -> list[tuple[float, float]]:
        """The losses of training and testing of each seed."""
        trained = self.run(epoch)
        return list(zip(trained, (scores.loss for scores in self.testing.run([epoch] * len(self.networks)))))

    def state(self, index: int) -> dict[str, Tensor]:
        """The weights and statistics of a seed, on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.networks[index].state_dict().items()}


def same(one: tuple[Any, dict[str, Tensor]], other: tuple[Any, dict[str, Tensor]]) -> bool:
    """Whether two trainings have the same losses and weights, bit for bit."""
    return one[0] == other[0] and all(torch.equal(value, other[1][name]) for name, value in one[1].items())


def of_contiguous(compute: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda images: compute(images.contiguous())


def words(how: dict[str, Any]) -> str:
    return json.dumps(how) if how else "float32"


@contextmanager
def telling(name: str) -> Iterator[Callable[[Any], None]]:
    """A context manager that gives a function which tells a figure; an error in the block is told in its place."""
    try:
        yield lambda value: say(name, value)
    except Exception as error:
        traceback.print_exc()
        say(name, f"FAILED {type(error).__name__}: {str(error)[:300]}")


@contextmanager
def reads_refused(gpu: bool) -> Iterator[None]:
    """Within the block, to wait for the GPU is an error."""
    try:
        if gpu:
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        if gpu:
            torch.cuda.set_sync_debug_mode("default")


CHECKS = ("bits", "resume", "syncs", "speed", "precision", "memory")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="+", choices=CHECKS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    asked = parser.parse_args(arguments)
    checks = Checks(asked.device)
    for name in asked.checks:
        begun = time.perf_counter()
        getattr(checks, name)()
        print(f"# {name}: {time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
