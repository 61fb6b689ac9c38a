"""What a run is connected to: where trials run, the signals that stop it, what follows it, and the console."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.errors import RunError, allowed, printable
from ablate.launch.options import RunOptions
from ablate.processes.signals import PREEMPTED, PREEMPTING, handling

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.schedule.backends import Backend
    from ablate.schedule.tasks import Stop
    from ablate.tracking.follow import OnEpoch

INTERRUPTED = 130  # exit code


def open_backend(
    runs: Path, options: RunOptions, announce: Callable[[str], None], gpus: int = 1
) -> AbstractContextManager[Backend]:
    """Open the backend that the options ask for; see schedule.backends.

    Args:
        runs: Directory of the records.
        options: How to run.
        announce: Receives lines of text about a cluster and about GPUs that are not used, unless options.quiet.
        gpus: How many GPUs each trial takes.

    Raises:
        RunError: There is no such backend or device.
    """
    from ablate.schedule import backends

    return backends.open_backend(
        "inline" if options.inline else options.on,
        runs,
        options.device,
        options.slots,
        options.slots_per_gpu,
        gpus,
        patience=options.hung_seconds,
        announce=(lambda line: None) if options.quiet else announce,
    )


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Within the block, let signals stop a run.

    The first SIGINT, and SIGTERM and SIGUSR1, stop it after the running epochs; a second SIGINT stops it at once.

    Args:
        stop: Of the run; its exit code becomes 130 for SIGINT, 75 for the others.
    """
    with handling(
        {
            signal.SIGINT: lambda: stop.raise_to(2 if stop.level else 1, INTERRUPTED),
            **dict.fromkeys(PREEMPTING, lambda: stop.raise_to(1, PREEMPTED)),
        }
    ):
        yield


@contextmanager
def following(
    study: str, runs: Path, options: RunOptions, on_epoch: OnEpoch | None, console: Console
) -> Iterator[RunOptions]:
    """A context manager that gives the options with a follower, if they name trackers or there is a function to call.

    Args:
        study: The name of the study.
        runs: Directory of the records.
        options: How to run.
        on_epoch: Called with each epoch that is recorded.
        console: Shows errors of trackers and of the function.

    Raises:
        RunError: There is no such tracker, or it cannot be used.
    """
    if not options.log and on_epoch is None:
        yield options
        return
    from ablate.tracking.follow import Follower
    from ablate.tracking.trackers import TRACKERS

    for name in options.log:
        if name not in TRACKERS:
            raise RunError(f"`log`: found '{name}'; {allowed(name, TRACKERS)}")
    trackers = {name: TRACKERS[name].open(options.logs, study) for name in options.log}
    with Follower(study, runs, trackers, on_epoch, teller(console)).following() as follower:
        yield replace(options, follower=follower)


def teller(console: Console, quiet: bool = False) -> Callable[[str], None]:
    """A function that prints a line of text without markup or highlighting, on a terminal broken between words."""
    piped = not console.is_terminal
    return lambda line: None if quiet else console.print(printable(line), highlight=False, markup=False, soft_wrap=piped)
