"""An emptier report replaces no fuller one by mistake, and the message says which option is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from recorded import DIGITS, record, recorded, written

from ablate.api import load_study
from ablate.errors import RunError
from ablate.network_experiment import Experiment
from ablate.records.logits import Logits, write_evaluation
from ablate.report.report import write_reports
from ablate.report.study_report import StudyReport

TWO = f"{DIGITS}seeds: 2\nvariants:\n  - net: [WRN-10-1, WRN-16-1]\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(StudyReport, "draw_figures", lambda report: {})
    found = recorded(tmp_path, TWO, {0: [5.0, 6.0], 1: [7.0, 8.0]})
    found.report().write(tmp_path / "reports")
    return found


def other(made: Experiment, *overrides: str, runs: Path | None = None) -> Experiment:
    found = load_study(made.study.folder / "invented.yaml", overrides, runs=runs or made.runs)
    assert isinstance(found, Experiment)
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_report_is_refused_and_the_option_named(made: Experiment, tmp_path: Path) -> None:
    before = content(tmp_path / "reports")
    with pytest.raises(RunError, match="has 4 finished trials, this report would have none") as found:
        other(made, "recipe.epochs=7").report().write(tmp_path / "reports")
    assert "-s recipe.epochs=2" in str(found.value) and "`replace`" in str(found.value)
    assert content(tmp_path / "reports") == before
    other(made, "recipe.epochs=7").report().write(tmp_path / "reports", replace=True)
    assert content(tmp_path / "reports") != before


def test_another_runs_directory_is_named(made: Experiment, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "reports" / "invented" / "records")
    with pytest.raises(RunError, match="elsewhere has none of those trials, so another `runs` is probably meant"):
        other(made, runs=tmp_path / "elsewhere").report().write(tmp_path / "reports")


def test_fewer_trials_are_refused_unless_the_study_is_finished(made: Experiment, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    shutil.rmtree(made.runs / made.trials()[-1].id)
    with pytest.raises(RunError, match="has 4 finished trials, this report would have 3"):
        other(made).report().write(reports)
    other(made, "seeds=1").report().write(reports)  # a smaller study, all of it trained
    assert len((reports / "invented" / "trials.csv").read_text().splitlines()) == 3
    record(made.runs, made.trials()[-1], 9.0)
    other(made).report().write(reports)  # a fuller one


def test_of_several_reports_none_is_written_if_one_is_refused(made: Experiment, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    good = recorded(second, TWO.replace("invented", "good"), {0: [5.0, 6.0]})
    with pytest.raises(RunError):
        write_reports([good.report(), other(made, "recipe.epochs=7").report()], tmp_path / "reports")
    assert not (tmp_path / "reports" / "good").exists()


def test_trials_of_a_stranger_are_no_reason_to_fail(made: Experiment, tmp_path: Path) -> None:
    (tmp_path / "reports" / "invented" / "trials.csv").write_bytes(b"\xff\xfe,\n")
    empty = written(tmp_path, TWO.replace("seeds: 2", "seeds: [7]"))
    empty.report().write(tmp_path / "reports")


def test_predictions_are_not_lost_with_the_logits(made: Experiment, tmp_path: Path) -> None:
    for trial in made.trials():
        labels = np.arange(20) % 10
        logits = Logits(np.eye(10, dtype=np.float32)[labels], labels, np.arange(20), "test")
        write_evaluation(made.runs / trial.id, logits)
    reports = tmp_path / "reports"
    other(made).report().write(reports)
    before = content(reports)
    assert {"invented/predictions.csv", "invented/classes.csv"} <= before.keys()
    with pytest.raises(RunError, match="has predictions, this report would have none") as found:
        other(made, runs=reports / "invented" / "records").report().write(reports)
    assert "another `out`, or use `replace`" in str(found.value) and content(reports) == before
    other(made, runs=reports / "invented" / "records").report().write(reports, replace=True)
    assert not {"invented/predictions.csv", "invented/classes.csv"} & content(reports).keys()
