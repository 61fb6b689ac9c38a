"""Whose candidate is whose: a driver is alive as long as it holds its lock file, or on another machine shows itself.

The candidate of a driver that died is taken over where it stands, so none is running for ever.
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
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from ablate.files import hold_lock

FOLDER = ".searching"
WORKER = "worker"  # the attribute of a candidate that holds its driver's name, and when that was last alive, Unix seconds
SHOW_SECONDS, DEAD_SECONDS = 30.0, 300.0
OLD_SECONDS = 7200.0  # a sign of life that is older, or from so far ahead, is none whoever's clock is an hour off
_noticed: dict[str, tuple[float, float]] = {}  # by driver: its last sign, and when we saw that first, monotonic
UNNAMED_SECONDS = 10.0  # an enqueued candidate gets its driver's name at once


@contextlib.contextmanager
def be_alive(opened: optuna.Study, runs: Path) -> Iterator[str]:
    """The name of this driver, alive within the block."""
    name = uuid.uuid4().hex[:16]
    folder = _folder(opened, runs)
    folder.mkdir(parents=True, exist_ok=True)
    done = threading.Event()
    with FileLock(_lock(opened, runs, name)):
        thread = threading.Thread(target=_show, args=(opened, name, done), daemon=True)
        thread.start()
        try:
            yield name
        finally:
            done.set()
            thread.join()
    _clean(opened, runs)


def sign(name: str) -> dict[str, Any]:
    """What a driver puts under WORKER: its name, and that it is alive now."""
    return {"name": name, "seen": time.time()}


def driver_of(trial: FrozenTrial) -> str | None:
    """The name of the driver that has a candidate; None as long as that has not said it."""
    worker = trial.user_attrs.get(WORKER)
    return worker["name"] if worker else None


def is_alive(opened: optuna.Study, trial: FrozenTrial, runs: Path) -> bool:
    """Whether somebody works on a running candidate."""
    if (name := driver_of(trial)) is None:  # datetime_start knows no time zone: another machine's may be hours off
        begun = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        return abs(time.time() - begun) < UNNAMED_SECONDS
    path = _lock(opened, runs, name)
    if path.exists():
        with contextlib.suppress(OSError), hold_lock(path) as free:  # OSError: another user's, who alone may open it
            return not free
    return _shows_itself(name, float(trial.user_attrs[WORKER]["seen"]))


def _shows_itself(name: str, seen: float) -> bool:
    """Whether a driver's sign is young, or has changed of late: its clock and ours may differ, and both be set."""
    now = time.monotonic()
    if _noticed.get(name, (None,))[0] != seen:
        _noticed[name] = seen, now
    return abs(time.time() - seen) < OLD_SECONDS and now - _noticed[name][1] < DEAD_SECONDS


def _folder(opened: optuna.Study, runs: Path) -> Path:
    return runs / FOLDER / opened.study_name.replace(" ", "-")


def _lock(opened: optuna.Study, runs: Path, name: str) -> Path:
    return _folder(opened, runs) / f"{name}.lock"


def _show(opened: optuna.Study, name: str, done: threading.Event) -> None:
    """Notes from time to time, for other machines, that this driver is alive."""
    while not done.wait(SHOW_SECONDS):
        with contextlib.suppress(Exception):  # a database that is away for a moment
            for trial in opened.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                if driver_of(trial) == name:
                    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # it has just ended
                        opened._storage.set_trial_user_attr(trial._trial_id, WORKER, sign(name))


def _clean(opened: optuna.Study, runs: Path) -> None:
    """Removes the lock files of drivers that are gone and left no candidate behind."""
    left = {driver_of(trial) for trial in opened.get_trials(deepcopy=False, states=(TrialState.RUNNING,))}
    for path in _folder(opened, runs).glob("*.lock"):
        with contextlib.suppress(OSError), hold_lock(path) as free:
            if free and path.stem not in left:
                path.unlink(missing_ok=True)
