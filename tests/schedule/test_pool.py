"""Which slot a task gets, and what a GPU that breaks trials costs: an attempt of two of them, and no trial."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

from ablate.schedule.local import run_local
from ablate.schedule.pool import SlotPool, Ticket, under_way
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Outcome, Stop, Task


def gpus(n: int, each: int = 1) -> list[Slot]:
    return [Slot(f"gpu {i}", "cuda", {"CUDA_VISIBLE_DEVICES": str(i)}, "A") for _ in range(each) for i in range(n)]


KEPT: list[AbstractContextManager[int]] = []  # a slot is free again when its context manager is collected


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def run(tmp_path: Path, slots: list[Slot], tasks: int, bad: Any, **payload: Any) -> tuple[list[Outcome], list[str]]:
    """The outcomes of tasks, of which those named in `bad` break on the GPUs named there ("*": each), and the notes."""
    notes: list[str] = []

    def hear(slot: int, task: Task, event: dict[str, Any]) -> None:
        notes.extend([event["text"]] if event["event"] == "note" else [])

    def task(name: str) -> Task:
        told = {"marks": str(tmp_path), "name": name, "bad": bad.get(name, bad.get("*", ())), **payload}
        return Task(name, name, told, 1.0, tmp_path / f"{name}.log")

    return list(run_local("works:work", [task(f"t{i:02}") for i in range(tasks)], slots, Stop(), hear)), notes


def test_a_bad_gpu_costs_two_trials_an_attempt_and_no_trial(tmp_path: Path) -> None:
    """It fails at once and so is free first; before, it broke fifteen of these trials twice each."""
    outcomes, notes = run(tmp_path, gpus(4), 24, {"*": ["1"]}, seconds=0.05)
    assert [outcome.status for outcome in outcomes] == ["completed"] * 24
    assert Counter(outcome.attempts for outcome in outcomes) == {1: 22, 2: 2}
    (line,) = notes
    assert line.startswith("gpu 1 (A) is not used any more: t") and " and t" in line
    assert line.endswith("broke on it (RuntimeError: CUDA error: no kernel image is available for execution on the device)")


def test_bad_trials_close_no_gpu_for_good(tmp_path: Path) -> None:
    """Both may break on one GPU before another trial ends well on it: it is closed, and used again once one is to blame."""
    outcomes, notes = run(tmp_path, gpus(2), 8, {f"t{i:02}": ["0", "1"] for i in (0, 3)}, seconds=0.05)
    assert {o.task.id for o in outcomes if o.status == "failed"} == {"t00", "t03"}
    assert sum("is not used any more" in note for note in notes) == sum("is used again" in note for note in notes)
    assert all(outcome.attempts == 1 + (outcome.status == "failed") for outcome in outcomes)


def test_the_last_gpu_is_never_closed(tmp_path: Path) -> None:
    outcomes, notes = run(tmp_path, gpus(1), 4, {f"t{i:02}": ["0"] for i in range(3)})
    assert sorted(outcome.status for outcome in outcomes) == ["completed", "failed", "failed", "failed"] and not notes
    assert {outcome.attempts for outcome in outcomes if outcome.status == "failed"} == {2}


def test_all_slots_of_a_bad_gpu_are_closed(tmp_path: Path) -> None:
    outcomes, notes = run(tmp_path, gpus(2, each=2), 10, {"*": ["0"]}, seconds=0.05)
    assert {outcome.status for outcome in outcomes} == {"completed"} and len(notes) == 1


def take(pool: SlotPool, ticket: Ticket) -> int:
    """The slot that a task gets at once; it is kept."""
    KEPT.append(pool.taken(ticket))
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(KEPT[-1].__enter__).result(timeout=5)


def broken(pool: SlotPool, ticket: Ticket) -> list[str]:
    """A task breaks in the slot that it gets at once."""
    with pool.taken(ticket) as index:
        return pool.note_broken(index, ticket, "it broke")


def test_a_gpu_on_which_a_trial_broke_is_drawn_last(tmp_path: Path) -> None:
    pool, first = SlotPool(gpus(3)), Ticket("first")
    assert broken(pool, first) == []
    assert [take(pool, Ticket(name)) for name in "abc"] == [1, 2, 0]


def test_who_broke_on_two_gpus_is_to_blame_and_the_closed_one_is_used_again() -> None:
    pool = SlotPool(gpus(2))
    first, second = Ticket("first"), Ticket("second")
    with pool.taken(Ticket("long")) as index:
        assert index == 0
        assert broken(pool, first) == []
        assert broken(pool, second) == ["gpu 1 (A) is not used any more: first and second broke on it (it broke)"]
    assert broken(pool, first) == ["gpu 1 is used again: first broke on gpu 0 (A) too"]
    assert {take(pool, Ticket(name)) for name in "ab"} == {0, 1}


def test_a_trial_that_ends_well_clears_its_gpu() -> None:
    pool = SlotPool(gpus(2))
    with pool.taken(Ticket("long")):
        assert broken(pool, Ticket("first")) == []
        with pool.taken(Ticket("fine")) as index:
            pool.note_trained(index)
        assert broken(pool, Ticket("second")) == []


@pytest.mark.parametrize("trained", [False, True])
def test_a_trial_waits_for_another_gpu_unless_it_had_begun_to_train_and_nobody_else_waits(trained: bool) -> None:
    pool, ticket = SlotPool(gpus(2)), Ticket("first")
    got: list[int] = []

    def again() -> None:
        with pool.taken(ticket) as index:
            got.append(index)

    with pool.taken(Ticket("long")):
        broken(pool, ticket)
        ticket.trained = trained
        thread = threading.Thread(target=again)
        thread.start()
        wait_for(lambda: got or pool._waiting)
        thread.join(0.1)
        assert got == ([1] if trained else [])
    thread.join()
    assert got == ([1] if trained else [0])


def test_one_more_task_is_under_way_where_one_may_have_to_wait() -> None:
    assert under_way(gpus(3)) == 4 and under_way(gpus(1, each=2)) == 2
    assert under_way([Slot("core 0", "cpu"), Slot("core 1", "cpu")]) == 2


def test_a_trial_goes_on_on_the_same_kind_of_gpu_if_it_can() -> None:
    kinds = ["A", "B", "A"]
    pool = SlotPool([Slot(f"gpu {i}", "cuda", model=kind) for i, kind in enumerate(kinds)])
    ticket = Ticket("first")
    assert broken(pool, ticket) == [] and ticket.model == "A"
    assert take(pool, ticket) == 2
    assert take(pool, Ticket("other")) == 1
