"""run_searches(): evaluates the candidates of searches on the slots of the scheduler; see search_driver.py."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import optuna

from ablate.launch.connections import open_backend, signals, teller
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE
from ablate.processes.signals import PREEMPTING, handling, preempted
from ablate.schedule.tasks import Stop
from ablate.search.candidates import Candidates
from ablate.search.drivers import register_driver
from ablate.search.progress import SearchProgress
from ablate.search.search_driver import SearchDriver
from ablate.search.storage import storage_errors

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.schedule.backends import Backend

OF_DIVERGED = ("All-NaN slice", "Clip non-finite")  # how warnings begin that Optuna gives of diverged trainings


def run_searches(
    searches: Sequence[Candidates[Any, Any]], runs: Path, url: str, options: RunOptions, console: Console
) -> list[SearchDriver]:
    """Evaluate the candidates that remain of several searches, side by side; return their drivers, which have summaries.

    A slot that has no candidate left in one search goes on to the next.

    Args:
        searches: What the candidates of each are; all of networks that take one number of GPUs, or all of programs.
        runs: The runs directory.
        url: Of Optuna's storage, or the path of a journal.
        options: How to run.
        console: Where progress is printed.

    Raises:
        AblateError: A search cannot start, or the storage fails.
    """
    begun = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with open_backend(runs, options, teller(console), searches[0].gpus) as backend, warnings.catch_warnings():
        for message in OF_DIVERGED:
            warnings.filterwarnings("ignore", message)
        drivers = [SearchDriver(one, runs, url, options, backend.slots[0].device) for one in searches]
        _run_drivers(drivers, backend, url, console, begun)
        return drivers


def _run_drivers(drivers: list[SearchDriver], backend: Backend, url: str, console: Console, begun: float) -> None:
    """Run drivers on all slots of a backend until their searches end or are stopped."""
    first, slots = drivers[0], backend.slots
    options = first.options
    with handling(dict.fromkeys(PREEMPTING, preempted)):
        left = sum(max(0, driver.count_planned() - driver.count_ended()) for driver in drivers)
        for driver in drivers:
            driver.candidates.fit(backend, driver.candidate(), left, options, teller(console))
            driver.prepare(console)
            driver.summary.candidates, driver.summary.done_before = driver.count_planned(), driver.count_ended()
    total, before = (sum(getattr(one.summary, key) for one in drivers) for key in ("candidates", "done_before"))
    progress = SearchProgress(total, before, [slot.name for slot in slots], console, options.quiet, first.decision)

    def announce() -> None:
        if stop.exit_code != 2:  # an error has a line of its own
            progress.say(f"{first.candidates.stopping}; Ctrl-C again stops now")

    stop = Stop(announce)
    with ExitStack() as stack:
        stack.enter_context(storage_errors(url))
        for driver in drivers:
            driver.name = stack.enter_context(register_driver(driver.opened, driver.runs))
            driver.progress, driver.stop = progress, stop
        stack.enter_context(progress)
        stack.enter_context(signals(stop))
        run = stack.enter_context(backend.open(first.candidates.work_on(slots[0].device), stop))
        for driver in drivers:
            driver.run = run
        joblib.Parallel(len(slots), backend="threading")(joblib.delayed(_serve)(drivers) for _ in slots)
        for driver in drivers:
            summary = driver.summary
            summary.best = driver.best()
            summary.elsewhere = driver.count_ended() - summary.done_before - summary.evaluated - summary.pruned
    for driver in drivers:
        driver.summary.seconds = time.monotonic() - begun
        driver.summary.exit_code = stop.exit_code or (INCOMPLETE if driver.summary.failed else 0)


def _serve(drivers: Sequence[SearchDriver]) -> None:
    """Evaluate the candidates of one search after another on a slot. Each slot has one thread."""
    for driver in drivers[:-1]:
        driver.serve(wait=False)
    for driver in reversed(drivers):  # the last has not been served; of the others only what another driver has left
        driver.serve()
