"""Several drivers of one search: which candidate is whose, and what becomes of it when its driver dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from forked import Forked
from optuna.trial import FrozenTrial, TrialState, create_trial
from search.landscape import DROPOUT, Landscape, invent, optuna_trials, search, told
from waiting import wait_for

from ablate.api import load_search
from ablate.search import drivers, search_driver
from ablate.search.drivers import FOLDER, WORKER, driver_of, heartbeat, is_alive, register_driver
from ablate.search.optuna_internals import continue_trial
from ablate.search.search_driver import SearchDriver
from ablate.search.storage import current_trials, default_storage, open_search
from ablate.study.study import Trial


def drive(path: Path, runs: Path, seconds: float, storage: str = "") -> subprocess.Popen[str]:
    """Another driver, in a process of its own, whose epochs take so long."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from search.landscape import drive; "
    code += f"drive({str(path)!r}, {str(runs)!r}, {storage!r}, {seconds})"
    return Forked([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def opened(path: Path, runs: Path, url: str = "") -> optuna.Study:
    return open_search(load_search(path).study, url or default_storage(runs), runs, lambda values: True)


def begin(study: optuna.Study, **attrs: Any) -> FrozenTrial:
    """A candidate under way."""
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attrs))
    return study.get_trials()[-1]


def test_two_drivers_share_the_candidates(tmp_path: Path) -> None:
    path, runs = invent(tmp_path, 10, space="{dropout: {low: 0.0, high: 0.6}}", folds=2, epochs=1), tmp_path / "runs"
    drivers = [drive(path, runs, 0.2) for _ in range(2)]
    said = [driver.communicate(timeout=300)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0]
    trials = optuna_trials(path, runs)
    assert [(trial.number, trial.state) for trial in trials] == [(number, TrialState.COMPLETE) for number in range(10)]
    names = [driver_of(trial) for trial in trials]
    assert len(set(names)) == 2  # each had some
    for text in said:
        assert "10 candidates" in text and "by other processes" in text and " open" not in text
    assert sum(int(text.split(" evaluated")[0].split()[-1]) for text in said) == 10
    assert sum(int(text.split(" training")[0].split()[-1]) for text in said) == 20  # none twice
    assert not list((runs / FOLDER).rglob("*.lock"))
    search(path, tmp_path / "alone")
    assert [trial.params for trial in trials] == [trial.params for trial in optuna_trials(path, tmp_path / "alone")]


def test_the_candidate_of_a_killed_driver_is_taken_over_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "UNNAMED_SECONDS", 120.0)  # it has a name, so nobody waits for these
    path, runs = invent(tmp_path, 3, folds=2, sampler="tpe"), tmp_path / "runs"
    driver = drive(path, runs, 0.5)
    wait_for(lambda: sum(each.read_bytes().count(b"\n") for each in runs.glob("*/epochs.jsonl")) > 4)  # candidate 1's first
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    before = optuna_trials(path, runs)
    assert [trial.state for trial in before] == [TrialState.COMPLETE, TrialState.RUNNING]
    (candidate,) = [each for each in load_search(path, runs=runs).candidates() if each.state != "complete"]
    assert candidate.state == "interrupted"
    done = Landscape()
    begun = time.monotonic()
    assert search(path, runs, done).exit_code == 0
    assert time.monotonic() - begun < drivers.UNNAMED_SECONDS
    search(path, tmp_path / "unbroken")
    assert told(optuna_trials(path, runs)) == told(optuna_trials(path, tmp_path / "unbroken"))
    assert done.trained[0][0].id == candidate.trials[0].id and len(done.trained) < 8
    assert not list((runs / FOLDER).rglob("*.lock"))


def test_a_driver_waits_for_the_others_and_takes_over_from_one_that_dies(tmp_path: Path) -> None:
    path, runs = invent(tmp_path, 1, folds=2), tmp_path / "runs"
    driver = drive(path, runs, 1000)
    wait_for(lambda: list(runs.glob("*/trial.json")))
    killer = threading.Timer(1.0, driver.kill)
    killer.start()
    begun = time.monotonic()
    summary = search(path, runs)
    assert time.monotonic() - begun > 1.0
    assert (summary.evaluated, summary.exit_code) == (1, 0)
    driver.communicate()


def test_who_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, here, there = invent(tmp_path), tmp_path / "here", tmp_path / "there"
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    study = opened(path, here, url)
    with register_driver(study, here) as name:
        ours = begin(study, **{WORKER: heartbeat(name)})
        assert driver_of(ours) == name and is_alive(study, ours, here)
        now, ticks = time.time(), time.monotonic()
        for hour in (-3600, 0, 3600):  # a clock that is set, here or there
            monkeypatch.setattr(drivers.time, "time", partial(float, now + hour))
            assert is_alive(study, ours, here) and is_alive(study, ours, there)
        monkeypatch.setattr(drivers.time, "monotonic", lambda: ticks + drivers.DEAD_SECONDS + 1)
        assert is_alive(study, ours, here)  # it holds its lock
        assert not is_alive(study, ours, there)  # where the lock is not to be seen, its sign has been the same for long
        continue_trial(study, ours).set_user_attr(WORKER, heartbeat(name))
        assert is_alive(study, study.get_trials()[ours.number], there)
        monkeypatch.setattr(drivers.time, "time", lambda: now + drivers.OLD_SECONDS + 3601)
        assert not is_alive(study, ours, there)  # of another day
        monkeypatch.undo()
    assert not is_alive(study, ours, here)
    assert list((here / FOLDER).rglob(f"{name}.lock"))  # kept as long as it left a candidate
    study.tell(ours.number, 1.0)
    with register_driver(study, here):
        pass
    assert not list((here / FOLDER).rglob("*.lock"))


@pytest.mark.parametrize("hours", [0, -9, 9])
def test_a_candidate_without_a_name_is_soon_given_up_whatever_the_time_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    study = opened(invent(tmp_path), tmp_path)
    nameless, now = begin(study), time.time()
    assert is_alive(study, nameless, tmp_path)
    monkeypatch.setattr(drivers.time, "time", lambda: now + 3600 * hours + drivers.UNNAMED_SECONDS + 1)
    assert not is_alive(study, nameless, tmp_path)


def test_a_driver_shows_that_it_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "HEARTBEAT_SECONDS", 0.05)
    study = opened(invent(tmp_path), tmp_path)
    with register_driver(study, tmp_path) as name:
        old = {"name": name, "seen": 1.0}
        ended, ours, other = (begin(study, worker=attrs) for attrs in (old, old, {"name": "another", "seen": 1.0}))
        study.tell(ended.number, 1.0)
        wait_for(lambda: study.get_trials()[ours.number].user_attrs[WORKER]["seen"] > 1.0)
    assert driver_of(study.get_trials()[ours.number]) == name
    assert study.get_trials()[other.number].user_attrs[WORKER] == {"name": "another", "seen": 1.0}


def test_nothing_is_begun_while_another_has_not_said_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_driver, "WAIT_SECONDS", 0.02)
    monkeypatch.setattr(drivers, "UNNAMED_SECONDS", 3.0)
    path = invent(tmp_path, 2, folds=2)
    begin(opened(path, tmp_path / "runs"))  # a driver died right after it had asked
    search(path, tmp_path / "runs")
    first, second = optuna_trials(path, tmp_path / "runs")
    assert first.datetime_complete and second.datetime_start and first.datetime_complete < second.datetime_start
    search(path, tmp_path / "unbroken")
    assert told([first, second]) == told(optuna_trials(path, tmp_path / "unbroken"))


def test_a_driver_on_another_machine_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_driver, "WAIT_SECONDS", 0.02)
    monkeypatch.setattr(drivers, "DEAD_SECONDS", 1.0)
    path, runs = invent(tmp_path, 2, folds=2), tmp_path / "runs"
    begin(opened(path, runs), **{WORKER: heartbeat("elsewhere")})
    begun = time.monotonic()
    summary = search(path, runs)
    assert summary.evaluated == 2 and time.monotonic() - begun > 0.8
    numbers = [trial.number for trial in optuna_trials(path, runs) if trial.state == TrialState.COMPLETE]
    assert numbers == [0, 1]


def test_a_candidate_that_another_ended_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """A machine slept, and another took it for dead."""
    path, runs = invent(tmp_path, 2, folds=2), tmp_path / "runs"

    def end_it(trial: Trial, epoch: int) -> None:
        study = opened(path, runs)
        if study.get_trials()[0].state == TrialState.RUNNING:
            study.tell(0, 42.0)

    summary = search(path, runs, Landscape(before=end_it))
    assert (summary.evaluated, summary.elsewhere, summary.failed, summary.exit_code) == (1, 1, [], 0)
    assert optuna_trials(path, runs)[0].value == 42.0


@pytest.mark.parametrize("left", [1, 2])
def test_two_machines_that_begin_at_once_do_not_exceed_the_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    path, runs = invent(tmp_path, 2 + left, folds=2), tmp_path / "runs"
    search(invent(tmp_path, 2, folds=2), runs)
    path = invent(tmp_path, 2 + left, folds=2)
    other = opened(path, tmp_path / "other machine", default_storage(runs))
    ask = optuna.Study.ask

    def beaten(self: optuna.Study) -> optuna.Trial:  # right before we create our candidate the other machine creates one
        monkeypatch.setattr(optuna.Study, "ask", ask)
        begun = continue_trial(other, begin(other, **{WORKER: heartbeat("elsewhere")}))
        begun.suggest_float("dropout", 0.3, 0.3)
        begun.set_user_attr("result", {"net": "another", "validation_errors": [5.0, 5.1]})
        other.tell(begun, 5.05)
        return ask(self)

    monkeypatch.setattr(optuna.Study, "ask", beaten)
    summary = search(path, runs)
    counted = current_trials(optuna_trials(path, runs))
    assert [trial.state for trial in counted] == [TrialState.COMPLETE] * (2 + left)
    assert len(optuna_trials(path, runs)) == 2 + left + (left == 1)
    assert (summary.evaluated, summary.elsewhere, summary.exit_code) == (left - 1, 1, 0)
    assert len(load_search(path, runs=runs).candidates()) == 2 + left
    assert search(path, runs).done_before == 2 + left  # what was too many is not tried again


def test_several_slots_take_different_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of one driver, as of two slots."""
    path, runs = invent(tmp_path, 6, space=DROPOUT, folds=2, epochs=1), tmp_path / "runs"
    serve = SearchDriver.serve

    def twice(self: SearchDriver) -> None:
        other = threading.Thread(target=serve, args=(self,))
        other.start()
        serve(self)
        other.join()

    monkeypatch.setattr(SearchDriver, "serve", twice)
    summary = search(path, runs, Landscape(before=lambda trial, epoch: time.sleep(0.02)))
    assert summary.evaluated == 6 and [trial.state for trial in optuna_trials(path, runs)] == [TrialState.COMPLETE] * 6
