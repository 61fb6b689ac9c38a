from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_for

from ablate.schedule.inline import open_inline, run_inline
from ablate.schedule.local import Worker, open_workers, run_local
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Executor, Outcome, Stop, Task

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
    """Of the process of each attempt so far."""
    path = tmp_path / name
    return path.read_text().split() if path.exists() else []


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


def test_a_task_that_always_kills_its_worker_fails_after_one_retry(tmp_path: Path) -> None:
    outcomes = run([task(tmp_path, "dies", dies=99, signal=signal.SIGSEGV), task(tmp_path, "lives")])
    assert outcomes["dies"].status == "failed" and "SIGSEGV" in outcomes["dies"].cause
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
    wait_for(lambda: pids(tmp_path, "slow"))
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
        wait_for(lambda: pids(tmp_path, "t"))
        os.kill(int(pids(tmp_path, "t")[0]), number)

    outcomes = run([task(tmp_path, "t", seconds=1)], TWO[:1], on_event=terminate)
    assert (outcomes["t"].status, outcomes["t"].attempts) == ("completed", 1)


def stop_once_begun(stop: Stop, level: int, tmp_path: Path, *names: str) -> threading.Thread:
    def raise_it() -> None:
        wait_for(lambda: all(pids(tmp_path, name) for name in names))
        stop.raise_to(level, 130)

    thread = threading.Thread(target=raise_it)
    thread.start()
    return thread


def test_a_stop_lets_running_tasks_end_themselves_and_starts_no_other(tmp_path: Path) -> None:
    stop = Stop()
    thread = stop_once_begun(stop, 1, tmp_path, "t0", "t1")
    outcomes = run([task(tmp_path, f"t{i}", cost=-i, seconds=60) for i in range(4)], stop=stop)
    thread.join()
    assert [outcomes[f"t{i}"].status for i in range(4)] == ["interrupted", "interrupted", "not started", "not started"]


def test_a_second_stop_kills(tmp_path: Path) -> None:
    stop = Stop()
    thread = stop_once_begun(stop, 2, tmp_path, "t0")
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
    wait_for(lambda: pids(tmp_path, "t"))
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


def ignore(slot: int, task: Task, event: dict[str, Any]) -> None:
    pass


def test_threads_ask_and_each_waits_for_a_free_worker(tmp_path: Path) -> None:
    events: list[tuple[int, str]] = []
    tasks = [task(tmp_path, f"t{i}", seconds=0.1) for i in range(6)]
    with open_workers("works:work", TWO, Stop()) as run, ThreadPoolExecutor(4) as threads:
        asked = [
            threads.submit(run, each, lambda slot, task, event: events.append((slot, event["event"]))) for each in tasks
        ]
        outcomes = [each.result() for each in asked]
    assert [(outcome.task, outcome.status) for outcome in outcomes] == [(each, "completed") for each in tasks]
    assert len({pid for each in tasks for pid in pids(tmp_path, each.id)}) == 2
    for slot in (0, 1):
        happened = [event for index, event in events if index == slot]
        assert happened and happened == ["started", "epoch", "ended"] * (len(happened) // 3)


def opened_workers(stop: Stop) -> AbstractContextManager[Executor]:
    return open_workers("works:work", TWO[:1], stop)


def opened_inline(stop: Stop) -> AbstractContextManager[Executor]:
    from works import work

    return open_inline(work, stop)


@pytest.mark.parametrize("opened", [opened_workers, opened_inline])
@pytest.mark.parametrize("late", [0.0, 0.3])  # with one epoch, when the task has ended by itself
@pytest.mark.parametrize(("epochs", "status"), [(1, "completed"), (1000, "interrupted")])
def test_a_task_is_ended_alone_and_the_next_runs_to_its_end_in_the_same_process(
    tmp_path: Path, opened: Callable[[Stop], AbstractContextManager[Executor]], late: float, epochs: int, status: str
) -> None:
    epochs_seen: list[str] = []

    def end_the_first(slot: int, task: Task, event: dict[str, Any]) -> bool:
        if event["event"] == "epoch":
            epochs_seen.append(task.id)
            time.sleep(late if task.id == "first" else 0)
        return task.id == "first"

    stop = Stop()
    with opened(stop) as run:
        first = run(task(tmp_path, "first", epochs=epochs, pause=0.01), end_the_first)
        second = run(task(tmp_path, "second", epochs=20, pause=0.01), end_the_first)
        stop.raise_to(1, 130)
        third = run(task(tmp_path, "third"), end_the_first)
    assert [first.status, second.status, third.status] == [status, "completed", "not started"]
    assert epochs_seen == ["first"] + ["second"] * 20  # what follows the request is not passed on
    assert pids(tmp_path, "first") == pids(tmp_path, "second")


def test_a_task_that_was_asked_to_end_is_not_tried_again_if_its_worker_dies(tmp_path: Path) -> None:
    def kill_and_end(slot: int, task: Task, event: dict[str, Any]) -> bool:
        if event["event"] == "epoch":
            process = psutil.Process(int(pids(tmp_path, task.id)[-1]))
            process.kill()
            psutil.wait_procs([process], timeout=5)
        return True

    with open_workers("works:work", TWO[:1], Stop()) as run:
        asked = run(task(tmp_path, "asked", epochs=1000, pause=0.01), kill_and_end)
        later = run(task(tmp_path, "later", dies=1, epochs=1000, pause=0.01), lambda *event: True)
        after = run(task(tmp_path, "after", epochs=20), ignore)
    assert [(o.status, o.cause, o.attempts) for o in (asked, later)] == [("interrupted", "", 1), ("interrupted", "", 2)]
    assert (after.status, after.attempts) == ("completed", 1)
    assert pids(tmp_path, "after")[0] == pids(tmp_path, "later")[-1]  # the worker that took the dead one's place


def test_a_stop_reaches_who_runs_and_who_waits_after_a_task_was_ended_alone(tmp_path: Path) -> None:
    stop = Stop()
    with opened_workers(stop) as run, ThreadPoolExecutor(2) as threads:
        assert run(task(tmp_path, "ended", epochs=1000, pause=0.01), lambda *event: True).status == "interrupted"
        runs = threads.submit(run, task(tmp_path, "runs", seconds=60), ignore)
        wait_for(lambda: pids(tmp_path, "runs"))
        waits = threads.submit(run, task(tmp_path, "waits"), ignore)
        time.sleep(0.2)
        stop.raise_to(1, 130)
        assert (runs.result().status, waits.result().status) == ("interrupted", "not started")
    assert pids(tmp_path, "runs") == pids(tmp_path, "ended") and not (tmp_path / "waits").exists()


def test_leaving_ends_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        with opened_workers(Stop()) as run:
            runs = threads.submit(run, task(tmp_path, "runs", seconds=60), ignore)
            wait_for(lambda: pids(tmp_path, "runs"))
            waits = threads.submit(run, task(tmp_path, "waits"), ignore)
            time.sleep(0.2)
        assert (runs.result().status, waits.result().status) == ("interrupted", "not started")
    assert run(task(tmp_path, "after"), ignore).status == "not started"
    assert not psutil.pid_exists(int(pids(tmp_path, "runs")[0]))


def test_an_event_that_raises_leaves_the_next_task_a_fresh_worker(tmp_path: Path) -> None:
    seen: list[str] = []

    def refuse(slot: int, task: Task, event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            raise KeyError("no such trial")

    with opened_workers(Stop()) as run:
        with pytest.raises(KeyError, match="no such trial"):
            run(task(tmp_path, "first", epochs=1000, pause=0.01), refuse)
        after = run(task(tmp_path, "after"), lambda slot, task, event: seen.append(event["event"]))
    assert after.status == "completed" and seen == ["started", "epoch", "ended"]
    assert pids(tmp_path, "after") != pids(tmp_path, "first")


def test_a_worker_that_is_closed_while_it_starts_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("works:work", TWO[0])
    start = subprocess.Popen

    def start_and_close(*arguments: Any, **more: Any) -> Any:
        worker.close()
        return start(*arguments, **more)

    monkeypatch.setattr(subprocess, "Popen", start_and_close)
    assert worker.run(task(tmp_path, "t"), ignore)[0] == "died"  # type: ignore[arg-type]
    assert not (tmp_path / "t").exists()
