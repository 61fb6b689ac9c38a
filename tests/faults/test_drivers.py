"""Signals to the driver, two drivers of one runs directory on two hosts, dead owners of locks, and clocks that step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
import torch
from faults.test_workers import wait_for
from soak import compare

import ablate
from ablate.api import load_study
from ablate.files import hold_lock
from ablate.launch.options import RunOptions
from ablate.records.attempts import begin_attempt, open_trial
from ablate.records.records import read_record

LONG = ("-s", "recipe.epochs=40", "-s", "data.train_size=512", "-s", "seeds=1")
STEPPING = """\
import time, random
_time, _draw = time.time, random.Random(%d)
time.time = lambda: _time() + _draw.choice((-3600, 0, 3600))
time.time_ns = lambda: int(time.time() * 1e9)
"""


def start(study: Path, *words: str, before: Sequence[str], path: Path) -> subprocess.Popen[str]:
    """A driver with a slot; before: of the command line, path: on Python's."""
    line = [*before, sys.executable, "-m", "ablate", "run", study.name, "--slots", "1", "--device", "cpu", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), *sys.path])}
    return subprocess.Popen(
        line, cwd=study.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


HOSTS = ("unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c")


def on_host(name: str) -> tuple[str, ...]:
    """Before a command line: its own host name, and processes that see no other's."""
    return (*HOSTS, f'hostname {name} && exec "$@"', "sh")


def test_two_hosts_whose_clocks_step_and_one_of_which_dies(tiny: Path, tmp_path: Path) -> None:
    """Two drivers that see nothing of each other but the files: every trial once; what the dead one had goes on."""
    if subprocess.run([*on_host("one"), "true"], capture_output=True).returncode:
        pytest.skip("a host name of one's own takes root")
    torch.set_num_threads(1)
    whole = load_study(tiny, [*LONG[1::2]], runs=tmp_path / "whole")
    assert whole.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    paths = []
    for host in (1, 2):
        (tmp_path / f"host{host}").mkdir()
        (tmp_path / f"host{host}" / "sitecustomize.py").write_text(STEPPING % host)
        paths.append(tmp_path / f"host{host}")
    begun = time.monotonic()
    both = [start(tiny, *LONG, before=on_host(path.name), path=path) for path in paths]
    runs = tmp_path / "runs"
    wait_for(lambda: sum(path.read_bytes().count(b"\n") > 2 for path in runs.glob("*/epochs.jsonl")) == 2, 400)
    both[0].kill()  # its host goes with it
    both[0].communicate()
    said = both[1].communicate(timeout=600)[0]
    seconds = time.monotonic() - begun
    assert both[1].returncode == 0 and "2 trained" in said, said
    compare(tmp_path / "whole", runs)
    attempts = []
    for directory in runs.iterdir():
        record = read_record(runs, directory.name)
        assert record is not None
        attempts.append(len(record.result["earlier_attempts"]) + 1)
        assert 0 < record.result["train_seconds"] + record.result["test_seconds"] < seconds
    assert sorted(attempts) == [1, 2]  # the dead host's trial was taken over, the other one's left alone
    minutes, over = re.findall(r"2 trained.*; (?:(\d+) min )?(\d+) s$", said, re.MULTILINE)[0]
    assert int(minutes or 0) * 60 + int(over) <= seconds


def test_nothing_but_a_date_comes_from_the_clock_of_the_day() -> None:
    """Durations and patience are counted on a clock that no one sets."""
    root = Path(ablate.__file__).parent
    found = {
        path.relative_to(root).as_posix() for path in root.rglob("*.py") if re.search(r"\btime\.time\(", path.read_text())
    }
    dated = {"tracking/trackers.py"}  # whose events have a date
    assert found <= {"search/drivers.py", *dated}  # the heartbeats of drivers are read by other machines
    dated = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if "datetime.now(" in path.read_text()}
    assert dated <= {
        "train/attempt.py",
        "train/program.py",
        "estimate/probing.py",
        "estimate/cost.py",
        "records/attempts.py",
    }


def test_a_lock_is_free_as_soon_as_its_owner_is_dead(tmp_path: Path) -> None:
    """Killed four times over, stopped before or not, while a process that it forked lives on for a while."""
    script = (
        "import sys, time; from pathlib import Path; from ablate.files import hold_lock\n"
        "with hold_lock(Path(sys.argv[1])) as free: print(free, flush=True); time.sleep(60)"
    )
    for n in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
        ) as one:
            assert one.stdout is not None and one.stdout.readline() == "True\n"
            with hold_lock(tmp_path / "lock") as free:
                assert not free
            if n % 2:
                psutil.Process(one.pid).suspend()
            one.kill()
            one.wait()
        with hold_lock(tmp_path / "lock") as free:
            assert free


def test_two_that_begin_one_trial_at_once(tmp_path: Path) -> None:
    """Neither takes from the other what it has aside."""
    both, failed = threading.Barrier(2), []

    def begin() -> None:
        for n in range(40):
            both.wait()
            try:
                open_trial(tmp_path / str(n), b'{"seed": 0}\n')
                begin_attempt(tmp_path / str(n))
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert {path.read_bytes() for path in tmp_path.glob("*/*") if path.is_file()} == {b'{"seed": 0}\n'}
