"""Estimates how long trials will take on a device, from recorded times and probes. It needs no torch: plans are fast.

The seconds of an epoch are the median over recorded trials of the same network, recipe and data size on that device;
otherwise those of the network's probe; otherwise those of the nearest network, scaled by multiply-adds. Augmentation and
preprocessing are not distinguished: they take little time compared with the network.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from ablate.kinds.costs import MEASURED_COSTS
from ablate.records.timings import Pace, Probe, Workload, canonical, find_probe
from ablate.study.data import Data
from ablate.study.labels import label
from ablate.study.limits import Measured
from ablate.study.recipe import Recipe
from ablate.study.study import Trial, Variant


def workload_of(timed: Trial | Variant) -> Workload:
    """The properties that determine how long a step of a trial takes."""
    recipe, data = timed.recipe, timed.data
    return Workload(
        canonical(timed.architecture.identity()),
        data.classes,
        data.input_shape,
        recipe.batch_size,
        recipe.precision,
        _work_of(recipe),
        recipe.checkpoint_activations,
        recipe.compile,
        recipe.gpus,
    )


def _work_of(recipe: Recipe) -> str:
    """The optimizer, and each other part of a recipe that changes the time or the memory of a step, as a text."""
    optimizer, _, loss = recipe.kinds
    parts = {
        loss.name: recipe.loss != "cross_entropy",
        "mixed": recipe.mixup.alpha > 0 or recipe.cutmix.alpha > 0,
        "ema": recipe.ema.decay > 0,
        f"accumulate {recipe.accumulate}": recipe.accumulate > 1,
        str(recipe.python): recipe.python is not None,
    }
    return ", ".join([optimizer.name, *(name for name, there in parts.items() if there)])


def images_of(data: Data) -> tuple[int, int] | None:
    """The numbers of (training, test) images of a trial; None if they are not known before a run."""
    full = data.full_sizes
    train, test = (min(filter(None, sizes), default=0) for sizes in zip((data.train_size, data.test_size), full))
    if (held_out := data.held_out) is not None:
        test = held_out.taken(train)
        train -= test
    return (train, test) if train > 0 and test else None


def images_trained(train_images: int, recipe: Recipe) -> int:
    """How many training images an epoch uses: a last batch of fewer images may be dropped.

    Args:
        train_images: Number of training images.
        recipe: Says the batch size and whether the last batch is dropped.
    """
    return train_images - train_images % recipe.batch_size if recipe.last_batch == "drop" else train_images


Timed = dict[tuple[Workload, int, int], list[float]]  # seconds of recorded epochs, by workload and numbers of images


class Estimate(NamedTuple):
    """How long a trial is estimated to take.

    Args:
        epoch_seconds: Of an epoch, training and test.
        startup_seconds: Before the first epoch.
        basis: "records" (recorded trials), "probe" or "scaled" (from another network).
        approximate: Whether it was scaled, or probed with another number of processes or seeds side by side.
        source: Label of the network that it was scaled from; None if it was not scaled.
    """

    epoch_seconds: float
    startup_seconds: float
    basis: Literal["records", "probe", "scaled"]
    approximate: bool
    source: str | None = None

    def trial_seconds(self, epochs: int) -> float:
        """The seconds of a trial, without writing checkpoints and decoding images."""
        return self.startup_seconds + epochs * self.epoch_seconds


def find_estimates(
    variants: Sequence[Variant],
    device: str,
    side_by_side: int,
    probes: Sequence[Probe],
    paces: Iterable[Pace],
    together: Sequence[bool] = (),
) -> list[Estimate | None]:
    """The estimate of each variant on a device; None where nothing was timed or the number of images is not known.

    Args:
        variants: Of a study.
        device: The name of the processor or GPU, as in probes and paces.
        side_by_side: How many processes share the device.
        probes: Timed networks, on any device.
        paces: Times of recorded trials, on any device.
        together: For each variant, whether a process trains several of its seeds side by side; its estimate is then of the
            share of one. Empty: it is so for none.
    """
    probes = [probe for probe in probes if probe.device == device]
    together = together or [False] * len(variants)
    timed: Timed = {}
    for pace in paces:
        if pace.device == device:
            timed.setdefault((pace.workload, pace.train_images, pace.test_images), []).append(pace.epoch_seconds)
    direct = [_direct_estimate(variant, side_by_side, probes, timed, beside) for variant, beside in zip(variants, together)]
    sources: dict[tuple[Workload, int], tuple[Variant, Estimate]] = {}
    for variant, estimate in zip(variants, direct):
        if estimate:
            sources.setdefault((workload_of(variant), _passes(variant)), (variant, estimate))
    nearby = list(sources.values())
    return [
        estimate or _scaled_estimate(variant, probes, nearby, beside)
        for variant, estimate, beside in zip(variants, direct, together)
    ]


def _direct_estimate(
    variant: Variant, side_by_side: int, probes: Sequence[Probe], timed: Timed, together: bool
) -> Estimate | None:
    """The estimate from recorded trials of the same workload, else from the probe of the network."""
    sizes, workload = images_of(variant.data), workload_of(variant)
    if sizes is None:
        return None
    alike = find_probe(probes, workload, side_by_side=side_by_side)
    probe = alike or find_probe(probes, workload)
    startup = probe.startup_seconds if probe else 0.0
    if recorded := timed.get((replace(workload, checkpoint_activations="none"), *sizes)):
        return Estimate(statistics.median(recorded), startup, "records", False)
    if probe is None:
        return None
    seconds = probe.epoch_seconds(images_trained(sizes[0], variant.recipe), sizes[1], together)
    approximate = not alike or (together and probe.together_step_ms is None)
    return Estimate(seconds, startup, "probe", approximate)


def _scaled_estimate(
    variant: Variant, probes: Sequence[Probe], sources: Sequence[tuple[Variant, Estimate]], together: bool
) -> Estimate | None:
    """The estimate from the network with the nearest multiply-adds, of the same precision if there is one."""
    sizes = images_of(variant.data)
    if sizes is None:
        return None
    found = []
    for probe in probes:
        scale = _ratio(variant.counts.multiply_adds, probe.multiply_adds)
        seconds = probe.epoch_seconds(images_trained(sizes[0], variant.recipe), sizes[1], together)
        estimate = Estimate(scale * seconds, probe.startup_seconds, "scaled", True, probe.net)
        found.append((probe.workload.precision != variant.recipe.precision, abs(math.log(scale)), estimate))
    for source, known in sources:
        scale = _ratio(variant.counts.multiply_adds, source.counts.multiply_adds)
        seconds = known.epoch_seconds * _passes(variant) / _passes(source)
        estimate = Estimate(scale * seconds, known.startup_seconds, "scaled", True, label(source))
        found.append((source.recipe.precision != variant.recipe.precision, abs(math.log(scale)), estimate))
    return min(found, key=lambda one: one[:2])[2] if found else None


def _ratio(ours: int, theirs: int) -> float:
    return max(1, ours) / max(1, theirs)


def _passes(variant: Variant) -> int:
    """The work of an epoch in forward passes of one image; a backward pass counts as two."""
    train, test = images_of(variant.data) or (0, 0)
    return 3 * images_trained(train, variant.recipe) + test


def find_timed(variants: Sequence[Variant], probes: Sequence[Probe]) -> list[Probe | None]:
    """The probe of each variant's network under the conditions of the newest probe of any of them; None if not timed there.

    Conditions are the device, and how many processes shared it.

    Args:
        variants: Of a study.
        probes: Oldest first.
    """
    workloads = [workload_of(variant) for variant in variants]
    wanted = set(workloads)
    ours = [probe for probe in probes if probe.workload in wanted]
    newest = ours[-1:]
    alike = [one for one in ours if (one.device, one.side_by_side) == (newest[0].device, newest[0].side_by_side)]
    return [find_probe(alike, workload) for workload in workloads]


def measured_costs(variants: Sequence[Variant], probes: Sequence[Probe]) -> Measured:
    """The measured costs of variants, all under the same conditions.

    Args:
        variants: Of a study.
        probes: Oldest first.
    """
    timed = find_timed(variants, probes)
    costs = [
        {name: value for name, cost in MEASURED_COSTS.items() if probe and (value := cost.read(probe)) is not None}
        for probe in timed
    ]
    probe = next(filter(None, timed), None)
    return Measured(costs, _describe_conditions(probe) if probe else "")


def _describe_conditions(probe: Probe) -> str:
    """Where a probe was made, in words: "on A GPU, torch 2.6, 1 at once, 1 thread each"."""
    threads = f"{probe.threads} thread{'' if probe.threads == 1 else 's'}"
    return f"on {probe.device}, torch {probe.torch}, {probe.side_by_side} at once, {threads} each"
