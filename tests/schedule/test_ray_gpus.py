"""The rule for GPUs that break trials, on a Ray cluster that is a stand-in: nodes of one GPU, some of them bad."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ablate.schedule import on_ray
from ablate.schedule.local import run_tasks
from ablate.schedule.on_ray import open_on_ray
from ablate.schedule.pool import under_way
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Outcome, Stop, Task
from ablate.schedule.worker import BROKEN

TRIALS = 12


class StandIn:
    """What open_on_ray() uses of ray; a task is done on the node that its scheduling strategy names.

    Args:
        bad: The ids of nodes on which every task breaks.
        fault: The name of a task that breaks everywhere.
    """

    def __init__(self, bad: tuple[str, ...] = (), fault: str = "") -> None:
        self.bad, self.fault = bad, fault
        self.ran: list[tuple[str, str]] = []  # (task, node)
        self.lock = threading.Lock()
        self.exceptions = SimpleNamespace(RayError=OSError, NodeDiedError=OSError, ObjectLostError=OSError)

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "head")

    def remote(self, **options: Any) -> Any:
        return lambda what: self.Remote(self, options)

    def get(self, found: Any) -> Any:
        return found

    def kill(self, actor: Any) -> None:
        pass

    def cancel(self, stream: Any, force: bool) -> None:
        raise AssertionError("nothing is cancelled")

    class Remote:
        """A remote function, or the actor that is asked for flags."""

        def __init__(self, ray: StandIn, options: dict[str, Any]) -> None:
            self.ray, self.settings = ray, options

        def options(self, **more: Any) -> Any:
            return StandIn.Remote(self.ray, {**self.settings, **more})

        def remote(self, *told: Any) -> Any:
            return self.stream(told[1]) if told else self

        def stream(self, payload: str) -> Iterator[tuple[Any, ...]]:
            node, soft = self.settings["scheduling_strategy"]
            assert soft and self.settings["num_gpus"] == 1
            with self.ray.lock:
                self.ray.ran.append((payload, node))
            yield "begun", 1, node
            if node in self.ray.bad or payload == self.ray.fault:
                yield "ended", BROKEN, "CUDA error"
            else:
                time.sleep(0.05)  # so a bad node is free first
                yield "event", {"epoch": 1}
                yield "ended", "completed", ""


def trained(
    ray: StandIn, monkeypatch: pytest.MonkeyPatch, nodes: int = 4, trials: int = TRIALS
) -> tuple[dict[str, Outcome], list[str]]:
    """The outcome of each trial on a cluster of some nodes, by its name; and what is said of nodes."""
    monkeypatch.setattr(on_ray, "import_ray", lambda: ray)
    monkeypatch.setattr(on_ray, "on_node", lambda node, soft=False: (node, soft))
    slots = [Slot(f"node {i}", "cuda", node=f"id {i}") for i in range(nodes)]
    tasks = [Task(str(i), f"trial {i}", f"trial {i}", 1.0, Path("log.txt")) for i in range(trials)]
    said: list[str] = []

    def hear(slot: int, task: Task, event: dict[str, Any]) -> None:
        if event["event"] == "note":
            said.append(event["text"])

    with open_on_ray("work", slots, 1.0, Stop()) as run:
        outcomes = {one.task.label: one for one in run_tasks(run, tasks, under_way(slots), hear)}
    return outcomes, said


def test_a_bad_node_costs_two_trials_an_attempt_and_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = StandIn(bad=("id 1",))
    outcomes, said = trained(ray, monkeypatch)
    assert len(outcomes) == TRIALS and {one.status for one in outcomes.values()} == {"completed"}
    assert sum(node == "id 1" for _, node in ray.ran) == 2
    assert sorted(one.attempts for one in outcomes.values()) == [1] * (TRIALS - 2) + [2, 2]
    (line,) = said
    assert line.startswith("node 1 is not used any more: trial") and line.endswith("broke on it (CUDA error)")


def test_a_bad_trial_is_tried_on_another_node_and_closes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = StandIn(fault="trial 3")
    outcomes, said = trained(ray, monkeypatch)
    assert [label for label, one in outcomes.items() if one.status == "failed"] == ["trial 3"]
    assert outcomes["trial 3"].cause == "CUDA error" and not said
    nodes = [node for name, node in ray.ran if name == "trial 3"]
    assert len(nodes) == outcomes["trial 3"].attempts > 1 and nodes[0] != nodes[1]


def test_the_last_node_is_never_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = StandIn(bad=("id 0",))
    outcomes, said = trained(ray, monkeypatch, nodes=1, trials=3)
    assert {one.status for one in outcomes.values()} == {"failed"} and not said
