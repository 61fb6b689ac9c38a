"""What is timed when a network is timed, and how many images an epoch reads. No torch here: a plan needs both.

Augmentation and preprocessing are left out of what is told apart: next to the network they take no time.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ablate.records.probes import Milliseconds, Probe, Workload, canonical
from ablate.study.study import Data, Recipe, Trial, Variant


@dataclass(frozen=True)
class ProbeJob:
    """What a worker that times is handed. side_by_side: how many processes share the device.

    memory: bytes each of them may take; None: its share of the GPU. folders: where a reader's networks are looked for.
    """

    trial: Trial
    device: str
    side_by_side: int
    memory: int | None = None
    folders: tuple[Path, ...] = ()


def workload_of(timed: Trial | Variant) -> Workload:
    """What decides how long a step of a trial takes."""
    recipe, data = timed.recipe, timed.data
    return Workload(
        canonical(timed.architecture.identity()),
        data.classes,
        data.input_shape,
        recipe.batch_size,
        recipe.precision,
        recipe.optimizer,
        recipe.checkpoint_activations,
        recipe.compile,
        recipe.gpus,
    )


def images_of(data: Data) -> tuple[int, int] | None:
    """How many images a trial trains and tests on; None where a folder's are not counted before a run."""
    full = data.full_sizes
    train, test = (min(filter(None, sizes), default=0) for sizes in zip((data.train_size, data.test_size), full))
    if (held_out := data.held_out) is not None:
        test = held_out.images or len(range(held_out.fold or 0, train, held_out.folds or 1))
        train -= test
    return (train, test) if train > 0 and test else None


def images_trained(train_images: int, recipe: Recipe) -> int:
    """Of so many training images, those that an epoch gets to: a last batch may be dropped."""
    return train_images - train_images % recipe.batch_size if recipe.last_batch == "drop" else train_images


def make_probe(variant: Variant, times: Sequence[dict[str, Any]], kind: str, side_by_side: int) -> Probe:
    """The probe of what the processes that timed a network reported; times: of each what probe() reports."""
    train_ms, test_ms = (
        Milliseconds(statistics.median(values), min(values))
        for values in ([ms for one in times for ms in one[key]] for key in ("train_ms", "test_ms"))
    )
    return Probe(
        net=variant.net,
        workload=workload_of(variant),
        device=times[0]["device"],
        kind="cuda" if kind == "cuda" else "cpu",
        side_by_side=side_by_side,
        threads=times[0]["threads"],
        torch=times[0]["torch"],
        multiply_adds=variant.counts.multiply_adds,
        train_step_ms=train_ms,
        test_batch=times[0]["test_batch"],
        test_batch_ms=test_ms,
        images_per_second=1000 * variant.recipe.batch_size / train_ms.median,
        startup_seconds=statistics.median(one["startup_seconds"] for one in times),
        peak_memory_bytes=max((one["peak_memory_bytes"] or 0 for one in times), default=0) or None,
        steps=sum(one["steps"] for one in times),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
