"""Disks that are full or read-only, and no more file descriptors, under the command itself: what is there stays whole."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from console import start_forked
from recorded import record
from soak import Difference, compare, small_disk

from ablate.api import load_study
from ablate.data.location import Location
from ablate.launch.options import RunOptions
from ablate.train.job import Job
from ablate.train.trial import train_trial

pytestmark = pytest.mark.usefixtures("forked")

TRIALS = 4


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """runs/, a disk of a few megabytes."""
    (tmp_path / "runs").mkdir()
    with small_disk(tmp_path / "runs") as mounted:
        if not mounted:
            pytest.skip("mounting takes root")
        yield tmp_path / "runs"


def run(study: Path, before: str = "") -> tuple[int, str]:
    """The exit code of a driver, and what it said. before: code that its process runs before."""
    words = ("run", study.name, "--slots", 1, "-s", "recipe.epochs=2", "--checkpoint-every", "1")
    driver = start_forked(*words, cwd=study.parent, before=before)
    said = driver.communicate(timeout=120)[0]
    assert "Traceback" not in said, said
    return driver.returncode, said


def errors(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(("failed: ", "error: "))]


def content(directory: Path) -> dict[str, Any]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.*") if path.is_file()}


def test_a_full_disk_and_one_that_is_read_only(disk: Path, tiny: Path) -> None:
    torch.set_num_threads(1)
    whole = load_study(tiny, ["recipe.epochs=2"], runs=tiny.parent / "whole")
    assert whole.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(free - 120_000))  # a checkpoint or two fit
    code, full = run(tiny)
    (said,) = errors(full)
    assert code == 3 and "No space left on device: '" in said and "checkpoint-" in said, full
    assert f"{TRIALS} open" in full
    left = content(disk)
    assert not any(name.endswith((".tmp", "result.json")) for name in left)

    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, read_only = run(tiny)
    (said,) = errors(read_only)
    assert code in (2, 3) and "Read-only file system: '" in said, read_only
    assert content(disk) == left

    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    (disk / "filler").unlink()
    assert load_study(tiny, ["recipe.epochs=2"], runs=disk).run(RunOptions(inline=True, quiet=True)).exit_code == 0
    compare(tiny.parent / "whole", disk)


def test_no_more_file_descriptors_for_a_worker(tiny: Path) -> None:
    code, done = run(tiny, "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8)); ")
    (said,) = errors(done)
    assert code in (2, 3) and "Too many open files" in said and f"{TRIALS} open" in done, done
    again = load_study(tiny, ["recipe.epochs=2"], runs=tiny.parent / "runs")
    assert again.run(RunOptions(inline=True, quiet=True)).trained == TRIALS


def test_no_more_file_descriptors_in_the_middle_of_a_training(tiny: Path, tmp_path: Path) -> None:
    trial = load_study(tiny, ["recipe.epochs=3"]).trials()[0]
    jobs = [Job(trial, tmp_path / name, Location(tmp_path, tmp_path / "cache")) for name in ("whole", "broken")]
    train_trial(jobs[0], lambda: False, lambda event: None)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def exhaust(event: dict[str, Any]) -> None:
        if event["epoch"] == 2:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))

    try:
        with pytest.raises(OSError, match=r"Too many open files: '.*checkpoint-000002\.sha256'"):
            train_trial(jobs[1], lambda: False, exhaust)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    again: list[int] = []
    train_trial(jobs[1], lambda: False, lambda event: again.append(event["epoch"]))
    assert again == [2, 3]
    compare(jobs[0].runs, jobs[1].runs)


def test_the_comparison_finds_a_difference(tmp_path: Path, tiny: Path) -> None:
    """What this and the soak test rely on."""
    trial = load_study(tiny).trials()[0]
    record(tmp_path / "one", trial, 5.0)
    record(tmp_path / "same", trial, 5.0)
    record(tmp_path / "other", trial, 5.0, first=91.0)
    compare(tmp_path / "one", tmp_path / "same")
    with pytest.raises(Difference, match="other epochs"):
        compare(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / trial.id / "result.json").unlink()
    with pytest.raises(Difference, match="not recorded"):
        compare(tmp_path / "one", tmp_path / "other")
