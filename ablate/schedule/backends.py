"""Where trials run: in this process, in worker processes on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from ablate.errors import RunError
from ablate.schedule.inline import open_inline, run_inline
from ablate.schedule.local import open_workers, run_in
from ablate.schedule.pool import under_way
from ablate.schedule.slots import Slot, check_slots, find_slots
from ablate.schedule.tasks import Executor, OnEvent, Outcome, Stop, Task
from ablate.schedule.worker import load_work


class Backend(NamedTuple):
    """Where trials run.

    Args:
        slots: Where tasks can run at the same time, all on one kind of device.
        open: (work, stop) -> context manager that gives an executor, such as local.open_workers().
        inline: Whether tasks run one after the other in the calling thread.
    """

    slots: list[Slot]
    open: Callable[[str, Stop], AbstractContextManager[Executor]]
    inline: bool = False

    def execute(self, work: str, tasks: Sequence[Task], stop: Stop, on_event: OnEvent) -> Iterator[Outcome]:
        """Run all tasks, longest first, and yield the outcome of each as it ends.

        Args:
            work: "module:function" or "module:class".
            tasks: In any order.
            stop: How far the run is asked to stop.
            on_event: Receives the events of all tasks.
        """
        if self.inline:  # without another thread, for debuggers
            return run_inline(load_work(work), tasks, stop, on_event)
        return run_in(self.open(work, stop), tasks, under_way(self.slots), on_event)


@contextmanager
def open_backend(
    on: str,
    runs: Path,
    device: str = "auto",
    slots: int | None = None,
    slots_per_gpu: int = 1,
    gpus: int = 1,
    patience: float = 0.0,
    announce: Callable[[str], None] = lambda line: None,
) -> Iterator[Backend]:
    """Yield a backend for the duration of the block.

    Args:
        on: "inline", "local", "ray" or "ray:ADDRESS".
        runs: Directory of the records; every node of a Ray cluster must see it.
        device: "auto", "cpu" or "cuda".
        slots, slots_per_gpu: As in find_slots().
        gpus: How many GPUs each trial takes.
        patience: Seconds, as in open_workers().
        announce: Receives lines of text about the cluster, and about GPUs that are not used.

    Raises:
        RunError: There is no such backend or device.
    """
    kind, _, address = on.partition(":")
    if kind == "inline":
        yield Backend([Slot("here", "cpu")], lambda work, stop: open_inline(load_work(work), stop), inline=True)
    elif on == "local":
        found = find_slots(device, slots, slots_per_gpu, gpus, announce)
        yield Backend(found, lambda work, stop: open_workers(work, found, stop, patience=patience))
    elif kind == "ray" and (address or ":" not in on):
        from ablate.schedule.on_ray import open_on_ray
        from ablate.schedule.ray_cluster import open_cluster

        check_slots(device, slots, slots_per_gpu)
        each = float(gpus) if gpus > 1 else 1 / slots_per_gpu
        with open_cluster(address or None, runs, device, slots, each, announce) as cluster:
            yield Backend(cluster, lambda work, stop: open_on_ray(work, cluster, each, stop, patience=patience))
    else:
        raise RunError(f"`on`: found '{on}'; allowed: local, ray, ray:ADDRESS")
