"""Estimates hours, device-hours and the end of a study from the recorded times of its networks.

A plan only reads recorded times, so it needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ablate.data.data_sets import DATA_SETS
from ablate.errors import RunError
from ablate.estimate.hardware import CostOptions, Hardware, find_hardware
from ablate.processes.devices import gpu_models
from ablate.records.definitions import read_definitions
from ablate.records.epochs import read_epochs
from ablate.records.records import FINAL, trial_directory
from ablate.records.timings import Pace, Probe, devices_of, find_probe, read_paces, read_probes
from ablate.schedule.simulation import simulate
from ablate.study.costs import titan_x_speed, variant_cost
from ablate.study.data import Data
from ablate.study.study import Variant
from ablate.train.estimates import Estimate, find_estimates, images_of, workload_of

MAX_FAILURES = 5.0  # per epoch: with so many, one in 150 attempts at an epoch succeeds


class PlannedTrial(NamedTuple):
    """A trial as a plan says it.

    Args:
        id: Its id; None if its variant is not tuned yet.
        seed: Its seed.
        state: As trial_state() says it; "open" without an id.
    """

    id: str | None
    seed: int
    state: str


class OpenTrials(NamedTuple):
    """The trials of a variant that are not recorded.

    Args:
        epochs: How many are left of each.
        cost: Of each, by which a run orders them; 0 if there are none.
        gpus: How many each takes.
    """

    epochs: list[int]
    cost: float
    gpus: int


def estimate_cost(
    variants: Sequence[Variant],
    trials: Sequence[Sequence[PlannedTrial]],
    runs: Path,
    options: CostOptions,
    now: datetime | None = None,
    cohorts: bool = True,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Estimate the cost of each variant and of the study, in plain values, with times in seconds.

    The simulation starts trials by the policy of a run, longest first by multiply-adds. On a GPU the seeds of a variant run
    side by side, as many as a run would take; each is then estimated as its share.

    Args:
        variants: Of the study.
        trials: Those of each variant. Recorded trials cost nothing; an interrupted trial costs its remaining epochs.
        runs: Directory of the records and probes.
        options: Where the study will run.
        now: When the run starts; None: now, in the local time zone.
        cohorts: Whether seeds run side by side on a GPU.

    Returns:
        The "probe" and "estimate" of each variant, and the cost of the study.

    Raises:
        RunError: The options are not valid.
    """
    if options.failures and not options.gpus:
        raise RunError("`failures` requires `gpus`, on which a run is simulated")
    now = now or datetime.now().astimezone()
    probes = read_probes(runs)
    paces = _paces(variants, trials, runs)
    here = find_hardware(options, probes, paces)
    open_trials = [_open_trials(variant, of_one, runs) for variant, of_one in zip(variants, trials)]
    machines = [here] if here else []
    machines += [
        Hardware(device, "cuda", n * options.slots_per_gpu, options.slots_per_gpu, n)
        for n in options.gpus
        for device in devices_of(probes, "cuda")
    ]
    sizes = {machine: _cohorts(machine, open_trials) if cohorts else [1] * len(variants) for machine in machines}
    estimates = {
        machine: find_estimates(
            variants, machine.device, machine.side_by_side, probes, paces, [size > 1 for size in sizes[machine]]
        )
        for machine in machines
    }
    values = [
        _variant_values(variant, estimate, left.epochs, here, probes)
        for variant, estimate, left in zip(variants, estimates[here] if here else [None] * len(variants), open_trials)
    ]
    simulated = [
        _simulate(machine, open_trials, sizes[machine], estimates[machine], options.failures if machine.gpus else 0.0, now)
        for machine in machines
    ]
    cost: dict[str, Any] = {
        "device": here.device if here else None,
        "open_trials": sum(len(left.epochs) for left in open_trials),
        "here": simulated[0] if here else None,
        "gpus": simulated[1 if here else 0 :],
    }
    cost["titan_x_seconds"] = sum(left.cost * len(left.epochs) for left in open_trials) / titan_x_speed()
    cost["remarks"] = _remarks(variants, cost, probes, options)
    return values, cost


def _paces(variants: Sequence[Variant], trials: Sequence[Sequence[PlannedTrial]], runs: Path) -> list[Pace]:
    """The paces of recorded trials of these networks."""
    if next(read_definitions(runs), None) is None:
        return []
    # Checkpointed activations change no result, so records do not say them.
    workloads = {replace(workload_of(one), checkpoint_activations="none") for one in variants}
    return read_paces(runs, workloads, {trial.id for of_one in trials for trial in of_one if trial.id})


def _open_trials(variant: Variant, trials: Sequence[PlannedTrial], runs: Path) -> OpenTrials:
    """The open trials among those of a variant."""

    def done(trial: PlannedTrial) -> int:
        return len(read_epochs(trial_directory(runs, trial.id))) if trial.id and trial.state != "missing" else 0

    epochs = [max(1, variant.recipe.epochs - done(trial)) for trial in trials if trial.state not in FINAL]
    return OpenTrials(epochs, variant_cost(variant) if epochs else 0.0, variant.recipe.gpus)


def _cohorts(machine: Hardware, trials: Sequence[OpenTrials]) -> list[int]:
    """How many seeds of each variant a run trains side by side on a machine, as cohort_size() says."""
    from ablate.schedule.cohorts import cohort_size

    numbers = [0 if of_one.gpus > 1 else len(of_one.epochs) for of_one in trials]
    total = sum(of_one.cost * number for of_one, number in zip(trials, numbers))
    slots = max(1, min(machine.slots, sum(numbers)))
    sizes = [cohort_size(None, of_one.cost, total, slots, machine.kind == "cuda") for of_one in trials]
    return [max(1, min(size, number)) for size, number in zip(sizes, numbers)]


def _simulate(
    machine: Hardware,
    trials: Sequence[OpenTrials],
    cohorts: Sequence[int],
    estimates: Sequence[Estimate | None],
    failures: float,
    now: datetime,
) -> dict[str, Any]:
    """Simulate a run of the open trials on a machine; a trial on several GPUs counts as one trial on each of as many slots.

    `cohorts` seeds of each variant occupy one slot together, each with its share of the time, and fail together. `failures`
    is the number of failures of a slot per day. The end is given in the time zone of `now`.
    """
    seconds: list[float] = []
    taken: list[tuple[float, float, float]] = []  # of what occupies a slot: its seconds, those of an epoch, its cost
    for (epochs, cost, gpus), size, estimate in zip(trials, cohorts, estimates):
        if estimate is None:
            continue
        for first in range(0, len(epochs), size):
            group = [estimate.trial_seconds(left) for left in epochs[first : first + size]]
            seconds += group
            taken += [(sum(group), len(group) * estimate.epoch_seconds, len(group) * cost)] * gpus
    longest = max((epoch for _, epoch, _ in taken), default=0.0) / 86400
    if seconds and not failures * longest <= MAX_FAILURES:
        raise RunError(
            f"`failures`: {failures:g} a day are too many for epochs of {24 * longest:.3g} hours; "
            f"use at most {MAX_FAILURES / longest:.3g}"
        )
    whole, checkpoints, order = ([one[i] for one in taken] for i in range(3))
    run = simulate(whole, machine.slots, order, failures / 24, checkpoints)
    return {
        "device": machine.device,
        "gpus": machine.gpus,
        "slots": machine.slots,
        "side_by_side": machine.side_by_side,
        "trials": len(seconds),
        "approximate": any(e.approximate for e, of_one in zip(estimates, trials) if e and of_one.epochs),
        "trial_seconds": sum(seconds),
        "device_seconds": sum(whole) / (machine.side_by_side if machine.kind == "cuda" else 1),
        "makespan_seconds": run.makespan,
        "lower_bound_seconds": run.lower_bound,
        "failures": run.failures,
        "wasted_seconds": run.wasted,
        "ends": (now + timedelta(seconds=run.makespan)).isoformat(timespec="seconds"),
    }


_NEITHER: dict[str, Any] = {"probe": None, "estimate": None}  # of all variants that nothing was timed of


def _variant_values(
    variant: Variant, estimate: Estimate | None, epochs: Sequence[int], here: Hardware | None, probes: Sequence[Probe]
) -> dict[str, Any]:
    """A variant's newest probe on this device and its estimate, in plain values."""
    probe = None
    if here:
        workload = workload_of(variant)
        probe = find_probe(probes, workload, here.device, here.side_by_side) or find_probe(probes, workload, here.device)
    if not probe and not estimate:
        return _NEITHER
    return {
        "probe": probe
        and {
            "train_step_ms": {"median": probe.train_step_ms.median, "min": probe.train_step_ms.min},
            "test_batch_ms": {"median": probe.test_batch_ms.median, "min": probe.test_batch_ms.min},
            "batch_size": probe.workload.batch_size,
            "test_batch": probe.test_batch,
            "startup_seconds": probe.startup_seconds,
            "images_per_second": probe.images_per_second,
            "peak_memory_bytes": probe.peak_memory_bytes,
            "side_by_side": probe.side_by_side,
            "date": probe.date,
        },
        "estimate": estimate
        and {
            **estimate._asdict(),
            "trial_seconds": estimate.trial_seconds(variant.recipe.epochs),
            "open_seconds": sum(map(estimate.trial_seconds, epochs)),
        },
    }


def _uncounted(data: Data) -> bool:
    """Whether the number of training or test images is not known before a run."""
    train, test = (any(sizes) for sizes in zip((data.train_size, data.test_size), data.full_sizes))
    return images_of(data) is None and not (train and (test or data.held_out))


def _remarks(variants: Sequence[Variant], cost: dict[str, Any], probes: Sequence[Probe], options: CostOptions) -> list[str]:
    """Sentences about what is missing for an estimate and what it assumes."""
    remarks = []
    if cost["open_trials"]:
        remarks += [
            f"{name}: the number of images is not known before a run; set data.train_size and data.test_size"
            for name in dict.fromkeys(one.title for one in (v.data for v in variants) if _uncounted(one))
        ]
        remarks += [
            f"{data.title}: assumed to have as many images as {DATA_SETS[data.copy_of].title}"
            for data in dict.fromkeys(variant.data for variant in variants)
            if data.copy_of and None in (data.train_size, data.test_size)
        ]
        if cost["here"] is None:
            remarks.append("no estimate: nothing is timed on this device; `probe` times a few steps of each network")
        if cost["device"] in (kinds := dict.fromkeys(gpu_models())) and len(kinds) > 1:
            remarks.append(f"GPUs of several kinds: {', '.join(kinds)}; all are estimated as {cost['device']}")
    if options.gpus and not cost["gpus"]:
        remarks.append("`gpus`: no GPU is timed; run `ablate plan STUDY --probe` on one and bring its RUNS/probes here")
    streamed = dict.fromkeys(variant.data.title for variant in variants if variant.data.streamed)
    remarks += [f"{title}: a probe does not time the decoding of its images" for title in streamed]
    return remarks
