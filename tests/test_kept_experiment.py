"""Who has the report and no runs: status, report and trace read the records beside the report."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from recorded import DIGITS, recorded

from ablate.api import Experiment, load_study
from ablate.data.copies import Copy
from ablate.errors import StudyError
from ablate.kept_experiment import with_kept_records
from ablate.records.images import remember_copies
from ablate.records.merge import merge_runs
from ablate.report.study_report import StudyReport
from ablate.report.trace import trace_cell

TWO = f"{DIGITS}seeds: 2\nvariants:\n  - net: [WRN-10-1, WRN-16-1]\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(StudyReport, "draw_figures", lambda report: {})
    found = recorded(tmp_path, TWO, {0: [5.0, 6.0], 1: [7.0, 8.0]})
    found.report().write(tmp_path / "reports")
    return found


def test_the_report_is_made_again_byte_for_byte_from_its_records(made: Experiment, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    before = {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    shutil.rmtree(made.runs)
    again, told = with_kept_records(partial(load_study, tmp_path / "invented.yaml"), made.runs, reports)
    assert told.startswith(f"{made.runs} has none of these trials; the records are read from {reports / 'invented'}")
    assert again.status()["states"] == {"recorded": 4}
    again.report().write(reports)
    assert {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()} == before
    assert len(trace_cell(reports / "invented" / "table.csv", "1,median_test_error").trials) == 2
    assert not made.runs.exists()


def test_records_name_the_copy_that_a_study_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StudyReport, "draw_figures", lambda report: {})
    remember_copies(tmp_path / "runs", [Copy("cifar10", "JPEG copy", None)])
    text = TWO.replace("{name: digits,", "{name: cifar10, image_size: 16, test_size: 500,")
    recorded(tmp_path, text, {0: [5.0, 6.0], 1: [7.0, 8.0]}).report().write(tmp_path / "reports")
    shutil.rmtree(tmp_path / "runs")
    load = partial(load_study, tmp_path / "invented.yaml")
    found, told = with_kept_records(load, tmp_path / "runs", tmp_path / "reports")
    assert found.status()["states"] == {"recorded": 4} and told.startswith(f"{tmp_path / 'runs'} has none of these trials")
    with pytest.raises(StudyError, match="image_size: found 16; cifar10 has 32"):
        with_kept_records(load, tmp_path / "runs", tmp_path / "none")


def test_runs_that_have_begun_are_read_and_nothing_is_mixed(made: Experiment, tmp_path: Path) -> None:
    for trial in made.trials()[1:]:
        shutil.rmtree(made.runs / trial.id)
    load = partial(load_study, tmp_path / "invented.yaml")
    found, told = with_kept_records(load, made.runs, tmp_path / "reports")
    assert found.runs == made.runs and not told


def test_records_of_another_study_are_not_read(made: Experiment, tmp_path: Path) -> None:
    load = partial(load_study, tmp_path / "invented.yaml", ["recipe.epochs=7"])
    found, told = with_kept_records(load, tmp_path / "none", tmp_path / "reports")
    assert found.runs == tmp_path / "none" and not told


def test_merge_takes_the_records_over(made: Experiment, tmp_path: Path) -> None:
    plan = merge_runs([tmp_path / "reports" / "invented" / "records"], tmp_path / "into")
    assert plan.finished == 4 and not plan.passed_over
