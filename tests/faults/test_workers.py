"""A trial's process that dies, breaks or hangs: it alone is affected, from its checkpoint, so often, the cause in words."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_for

from ablate.errors import DataError
from ablate.schedule import watchdog
from ablate.schedule.local import run_local
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Outcome, Stop, Task
from ablate.schedule.watchdog import Watchdog
from ablate.schedule.worker import BROKEN, NOWHERE, what_failed

HERE = Path(__file__).parent
TWO = [Slot("core 0", "cpu"), Slot("core 1", "cpu")]
CAUSES = {
    "killed": "the worker was ended by SIGKILL",
    "segfault": "the worker was ended by SIGSEGV, a segmentation fault",
    "segfault with a child": "the worker was ended by SIGSEGV, a segmentation fault",
    "abort": "the worker was ended by SIGABRT: a library gave up",
    "memory": "MemoryError",
    "GPU memory": r"OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "GPU": "RuntimeError: CUDA error: an illegal memory access was encountered",
    "hangs": r"no progress for \d+ seconds",
    "stopped": r"no progress for \d+ seconds",
    "holds the GIL": r"no progress for \d+ seconds",
}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def task(tmp_path: Path, name: str, cost: float = 1.0, **payload: Any) -> Task:
    return Task(name, name, {"marks": str(tmp_path), "name": name, **payload}, cost, tmp_path / f"{name}.log")


def run(tasks: list[Task], slots: list[Slot] = TWO, **more: Any) -> dict[str, Outcome]:
    events = more.pop("on_event", lambda slot, task, event: None)
    return {outcome.task.id: outcome for outcome in run_local("hurt:work", tasks, slots, Stop(), events, **more)}


def attempts(tmp_path: Path, name: str) -> list[int]:
    path = tmp_path / name
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def epochs(tmp_path: Path, name: str) -> str:
    return (tmp_path / f"{name}.epochs").read_text().strip()


def test_every_cause_costs_its_trial_an_attempt_and_no_other_anything(tmp_path: Path) -> None:
    """Each goes on from its checkpoint in a fresh process."""
    said: dict[str, str] = {}

    def note(slot: int, task: Task, event: dict[str, Any]) -> None:
        if event["event"] == "started" and event["attempt"] == 2:
            said[task.id] = event["cause"]

    tasks = [task(tmp_path, f"{how} {n}", how=how) for n, how in enumerate(CAUSES)]
    others = [task(tmp_path, f"other {n}", cost=0, pause=0.05) for n in range(4)]
    outcomes = run([*tasks, *others], on_event=note, patience=9)
    for each, cause in zip(tasks, CAUSES.values()):
        assert (outcomes[each.id].status, outcomes[each.id].attempts) == ("completed", 2), outcomes[each.id]
        assert epochs(tmp_path, each.id) == "1 2 3 4" and len(set(attempts(tmp_path, each.id))) == 2
        assert re.fullmatch(cause, said[each.id]), said[each.id]
    for other in others:
        assert (outcomes[other.id].status, outcomes[other.id].attempts) == ("completed", 1)
        assert epochs(tmp_path, other.id) == "1 2 3 4" and len(attempts(tmp_path, other.id)) == 1
    children = [int(path.read_text()) for name in ("*with a child*", "hangs*") for path in tmp_path.glob(f"{name}.child")]
    wait_for(lambda: len(children) == 2 and not any(map(is_alive, children)), 5)  # what they had started is gone too


@pytest.mark.parametrize("how", ["killed", "GPU", "hangs"])
def test_what_fails_every_time_is_tried_so_often_and_no_more(tmp_path: Path, how: str) -> None:
    outcomes = run([task(tmp_path, "t", how=how, attempts=99), task(tmp_path, "other")], retries=2, patience=6)
    assert (outcomes["t"].status, outcomes["t"].attempts, len(attempts(tmp_path, "t"))) == ("failed", 3, 3)
    assert re.fullmatch(CAUSES[how], outcomes["t"].cause) and epochs(tmp_path, "t") == "1 2"
    assert outcomes["other"].status == "completed"


@pytest.mark.parametrize(
    ("how", "cause"),
    [("raises", "ValueError: no such thing"), ("exit", "SystemExit: a network of a reader that ends it all")],
)
def test_what_is_wrong_in_the_work_itself_is_not_tried_again(tmp_path: Path, how: str, cause: str) -> None:
    outcome = run([task(tmp_path, "t", how=how, attempts=99)])["t"]
    assert (outcome.status, outcome.cause, len(attempts(tmp_path, "t"))) == ("failed", cause, 1)
    assert "Traceback" in (tmp_path / "t.log").read_text()


def test_torchs_own_errors_and_those_of_the_system() -> None:
    import torch

    assert what_failed(torch.OutOfMemoryError("CUDA out of memory. Tried")) == (
        BROKEN,
        "OutOfMemoryError: CUDA out of memory. Tried",
    )
    lost = torch.AcceleratorError("CUDA error: unspecified launch failure\nmore")
    assert what_failed(lost) == (BROKEN, "AcceleratorError: CUDA error: unspecified launch failure")
    for text in ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "DataLoader worker (pid 3) is killed by signal: Killed. "):
        assert what_failed(RuntimeError(text)) == (BROKEN, f"RuntimeError: {text.strip()}")
    assert what_failed(RuntimeError("size mismatch")) == ("failed", "RuntimeError: size mismatch")
    assert what_failed(DataError("a.png: CUDA error")) == ("failed", "a.png: CUDA error")
    for number in (28, 30, 122):
        assert what_failed(OSError(number, "no", "x"))[0] == NOWHERE
    assert what_failed(MemoryError()) == (BROKEN, "MemoryError")


CGROUP = Path("/sys/fs/cgroup/memory") if Path("/sys/fs/cgroup/memory").is_dir() else Path("/sys/fs/cgroup")


def test_the_system_ends_a_worker_for_want_of_memory(tmp_path: Path) -> None:
    """In a control group of 64 MB, which takes root."""
    group = CGROUP / f"ablate-test-{os.getpid()}"
    limit = group / ("memory.limit_in_bytes" if CGROUP.name == "memory" else "memory.max")
    try:
        group.mkdir()
        limit.write_text(str(64 << 20))
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group can be made here: {error}")

    said: list[str] = []

    def enclose(slot: int, task: Task, event: dict[str, Any]) -> None:
        if event["event"] == "started":
            said.append(event["cause"])
        if event["event"] == "epoch" and event["epoch"] == 2:
            (group / "cgroup.procs").write_text(str(attempts(tmp_path, "t")[-1]))

    try:
        outcome = run([task(tmp_path, "t", epochs=3, pause=0.3, how="eats", attempts=99)], on_event=enclose)["t"]
    finally:
        deadline = time.monotonic() + 10
        while group.is_dir() and time.monotonic() < deadline:
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.1)
    assert (outcome.status, outcome.attempts) == ("completed", 2)
    assert said == ["", "the worker was ended by SIGKILL: the system had run out of memory"]


def test_a_full_disk_is_one_failure_and_the_rest_waits_for_room(tmp_path: Path) -> None:
    tasks = [task(tmp_path, "full", 9, how="disk"), *(task(tmp_path, f"t{n}") for n in range(3))]
    outcomes = run(tasks, TWO[:1])
    assert outcomes["full"].cause == "OSError: [Errno 28] No space left on device: 'runs/checkpoint-000003.pt'"
    assert [outcomes[f"t{n}"].status for n in range(3)] == ["not started"] * 3
    again = run(tasks, TWO[:1])  # it was hurt in its first attempt alone
    assert {outcome.status for outcome in again.values()} == {"completed"} and epochs(tmp_path, "full") == "1 2 3 4"


def test_a_worker_that_cannot_be_started_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*arguments: Any, **more: Any) -> Any:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", start)
        outcomes = run([task(tmp_path, "t", 9), task(tmp_path, "next")], TWO[:1])
    assert (outcomes["t"].status, outcomes["next"].status) == ("failed", "not started")
    assert outcomes["t"].cause == "the worker could not be started: [Errno 24] Too many open files"
    assert {outcome.status for outcome in run([task(tmp_path, "t"), task(tmp_path, "next")]).values()} == {"completed"}


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.log").mkdir()
    outcome = run([task(tmp_path, "t")])["t"]
    assert (outcome.status, outcome.attempts) == ("failed", 1)
    assert f"{tmp_path / 't.log'}: is a directory, not a regular file" in outcome.cause


# The watchdog


def test_a_slow_but_healthy_trial_is_left_alone(tmp_path: Path) -> None:
    """Epochs nearly as long as the least silence; one of many beats; and one that is never watched."""
    slow = task(tmp_path, "slow", pause=1.2)
    beats = task(tmp_path, "beats", pause=0.2, beats=14)
    outcomes = run([slow, beats], patience=9)
    assert {(o.status, o.attempts) for o in outcomes.values()} == {("completed", 1)}
    assert run([task(tmp_path, "never", pause=0.4)], patience=0)["never"].attempts == 1


def test_the_limit_follows_the_slowest_interval_of_the_task() -> None:
    dog = Watchdog(3600)
    dog.begin()
    dog.listen()
    assert not any(dog.wait(1) for _ in range(3600)) and dog.wait(1) and dog.cause() == "no progress for 60 minutes"
    dog.begin()
    for seconds in (1, 5, 3):
        dog.listen()
        assert not any(dog.wait(1) for _ in range(seconds))
        dog.hear()
    dog.listen()
    assert dog.limit() == 600 and not any(dog.wait(1) for _ in range(600)) and dog.wait(1)
    dog.begin()
    dog.listen()
    assert not any(dog.wait(1) for _ in range(3000))  # a first epoch of 50 minutes
    dog.hear()
    assert dog.limit() == 30_000
    dog.begin()
    assert dog.limit() == 3600  # the next task is not judged by this one


def test_nobody_listens_nobody_waits_and_a_sleep_of_the_machine_is_no_silence() -> None:
    dog = Watchdog(10)
    dog.begin()
    assert not any(dog.wait(1) for _ in range(100))  # before it is listened to
    dog.listen()
    assert not any(dog.wait(3600) for _ in range(10)) and dog.wait(3600)  # each counts as one second
    dog.hear()
    assert not any(dog.wait(1) for _ in range(100))  # while its report is dealt with
    assert not any(Watchdog(0).wait(1e9) for _ in range(10)) and watchdog.PATIENCE == 3600


def test_who_does_not_answer_a_stop_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However patient the run is with a task that was not asked to stop."""
    dog = Watchdog(0)
    dog.begin()
    dog.listen()
    assert not any(dog.wait(1, stopping=True) for _ in range(60)) and dog.wait(1, stopping=True)
    monkeypatch.setattr(watchdog, "GRACE_SECONDS", 1.0)
    stop = Stop()
    outcomes = run_local(
        "hurt:work", [task(tmp_path, "hangs", how="hangs")], TWO[:1], stop, lambda *event: None, patience=0
    )
    threading.Timer(0, lambda: (wait_for(lambda: (tmp_path / "hangs.child").exists()), stop.raise_to(1, 75))).start()
    (outcome,) = outcomes
    assert (outcome.status, outcome.attempts) == ("interrupted", 1)
    wait_for(lambda: not is_alive(int((tmp_path / "hangs.child").read_text())), 20)


def test_a_driver_that_was_stopped_does_not_take_its_own_sleep_for_silence(tmp_path: Path) -> None:
    script = (
        "from test_workers import *\n"
        "print(run([task(Path(sys.argv[1]), 't', epochs=20, pause=0.3)], TWO[:1], patience=12)['t'].attempts)"
    )
    line = [sys.executable, "-c", f"import sys; sys.path[:0] = {[str(HERE), *sys.path]!r}\n{script}", str(tmp_path)]
    driver = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: (tmp_path / "t.epochs").exists())
    os.kill(driver.pid, signal.SIGSTOP)
    time.sleep(4)  # twice what a silent worker has
    os.kill(driver.pid, signal.SIGCONT)
    assert driver.communicate(timeout=60)[0] == "1\n"


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


# The driver killed


def marked(mark: str) -> list[psutil.Process]:
    """Every process with a mark in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ABLATE_TEST_MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            pass
    return found


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5, None])
def test_no_worker_outlives_a_driver_that_is_killed(tmp_path: Path, seconds: float | None) -> None:
    """While it starts, and once its workers hang with a child, are stopped, or hold the interpreter's lock."""
    mark, how = str(tmp_path), ("hangs", "stopped", "holds the GIL")
    path = os.pathsep.join([str(HERE), *sys.path])
    driver = subprocess.Popen(
        [sys.executable, str(HERE / "hurt.py"), str(tmp_path), *how],
        env={**os.environ, "ABLATE_TEST_MARK": mark, "PYTHONPATH": path},
    )
    if seconds is None:
        wait_for(lambda: all((tmp_path / f"{way}.child").exists() for way in ("hangs", "holds the GIL")))
        wait_for(lambda: attempts(tmp_path, "stopped"))
        wait_for(lambda: psutil.Process(attempts(tmp_path, "stopped")[0]).status() == psutil.STATUS_STOPPED)
        assert len(marked(mark)) == 5  # a driver, three workers, a child
    else:
        time.sleep(seconds)
    driver.kill()
    driver.wait()
    _, alive = psutil.wait_procs(marked(mark), timeout=20)
    assert not alive and not marked(mark)


def test_workers_outlive_the_threads_that_asked_for_them(tmp_path: Path) -> None:
    from ablate.schedule.local import open_workers

    with open_workers("hurt:work", TWO[:1], Stop()) as give:
        for name in ("first", "second"):
            thread = threading.Thread(target=give, args=(task(tmp_path, name), lambda *event: None))
            thread.start()
            thread.join()
            time.sleep(0.2)
    assert attempts(tmp_path, "first") == attempts(tmp_path, "second")
