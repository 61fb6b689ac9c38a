"""Trials that do nothing through Ray, where it is installed."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Executor, Stop
from tests.benchmarks.comparison import Announce, Comparison

ENVIRONMENT = {  # asks nobody, warns of nothing, and the display that can be silenced
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclasses.dataclass(frozen=True)
class RayWays:
    """Ways for compare(), none without Ray; work: the trials of each.

    own: by way, the seconds of each call that count, where a way has a start that does not.
    """

    ways: Mapping[str, Callable[[], object]] = dataclasses.field(default_factory=dict)
    work: Mapping[str, float] = dataclasses.field(default_factory=dict)
    own: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)

    def with_tasks(self, name: str, way: Callable[[], object], number: int) -> RayWays:
        """With a way that hands so many tasks to Ray."""
        seconds: list[float] = []
        return RayWays(
            {**self.ways, name: second_time(way, seconds)},
            {**self.work, name: float(number)},
            {**self.own, name: seconds},
        )

    def without_start(self, timed: Comparison) -> Comparison:
        """The comparison with the ways' own seconds in place of those of whole calls."""
        own = {way: tuple(seconds[-len(timed.seconds[way]) :]) for way, seconds in self.own.items()}
        return dataclasses.replace(timed, seconds={**timed.seconds, **own})


def second_time(way: Callable[[], object], seconds: list[float]) -> Callable[[], None]:
    """A way that is gone twice and timed the second time: Ray ends processes that were idle for a second."""

    def twice() -> None:
        way()
        begun = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - begun)

    return twice


def open_here(work: str, slots: list[Slot], stop: Stop) -> AbstractContextManager[Executor]:
    """What open_on_ray() gives, of the cluster that ray_ways() has started."""
    from ablate.schedule.on_ray import open_on_ray

    return open_on_ray(work, slots, 1.0, stop)


@contextlib.contextmanager
def ray_ways(trials: int, tune_trials: int, slots: int, folder: Path, announce: Announce) -> Iterator[RayWays]:
    """Ray's tasks, its Tune with its defaults, and Tune reusing actors, in a cluster that lives within the block.

    Tune takes seconds to start, so the clock of its ways runs from the end of the first trial of each slot to the end
    of the last of tune_trials, and of five times as many where actors are reused. Without Ray: one announced line.
    """
    try:
        ray, tune = importlib.import_module("ray"), importlib.import_module("ray.tune")
    except ImportError:
        announce("Ray is not installed and left out: pip install 'ablate-studies[ray]'")
        yield RayWays()
        return

    # Here, not in the module: Ray sends them as they are, so that its processes do not import all of ours.
    def return_number() -> int:
        return 1

    def train(config: dict[str, Any]) -> dict[str, int]:
        return {"number": 1}

    remote = ray.remote(return_number)

    def run_tasks() -> None:
        assert sum(ray.get([remote.remote() for _ in range(trials)])) == trials

    def fit(number: int, reuse: bool, own: list[float]) -> None:
        ends: list[float] = []
        watch = tune.Callback()
        watch.on_trial_complete = lambda **trial: ends.append(time.perf_counter())
        results = tune.Tuner(
            train,
            param_space={"seed": tune.grid_search(list(range(number)))},
            tune_config=tune.TuneConfig(reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0, callbacks=[watch]),
        ).fit()
        assert [result.metrics["number"] for result in results] == [1] * number == [1] * len(ends)
        own.append(ends[-1] - ends[slots - 1])

    defaults, reused = "Ray Tune", "Ray Tune, actors reused"
    own: dict[str, list[float]] = {defaults: [], reused: []}
    ways = {
        defaults: lambda: fit(tune_trials, False, own[defaults]),
        reused: lambda: fit(5 * tune_trials, True, own[reused]),
    }
    work = {defaults: float(tune_trials - slots), reused: float(5 * tune_trials - slots)}
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        ray.init(num_cpus=slots, num_gpus=0, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        yield RayWays(ways, work, own).with_tasks("Ray tasks", run_tasks, trials)
    finally:
        ray.shutdown()
        os.environ.clear()
        os.environ.update(before)
