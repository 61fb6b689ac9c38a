"""Times the networks of a study on this device, and records the probes.

Worker processes time the networks under the conditions of a run: on the CPU as many at once as there are slots, with one
thread each, because they share the memory bandwidth; on GPUs slots_per_gpu on each.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ablate.estimate.hardware import CostOptions
from ablate.records.timings import Milliseconds, Probe, Workload, write_probe
from ablate.report.numbers import counted
from ablate.study.costs import variant_cost
from ablate.study.study import Variant
from ablate.train.estimates import workload_of
from ablate.train.job import ProbeJob

WORK = "ablate.train.probe:probe"


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
        costs += [variant_cost(variant)] * seeds if gpu else []
        distinct.setdefault(workload_of(variant), variant)
    log, remarks = runs / "probes" / "log.txt", []

    def together(variant: Variant, slots: int) -> int:
        """How many of its seeds a run would train side by side."""
        if not costs:
            return 1
        return min(seeds, cohort_size(None, variant_cost(variant), sum(costs), min(slots, len(costs)), gpu))

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
