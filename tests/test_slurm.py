"""The job script for Slurm, run with stand-ins for Slurm's commands and for ablate."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from waiting import wait_for

import ablate

SCRIPT = Path(ablate.__file__).parent.parent / "studies" / "slurm.sh"
IN_JOB = {"SLURM_JOB_ID": "101", "SLURM_ARRAY_JOB_ID": "100", "SLURM_ARRAY_TASK_ID": "2"}


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Starts the script with two parts; every command that it calls notes its words, one call a line."""
    for name, then in (("sbatch", 'echo "100;cluster"'), ("scontrol", ""), ("ablate", '. "$0.sh"')):
        command = tmp_path / name
        command.write_text(f'#!/bin/bash\necho "{name} $*" >> {tmp_path}/calls\n{then}\n')
        command.chmod(0o755)
    for name in IN_JOB:
        monkeypatch.delenv(name, raising=False)

    def started(ablate_does: str = "", **environment: str) -> subprocess.Popen[str]:
        (tmp_path / "ablate.sh").write_text(ablate_does)
        path = f"{tmp_path}:{os.environ['PATH']}"
        return subprocess.Popen(["bash", SCRIPT, "a.yaml", "2"], env={**os.environ, "PATH": path, **environment})

    return started


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_outside_a_job_the_array_and_what_follows_it_are_submitted(start, tmp_path: Path) -> None:
    assert start().wait(timeout=30) == 0
    array, report = calls(tmp_path)
    assert array == f"sbatch --parsable --array=1-2 {SCRIPT} a.yaml 2"
    assert "--dependency=afterany:100 " in report
    assert report.endswith("--wrap ablate merge runs-*-of-2 --into runs; ablate report 'a.yaml'")


def test_parts_of_a_study_with_seeds_until_decided_share_their_records(start, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("name: a\nseeds: {from: 4, to: 9, until: decided}\n")
    assert start().wait(timeout=30) == 0
    assert calls(tmp_path)[-1].endswith("--wrap ablate report 'a.yaml'")
    assert start(**IN_JOB).wait(timeout=30) == 0
    assert calls(tmp_path)[-1] == "ablate run a.yaml --shard 2/2 --runs runs"


@pytest.mark.parametrize("code", [0, 2, 3, 75, 137, 138, 143])
def test_only_a_part_that_was_preempted_is_queued_again(start, tmp_path: Path, code: int) -> None:
    assert start(f"exit {code}", **IN_JOB).wait(timeout=30) == code
    trained, *others = calls(tmp_path)
    assert trained == "ablate run a.yaml --shard 2/2 --runs runs-2-of-2"
    assert others == (["scontrol requeue 101"] if code in (75, 138, 143) else [])


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_the_warning_is_passed_on_and_the_end_awaited(start, tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    job = start(f"trap 'sleep 0.5; exit 75' USR1\ntouch {ready}\nwhile true; do sleep 0.1; done", **IN_JOB)
    wait_for(ready.exists)
    job.send_signal(number)
    assert job.wait(timeout=30) == 75 and calls(tmp_path)[-1] == "scontrol requeue 101"
