"""What a study will cost: times its networks on this device and estimates hours, device-hours and the end from the times.

Worker processes time the networks under the conditions of a run: on the CPU as many at once as there are slots, with one
thread each, because they share the memory bandwidth; on GPUs slots_per_gpu on each. A plan only reads recorded times, so it
needs no torch.
"""

from __future__ import annotations

import glob
import os
import shlex
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from ablate.data.data_sets import DATA_SETS
from ablate.errors import RunError
from ablate.processes.devices import cpu_model, gpu_models
from ablate.records.definitions import read_definitions
from ablate.records.epochs import read_epochs
from ablate.records.records import FILES, FINAL, read_record, trial_directory
from ablate.records.timings import (
    Milliseconds,
    Pace,
    Probe,
    Workload,
    devices_of,
    find_probe,
    read_paces,
    read_probes,
    write_probe,
)
from ablate.report.numbers import counted
from ablate.schedule.simulation import simulate
from ablate.study.costs import titan_x_speed, training_cost
from ablate.study.data import Data
from ablate.study.plan import OPEN
from ablate.study.program import ProgramStudy, ProgramTrial
from ablate.study.study import Variant
from ablate.train.estimates import Estimate, find_estimates, images_of, workload_of
from ablate.train.job import ProbeJob

WORK = "ablate.train.probe:probe"
MAX_FAILURES = 5.0  # per epoch: with so many, one in 150 attempts at an epoch succeeds


@dataclass(frozen=True)
class CostOptions:
    """Where the study will run.

    Args:
        device: As in RunOptions.
        slots: As in RunOptions.
        slots_per_gpu: As in RunOptions.
        gpus: The numbers of GPUs on which the run is simulated, such as (4, 8).
        failures: Failures of a GPU per day in these simulations.
    """

    device: str = "auto"
    slots: int | None = None
    slots_per_gpu: int = 1
    gpus: tuple[int, ...] = ()
    failures: float = 0.0


class Hardware(NamedTuple):
    """A machine that a run is estimated for.

    Args:
        device: Name of its processor or GPU, as in probes and paces.
        kind: "cpu" or "cuda".
        slots: Number of slots.
        side_by_side: How many processes share a device; on the CPU all of them.
        gpus: Number of GPUs of a simulated machine; None for this machine.
    """

    device: str
    kind: str
    slots: int
    side_by_side: int
    gpus: int | None = None


def probe_networks(
    variants: Iterable[Variant],
    runs: Path,
    options: CostOptions,
    announce: Callable[[str], None] = lambda line: None,
    folders: tuple[Path, ...] = (),
    seeds: int = 1,
) -> list[str]:
    """Time a few steps of each distinct network on this device, on each kind of GPU, and record the probes.

    On a GPU they are timed alone, and as many seeds together as a run trains side by side.

    Args:
        variants: Of the study.
        runs: Directory of the records, which also holds the probes.
        options: Where to time.
        announce: Receives a line of text for each network.
        folders: Where the readers' modules are looked for first.
        seeds: How many each variant is trained with.

    Returns:
        A remark for each network that could not be timed.

    Raises:
        RunError: The options are not valid, or there is no such device.
    """
    import psutil  # type: ignore[import-untyped]

    from ablate.schedule.cohorts import cohort_size
    from ablate.schedule.local import run_local
    from ablate.schedule.slots import find_slots
    from ablate.schedule.tasks import Stop, Task

    slots = find_slots(options.device, options.slots, options.slots_per_gpu, say=announce)
    gpu = slots[0].device == "cuda"
    distinct: dict[Workload, Variant] = {}
    costs = []  # of all trials
    for variant in variants:
        costs += [_cost(variant, (1,))] * seeds if gpu else []
        distinct.setdefault(workload_of(variant), variant)
    log, remarks = runs / "probes" / "log.txt", []

    def together(variant: Variant, slots: int) -> int:
        """How many of its seeds a run would train side by side."""
        if not costs:
            return 1
        return min(seeds, cohort_size(None, _cost(variant, (1,)), sum(costs), min(slots, len(costs)), gpu))

    for model in dict.fromkeys(slot.model for slot in slots):  # each kind of GPU
        alike = [slot for slot in slots if slot.model == model]
        at_once = min(options.slots_per_gpu, len(alike)) if gpu else len(alike)
        share = None if gpu else psutil.virtual_memory().available // at_once
        tasks = [
            Task(
                str(i),
                variant.net,
                ProbeJob(variant.trials((0,))[0], slots[0].device, at_once, share, folders, together(variant, len(alike))),
                0.0,  # with equal costs the copies of one network run at the same time
                log,
            )
            for i, variant in enumerate(distinct.values())
            for _ in range(at_once)
        ]
        on = f" on {model}" if len({slot.model for slot in slots}) > 1 else ""
        announce(f"timing {counted(len(distinct), 'network')}{on}, {at_once} side by side on a device")
        seen: dict[str, list[dict[str, Any]]] = {task.id: [] for task in tasks}
        waiting = {task.id: at_once for task in tasks}

        def hear(slot: int, task: Task, event: dict[str, Any], seen: dict[str, list[dict[str, Any]]] = seen) -> None:
            seen[task.id].append({**event, "slot": slot})

        for outcome in run_local(WORK, tasks, alike, Stop(), hear, retries=0):
            task = outcome.task
            waiting[task.id] -= 1
            if outcome.status not in ("probed", "skipped"):
                seen[task.id].append({"remark": f"{outcome.cause} ({log})"})
            if waiting[task.id]:
                continue
            variant = list(distinct.values())[int(task.id)]
            times = [event for event in seen[task.id] if "train_ms" in event]
            if times:
                probe = make_probe(variant, times, slots[0].device, at_once)
                write_probe(runs, probe)
                announce(f"{variant.net}: {probe_text(probe)}")
            else:
                cause = next(event["remark"] for event in seen[task.id] if "remark" in event)
                remarks.append(f"not timed{on}: {variant.net}: {cause}")
                announce(remarks[-1])
    return remarks


def make_probe(variant: Variant, times: Sequence[dict[str, Any]], kind: str, side_by_side: int) -> Probe:
    """The probe of a network from the reports of the processes that timed it.

    Args:
        variant: Of the network.
        times: What train.probe.probe() reported in each process, at least one.
        kind: "cpu" or "cuda".
        side_by_side: How many processes shared the device.
    """
    train_ms, test_ms, together_ms, together_test_ms = (
        Milliseconds(statistics.median(values), min(values)) if values else None
        for values in (
            [ms for one in times for ms in one.get(key, ())]
            for key in ("train_ms", "test_ms", "together_ms", "together_test_ms")
        )
    )
    assert train_ms and test_ms
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
        inference_ms=_inference(times, "1"),
        inference_128_ms=_inference(times, "128"),
        energy_joules=statistics.median(joules) if (joules := _energies(times)) else None,
        together=min((one["together"] for one in times if "together" in one), default=1),
        together_step_ms=together_ms,
        together_test_ms=together_test_ms,
    )


def _inference(times: Sequence[dict[str, Any]], size: str) -> Milliseconds | None:
    """The times of a prediction of so many images over all processes; None where it was not timed."""
    found = [ms for one in times for ms in one.get("inference_ms", {}).get(size, ())]
    return Milliseconds(statistics.median(found), min(found)) if found else None


def _energies(times: Sequence[dict[str, Any]]) -> list[float]:
    return [one["energy_joules"] for one in times if one.get("energy_joules") is not None]


def probe_text(probe: Probe) -> str:
    """A probe in words, such as "12.3 ms a step of 128 (least 12.1), 10,407 images/s".

    Args:
        probe: Of a network.
    """
    step, size, rate = probe.train_step_ms, probe.workload.batch_size, probe.images_per_second
    images = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
    text = f"{step.median:,.1f} ms a step of {size} (least {step.min:,.1f}), {images} images/s"
    if (share := probe.together_step_ms) is None:
        return text
    return f"{text}; {probe.together} seeds side by side, {share.median:,.1f} ms a seed"


def estimate_cost(
    variants: Sequence[Variant],
    trials: Sequence[Sequence[dict[str, Any]]],
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
        trials: {"id": ..., "state": ...} of each trial, for each variant. Recorded trials cost nothing; an interrupted
            trial costs its remaining epochs.
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
    epochs = [
        [max(1, variant.recipe.epochs - _epochs_done(runs, trial)) for trial in of_one if trial["state"] not in FINAL]
        for variant, of_one in zip(variants, trials)
    ]
    machines = [here] if here else []
    machines += [
        Hardware(device, "cuda", n * options.slots_per_gpu, options.slots_per_gpu, n)
        for n in options.gpus
        for device in devices_of(probes, "cuda")
    ]
    costs = [_cost(variant, left) for variant, left in zip(variants, epochs)]
    gpus = [variant.recipe.gpus for variant in variants]
    open_ones = [(cost, 0 if n > 1 else len(left)) for cost, n, left in zip(costs, gpus, epochs)]
    sizes = {machine: _cohorts(machine, open_ones) if cohorts else [1] * len(variants) for machine in machines}
    estimates = {
        machine: find_estimates(
            variants, machine.device, machine.side_by_side, probes, paces, [size > 1 for size in sizes[machine]]
        )
        for machine in machines
    }
    values = [
        _variant_values(variant, estimate, left, here, probes)
        for variant, estimate, left in zip(variants, estimates[here] if here else [None] * len(variants), epochs)
    ]
    simulated = [
        _simulate(
            machine,
            sizes[machine],
            estimates[machine],
            epochs,
            costs,
            gpus,
            options.failures if machine.gpus else 0.0,
            now,
        )
        for machine in machines
    ]
    cost: dict[str, Any] = {
        "device": here.device if here else None,
        "open_trials": sum(map(len, epochs)),
        "here": simulated[0] if here else None,
        "gpus": simulated[1 if here else 0 :],
    }
    left = sum(one * len(open_) for one, open_ in zip(costs, epochs))
    cost["titan_x_seconds"] = left / titan_x_speed()
    cost["remarks"] = _remarks(variants, cost, probes, options)
    return values, cost


def _paces(variants: Sequence[Variant], trials: Sequence[Sequence[dict[str, Any]]], runs: Path) -> list[Pace]:
    """The paces of recorded trials of these networks."""
    if next(read_definitions(runs), None) is None:
        return []
    # Checkpointed activations change no result, so records do not say them.
    workloads = {replace(workload_of(one), checkpoint_activations="none") for one in variants}
    return read_paces(runs, workloads, {trial["id"] for of_one in trials for trial in of_one})


def find_hardware(options: CostOptions, probes: Sequence[Probe], paces: Sequence[Pace]) -> Hardware | None:
    """This machine, by the name under which it was timed; None if it was not timed.

    A processor is found by its name, a GPU by the name that the driver lists; if the driver lists none, the GPU that was
    timed last is taken.

    Args:
        options: Where the study will run.
        probes: Oldest first.
        paces: Times of recorded trials.

    Raises:
        RunError: The options are not valid.
    """
    if not probes and not paces and options == CostOptions(gpus=options.gpus, failures=options.failures):
        return None  # before joblib, which counts the slots, is imported: that takes a tenth of a second
    from ablate.schedule.slots import DEVICE_FILES, find_slots

    gpu = options.device in ("auto", "cuda") and (
        sys.platform != "linux" or any(glob.glob(pattern) for pattern in DEVICE_FILES)
    )
    if gpu and sys.platform != "linux":
        gpu = any(probe.kind == "cuda" for probe in probes[-1:])
    # If there may be GPUs, find_slots() is called for the CPU only to check the options: it would count GPUs with torch.
    slots = len(find_slots("cpu" if gpu else options.device, options.slots, options.slots_per_gpu))
    if gpu:
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
        most = max(1, len(visible or glob.glob("/dev/nvidia[0-9]*"))) * options.slots_per_gpu
        slots = min(options.slots or most, most)
    models = gpu_models() if gpu else []
    latest = sorted(paces, key=lambda pace: pace.finished, reverse=True)
    for device in [probe.device for probe in reversed(probes)] + [pace.device for pace in latest]:
        if gpu:
            known = device in models if models else device in devices_of(probes, "cuda")
        else:
            known = device.startswith(f"{cpu_model()} (")
        if known:
            side_by_side = min(options.slots_per_gpu, slots) if gpu else slots
            return Hardware(device, "cuda" if gpu else "cpu", slots, side_by_side)
    return None


def _epochs_done(runs: Path, trial: dict[str, Any]) -> int:
    return 0 if trial["state"] in ("missing", OPEN) else len(read_epochs(trial_directory(runs, trial["id"])))


def _cost(variant: Variant, epochs: Sequence[int]) -> float:
    """The cost by which a run orders the variant's trials; 0 if none is open."""
    return training_cost(variant.trials((0,))[0]) if epochs else 0.0


def _cohorts(machine: Hardware, trials: Sequence[tuple[float, int]]) -> list[int]:
    """How many seeds of each variant a run trains side by side on a machine, as cohort_size() says.

    `trials` are the cost of a trial of the variant and how many are open that take one GPU.
    """
    from ablate.schedule.cohorts import cohort_size

    total, count = sum(cost * number for cost, number in trials), sum(number for _, number in trials)
    slots = max(1, min(machine.slots, count))
    sizes = [cohort_size(None, cost, total, slots, machine.kind == "cuda") for cost, _ in trials]
    return [max(1, min(size, number)) for size, (_, number) in zip(sizes, trials)]


def _simulate(
    machine: Hardware,
    cohorts: Sequence[int],
    estimates: Sequence[Estimate | None],
    epochs: Sequence[Sequence[int]],
    costs: Sequence[float],
    gpus: Sequence[int],
    failures: float,
    now: datetime,
) -> dict[str, Any]:
    """Simulate a run of the open trials on a machine; a trial on several GPUs counts as one trial on each of as many slots.

    `cohorts` seeds of each variant occupy one slot together, each with its share of the time, and fail together. `failures`
    is the number of failures of a slot per day. The end is given in the time zone of `now`.
    """
    seconds: list[float] = []
    taken: list[tuple[float, float, float]] = []  # of what occupies a slot: its seconds, those of an epoch, its cost
    for one, of_one, cost, n, size in zip(estimates, epochs, costs, gpus, cohorts):
        for first in range(0, len(of_one) if one else 0, size):
            assert one is not None
            group = [one.trial_seconds(left) for left in of_one[first : first + size]]
            seconds += group
            taken += [(sum(group), len(group) * one.epoch_seconds, len(group) * cost)] * n
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
        "approximate": any(e.approximate for e, left in zip(estimates, epochs) if e and left),
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


def plan_program(study: ProgramStudy, trial: ProgramTrial, runs: Path) -> dict[str, Any]:
    """What a plan says of a program, in plain values.

    Args:
        study: With the program.
        trial: The trial whose command is shown.
        runs: The runs directory.
    """
    return {
        "command": shlex.join(program_command(trial, runs)),
        "folder": str(study.folder),
        "files": dict(study.program.files),
        "decide_by": study.decide_by,
        "goal": study.decision.goal,
    }


def program_command(trial: ProgramTrial, runs: Path) -> list[str]:
    """The words of the command of a program's trial.

    Args:
        trial: Of a program.
        runs: The runs directory.
    """
    return trial.command(str((trial_directory(runs, trial.id) / FILES).absolute()))


def program_cost(trials: Sequence[ProgramTrial], runs: Path) -> dict[str, Any]:
    """How long a recorded trial took, the median in seconds (None without one), and how many trials are open.

    Args:
        trials: Of a program.
        runs: The runs directory.
    """
    records = [read_record(runs, trial.id) for trial in trials]
    seconds = [float(record.result.get("seconds", 0.0)) for record in records if record]
    return {"trial_seconds": statistics.median(seconds) if seconds else None, "open_trials": records.count(None)}
