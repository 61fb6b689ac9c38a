"""Networks timed in worker processes on this machine, and what cannot be timed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from planned import plan_text

from ablate.api import load_study
from ablate.estimate.hardware import CostOptions
from ablate.network_experiment import Experiment
from ablate.records.timings import read_probes
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Outcome, Stop, Task

STUDY = """\
name: invented
data: {name: digits, train_size: 128, test_size: 64}
recipe: {base: wrn_cifar, epochs: 10, batch_size: 16}
seeds: 0
variants:
  - net: [WRN-10-0.25]
  - {grid: {net: [WRN-10-0.25], recipe.lr: [0.05]}}
"""
ONE = CostOptions(device="cpu", slots=1)


def experiment(tmp_path: Path, text: str = STUDY) -> Experiment:
    path = tmp_path / "invented.yaml"
    path.write_text(text)
    return load_study(path, runs=tmp_path / "runs")


def test_a_network_is_timed_once_and_one_that_breaks_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import os, torch\n"
        "class Raises(torch.nn.Module):\n"
        "    def __init__(self, classes, input_shape):\n"
        "        super().__init__()\n"
        "        self.linear = torch.nn.Linear(64, classes)\n"
        "    def forward(self, x):\n"
        "        if x.device.type != 'meta': self.fail()\n"
        "        return self.linear(x.flatten(1))\n"
        "    def fail(self):\n"
        "        raise ValueError('no network today')\n"
        "class Dies(Raises):\n"
        "    def fail(self):\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    nets = "  - net: {python: mine:Raises}\n  - net: {python: mine:Dies}\n"
    study = experiment(tmp_path, STUDY.replace("variants:\n", "variants:\n" + nets))
    said: list[str] = []
    plan = study.plan(True, ONE, said.append)
    raised, died = plan["cost"]["remarks"]
    assert [raised, died] == said[1:3] and len(said) == 4
    assert raised.startswith("not timed: mine:Raises") and "no network today" in raised
    assert died.startswith("not timed: mine:Dies") and "was ended by SIGKILL" in died
    assert str(study.runs / "probes" / "log.txt") in died

    (probe,) = read_probes(study.runs)  # two variants, one network
    assert said[0] == "timing 3 networks, 1 side by side on a device" and said[3].startswith("WRN-10-0.25: ")
    assert (probe.net, probe.threads, probe.side_by_side, probe.kind) == ("WRN-10-0.25", 1, 1, "cpu")
    timed = [variant["probe"] for variant in plan["variants"]]
    assert timed[:2] == [None, None]
    assert {one["train_step_ms"]["median"] for one in timed[2:]} == {probe.train_step_ms.median}
    assert "Step, ms" in plan_text(plan)
    assert json.loads(orjson.dumps(plan))["cost"] == plan["cost"]
    again = study.plan(options=ONE)
    assert [variant["probe"] for variant in again["variants"]] == timed
    assert read_probes(study.runs) == [probe]


def test_each_kind_of_gpu_is_timed_with_as_many_seeds_as_will_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the two GPUs of one kind five at a time, on the one of the other eight, but no more than there are seeds."""
    gpus = [Slot(f"gpu {i}", "cuda", model=model) for i, model in enumerate(("A", "B", "A"))]
    monkeypatch.setattr("ablate.schedule.slots.find_slots", lambda *given, **more: gpus)
    asked: list[tuple[str, int]] = []

    def run(work: str, tasks: list[Task], slots: list[Slot], stop: Stop, hear: Any, retries: int) -> Iterator[Outcome]:
        for task in tasks:
            asked.append((slots[0].model, task.payload.together))
            times = {"train_ms": [8.0], "test_ms": [2.0], "test_batch": 4, "steps": 1, "startup_seconds": 1.0}
            about = {"device": slots[0].model, "threads": 1, "torch": "2", "peak_memory_bytes": 5}
            both = {"together": task.payload.together, "together_ms": [3.0], "together_test_ms": [1.0]}
            hear(0, task, {**times, **about, **both})
            yield Outcome(task, "probed")

    monkeypatch.setattr("ablate.schedule.local.run_local", run)
    study = experiment(tmp_path, STUDY.replace("seeds: 0", "seeds: 5"))
    said: list[str] = []
    study.plan(True, CostOptions(), said.append)
    assert asked == [("A", 5), ("B", 5)]
    assert [(probe.device, probe.together) for probe in read_probes(study.runs)] == [("A", 5), ("B", 5)]
    assert said[0] == "timing 1 network on A, 1 side by side on a device" and said[1].endswith(
        "5 seeds side by side, 3.0 ms a seed"
    )
