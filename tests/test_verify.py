"""Recorded trials trained again: bit-equal where nothing changed, and how far off where something did."""

from __future__ import annotations

import io
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY
from rich.console import Console

from ablate import network_experiment
from ablate.api import load_study
from ablate.commands.outcome_text import verdict_text, verification_text
from ablate.errors import RunError
from ablate.launch.options import RunOptions
from ablate.launch.summary import RunSummary
from ablate.network_experiment import Experiment
from ablate.records.attempts import write_result
from ablate.records.epochs import read_epochs, write_epochs
from ablate.records.records import Record, read_record
from ablate.verify import Verification, choose_trials, compare

INLINE = RunOptions(inline=True, quiet=True)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two trials, and their records."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "tiny.yaml").write_text(TINY.replace("seeds: 2", "seeds: 1").replace("epochs: 3", "epochs: 2"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLATE_CACHE", str(folder / "cache"))
        load_study(folder / "tiny.yaml", runs=folder / "runs").run(INLINE, Console(file=io.StringIO()))
    return folder


@pytest.fixture
def experiment(recorded: Path, tmp_path: Path) -> Experiment:
    shutil.copytree(recorded / "runs", tmp_path / "runs")
    return load_study(recorded / "tiny.yaml", runs=tmp_path / "runs")


def content(directory: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.rglob("*") if path.is_file()}


def again(experiment: Experiment, count: int = 2, seed: int = 0) -> Verification:
    return experiment.verify(count, seed, INLINE, Console(file=io.StringIO()))


def change_result(record: Record, **changes: Any) -> None:
    result = {**record.result, "test_error": read_epochs(record.directory)[-1]["test_error"]}
    write_result(record.directory, {**result, "provenance": {**record.result["provenance"], **changes}})


def test_what_is_trained_again_is_bit_equal_and_the_records_are_not_touched(experiment: Experiment) -> None:
    before = content(experiment.runs)
    verification = again(experiment)
    assert [verdict.equal for verdict in verification.trials] == [True, True] and verification.exit_code == 0
    assert content(experiment.runs) == before
    verdict = verification.trials[0]
    assert (verdict.first_difference, verdict.furthest, verdict.changed) == (None, 0.0, {})
    assert f"bit-equal, on the same device, {verdict.device}" in verdict_text(verdict)
    assert verification_text(verification).endswith("2 of 2 bit-equal, chosen from 2 recorded trials with --seed 0")


def test_what_differs_is_said_with_its_epoch_its_distance_and_what_changed(experiment: Experiment) -> None:
    first, second = experiment.trials()
    record = read_record(experiment.runs, first.id)
    assert record is not None
    rows = record.epochs()
    true = rows[1]["test_error"]
    rows[1]["test_error"] = true + 12.5
    write_epochs(record.directory, rows)
    change_result(record, device="A GPU", torch="1.0")
    verification = again(experiment)
    off, equal = verification.trials
    assert (off.id, equal.id) == (first.id, second.id) and equal.equal and not off.equal
    assert (off.first_difference, off.furthest) == (2, 12.5) and verification.exit_code == 3
    assert off.changed["device"][0] == "A GPU" and off.changed["torch"][0] == "1.0" and len(off.changed) == 2
    for said in ("differs from epoch 2 on", "at most 12.5 points off", "on another device", "torch 1.0 then, 2."):
        assert said in verdict_text(off)
    assert verification.as_json()["trials"][0]["changed"]["torch"]["then"] == "1.0"


def test_a_last_bit_is_a_difference(experiment: Experiment) -> None:
    (first, _) = experiment.trials()
    record = read_record(experiment.runs, first.id)
    assert record is not None
    now = Record("now", record.runs, record.result)
    now.directory.mkdir()
    rows = read_epochs(record.directory)
    rows[0]["train_seconds"] += 1
    write_epochs(now.directory, rows)
    assert compare("", record, now).equal  # times are not compared
    rows[1]["train_loss"] = math.nextafter(rows[1]["train_loss"], 9)
    write_epochs(now.directory, rows)
    verdict = compare("", record, now)
    assert (verdict.equal, verdict.first_difference, verdict.furthest) == (False, 2, 0.0)
    write_epochs(now.directory, rows[:1])
    shorter = Record("now", record.runs, {**record.result, "epochs": 1})
    assert compare("", record, shorter).first_difference == 2


def test_a_measure_that_only_one_study_decides_by_is_no_difference(experiment: Experiment) -> None:
    (first, _) = experiment.trials()
    record = read_record(experiment.runs, first.id)
    assert record is not None
    tested = {**record.result, "final_test_error": 5.0}
    then, now = (Record(record.id, record.runs, {**tested, **more}) for more in ({}, {"final_test_macro_f1": 90.0}))
    assert compare("", then, now).equal and compare("", now, then).equal
    verdict = compare("", now, Record(record.id, record.runs, {**now.result, "final_test_error": math.nextafter(5, 9)}))
    assert (verdict.equal, verdict.first_difference) == (False, 2)


def test_a_trial_that_cannot_be_trained_again_says_why(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(trials: Any, labels: Any, runs: Path, *rest: Any) -> RunSummary:
        for trial in trials:
            (runs / trial.id).mkdir(parents=True)
            (runs / trial.id / "failure.json").write_bytes(b'{"cause": "MemoryError: too wide"}')
        return RunSummary(exit_code=3)

    monkeypatch.setattr(network_experiment, "run_trials", fail)
    verification = again(experiment, 1)
    assert verification.exit_code == 3
    assert verdict_text(verification.trials[0]).endswith("could not be trained again: MemoryError: too wide")

    monkeypatch.setattr(network_experiment, "run_trials", lambda *_: RunSummary(exit_code=130))
    stopped = again(experiment)
    assert stopped.exit_code == 130 and stopped.trials == []


def test_the_choice_is_random_and_the_seed_decides_it(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 2", "seeds: 50"))
    trials = load_study(tmp_path / "tiny.yaml").trials()
    chosen = choose_trials(trials, 5, 1)
    assert chosen == choose_trials(trials[::-1], 5, 1)[::-1] and len({trial.id for trial in chosen}) == 5
    assert [trial for trial in trials if trial in chosen] == chosen
    assert len({tuple(trial.id for trial in choose_trials(trials, 5, seed)) for seed in range(20)}) > 15
    for count in (0, 101):
        with pytest.raises(RunError, match=f"`trials`: {count} asked for, 100 recorded; use 1 to 100"):
            choose_trials(trials, count, 0)
    with pytest.raises(RunError, match="nothing to verify yet: no trial is recorded"):
        choose_trials([], 1, 0)
