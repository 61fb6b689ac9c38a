"""train_cohort(): each trial comes out as alone, whatever becomes of the others, and memory is never over-full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY

from ablate.api import load_experiment
from ablate.data.location import Location
from ablate.errors import RecordError, RunError
from ablate.files import hold_lock
from ablate.nets.notation import parse_architecture
from ablate.records.epochs import read_epochs
from ablate.schedule.worker import BROKEN, what_failed
from ablate.study.data import Data
from ablate.study.spec import load_study
from ablate.study.study import Trial
from ablate.train import attempt, cohort, gpu_memory, trial
from ablate.train.cohort import train_cohort
from ablate.train.gpu_memory import Needed, Room, check_allocations, is_out_of_memory, memory_needed, resident_bytes
from ablate.train.job import Job
from ablate.train.setup import ProcessCache
from ablate.train.training import Training
from ablate.train.trial import train_trial

GIB = 2**30
CPU = torch.device("cpu")


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return make_jobs(tmp_path)


def make_jobs(folder: Path) -> list[Job]:
    torch.set_num_threads(1)
    (folder / "tiny.yaml").write_text(TINY)
    study = load_study(folder / "tiny.yaml", ["recipe.epochs=2"])
    trials = [Trial(parse_architecture("WRN-10-0.25-dropout0.3"), study.recipe, study.data, seed) for seed in range(4)]
    return [Job(trial, folder / "runs", Location(folder, folder / "cache")) for trial in trials]


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


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """The rows of each of the four trials, trained by itself."""
    folder = tmp_path_factory.mktemp("alone")
    return train_alone(make_jobs(folder))


def train_alone(jobs: list[Job]) -> list[list[dict[str, Any]]]:
    others = [replace(job, runs=job.runs.with_name("alone")) for job in jobs]
    for job in others:
        train_trial(job, lambda: False, lambda row: None)
    return [rows(job) for job in others]


def test_each_is_as_it_is_alone_and_says_for_itself_how_it_ended(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, alone: list[list[dict[str, Any]]]
) -> None:
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
    assert next(event["cause"] for event in told if event.get("status") == "failed") == "begun on other images"
    ended, _ = train([busy, open_])
    assert ended == {1: "completed", 2: "recorded"}
    assert [rows(job) for job in jobs[:3]] == alone[:3]


def test_it_stops_after_the_epoch_and_goes_on_side_by_side(jobs: list[Job], alone: list[list[dict[str, Any]]]) -> None:
    seen: list[int] = []
    ended, told = train(jobs[:2], lambda: (seen.append(1), len(seen) == 1)[1])
    assert ended == {0: "interrupted", 1: "interrupted"} and [event.get("epoch") for event in told[:2]] == [1, 1]
    assert train(jobs[:2])[0] == {0: "completed", 1: "completed"}
    assert [rows(job) for job in jobs[:2]] == alone[:2]


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
    assert [rows(job) for job in own] == train_alone(own)
    train(jobs[:2])
    assert together == [1, 1, 2]


def count_together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    together: list[int] = []
    run = cohort.train_side_by_side
    monkeypatch.setattr(cohort, "train_side_by_side", lambda some, *rest: (together.append(len(some)), run(some, *rest))[1])
    return together


@pytest.mark.parametrize("room", [1, 2, 3])
def test_memory_that_does_not_suffice_splits_a_cohort(
    jobs: list[Job], room: int, monkeypatch: pytest.MonkeyPatch, alone: list[list[dict[str, Any]]]
) -> None:
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
    assert [rows(job) for job in jobs] == alone


def leave(monkeypatch: pytest.MonkeyPatch, whole: int, *free: int) -> list[int]:
    """A GPU that has so many bytes, and so many free at each look of a trial that waits, then as at the last."""
    looks: list[int] = []
    others = gpu_memory.used_by_others

    def used(device: torch.device) -> int:
        found = others(device)
        looks.append(found)
        return found

    monkeypatch.setattr(gpu_memory, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(gpu_memory, "used_by_others", used)
    monkeypatch.setattr(gpu_memory, "gpu_memory", lambda device: (free[min(len(looks), len(free) - 1)], whole))
    return looks


def room(needed: int, told: list[dict[str, Any]], stop: bool = False, shared: int = 0) -> Room:
    return Room(CPU, Needed(needed, shared), lambda: stop, told.append)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_one_training_for_which_there_is_no_memory_fails_in_words(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    def fail(self: Training, size: int) -> None:
        raise error

    monkeypatch.setattr(Training, "step", fail)
    leave(monkeypatch, 141 * GIB, 140 * GIB)
    with pytest.raises(RunError, match=r"out of memory: the device's 144,384 MiB do not suffice; .*checkpoint_activations"):
        train(jobs[:2])


def test_an_error_that_follows_from_a_full_memory_needs_a_new_process(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a capture ends that failed: the allocator would go on to fill the graph's pool."""

    def fail(self: Training, size: int) -> None:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")
        finally:
            raise torch.AcceleratorError("CUDA error: operation failed due to a previous error during capture")

    monkeypatch.setattr(Training, "step", fail)
    with pytest.raises(torch.AcceleratorError) as raised:
        train(jobs[:2])
    assert not is_out_of_memory(raised.value)
    assert what_failed(raised.value) == (BROKEN, "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 MiB")


def test_as_many_as_there_is_measured_room_for(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    together = count_together(monkeypatch)
    leave(monkeypatch, 80 * GIB, 10 * GIB)
    measured = [replace(job, memory=3 * GIB) for job in jobs]
    assert memory_needed(measured[0], ProcessCache()).each == 3 * GIB and memory_needed(jobs[0], ProcessCache()).each < GIB
    assert train(measured)[0] == dict.fromkeys(range(4), "completed") and together == [3, 1]


def test_images_that_are_not_on_the_gpu_yet_need_room_too(jobs: list[Job], tiny: Path) -> None:
    cache = ProcessCache()
    images = 8 * 8 * (128 + 64)
    assert resident_bytes(jobs[0].trial.data) == images
    assert memory_needed(jobs[0], cache).shared == gpu_memory.SPARE + images
    attempt.Attempt(with_directory(jobs[0]), CPU, images=cache.images)
    assert cache.images.nbytes == images + 8 * (128 + 64) and memory_needed(jobs[0], cache).shared == gpu_memory.SPARE
    assert resident_bytes(jobs[0].trial.data.model_copy(update={"preprocess": "zca"})) == 4 * images
    assert resident_bytes(Data.named("imagenet", stream=True, train_size=64, test_size=32)) == 0
    held_out = load_study(tiny, ["validation={holdout: 28}"]).data
    assert resident_bytes(held_out) == 8 * 8 * (128 + 64)
    assert Needed(3 * GIB, GIB).fitting(8 * GIB) == 2 and Needed(3 * GIB, 8 * GIB).fitting(8 * GIB) == 0


def with_directory(job: Job) -> Job:
    directory = job.runs / job.trial.id
    directory.mkdir(parents=True)
    (directory / "trial.json").write_bytes(job.trial.definition)
    return job


def test_what_a_cohort_took_from_the_gpu_is_measured(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the allocator holds in all pools, or what the device lost if that is more and nobody else was there."""
    for free, expected in (([70 * GIB, 59 * GIB], 11 * GIB), ([70 * GIB, 30 * GIB], 8 * GIB)):
        cache, seen = ProcessCache(), list(free)
        with monkeypatch.context() as patch:
            patch.setattr(cohort, "gpu_memory", lambda device: (seen.pop(0) if len(seen) > 1 else seen[0], 80 * GIB))  # noqa: B023
            patch.setattr(cohort, "used_by_others", lambda device: 29 * GIB if free[1] < 50 * GIB else 0)  # noqa: B023
            patch.setattr(cohort, "reserved", lambda device, most: 8 * GIB)
            runs = jobs[0].runs.with_name(f"runs{expected}")
            train_cohort([replace(job, runs=runs) for job in jobs[:2]], lambda: False, lambda row: None, cache)
        ((took),) = cache.measured_memory.values()
        assert took == (expected - cache.images.nbytes) // 2
        assert memory_needed(jobs[0], cache).each == took


def test_a_training_waits_for_its_neighbours_to_leave_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    leave(monkeypatch, 80 * GIB, GIB, 2 * GIB, 20 * GIB)
    assert room(5 * GIB, told).wait() == 3 and [event.get("event") for event in told] == ["note", None]
    assert told[0]["text"] == (
        "needs about 5,120 MiB of GPU memory; 1,024 of 81,920 MiB are free, other processes have 80,296; waiting for room"
    )
    leave(monkeypatch, 80 * GIB, 1)
    assert room(5 * GIB, told, stop=True).wait() == 0
    monkeypatch.undo()
    assert room(100 * GIB, told).wait() > 1000


@pytest.mark.parametrize(
    ("whole", "free", "held"),
    [
        (80 * GIB, 79 * GIB, 0),
        (8 * GIB, 7.4 * GIB, 0),  # a small card: its own context is more than a twentieth of it
        (4 * GIB, 2.5 * GIB, 0),  # a display's
        (8 * GIB, 1 * GIB, 6 * GIB),  # what this process holds itself is nobody else's
    ],
)
def test_who_is_alone_on_a_gpu_does_not_wait(monkeypatch: pytest.MonkeyPatch, whole: int, free: int, held: int) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(gpu_memory, "reserved", lambda device: held)
    leave(monkeypatch, whole, int(free))
    assert room(100 * GIB, told).wait() == 1 and not told


def test_what_never_fits_is_tried_and_fails_in_words(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, a trial beside others that stay waited for ever."""

    def fail(self: Training, size: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu_memory, "WAIT_SECONDS", 0.0)
    leave(monkeypatch, 8 * GIB, 10 * 2**20)
    told: list[dict[str, Any]] = []
    assert room(GIB, told).wait() == 1 and told[-1]["text"].endswith("other processes have 7,582; it is tried now")
    assert train(jobs[:1])[0] == {0: "completed"}
    monkeypatch.setattr(Training, "step", fail)
    with pytest.raises(
        RunError, match=r"out of memory: 10 of the device's 8,192 MiB are free, other processes have 7,582;"
    ):
        train([replace(jobs[0], runs=jobs[0].runs.with_name("again"))])


def test_after_a_failure_beside_others_more_room_is_waited_for(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once out of memory with 4 GiB free, it is not tried again before there are 4.8."""
    looks = leave(monkeypatch, 80 * GIB, 4 * GIB, 4 * GIB, 4 * GIB, 9 * GIB)
    step = Training.step
    failed: list[int] = []

    def fail_once(self: Training, size: int) -> None:
        if not failed:
            failed.append(len(looks))
            raise torch.OutOfMemoryError("CUDA out of memory")
        step(self, size)

    monkeypatch.setattr(Training, "step", fail_once)
    assert train(jobs[:1])[0] == {0: "completed"} and failed == [0] and len(looks) == 3


@pytest.mark.parametrize("others", [0, 30 * GIB])
def test_an_allocation_that_fails_unseen_is_an_error_where_the_bits_could_be_others(
    monkeypatch: pytest.MonkeyPatch, others: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """cuDNN catches it and takes another algorithm."""
    monkeypatch.setattr(gpu_memory, "failed_allocations", lambda device: 1)
    monkeypatch.setattr(gpu_memory, "used_by_others", lambda device: others)
    check_allocations(CPU, 1, together=5)
    with pytest.raises(torch.OutOfMemoryError, match="cuDNN took an algorithm"):
        check_allocations(CPU, 0, together=5)
    if others:
        with pytest.raises(torch.OutOfMemoryError, match="cuDNN took an algorithm"):
            check_allocations(CPU, 0, together=1)
    else:
        check_allocations(CPU, 0, together=1)
        assert "it will do so on every GPU of this size" in capsys.readouterr().out


def test_no_epoch_is_recorded_in_which_an_allocation_failed_unseen(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, alone: list[list[dict[str, Any]]]
) -> None:
    """Four trainings split, and none has a row of the epoch in which it happened."""
    together = count_together(monkeypatch)
    monkeypatch.setattr(trial, "failed_allocations", lambda device: 0)
    monkeypatch.setattr(gpu_memory, "failed_allocations", lambda device: together[-1] > 2)
    assert train(jobs)[0] == dict.fromkeys(range(4), "completed") and together == [4, 2, 2]
    monkeypatch.undo()
    assert [rows(job) for job in jobs] == alone
