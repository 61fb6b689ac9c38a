"""The report of a study of a program: tables, sentences, figures, files, and the commands on its records."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from recorded import record_program as record

from ablate.api import load_experiment
from ablate.errors import RecordError, StudyError
from ablate.program_experiment import ProgramExperiment
from ablate.records.adopted import write_adopted
from ablate.records.earlier import find_earlier
from ablate.records.merge import merge_runs
from ablate.report.export import export_study
from ablate.report.report import report_page
from ablate.report.trace import trace_cell
from ablate.report.writers.markdown import document_markdown

STUDY = """\
name: program
program: {command: "python train.py {lr} {seed}"}
measures:
  - {name: accuracy, goal: maximize}
  - {name: loss, unit: nats}
seeds: 5
variants:
  - grid: {lr: [0.1, 0.2, 0.4]}
baseline: {lr: 0.1}
"""


@pytest.fixture
def of(tmp_path: Path) -> ProgramExperiment:
    """Three variants of five seeds: accuracies of 0.5, 0.7 and 0.6; a seed of the third diverges."""
    (tmp_path / "train.py").touch()
    (tmp_path / "study.yaml").write_text(STUDY)
    found = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
    assert isinstance(found, ProgramExperiment)
    for trial in found.trials():
        value = {0.1: 0.5, 0.2: 0.7, 0.4: 0.6}[trial.axes["lr"]] + trial.seed / 100
        last = None if (trial.axes["lr"], trial.seed) == (0.4, 3) else value
        rows = [{"epoch": 0, "accuracy": 0.1, "loss": 3.0}, {"epoch": 5, "accuracy": last, "loss": 1 - value}]
        record(found.runs, trial, rows)
    return found


def test_a_higher_value_is_better_and_a_diverged_seed_the_worst(of: ProgramExperiment) -> None:
    analysis = of.analysis()
    assert [summary.median for summary in analysis.summaries] == pytest.approx([0.52, 0.72, 0.61])
    assert analysis.summaries[2].error_by_seed[3] == -math.inf
    assert analysis.summaries[2].diverged == [3]
    first, second = analysis.verdicts.values()
    assert first.comparison.difference == pytest.approx(0.2)
    assert analysis.sentences[0].startswith(
        "lr 0.2 is better than lr 0.1 by 0.2 (96% interval +0.18 to +0.22; in all 25 seed"
    )
    assert "points" not in "".join(analysis.sentences)
    assert second.comparison.probability == 0.8
    assert analysis.sentences[-1] == "With 95% confidence none of the 3 variants is better than lr 0.2."


def test_the_largest_value_that_is_recorded_can_be_drawn(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "study.yaml").write_text(STUDY)
    large = load_experiment(tmp_path / "study.yaml", ["seeds=2"], runs=tmp_path / "runs")
    for trial in large.trials():
        record(
            large.runs,
            trial,
            [{"epoch": n, "accuracy": 2.0**126 if trial.seed else -(2.0**126), "loss": 1.0} for n in (1, 2)],
        )
    assert large.report().write(tmp_path / "reports")


@pytest.mark.usefixtures("unrendered")
def test_the_document_has_a_row_for_each_variant(of: ProgramExperiment) -> None:
    report = of.report()
    table = report.document.tables[0]
    assert table.titles == ["lr", "Median accuracy", "Range", "Difference to lr 0.1 [96%]", "Loss, nats", "n"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["0.2", "0.72", "0.7–0.74", "+0.2 [+0.18, +0.22]", "0.28", "5"],
        ["0.4", "0.61", "diverged–0.64", "+0.09 [−inf, +0.12]", "0.38", "5, 1 diverged"],
        ["0.1", "0.52", "0.5–0.54", "baseline", "0.48", "5"],
    ]  # fmt: skip
    assert [row[1].bold for row in table.rows] == [True, False, False]
    assert table.rows[2][1].trials == tuple(trial.id for trial in of.trials()[:5])
    assert table.caption.startswith(
        "python train.py {lr} {seed}. Varied: lr. Accuracy as reported last, median over 5 seeds."
    )
    assert "Every trial" in document_markdown(report.document)
    assert 'data-measure="accuracy"' in report_page([report]).decode()


def test_the_page_counts_epochs_from_one_as_the_figure_does(of: ProgramExperiment) -> None:
    assert [list(curve.epochs) for curve in of.report().curves()][:2] == [[1, 6]] * 2  # the program wrote 0 and 5


def test_curves_are_of_the_measure_that_decides(of: ProgramExperiment) -> None:
    from ablate.report.figure_values.curves import seed_curve_values

    (info,) = seed_curve_values(of.analysis())
    (panel,) = info.values.panels
    seed = panel.curves[panel.labels.index("lr 0.4")].values[3][:, 2]
    assert len(seed) == 6 and seed[0] == 0.1 and math.isnan(seed[1]) and seed[5] == -math.inf


@pytest.mark.usefixtures("unrendered")
def test_the_files_of_a_report(of: ProgramExperiment, tmp_path: Path) -> None:
    paths = of.report().write(tmp_path / "reports")
    assert {path.name for path in paths} >= {
        "table.md", "table.tex", "table.csv", "trials.csv", "curves.png", "errors.svg", "ranks.pdf", "index.html",
    }  # fmt: skip
    trials = pd.read_csv(tmp_path / "reports" / "program" / "trials.csv")
    assert trials["axis.lr"].tolist()[::5] == [0.1, 0.2, 0.4]
    assert trials["accuracy"].isna().sum() == 1
    trace = trace_cell(tmp_path / "reports" / "program" / "table.csv", "2,median_accuracy")
    assert trace.selected == [trial.id for trial in of.trials()[7:8]]
    assert json.loads(json.dumps(of.report().as_json()))["summaries"][1]["against_baseline"]["won"] == 25


def test_decide_by_another_measure_needs_no_run(of: ProgramExperiment, tmp_path: Path) -> None:
    found = load_experiment(tmp_path / "study.yaml", ["decide_by=loss"], runs=of.runs)
    assert isinstance(found, ProgramExperiment)
    table = found.report().document.tables[0]
    assert table.titles[1] == "Median loss, nats"
    assert [row[1].bold for row in table.rows] == [True, False, False]
    found = load_experiment(tmp_path / "study.yaml", ["measures=[f1]"], runs=of.runs)
    with pytest.raises(RecordError, match="reported no f1; allowed in 'decide_by': accuracy, loss"):
        assert found.report().document


def test_adopted_records_are_reported_and_travel(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace('{seed}"}', '{seed}", files: [train.py]}'))
    (tmp_path / "train.py").touch()
    before = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
    assert isinstance(before, ProgramExperiment)
    for trial in before.trials():
        record(before.runs, trial, [{"epoch": 1, "accuracy": trial.seed / 10, "loss": 1.0}])
    (tmp_path / "train.py").write_text("edited")
    now = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
    assert isinstance(now, ProgramExperiment)
    earlier = find_earlier(now.runs, {trial.id: trial.definition for trial in now.trials()})
    write_adopted(now.runs, {id: {"record": one.record.id, "code": one.codes} for id, (one,) in earlier.items()})
    report = now.report()
    assert report.trials["id"].tolist() == [trial.id for trial in before.trials()]
    assert any("15 records under an earlier train.py" in line for line in report.made_with())
    report_page([report])
    kept = report.keep_records(tmp_path / "kept")
    assert kept and kept.trials == 15 and load_experiment(tmp_path / "study.yaml", runs=tmp_path / "kept").begun


def test_no_measure_takes_the_place_of_another_column(of: ProgramExperiment, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(f"{STUDY}scales: {{small: {{seeds: 2}}}}\n")
    small = load_experiment(tmp_path / "study.yaml", scale="small", runs=of.runs)
    columns = {*small.report().frames()["trials"]} - {"accuracy", "loss"}
    assert {"axis.lr", "seed", "scale", "device"} < columns
    for column in columns:
        with pytest.raises(StudyError, match=f"measures: '{column}' is a .*; let the program report it under another name"):
            load_experiment(tmp_path / "study.yaml", [f"measures=[accuracy, {column}]"], runs=of.runs)
    trial = of.trials()[1]
    record(tmp_path / "other", trial, [{"epoch": 1, "accuracy": 0.5, "loss": 2.0, "seed": 7, "net": 3, "gpu": 4}])
    found = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "other")
    assert isinstance(found, ProgramExperiment)
    (row,) = found.epochs().to_dict("records")
    assert (row["seed"], row["net"], row["gpu"]) == (trial.seed, "lr 0.1", 4)


def test_a_study_that_is_not_complete(of: ProgramExperiment, tmp_path: Path) -> None:
    empty = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "other").report()
    assert empty.document.remarks[0].text == "Incomplete: 0 of 15 trials are recorded."
    assert not empty.figures and len(empty.document.tables) == 1


def test_merge_and_export(of: ProgramExperiment, tmp_path: Path) -> None:
    into = tmp_path / "merged"
    assert merge_runs([of.runs], into).finished == 15
    trial = of.trials()[0]
    other = tmp_path / "other"
    record(other, trial, [{"epoch": 0, "accuracy": 0.1, "loss": 2.0}, {"epoch": 5, "accuracy": 0.5, "loss": 0.5}])
    assert "other errors in epoch 1" in merge_runs([other], into).conflicts[0]
    export_study("program", of.results(), of.runs, "csv", tmp_path / "exports")
    epochs = pd.read_csv(tmp_path / "exports" / "program" / "epochs.csv")
    assert list(epochs.columns)[-4:] == ["epoch", "accuracy", "loss", "seconds"]
    assert len(epochs) == 30
