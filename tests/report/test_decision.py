"""What a study decides by: a measure that is maximized turns every comparison around, and its words stand everywhere."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
import recorded
from recorded import captions

from ablate.commands.trace_text import trace_text
from ablate.report.study_report import StudyReport
from ablate.report.table import Table
from ablate.report.trace import trace_cell
from ablate.study.decision import Decision

STUDY = """\
name: invented
data: {name: digits, train_size: 128}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
seeds: 3
variants:
  - grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10}
baseline: WRN-10-1
"""
ACCURACY = Decision("accuracy", "", "maximize", "accuracy", "")
VALUES = {0: [0.5, 0.625, 0.75], 1: [0.8, None, 0.9]}


@pytest.fixture
def report(tmp_path: Path) -> StudyReport:
    """Of a study that decides by an accuracy of its own; the second seed of the second variant diverged."""
    experiment = recorded.written(tmp_path, STUDY)
    for index, of_variant in VALUES.items():
        for trial, value in zip(experiment.variants[index].trials(experiment.study.seeds), of_variant):
            recorded.record(experiment.runs, trial, None if value is None else 5.0, accuracy=value)
    return replace(experiment, study=replace(experiment.study, decision=ACCURACY)).report()


def cells(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.titles, (cell.text for cell in row))) for row in table.rows]


def test_the_highest_is_the_best_and_a_diverged_trial_the_worst(report: StudyReport) -> None:
    first, second = report.as_json()["summaries"]
    assert (first["median_accuracy"], second["median_accuracy"]) == (0.625, 0.8)
    assert second["accuracy_values"] == [0.8, None, 0.9] and second["min"] is None and second["max"] == 0.9
    table = report.tables()[0]
    column = table.titles.index("Median accuracy")
    assert [row[column].bold for row in table.rows] == [False, False]  # three seeds cannot tell the two apart
    assert cells(table)[0]["Range"] == "diverged–0.9"


def test_comparisons_are_turned_around(report: StudyReport) -> None:
    verdict = report.analysis.verdict(report.analysis.summaries[1])
    assert verdict and verdict.comparison.difference == pytest.approx(0.15) and verdict.comparison.won == 6
    row = cells(report.tables()[1])[0]  # the better one comes first
    assert (row["Difference"], row["P(better)"], row["Mean ± SD"]) == ("+0.15", "0.67 (0.24–0.92)", "–")


def test_the_words_stand_in_captions_and_figures(report: StudyReport) -> None:
    said = " ".join(captions(report.document))
    assert "Accuracy at the last epoch, median over 3 seeds." in said and "error" not in said
    assert "how often the variant has the higher accuracy" in said
    (axis,) = report.figures["errors"].figure.axes
    assert axis.get_xlabel() == "accuracy"
    assert report.figures["parameters"].alt_text == "Accuracy against parameters, with the Pareto front"


@pytest.mark.usefixtures("unrendered")
def test_a_cell_is_traced_to_the_trials_of_its_value(report: StudyReport, tmp_path: Path) -> None:
    report.write(tmp_path / "reports")
    table = tmp_path / "reports" / "invented" / "table.csv"
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["goal"] for row in rows] == ["maximize"] * 2 and rows[1]["min"] == ""
    trace = trace_cell(table, "2,min")
    assert "diverged" in trace.remarks[0] and "accuracy" in trace_text(trace)
    assert trace_cell(table, "2,median_accuracy").remarks == [f"the median of 3 is {trace.trials[0]['id']} (seed 0, 0.8)"]


def test_a_decision_orders_values() -> None:
    assert ACCURACY.best([0.1, ACCURACY.worst, 0.3]) == 0.3 and ACCURACY.worst == -math.inf
    assert Decision().best([5.0, math.inf]) == 5.0
    assert (Decision().name, Decision("error", "validation").column) == ("test_error", "test_error")
