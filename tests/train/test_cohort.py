"""train_cohort(): each trial comes out as alone, whatever becomes of the others, and memory is never over-full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.api import load_experiment
from ablate.data.cache import Location
from ablate.errors import RecordError, RunError
from ablate.files import hold_lock
from ablate.nets.notation import parse_architecture
from ablate.records.epochs import read_epochs
from ablate.study.spec import load_study
from ablate.study.study import Trial
from ablate.train import attempt, cohort
from ablate.train.cohort import memory_needed, train_cohort, wait_for_room
from ablate.train.job import Job
from ablate.train.loop import Training
from ablate.train.setup import ProcessCache
from ablate.train.trial import train_trial

GIB = 2**30
CPU = torch.device("cpu")


@pytest.fixture
def jobs(tiny: Path, tmp_path: Path) -> list[Job]:
    study = load_study(tiny, ["recipe.epochs=2"])
    trials = [Trial(parse_architecture("WRN-10-0.25-dropout0.3"), study.recipe, study.data, seed) for seed in range(4)]
    return [Job(trial, tmp_path / "runs", Location(tmp_path, tmp_path / "cache")) for trial in trials]


def train(jobs: list[Job], stop: Callable[[], bool] = lambda: False) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """How each ended, by its seed, and all that was reported."""
    told: list[dict[str, Any]] = []
    assert train_cohort(jobs, stop, told.append) == "ended"
    seeds = {job.trial.id: job.trial.seed for job in jobs}
    ended = [(seeds[event["trial"]], event["status"]) for event in told if "status" in event]
    assert len(ended) == len(dict(ended))
    return dict(ended), told


def rows(job: Job) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if "seconds" not in key} for row in read_epochs(job.runs / job.trial.id)
    ]


def alone(jobs: list[Job]) -> list[list[dict[str, Any]]]:
    others = [replace(job, runs=job.runs.with_name("alone")) for job in jobs]
    for job in others:
        train_trial(job, lambda: False, lambda row: None)
    return [rows(job) for job in others]


def test_each_is_as_it_is_alone_and_says_for_itself_how_it_ended(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    done, busy, open_, damaged = jobs
    train_trial(done, lambda: False, lambda row: None)
    load = attempt.load_checkpoint

    def refuse(directory: Path, most: int) -> dict[str, Any] | None:
        if directory.name == damaged.trial.id:
            raise RecordError("begun on other images")
        return load(directory, most)

    monkeypatch.setattr(attempt, "load_checkpoint", refuse)
    (busy.runs / busy.trial.id).mkdir()
    with hold_lock(busy.runs / busy.trial.id / "lock"):
        ended, told = train(jobs)
    assert ended == {0: "recorded", 1: "busy", 2: "completed", 3: "failed"}
    assert next(event["cause"] for event in told if event.get("status") == "failed") == "RecordError: begun on other images"
    ended, _ = train([busy, open_])
    assert ended == {1: "completed", 2: "recorded"}
    assert [rows(job) for job in jobs[:3]] == alone(jobs[:3])


def test_it_stops_after_the_epoch_and_goes_on_side_by_side(jobs: list[Job]) -> None:
    seen: list[int] = []
    ended, told = train(jobs[:2], lambda: (seen.append(1), len(seen) == 1)[1])
    assert ended == {0: "interrupted", 1: "interrupted"} and [event.get("epoch") for event in told[:2]] == [1, 1]
    assert train(jobs[:2])[0] == {0: "completed", 1: "completed"}
    assert [rows(job) for job in jobs[:2]] == alone(jobs[:2])


NETWORK = """\
from torch import nn

def net(classes, input_shape):
    channels, height, width = input_shape
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels * height * width, classes))
"""


def test_what_draws_from_torchs_own_generator_is_trained_alone(
    jobs: list[Job], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tiny.parent / "dropping.py").write_text(NETWORK)
    tiny.write_text(
        tiny.read_text().replace("net: [WRN-10-0.25-dropout0.3, WRN-10-0.25-B(3,1)]", "net: {python: dropping:net}")
    )
    experiment = load_experiment(tiny.parent / "tiny.yaml", ["recipe.epochs=2", "baseline=null"])
    own = [replace(job, trial=trial, folders=(tiny.parent,)) for job, trial in zip(jobs, experiment.trials())]
    together = count_together(monkeypatch)
    assert train(own)[0] == {0: "completed", 1: "completed"} and together == [1, 1]
    assert [rows(job) for job in own] == alone(own)
    train(jobs[:2])
    assert together == [1, 1, 2]


def count_together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    together: list[int] = []
    run = cohort.train_side_by_side
    monkeypatch.setattr(cohort, "train_side_by_side", lambda some, *rest: (together.append(len(some)), run(some, *rest))[1])
    return together


@pytest.mark.parametrize("room", [1, 2, 3])
def test_memory_that_does_not_suffice_splits_a_cohort(jobs: list[Job], room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than `room` trainings at once are out of memory in the second step, as on a GPU that others share."""
    at_once: list[int] = []
    inside: set[int] = set()
    make, step = attempt.Attempt.__init__, Training.step

    def begin(self: Training, size: int) -> None:
        inside.add(id(self))
        if len(inside) > room:
            inside.clear()
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")
        step(self, size)

    def build(self: Any, *args: Any, **more: Any) -> None:
        make(self, *args, **more)
        at_once.append(self.job.trial.seed)

    run = cohort.train_side_by_side

    def counted(some: Any, *rest: Any) -> Any:
        inside.clear()
        return run(some, *rest)

    monkeypatch.setattr(Training, "step", begin)
    monkeypatch.setattr(attempt.Attempt, "__init__", build)
    monkeypatch.setattr(cohort, "train_side_by_side", counted)
    ended, _ = train(jobs)
    monkeypatch.undo()
    assert ended == dict.fromkeys(range(4), "completed")
    assert at_once == {1: [0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3], 2: [0, 1, 2, 3] * 2, 3: [0, 1, 2, 3] * 2}[room]
    assert [rows(job) for job in jobs] == alone(jobs)


def test_one_training_for_which_there_is_no_memory_fails_in_words(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Training, size: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Training, "step", fail)
    monkeypatch.setattr(cohort, "gpu_memory", lambda device: (140 * GIB, 141 * GIB))
    with pytest.raises(RunError, match=r"out of memory: the device's 144,384 MiB do not suffice; .*checkpoint_activations"):
        train(jobs[:2])


def test_as_many_as_there_is_measured_room_for(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    together = count_together(monkeypatch)
    monkeypatch.setattr(cohort, "gpu_memory", lambda device: (10 * GIB, 80 * GIB))
    measured = [replace(job, memory=3 * GIB) for job in jobs]
    assert memory_needed(measured[0], ProcessCache()) == 3 * GIB and memory_needed(jobs[0], ProcessCache()) < GIB
    assert train(measured)[0] == dict.fromkeys(range(4), "completed") and together == [3, 1]


def test_a_training_waits_for_its_neighbours_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort, "MEMORY_POLL_SECONDS", 0.0)
    free = iter([GIB, 2 * GIB, 20 * GIB, 1, 1])
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(cohort, "gpu_memory", lambda device: (next(free), 80 * GIB))
    assert wait_for_room(5 * GIB, CPU, lambda: False, told.append) == 3 and told == [{}, {}]
    assert wait_for_room(5 * GIB, CPU, lambda: True, told.append) == 0
    monkeypatch.setattr(cohort, "gpu_memory", lambda device: (79 * GIB, 80 * GIB))
    assert wait_for_room(100 * GIB, CPU, lambda: False, told.append) == 1  # nobody else is there: it is tried
    monkeypatch.undo()
    assert wait_for_room(100 * GIB, CPU, lambda: False, told.append) > 1000


def test_after_a_failure_beside_others_more_room_is_waited_for(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once out of memory with 4 GiB free, it is not tried again before there are 4.8."""
    monkeypatch.setattr(cohort, "MEMORY_POLL_SECONDS", 0.0)
    asked: list[int] = []
    free = iter([4 * GIB, 4 * GIB, 4 * GIB, 9 * GIB])
    monkeypatch.setattr(cohort, "gpu_memory", lambda device: (asked.append(1), (next(free), 80 * GIB))[1])
    step = Training.step

    def fail_once(self: Training, size: int) -> None:
        if len(asked) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        step(self, size)

    monkeypatch.setattr(Training, "step", fail_once)
    assert train(jobs[:1])[0] == {0: "completed"} and len(asked) == 4
