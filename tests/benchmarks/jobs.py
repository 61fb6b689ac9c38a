"""What the workers of a benchmark are handed, and the slots they run in. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablate.errors import RunError
from ablate.nets.architecture import Architecture
from ablate.schedule.slots import Slot, find_slots
from ablate.schedule.tasks import Executor, Task
from ablate.study.data import Data
from ablate.study.recipe import Recipe


@dataclass(frozen=True)
class TrainJob:
    """A stretch of training on random images: so many of them an epoch, or as many again and again the same batch.

    seeds: the networks that are trained one after the other, or together, side by side in this process. plain: without
    CUDA graphs. deterministic: as trials are. workers: of a data loader, where one is used.
    """

    architecture: Architecture
    recipe: Recipe
    data: Data
    images: int
    device: str
    steps_alone: bool = False
    seeds: tuple[int, ...] = (0,)
    together: bool = False
    plain: bool = False
    deterministic: bool = True
    workers: int = 0


@dataclass(frozen=True)
class WriteJob:
    """What a trial leaves on disk after an epoch, so many times, in an empty folder: as it does, or plainly."""

    network: TrainJob
    folder: Path
    epochs: int
    plainly: bool = False


def bench_slots(device: str) -> list[Slot]:
    """The slots in which trials train on a device: a process a core, or one GPU."""
    slots = find_slots(device)
    return slots[:1] if slots[0].device == "cuda" else slots


def whole_slot(device: str) -> Slot:
    """One process that has the device to itself, all cores of a processor, as a program by itself has it."""
    slot = find_slots(device)[0]
    kept = {name: value for name, value in slot.environment.items() if not name.endswith("_NUM_THREADS")}
    return replace(slot, environment=kept)


def run_all(run: Executor, payloads: Sequence[Any], log: Path) -> list[dict[str, Any]]:
    """Hands every payload to a worker, all at once, and returns what each reported last. Raises RunError."""

    def one(number: int) -> dict[str, Any]:
        said: dict[str, Any] = {}

        def on_event(slot: int, task: Task, event: dict[str, Any]) -> None:
            said.update(event)

        outcome = run(Task(str(number), f"worker {number}", payloads[number], 0.0, log), on_event)
        if outcome.status != "completed":
            raise RunError(f"the benchmark's worker ended: {outcome.cause or outcome.status}")
        return said

    with ThreadPoolExecutor(len(payloads)) as threads:
        return list(threads.map(one, range(len(payloads))))
