"""Drivers are the processes that work on a search: which driver has a candidate, and whether that driver is alive.

A driver is alive while it holds its lock file. The lock file of a driver on another machine may not be visible. Such a
driver is alive while the heartbeat that it writes into Optuna's storage keeps changing. When a driver has died, another
driver continues its candidate.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ablate.errors import RecordError
from ablate.files import hold_lock, real_directory
from ablate.search.optuna_internals import continue_trial

FOLDER = ".searching"  # in the runs directory; contains the lock files
WORKER = "worker"  # user attribute of a candidate: its driver's name and last heartbeat (Unix time, seconds)
HEARTBEAT_SECONDS, DEAD_SECONDS = 30.0, 300.0
OLD_SECONDS = 7200.0  # a heartbeat further from our clock is ignored; allows for clocks that differ by an hour
UNNAMED_SECONDS = 10.0  # a candidate without a driver's name is new for this long, then abandoned
_last_change: dict[str, tuple[float, float]] = {}  # driver -> (last heartbeat, monotonic time when it was first seen)


@contextlib.contextmanager
def register_driver(study: optuna.Study, runs: Path) -> Iterator[str]:
    """A context manager that makes this process a live driver within the block; yields the driver's name.

    Args:
        study: Optuna's study of the search.
        runs: The runs directory.
    """
    name = uuid.uuid4().hex[:16]
    real_directory(runs / FOLDER).mkdir(parents=True, exist_ok=True)
    real_directory(_folder(study, runs)).mkdir(exist_ok=True)
    done = threading.Event()
    with hold_lock(_lock(study, runs, name)):
        thread = threading.Thread(target=_send_heartbeats, args=(study, name, done), daemon=True)
        thread.start()
        try:
            yield name
        finally:
            done.set()
            thread.join()
    _remove_old_locks(study, runs)


def heartbeat(name: str) -> dict[str, Any]:
    """The heartbeat that a driver writes now: a value of the user attribute WORKER.

    Args:
        name: The driver's name.
    """
    return {"name": name, "seen": time.time()}


def driver_of(trial: FrozenTrial) -> str | None:
    """The name of the driver that has a candidate; None until the driver has written it.

    Args:
        trial: The candidate in Optuna.
    """
    worker = trial.user_attrs.get(WORKER)
    return worker["name"] if worker else None


def is_alive(study: optuna.Study, trial: FrozenTrial, runs: Path) -> bool:
    """Whether the driver of a running candidate is alive.

    Args:
        study: Optuna's study of the search.
        trial: The candidate in Optuna.
        runs: The runs directory.
    """
    if (name := driver_of(trial)) is None:  # datetime_start has no time zone: on another machine it may differ by hours
        begun = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        return abs(time.time() - begun) < UNNAMED_SECONDS
    path = _lock(study, runs, name)
    if path.exists():
        with contextlib.suppress(OSError, RecordError), hold_lock(path) as free:  # another user's file, or no file
            return not free
    return _has_heartbeat(name, float(trial.user_attrs[WORKER]["seen"]))


def _has_heartbeat(name: str, seen: float) -> bool:
    """Whether a driver's heartbeat changed within the last DEAD_SECONDS of this process's clock.

    The clocks of the two machines may differ, and may be set while the search runs.
    """
    now = time.monotonic()
    if _last_change.get(name, (None,))[0] != seen:
        _last_change[name] = seen, now
    return abs(time.time() - seen) < OLD_SECONDS and now - _last_change[name][1] < DEAD_SECONDS


def _folder(study: optuna.Study, runs: Path) -> Path:
    return runs / FOLDER / study.study_name.replace(" ", "-")


def _lock(study: optuna.Study, runs: Path, name: str) -> Path:
    return _folder(study, runs) / f"{name}.lock"


def _send_heartbeats(study: optuna.Study, name: str, done: threading.Event) -> None:
    """Renew the heartbeat of a driver's running candidates until `done` is set."""
    while not done.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(Exception):  # the database may be unreachable for a short time
            for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                if driver_of(trial) == name:
                    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # the candidate has just ended
                        continue_trial(study, trial).set_user_attr(WORKER, heartbeat(name))


def _remove_old_locks(study: optuna.Study, runs: Path) -> None:
    """Remove the lock files of drivers that have ended and left no running candidate."""
    needed = {driver_of(trial) for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))}
    for path in _folder(study, runs).glob("*.lock"):
        with contextlib.suppress(OSError, RecordError), hold_lock(path) as free:
            if free and path.stem not in needed:
                path.unlink(missing_ok=True)
