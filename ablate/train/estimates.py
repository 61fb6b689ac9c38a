"""How long trials will take on a device, from what was timed. No torch here: a plan needs it.

An epoch takes the median of what epochs took in recorded trials of the same network, recipe and data size on that device;
else what the probe of its network says; else what the nearest network takes, scaled by multiply-adds. Augmentation and
preprocessing are left out of what is told apart: next to the network they take no time.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from ablate.records.timings import Pace, Probe, Workload, canonical, find_probe
from ablate.study.plan import label
from ablate.study.study import Data, Recipe, Trial, Variant


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


Timed = dict[tuple[Workload, int, int], list[float]]  # seconds of recorded epochs, by workload and numbers of images


class Estimate(NamedTuple):
    """Seconds of an epoch and of a trial's start. source: the network it was scaled from.

    approximate: scaled, or probed with another number of processes side by side.
    """

    epoch_seconds: float
    startup_seconds: float
    basis: Literal["records", "probe", "scaled"]
    approximate: bool
    source: str | None = None

    def trial_seconds(self, epochs: int) -> float:
        """Seconds of a trial of so many epochs; checkpoints and the decoding of images are not in it."""
        return self.startup_seconds + epochs * self.epoch_seconds


def find_estimates(
    variants: Sequence[Variant], device: str, side_by_side: int, probes: Sequence[Probe], paces: Iterable[Pace]
) -> list[Estimate | None]:
    """Each variant's estimate on a device; None where nothing was timed there, or no one knows how many images it has."""
    probes = [probe for probe in probes if probe.device == device]
    timed: Timed = {}
    for pace in paces:
        if pace.device == device:
            timed.setdefault((pace.workload, pace.train_images, pace.test_images), []).append(pace.epoch_seconds)
    direct = [_direct_estimate(variant, side_by_side, probes, timed) for variant in variants]
    sources: dict[tuple[Workload, int], tuple[Variant, Estimate]] = {}
    for variant, estimate in zip(variants, direct):
        if estimate:
            sources.setdefault((workload_of(variant), _passes(variant)), (variant, estimate))
    nearby = list(sources.values())
    return [estimate or _scaled_estimate(variant, probes, nearby) for variant, estimate in zip(variants, direct)]


def _direct_estimate(variant: Variant, side_by_side: int, probes: Sequence[Probe], timed: Timed) -> Estimate | None:
    """From recorded trials of the same, else from the probe of its network."""
    sizes, workload = images_of(variant.data), workload_of(variant)
    if sizes is None:
        return None
    alike = find_probe(probes, workload, side_by_side=side_by_side)
    probe = alike or find_probe(probes, workload)
    startup = probe.startup_seconds if probe else 0.0
    if seconds := timed.get((replace(workload, checkpoint_activations="none"), *sizes)):
        return Estimate(statistics.median(seconds), startup, "records", False)
    if probe is None:
        return None
    return Estimate(probe.epoch_seconds(images_trained(sizes[0], variant.recipe), sizes[1]), startup, "probe", not alike)


def _scaled_estimate(
    variant: Variant, probes: Sequence[Probe], sources: Sequence[tuple[Variant, Estimate]]
) -> Estimate | None:
    """From the network that is nearest in multiply-adds, of the same precision if there is one."""
    sizes = images_of(variant.data)
    if sizes is None:
        return None
    found = []
    for probe in probes:
        scale = _ratio(variant.counts.multiply_adds, probe.multiply_adds)
        seconds = probe.epoch_seconds(images_trained(sizes[0], variant.recipe), sizes[1])
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
    """Forward passes over an image that an epoch comes to, a backward pass being two."""
    train, test = images_of(variant.data) or (0, 0)
    return 3 * images_trained(train, variant.recipe) + test


def find_timed(variants: Sequence[Variant], probes: Sequence[Probe]) -> list[Probe | None]:
    """The probe of each network on the device that one of them was timed on last; None where it was not."""
    workloads = [workload_of(variant) for variant in variants]
    ours = [probe for probe in probes if probe.workload in workloads]
    device = ours[-1].device if ours else ""
    return [find_probe(ours, workload, device) for workload in workloads]
