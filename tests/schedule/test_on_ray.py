"""Trials on a Ray cluster of three nodes with GPUs that are none, one node of it killed on the way."""

from __future__ import annotations

import functools
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from waiting import wait_for

from ablate.api import load_study
from ablate.errors import RunError
from ablate.launch.options import RunOptions
from ablate.records.epochs import read_epochs
from ablate.records.records import read_record
from ablate.schedule import ray_cluster
from ablate.schedule.backends import open_backend
from ablate.schedule.local import run_tasks
from ablate.schedule.on_ray import open_on_ray
from ablate.schedule.ray_cluster import ENVIRONMENT, check_resources, open_cluster
from ablate.schedule.tasks import Outcome, Stop, Task

WORK = "works:work"


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    """Tasks find the tests' works; a token, unless another test has imported ray, which reads that once, before."""
    before = dict(os.environ)
    here = Path(__file__).parent
    found = os.pathsep.join([str(here), str(here.with_name("faults")), *sys.path])
    os.environ.update({**ENVIRONMENT, "RAY_AUTH_TOKEN": secrets.token_hex(32), "PYTHONPATH": found})
    if "ray" in sys.modules:
        del os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def cluster(environment: None) -> Iterator[Any]:
    """A head without resources, which is the driver's, and the nodes of two cores and a GPU that a test adds."""
    import ray
    from ray.cluster_utils import Cluster

    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    soon |= {"prestart_worker_first_driver": False, "enable_worker_prestart": False}  # each imports ray for nothing
    head = {"num_cpus": 0, "num_gpus": 0, "include_dashboard": False, "_system_config": soon}
    head |= {"no_monitor": True, "include_log_monitor": False}  # nothing is scaled, and logs are files
    made = Cluster(initialize_head=True, head_node_args=head)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def nodes(cluster: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The cluster with so many nodes or more, and no connection to it: what a test has lost, the next ones do without."""
    import ray

    while len(cluster.worker_nodes) < getattr(request, "param", 1):
        cluster.add_node(num_cpus=2, num_gpus=1, object_store_memory=80 << 20)
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()


def task(folder: Path, name: str, **told: Any) -> Task:
    return Task(name, name, {"marks": str(folder), "name": name, **told}, 1.0, folder / f"{name}.log")


@pytest.mark.parametrize("nodes", [3], indirect=True)
def test_on_a_cluster_of_three_nodes(nodes: Any, tmp_path: Path) -> None:
    """Parts of GPUs, events, causes, retries, an end that is asked for, a lost node, a stop: as on one machine."""
    said: list[str] = []
    with open_cluster(nodes.address, tmp_path / "runs", "auto", None, 0.5, said.append) as slots:
        assert [slot.device for slot in slots] == ["cuda"] * 6 and said == [
            f"connected to the Ray cluster at {nodes.address}"
        ]
        assert not list((tmp_path / "runs").iterdir())
        events: list[tuple[str, str]] = []

        def on_event(slot: int, task: Task, event: dict[str, Any]) -> bool:
            assert 0 <= slot < 6
            events.append((task.id, event["event"]))
            return task.id == "asked" and event["event"] == "epoch"

        stop = Stop()
        with open_on_ray(WORK, slots, 0.5, stop) as run:

            def outcomes(*tasks: Task) -> dict[str, Outcome]:
                return {one.task.id: one for one in run_tasks(run, tasks, len(slots), on_event)}

            ended = outcomes(
                task(tmp_path, "plain", epochs=3),
                task(tmp_path, "raises", raises="no such thing"),
                task(tmp_path, "dies", dies=1),
                task(tmp_path, "dies always", dies=9),
                task(tmp_path, "asked", epochs=200, pause=0.1),
            )
            assert {name: (one.status, one.attempts) for name, one in ended.items()} == {
                "plain": ("completed", 1), "raises": ("failed", 1), "dies": ("completed", 2), "dies always": ("failed", 2),
                "asked": ("interrupted", 1),
            }  # fmt: skip
            assert ended["raises"].cause == "ValueError: no such thing" and "\n" not in ended["dies always"].cause
            assert events.count(("plain", "epoch")) == 3 and "plain runs" in (tmp_path / "plain.log").read_text()

            lost = [task(tmp_path, f"lost{n}", until="go", epochs=1) for n in range(6)]
            running = run_tasks(run, lost, len(slots), on_event)
            wait_for(lambda: all((tmp_path / one.id).exists() for one in lost), 400)
            nodes.remove_node(sorted(nodes.worker_nodes, key=str)[0], allow_graceful=False)
            begun = [(one.id, "started") for one in lost]
            wait_for(lambda: sum(map(events.count, begun)) == 8, 400)
            (tmp_path / "go").touch()
            ended = {one.task.id: one for one in running}
            assert {one.status for one in ended.values()} == {"completed"}, [one.cause for one in ended.values()]
            assert sorted(one.attempts for one in ended.values()) == [1, 1, 1, 1, 2, 2]

            stopped = run_tasks(run, [task(tmp_path, f"stopped{n}", seconds=60) for n in range(9)], len(slots), on_event)
            wait_for(lambda: (tmp_path / "stopped0").exists(), 400)
            stop.raise_to(1, 130)
            assert {one.status for one in stopped} <= {"interrupted", "not started"}


@pytest.mark.parametrize("nodes", [2], indirect=True)
def test_a_task_that_hangs_is_ended_and_tried_again(nodes: Any, tmp_path: Path) -> None:
    """Whether it waits, is stopped or holds the interpreter's lock; one that waits for resources does not hang."""
    ways = ("hangs", "stopped", "holds the GIL")
    with (
        open_cluster(nodes.address, tmp_path / "runs", "cuda", None, 1, lambda line: None) as slots,
        open_on_ray("hurt:work", slots, 1, Stop(), patience=60) as run,
    ):
        tasks = [task(tmp_path, way, how=way) for way in ways] + [task(tmp_path, "waits", epochs=1)]
        ended = {one.task.id: one for one in run_tasks(run, tasks, len(tasks), lambda *event: None)}
    assert {name: (one.status, one.attempts) for name, one in ended.items()} == {
        **dict.fromkeys(ways, ("completed", 2)),
        "waits": ("completed", 1),
    }
    assert not any(psutil.pid_exists(int((tmp_path / f"{way}.child").read_text())) for way in ("hangs", "holds the GIL"))
    assert all((tmp_path / f"{way}.epochs").read_text() == "1 2 3 4 " for way in ways)


THREE = ("variants=[{net: WRN-10-0.25-dropout0.3}]", "baseline=null", "seeds=3")  # trials: each of two nodes has one
CHANGES = ("recipe.epochs=12", "data.train_size=256", *THREE)


@pytest.mark.parametrize("nodes", [2], indirect=True)
def test_a_study_that_is_stopped_and_loses_a_node_equals_a_local_run(nodes: Any, tiny: Path, tmp_path: Path) -> None:
    whole = load_study(tiny, CHANGES, runs=tmp_path / "whole")
    assert whole.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    line = [sys.executable, "-m", "ablate", "run", "tiny.yaml", "--on", f"ray:{nodes.address}", "--device", "cpu"]
    line += [word for change in CHANGES for word in ("-s", change)]
    begin = functools.partial(subprocess.Popen, line, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    runs = tmp_path / "runs"

    def recorded() -> int:
        return sum(path.read_bytes().count(b"\n") for path in runs.glob("*/epochs.jsonl"))

    driver = begin()
    wait_for(lambda: recorded() > 3, 400)
    driver.send_signal(signal.SIGINT)
    said = driver.communicate(timeout=300)[1]
    assert driver.returncode == 130 and "Traceback" not in said, said
    kept = recorded()
    assert 3 < kept < 3 * 12
    driver = begin()
    wait_for(lambda: recorded() > kept + 3, 400)
    nodes.remove_node(sorted(nodes.worker_nodes, key=str)[0], allow_graceful=False)
    said = driver.communicate(timeout=300)[1]
    assert driver.returncode == 0 and "3 trained" in said, said
    for trial in whole.trials():
        one, other = (read_record(folder, trial.id) for folder in (whole.runs, runs))
        assert one and other and one.eval_error == other.eval_error
        losses = [[row["train_loss"] for row in read_epochs(folder / trial.id)] for folder in (whole.runs, runs)]
        assert losses[0] == losses[1] and len(losses[0]) == 12


NODES = [
    {"NodeManagerAddress": "10.0.0.1", "Resources": {"CPU": 64.0}},
    {"NodeManagerAddress": "10.0.0.2", "Resources": {"CPU": 8.0, "GPU": 4.0}},
]


def test_what_no_node_has_is_refused_naming_what_they_have() -> None:
    check_resources(NODES, {"CPU": 1.0, "GPU": 0.25})
    said = "a trial needs 1 CPU and 8 GPU on one node; the nodes have: 10.0.0.1 64 CPU, 0 GPU; 10.0.0.2 8 CPU, 4 GPU"
    with pytest.raises(RunError, match=said):
        check_resources(NODES, {"CPU": 1.0, "GPU": 8.0})


@pytest.mark.parametrize("on", ["slurm", "ray:", "Ray", "local:x"])
def test_other_places_are_refused(on: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"`on`: found '{on}'; allowed: local, ray, ray:ADDRESS"), open_backend(on, tmp_path):
        pass


@pytest.mark.parametrize("asked", [{"slots": 0}, {"slots_per_gpu": 0}, {"device": "tpu"}])
def test_what_no_place_has_is_refused_before_ray_is_asked(asked: dict[str, Any], tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"`slots` and `slots_per_gpu`|`device`"),
        open_backend("ray:nowhere", tmp_path, **asked),
    ):
        pass


def sleep_long() -> None:
    time.sleep(300)


def fail_on_a_node(path: str) -> str:
    raise ValueError(f"no ablate here\nfor {path}")


def test_a_stop_does_not_wait_for_resources(nodes: Any, tmp_path: Path) -> None:
    import ray

    stop = Stop()
    with (
        open_cluster(nodes.address, tmp_path / "runs", "cuda", None, 1, lambda line: None) as slots,
        open_on_ray(WORK, slots, 1, stop) as run,
    ):
        others = [ray.remote(num_gpus=1)(sleep_long).remote() for _ in slots]
        waiting = run_tasks(run, [task(tmp_path, "waits")], 1, lambda *event: None)
        time.sleep(1)
        stop.raise_to(1, 75)
        begun = time.monotonic()
        (ended,) = waiting
        assert ended.status == "not started" and time.monotonic() - begun < 60 and not (tmp_path / "waits").exists()
        assert not ray.wait(others, timeout=0)[0]


def test_a_node_that_cannot_do_it_is_told_in_a_line(nodes: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(ray_cluster, "_read", fail_on_a_node)
    with (
        pytest.raises(RunError, match=r"Ray: a node cannot run the check \(.*; give all nodes the same"),
        open_cluster(nodes.address, tmp_path / "runs", "cpu", None, 1, lambda line: None),
    ):
        pass
    assert not list((tmp_path / "runs").iterdir())


class TwoNodes:
    """Ray with two nodes, which answer a check in the round of ray.wait() that is given, with the file or without it."""

    exceptions = SimpleNamespace(RayError=OSError)

    def __init__(self, rounds: tuple[int, int], sees: bool = True) -> None:
        self.rounds, self.sees, self.round = rounds, sees, 0

    def remote(self, **options: Any) -> Callable[[Callable[[str], str]], Any]:
        self.answers: list[str] = []

        def ask(read: Callable[[str], str], path: str) -> int:
            self.answers.append(read(path) if self.sees else "")
            return len(self.answers) - 1

        return lambda read: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=functools.partial(ask, read)))

    def wait(self, asked: list[int], num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        assert num_returns == 2 and timeout == ray_cluster.TOKEN_SECONDS[self.round]
        self.round += 1
        return [i for i in asked if self.rounds[i] <= self.round], [i for i in asked if self.rounds[i] > self.round]

    def get(self, asked: int) -> str:
        return self.answers[asked]


def test_a_node_that_has_not_answered_is_waited_for(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(ray_cluster, "on_node", lambda node: node)
    nodes = [{"NodeID": name, "NodeManagerAddress": name} for name in ("first", "second")]
    told: list[str] = []

    def check(*rounds: int, sees: bool = True) -> None:
        told.clear()
        ray_cluster._check_storage(TwoNodes((rounds[0], rounds[1]), sees), nodes, tmp_path, told.append)

    check(1, 1)
    assert not told
    check(1, 2)
    assert told == [f"Ray: waiting for second to read {tmp_path}"]
    with pytest.raises(RunError, match=r"^Ray: no answer from second within 15 minutes; run again"):
        check(1, 3)
    with pytest.raises(RunError, match=r"is not the same directory on first; "):
        check(1, 3, sees=False)
    assert not told and not list(tmp_path.iterdir())
