from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablate.schedule.cohorts import Cohorts, cohort_size
from ablate.schedule.inline import run_inline
from ablate.schedule.tasks import Stop, Task


@pytest.mark.parametrize(
    ("asked", "tasks", "slots", "gpu", "size"),
    [(None, 5, 1, True, 5), (None, 40, 8, True, 5), (None, 3, 8, True, 1), (None, 99, 1, True, 8), (None, 99, 2, False, 1),
     (3, 99, 8, False, 3), (1, 99, 1, True, 1)],
)  # fmt: skip
def test_how_many_are_trained_together(asked: int | None, tasks: int, slots: int, gpu: bool, size: int) -> None:
    assert cohort_size(asked, 0.1, sum([0.1] * tasks), slots, gpu) == size


def test_the_seeds_of_a_wide_network_are_spread_over_the_gpus() -> None:
    """Five seeds each of a thin network and one of 36 times its cost, on four GPUs."""
    total = 5 * 1.0 + 5 * 36.0
    assert [cohort_size(None, cost, total, 4, True) for cost in (1.0, 36.0)] == [8, 1]


def task(name: str, folder: Path) -> Task:
    return Task(name, f"net {name[0]} seed {name[1]}", name, 2.0, folder / f"{name}.log")


def variant_of(task: Task) -> str | None:
    return None if task.id[0] == "x" else task.id[0]


def test_tasks_of_a_variant_become_one_and_end_each_for_itself(tmp_path: Path) -> None:
    tasks = [task(name, tmp_path) for name in ("a0", "b0", "a1", "x0", "a2", "x1")]
    cohorts = Cohorts(tasks, variant_of, 2)
    assert [each.payload for each in cohorts.tasks] == [("a0", "a1"), ("a2",), ("b0",), ("x0",), ("x1",)]
    assert cohorts.tasks[0].label == "net a seed 0 and 1 more" and cohorts.tasks[0].cost == 4.0

    def work(payload: Any, stop: Any, report: Any) -> str:
        for name in payload:
            report({"trial": name, "epoch": 1})
        if payload[0] == "a0":
            report({"trial": "a1", "status": "diverged", "cause": ""})
            raise ValueError("on the way")
        for name in payload:
            report({"trial": name, "status": "completed", "cause": ""})
        return "ended"

    seen: list[tuple[str, str]] = []
    listener = cohorts.listener(lambda slot, task, event: seen.append((event["event"], task.id)))
    ended = {
        one.task.id: (one.status, one.cause, one.task.log.name, by_itself)
        for outcome in run_inline(work, cohorts.tasks, Stop(), listener)
        for one, by_itself in cohorts.outcomes(outcome)
    }
    assert ended["a0"] == ("failed", "ValueError: on the way", "a0.log", False)
    assert ended["a1"] == ("diverged", "", "a0.log", True)
    assert all(ended[name] == ("completed", "", f"{name}.log", True) for name in ("a2", "b0", "x0", "x1"))
    assert [name for what, name in seen if what == "epoch"][:2] == ["a0", "a1"]
