from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from ablate.records.records import read_record, trial_directory, trial_state
from tests.benchmarks.comparison import Comparison, compare
from tests.benchmarks.dispatch import bench_dispatch, make_trials, record_trial
from tests.benchmarks.ray_dispatch import RayWays, ray_ways


def test_schedulers_and_files_are_compared_tiny(tmp_path: Path) -> None:
    said: list[str] = []
    schedulers, files = bench_dispatch(trials=3, rounds=1, folder=tmp_path, ray=False, announce=said.append)
    assert list(schedulers.seconds) == ["Optuna, SQLite", "joblib, loky", "ablate", "ablate, files written"]
    assert list(files.seconds) == ["written", "flushed", "ablate"]
    for comparison in (schedulers, files):
        assert comparison.unit == "trials" and set(comparison.work.values()) == {3.0}
        assert all(len(seconds) == 1 and min(seconds) > 0 for seconds in comparison.seconds.values())
    assert not list(tmp_path.iterdir()) and not any("Ray" in line for line in said)


def test_what_is_written_is_a_record(tmp_path: Path) -> None:
    one, other = make_trials(2)
    assert one.id != other.id
    record_trial(trial_directory(tmp_path, one.id), one.definition)
    record = read_record(tmp_path, one.id)
    assert record is not None and record.eval_error == 50.0 and len(record.epochs()) == 1
    assert (trial_state(tmp_path, one.id), trial_state(tmp_path, other.id)) == ("recorded", "missing")


def test_without_ray_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said: list[str] = []
    with ray_ways(3, 3, 2, tmp_path, said.append) as found:
        assert not found.ways and not found.work
    assert said == ["Ray is not installed and left out: pip install 'ablate-studies[ray]'"]


def test_a_way_through_ray_is_timed_the_second_time() -> None:
    calls: list[float] = []

    def way() -> None:
        calls.append(time.perf_counter())
        time.sleep(0.2 if len(calls) % 2 else 0.01)  # the first starts what the second finds

    found = RayWays().with_tasks("a", lambda: None, 3).with_tasks("b", way, 5)
    assert found.work == {"a": 3.0, "b": 5.0}
    timed = compare("", "trials", found.ways, found.work, 1)
    assert len(calls) == 4 and len(found.own["b"]) == 2  # warmed up before
    assert timed.seconds["b"][0] > 0.2 > found.own["b"][1] == found.without_start(timed).seconds["b"][0]


def test_what_starting_costs_does_not_count() -> None:
    timed = Comparison("", "trials", {"ours": (1.0, 2.0), "theirs": (12.0, 13.0)}, {"ours": 10.0, "theirs": 8.0})
    left = RayWays(own={"theirs": [9.0, 8.0, 10.0]}).without_start(timed)  # the first was of warming up
    assert left.seconds == {"ours": (1.0, 2.0), "theirs": (8.0, 10.0)}
    assert left.per_unit("theirs") == [1.0, 1.25]
