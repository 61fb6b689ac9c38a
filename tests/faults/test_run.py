"""What a run does of itself: it keeps the epochs when it is preempted, and makes a damaged record again."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from conftest import TINY
from console import start_forked
from faults.test_workers import is_alive, wait_for

from ablate.api import load_study
from ablate.launch.options import RunOptions
from ablate.records.epochs import read_epochs
from ablate.records.records import read_record, recover_record

ENDLESS = ("-s", "recipe.epochs=4000", "-s", "seeds=1")


def epochs_recorded(runs: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in runs.glob("*/epochs.jsonl"))


def check_files(runs: Path) -> None:
    """Nothing half-written: every record is whole, every epoch under way has its checkpoint, nothing is aside."""
    for directory in runs.iterdir():
        record, rows = read_record(runs, directory.name), read_epochs(directory)
        assert record is None or len(record.epochs()) == record.result["epochs"]
        if rows:
            assert (directory / f"checkpoint-{len(rows):06d}.pt").exists()
        assert not list(directory.glob(".*"))


@pytest.mark.usefixtures("forked")
def test_a_signal_that_preempts_keeps_the_epochs(tiny: Path) -> None:
    """As SIGINT and SIGTERM do; see tests/commands/test_cli.py."""
    running = start_forked("run", tiny.name, *ENDLESS, "--slots", 1, cwd=tiny.parent)
    wait_for(lambda: epochs_recorded(tiny.parent / "runs") >= 2, 300)
    (worker,) = psutil.Process(running.pid).children(recursive=True)
    worker.send_signal(signal.SIGUSR1)  # to the whole job: it is the driver's to hear
    running.send_signal(signal.SIGUSR1)
    said = running.communicate(timeout=300)[0]
    assert running.returncode == 75 and "2 open" in said and "Traceback" not in said, said
    check_files(tiny.parent / "runs")
    assert not is_alive(worker.pid)


def test_a_damaged_record_is_made_again_by_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 2", "seeds: 1"))
    experiment = load_study(tmp_path / "tiny.yaml", runs=tmp_path / "runs")
    options = RunOptions(inline=True, quiet=True)
    assert experiment.run(options).trained == 2
    path = tmp_path / "runs" / experiment.trials()[0].id / "result.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"train_images": 128', b'"train_images": 129'))
    assert experiment.run(options).trained == 1
    assert recover_record(tmp_path / "runs", path.parent.name, print) is not None
