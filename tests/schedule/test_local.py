from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ablate.schedule.inline import run_inline
from ablate.schedule.local import run_local
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Outcome, Stop, Task

TWO = [Slot("core 0", "cpu"), Slot("core 1", "cpu")]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def task(tmp_path: Path, name: str, cost: float = 1.0, **payload: Any) -> Task:
    return Task(name, name, {"marks": str(tmp_path), "name": name, **payload}, cost, tmp_path / f"{name}.log")


def run(tasks: list[Task], slots: list[Slot] = TWO, stop: Stop | None = None, **more: Any) -> dict[str, Outcome]:
    events = more.pop("on_event", lambda slot, task, event: None)
    outcomes = list(run_local("works:work", tasks, slots, stop or Stop(), events, **more))
    assert len(outcomes) == len(tasks)
    return {outcome.task.id: outcome for outcome in outcomes}


def pids(tmp_path: Path, name: str) -> list[str]:
    return (tmp_path / name).read_text().split()


def test_tasks_run_in_workers_that_live_across_them(tmp_path: Path) -> None:
    tasks = [task(tmp_path, f"t{i}", seconds=0.05) for i in range(6)]
    outcomes = run(tasks)
    assert {outcome.status for outcome in outcomes.values()} == {"completed"}
    workers = {pid for each in tasks for pid in pids(tmp_path, each.id)}
    assert 1 <= len(workers) <= 2 and str(os.getpid()) not in workers
    assert not any(psutil.pid_exists(int(pid)) for pid in workers)


def test_longest_tasks_start_first(tmp_path: Path) -> None:
    started: list[str] = []
    tasks = [task(tmp_path, f"t{i}", cost=cost) for i, cost in enumerate((1, 5, 3))]
    run(tasks, TWO[:1], on_event=lambda slot, task, event: event["event"] == "started" and started.append(task.id))
    assert started == ["t1", "t2", "t0"]


def test_a_killed_worker_costs_its_task_one_more_attempt_and_no_other_anything(tmp_path: Path) -> None:
    tasks = [task(tmp_path, "dies", 9, dies=1), *(task(tmp_path, f"t{i}", seconds=0.2) for i in range(4))]
    outcomes = run(tasks)
    assert {outcome.status for outcome in outcomes.values()} == {"completed"}
    assert outcomes["dies"].attempts == 2 and len(set(pids(tmp_path, "dies"))) == 2
    assert all(outcomes[f"t{i}"].attempts == 1 and len(pids(tmp_path, f"t{i}")) == 1 for i in range(4))


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")])
def test_a_task_that_always_kills_its_worker_fails_after_one_retry(tmp_path: Path, number: int, name: str) -> None:
    outcomes = run([task(tmp_path, "dies", dies=99, signal=number), task(tmp_path, "lives")])
    assert outcomes["dies"].status == "failed" and name in outcomes["dies"].cause
    assert outcomes["dies"].attempts == 2 and len(pids(tmp_path, "dies")) == 2
    assert outcomes["lives"].status == "completed"


def test_work_that_raises_fails_once_with_its_traceback_in_the_log(tmp_path: Path) -> None:
    outcomes = run([task(tmp_path, "raises", raises="no such thing"), task(tmp_path, "after", cost=0)], TWO[:1])
    assert (outcomes["raises"].status, outcomes["raises"].cause) == ("failed", "ValueError: no such thing")
    assert len(pids(tmp_path, "raises")) == 1
    log = (tmp_path / "raises.log").read_text()
    assert "raises runs" in log and "Traceback" in log and "no such thing" in log
    assert pids(tmp_path, "after") != pids(tmp_path, "raises")  # what the first broke stays with it
    assert "Traceback" not in (tmp_path / "after.log").read_text()


class Unreadable:
    """A payload whose class the worker cannot import."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (getattr, ("no such module", "no_such_name"))


def test_a_payload_that_cannot_be_unpacked_fails_its_task_alone(tmp_path: Path) -> None:
    broken = Task("broken", "broken", Unreadable(), 9.0, tmp_path / "broken.log")
    outcomes = run([broken, task(tmp_path, "after")], TWO[:1])
    assert outcomes["broken"].status == "failed" and "no_such_name" in outcomes["broken"].cause
    assert outcomes["after"].status == "completed"


def test_a_worker_killed_between_two_tasks_costs_neither_an_attempt(tmp_path: Path) -> None:
    def kill_after_the_first(slot: int, task: Task, event: dict[str, Any]) -> None:
        if (task.id, event["event"]) == ("first", "ended"):
            psutil.Process(int(pids(tmp_path, "first")[0])).kill()
            time.sleep(0.3)

    outcomes = run(
        [task(tmp_path, "first", 9), task(tmp_path, "second")], TWO[:1], on_event=kill_after_the_first, retries=0
    )
    assert outcomes["second"].status == "completed" and outcomes["second"].attempts == 1


@pytest.mark.filterwarnings("ignore:.*have been cancelled")
def test_a_consumer_that_raises_leaves_no_worker(tmp_path: Path) -> None:
    tasks = [task(tmp_path, "quick", 9), task(tmp_path, "slow", 5, seconds=60)]
    running = run_local("works:work", tasks, TWO, Stop(), lambda *event: None)
    assert next(running).task.id == "quick"
    while not (tmp_path / "slow").exists():
        time.sleep(0.02)
    workers = [int(pids(tmp_path, name)[0]) for name in ("quick", "slow")]
    begun = time.monotonic()
    running.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begun < 10
    assert not any(psutil.pid_exists(pid) for pid in workers)
    assert len(pids(tmp_path, "slow")) == 1


def test_a_signal_to_the_whole_job_leaves_the_workers_to_the_driver(tmp_path: Path) -> None:
    def terminate(slot: int, task: Task, event: dict[str, Any]) -> None:
        if event["event"] == "started":
            threading.Thread(target=send, args=(signal.SIGTERM,)).start()

    def send(number: int) -> None:
        while not (tmp_path / "t").exists():
            time.sleep(0.02)
        os.kill(int(pids(tmp_path, "t")[0]), number)

    outcomes = run([task(tmp_path, "t", seconds=1)], TWO[:1], on_event=terminate)
    assert (outcomes["t"].status, outcomes["t"].attempts) == ("completed", 1)


def stop_soon(stop: Stop, *levels: int) -> threading.Thread:
    def raise_it() -> None:
        for level in levels:
            time.sleep(1.0)
            stop.raise_to(level, 130)

    thread = threading.Thread(target=raise_it)
    thread.start()
    return thread


def test_a_stop_lets_running_tasks_end_themselves_and_starts_no_other(tmp_path: Path) -> None:
    stop = Stop()
    thread = stop_soon(stop, 1)
    outcomes = run([task(tmp_path, f"t{i}", cost=-i, seconds=60) for i in range(4)], stop=stop)
    thread.join()
    assert [outcomes[f"t{i}"].status for i in range(4)] == ["interrupted", "interrupted", "not started", "not started"]


def test_a_second_stop_kills(tmp_path: Path) -> None:
    stop = Stop()
    thread = stop_soon(stop, 2)
    begun = time.monotonic()
    outcomes = run([task(tmp_path, "t0", seconds=60)], TWO[:1], stop=stop)
    thread.join()
    assert outcomes["t0"].status == "interrupted" and time.monotonic() - begun < 20


def test_events_tell_a_task_from_start_to_end(tmp_path: Path) -> None:
    events: list[tuple[int, str, dict[str, Any]]] = []
    run([task(tmp_path, "t")], TWO[:1], on_event=lambda slot, task, event: events.append((slot, task.id, event)))
    assert [(slot, name, event["event"]) for slot, name, event in events] == [
        (0, "t", "started"),
        (0, "t", "epoch"),
        (0, "t", "ended"),
    ]
    assert events[1][2]["test_error"] == 5.0


def test_the_environment_pins_a_worker(tmp_path: Path) -> None:
    slot = Slot("gpu 3", "cuda", {"CUDA_VISIBLE_DEVICES": "3"})
    running = run_local("works:work", [task(tmp_path, "t", seconds=1.5)], [slot], Stop(), lambda *event: None)
    thread = threading.Thread(target=lambda: list(running))
    thread.start()
    deadline = time.monotonic() + 20
    while not (tmp_path / "t").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert psutil.Process(int(pids(tmp_path, "t")[0])).environ()["CUDA_VISIBLE_DEVICES"] == "3"
    thread.join()


def test_inline_gives_the_same_outcomes(tmp_path: Path) -> None:
    from works import work

    tasks = [task(tmp_path, "fine"), task(tmp_path, "raises", cost=2, raises="no such thing")]
    outcomes = list(run_inline(work, tasks, Stop(), lambda *event: None))
    assert [(o.task.id, o.status, o.cause) for o in outcomes] == [
        ("raises", "failed", "ValueError: no such thing"),
        ("fine", "completed", ""),
    ]
    stop = Stop()
    stop.raise_to(1, 130)
    assert [o.status for o in run_inline(work, tasks, stop, lambda *event: None)] == ["not started"] * 2
