"""Training: our loop against a plain one, several seeds together against one after the other, an epoch against its files.

Every way trains in processes of its own, which are warm before anything is timed.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from ablate.nets.notation import parse_architecture
from ablate.schedule.local import open_workers
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Executor, Stop
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from tests.benchmarks.comparison import Announce, Comparison, compare
from tests.benchmarks.jobs import TrainJob, WriteJob, bench_slots, run_all, whole_slot
from tests.benchmarks.roofline import Rates, floors, processor_has_bfloat16

OURS, RATES, WRITES = (f"tests.benchmarks.workers:{name}" for name in ("train_ours", "measure_rates", "write_epochs"))
PLAIN, CAREFUL = "tests.benchmarks.plain_loop:train", "tests.benchmarks.plain_loop:train_carefully"
THIN_AND_WIDE = ("pre-ResNet-1001", "pre-ResNet-164", "WRN-40-4", "WRN-16-10", "WRN-28-10")
PUBLISHED = {"WRN-40-4": 8.0, "WRN-28-10": 1.6}  # times the speed of ResNet-1001. WRN, section 3
IMAGES = {"cpu": 512, "cuda": 25_600}  # in a round: as an epoch on a GPU, or what takes a processor seconds
EPOCH = 50_000  # images
WRITTEN = 5  # epochs in a round
MIB = 2**20


def bench_train(
    nets: Sequence[str],
    device: str = "auto",
    batch_size: int = 128,
    images: int | None = None,
    rounds: int = 5,
    precisions: Sequence[str] = (),
    compiled: bool = False,
    announce: Announce = lambda line: None,
) -> list[Comparison]:
    """Two comparisons a network: end to end, from images in memory to updated weights, and steps on one batch alone.

    images: in a round of each process. precisions: of ours, float32 and what the device is made for: bfloat16, a GPU tf32.
    compiled: the last of them with compiled blocks too, on a GPU always, as there it is measured step by step, without
    CUDA graphs, with five seeds together, and with whatever algorithm is fastest. The plain loop is float32 on the same
    device, and tf32 where ours is; the careful one has each precision. Figures: on a processor the speed a core, by
    processor time; the share of the device's limit that each way reaches in its best round; the peak memory in MiB, of the
    tensors on a GPU or of the processes that train on a processor. Raises RunError, NotationError.
    """
    for net in nets:
        parse_architecture(net)  # a misspelt one is told before the others are timed
    slots, whole = bench_slots(device), whole_slot(device)
    kind = slots[0].device
    usual = ("float32", "tf32", "bfloat16") if kind == "cuda" else ("float32", *["bfloat16"][: processor_has_bfloat16()])
    precisions = precisions or usual
    with _workers(RATES, [whole]) as (run, log):
        rates = {precision: Rates(**_rates(run, kind, precision, log)) for precision in {"float32", *precisions}}
    images = images or IMAGES[kind]
    found = []
    for net in nets:
        with ExitStack() as stack:  # a pool each, so that its memory is its own
            runs: dict[str, tuple[Executor, Path]] = {}
            for part in ("end to end", "steps alone"):
                job = _job(net, kind, batch_size, images, part == "steps alone")
                jobs = {"plain PyTorch": [replace(job, workers=os.cpu_count() or 1)]}
                if "tf32" in precisions:  # as torch multiplies in convolutions unless it is told not to
                    jobs["plain PyTorch, tf32"] = [_changed(jobs["plain PyTorch"][0], precision="tf32")]
                jobs |= {f"careful PyTorch, {one}": [_changed(job, precision=one)] for one in precisions}
                jobs |= {name: [one] * len(slots) for name, one in _ways(job, precisions, compiled).items()}
                memory: dict[str, float] = {}
                ways: dict[str, Callable[[], object]] = {}
                for name in jobs:
                    if name not in runs:
                        theirs = {"plain": (PLAIN, [whole]), "careful": (CAREFUL, [whole])}
                        runs[name] = stack.enter_context(_workers(*theirs.get(name.split()[0], (OURS, slots))))
                    ways[name] = partial(_train, *runs[name], jobs[name], memory, name)
                work = {name: float(images * sum(len(one.seeds) for one in jobs[name])) for name in jobs}
                timed = compare(f"{net}, batch {batch_size}, {part}", "image", ways, work, rounds, announce=announce)
                shares = {
                    name: floors(first, rates[first.recipe.precision]).share(min(timed.per_unit(name)))
                    for name, (first, *_) in jobs.items()
                }
                figures = {"speed a core": {name: timed.processor_ratio(name) for name in jobs}} if kind == "cpu" else {}
                figures |= {"share of the limit": shares}
                figures |= {"peak memory, MiB": memory} if part == "end to end" else {}
                found.append(replace(timed, figures=figures))
    return found


def _ways(job: TrainJob, precisions: Sequence[str], compiled: bool) -> dict[str, TrainJob]:
    """The job as we do it, by what sets it apart."""
    of = partial(_changed, job)
    last, gpu = precisions[-1], job.device == "cuda"
    ways = {f"ablate, {precision}": of(precision=precision) for precision in precisions}
    if compiled or gpu:
        ways["ablate, compiled"] = of(precision=last, compile="always")
    if gpu:
        ways["ablate, step by step"] = replace(of(precision=last), plain=True)
        ways["ablate, 5 seeds together"] = replace(of(precision=last), seeds=tuple(range(5)), together=True)
        ways["ablate, any algorithm"] = replace(of(precision=last), deterministic=False)
    return ways


def _changed(job: TrainJob, **recipe: str) -> TrainJob:
    return replace(job, recipe=job.recipe.model_copy(update=recipe))


def _train(run: Executor, log: Path, jobs: Sequence[TrainJob], memory: dict[str, float], name: str) -> None:
    memory[name] = sum(said["peak_memory_bytes"] for said in run_all(run, jobs, log)) / MIB


def bench_cohort(
    nets: Sequence[str],
    seeds: int = 5,
    device: str = "auto",
    batch_size: int = 128,
    images: int | None = None,
    rounds: int = 3,
    announce: Announce = lambda line: None,
) -> list[Comparison]:
    """A comparison a network: some seeds as the scheduler trains them together, against one after the other.

    images: that each seed trains on in a round. On a GPU the seeds are one cohort in one process; on a processor they
    share its cores, a process each.
    """
    slots, whole, found = bench_slots(device), whole_slot(device), []
    images = images or IMAGES[slots[0].device] // 2
    with _workers(OURS, slots) as (together, log), _workers(OURS, [whole]) as (alone, _):
        for net in nets:
            job = replace(_job(net, slots[0].device, batch_size, images, False), seeds=tuple(range(seeds)))
            cohort = [replace(job, together=True)]
            parts = cohort if job.device == "cuda" else [replace(job, seeds=(seed,)) for seed in job.seeds]
            ways = {
                "one after the other": partial(run_all, alone, [job], log),
                "together": partial(run_all, together, parts, log),
            }
            title = f"{net}, batch {batch_size}, {seeds} seeds"
            found.append(compare(title, "image", ways, float(images * seeds), rounds, announce=announce))
    return found


def bench_efficiency(
    nets: Sequence[str] = THIN_AND_WIDE,
    device: str = "auto",
    batch_size: int = 32,
    images: int | None = None,
    rounds: int = 3,
    announce: Announce = lambda line: None,
) -> list[Comparison]:
    """Forward, backward and update of thin and wide networks on one batch again and again; the first is the reference.

    WRN, figure 4: of networks that are as accurate, the wide are faster. published: what the text says of them.
    """
    slot = whole_slot(device)
    images = images or (batch_size if slot.device == "cpu" else 64 * batch_size)
    with _workers(OURS, [slot]) as (run, log):
        jobs = {net: _job(net, slot.device, batch_size, images, True) for net in nets}
        ways = {net: partial(run_all, run, [job], log) for net, job in jobs.items()}
        timed = compare(f"Batch {batch_size}, steps alone", "image", ways, float(images), rounds, announce=announce)
    published = {net: ratio for net, ratio in PUBLISHED.items() if net in nets and nets[0] == THIN_AND_WIDE[0]}
    return [replace(timed, figures={"published speed": published} if published else {})]


def bench_writing(
    nets: Sequence[str],
    device: str = "auto",
    batch_size: int = 128,
    images: int | None = None,
    rounds: int = 5,
    announce: Announce = lambda line: None,
) -> list[Comparison]:
    """A comparison a network: training for an epoch of 50,000 images against what is written after it.

    Plainly is a line in a file and torch.save(); ours are flushed to the disk, renamed into place and known by their
    hash. images: that are trained on in a round, of which an epoch is so many times more. Files are temporary ones.
    """
    slots, found = bench_slots(device)[:1], []
    kind = slots[0].device
    images = images or IMAGES[kind]
    with _workers(OURS, slots) as (train, log), _workers(WRITES, slots) as (write, _):
        for net in nets:
            job = _job(net, kind, batch_size, images, False)
            ways: dict[str, Callable[[], object]] = {
                "training": partial(run_all, train, [job], log),
                "plain files": partial(_write, write, log, job, True),
                "ablate, flushed and hashed": partial(_write, write, log, job, False),
            }
            work = {name: float(WRITTEN) for name in ways} | {"training": images / EPOCH}
            timed = compare(f"{net}, batch {batch_size}, an epoch", "epoch", ways, work, rounds, announce=announce)
            shares = {name: 1 / timed.ratio(name) for name in ways if name != timed.reference}
            found.append(replace(timed, figures={"share of an epoch": shares}))
    return found


def _write(run: Executor, log: Path, job: TrainJob, plainly: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_all(run, [WriteJob(replace(job, images=job.recipe.batch_size), Path(folder), WRITTEN, plainly)], log)


def _job(net: str, device: str, batch_size: int, images: int, steps_alone: bool) -> TrainJob:
    recipe = Recipe.named("wrn_cifar", batch_size=batch_size, last_batch="drop")
    data = Data.named("cifar10")
    return TrainJob(parse_architecture(net), recipe, data, images, device, steps_alone)


def _rates(run: Executor, device: str, precision: str, log: Path) -> dict[str, float]:
    (said,) = run_all(run, [(device, precision)], log)
    return {key: said[key] for key in Rates._fields}


@contextlib.contextmanager
def _workers(work: str, slots: Sequence[Slot]) -> Iterator[tuple[Executor, Path]]:
    """Workers in the slots, and a file for what they print."""
    with tempfile.TemporaryDirectory() as folder, open_workers(work, slots, Stop(), retries=0) as run:
        yield run, Path(folder) / "log.txt"
