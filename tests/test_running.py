"""What is being trained now: read from the runs directory alone, without a write, and shown in status."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from recorded import DIGITS, recorded
from rich.console import Console

from ablate.commands import watch
from ablate.commands.status_text import is_over, status_text
from ablate.files import hold_lock, is_locked
from ablate.network_experiment import Experiment
from ablate.records.attempts import RUNNING, hold_attempt, note_running
from ablate.records.epochs import append_epoch

TWO = f"{DIGITS}seeds: 2\nvariants:\n  - net: [WRN-10-1, WRN-16-1]\n"
ROW = {"lr": 0.1, "train_loss": 1.0, "train_error": 50.0, "test_loss": 1.0, "train_seconds": 2.0, "test_seconds": 1.0}


@pytest.fixture
def made(tmp_path: Path) -> Experiment:
    return recorded(tmp_path, TWO, {0: [5.0, 6.0]})


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_a_running_trial_is_shown_with_epoch_error_rate_time_and_machine(made: Experiment) -> None:
    trial = made.trials()[2]
    with hold_attempt(made.runs, trial.id, trial.definition):
        directory = made.runs / trial.id
        note_running(directory, epochs=8, train_images=128, device="a processor")
        for epoch in (1, 2):
            append_epoch(directory, {"epoch": epoch, **ROW, "test_error": 30.0 / epoch})
        os.utime(directory / RUNNING, (1000, 1000))
        os.utime(directory / "epochs.jsonl", (1010, 1010))  # five seconds an epoch
        before = snapshot(made.runs)
        status = made.status()
        assert snapshot(made.runs) == before
    (one,) = status["running"]
    assert (one["net"], one["seed"], one["epoch"], one["epochs"]) == ("WRN-16-1", 0, 2, 8)
    assert (one["test_error"], one["images_per_second"], one["seconds_left"]) == (15.0, 64.0, 30.0)
    assert one["machine"] and one["device"] == "a processor"
    assert status["seconds_left"] == pytest.approx(30.0 + 40.0)  # the trial that is missing costs as much
    text = status_text(status)
    assert "| WRN-16-1 seed 0 | 2 of 8 |         15.00 |       64 | 30 s |" in text
    assert text.splitlines()[-1] == "4 trials: 2 recorded, 1 running, 1 missing"
    assert status_text(status, live=True).splitlines()[0] == text.splitlines()[-1]
    assert not is_over(status) and not (directory / RUNNING).exists()
    assert made.status()["running"] == []


@pytest.mark.parametrize("found", [b"{", b"[]", b'{"machine": 5, "epochs": "x", "train_images": []}', b"{}" * 99999])
def test_a_planted_file_is_no_reason_to_fail(made: Experiment, found: bytes) -> None:
    trial = made.trials()[2]
    with hold_attempt(made.runs, trial.id, trial.definition):
        (made.runs / trial.id / RUNNING).write_bytes(found)
        (one,) = made.status()["running"]
    assert (one["machine"], one["epoch"], one["seconds_left"]) == (None, 0, None)


def test_what_a_killed_attempt_leaves_is_not_running(made: Experiment) -> None:
    trial = made.trials()[2]
    with hold_attempt(made.runs, trial.id, trial.definition):
        left = (made.runs / trial.id / RUNNING).read_bytes()
    (made.runs / trial.id / RUNNING).write_bytes(left)
    assert made.status()["running"] == []


def test_to_look_at_a_lock_takes_it_from_nobody(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock") and not (tmp_path / "lock").exists()
    with hold_lock(tmp_path / "lock"):
        assert is_locked(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")


def test_watch_shows_the_state_until_all_is_done(made: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, states = io.StringIO(), [made.status(), {**made.status(), "states": {"recorded": 4}}]
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: None)
    console = Console(file=shown, force_terminal=True, width=80)
    watch.watch_status(lambda: (states.pop(0), "read elsewhere"), console)
    assert not states and shown.getvalue().count("read elsewhere") == 3  # the last one stays


def test_ctrl_c_ends_watch_quietly(made: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", interrupt)
    watch.watch_status(lambda: (made.status(), ""), Console(file=io.StringIO(), force_terminal=True))
