"""The report of designs: marks of components, the one change of a row, differences, the road map of a path."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from recorded import DIGITS, recorded
from typer.testing import CliRunner

from ablate.commands.cli import app
from ablate.network_experiment import Experiment
from ablate.report.figure_values.designs import path_values
from ablate.report.figures.designs import RoadMap, draw_path
from ablate.report.paper_table import paper_table
from ablate.report.study_report import StudyReport
from ablate.report.table import Table
from ablate.report.writers.latex import table_latex

LEFT_OUT = f"""\
{DIGITS}seeds: 3
variants:
  - leave_one_out:
      base: WRN-10-1-dropout0.3
      without: {{dropout: {{dropout: 0}}, decay: {{recipe.weight_decay: 0, recipe.lr: 0.2}}}}
"""
STEPS = f"""\
{DIGITS}seeds: 3
variants:
  - path:
    - base: WRN-10-1
    - cosine: {{recipe.schedule: cosine}}
    - cutmix: {{recipe.cutmix: 1}}
      kept: false
    - wide: {{k: 2}}
"""
CROSSED = f"""\
{DIGITS}seeds: 3
variants:
  - factorial:
      base: WRN-10-1
      factors: {{cosine: {{recipe.schedule: cosine}}, recipe.lr: [0.1, 0.2]}}
"""
CHANGED = f"{DIGITS}seeds: 3\nvariants:\n  - one_at_a_time: {{base: WRN-10-1, recipe.lr: [0.1, 0.2], dropout: 0.3}}\n"
ERRORS = {0: [7.0, 5.0, 9.0], 1: [6.0, 8.0, 6.5], 2: [9.0, 9.5, 8.0], 3: [3.0, 4.0, 5.0]}
THREE = {place: ERRORS[place] for place in range(3)}


def table(experiment: Experiment) -> Table:
    return paper_table(experiment.analysis())


def texts(found: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in found.rows]


def test_marks_and_differences_of_the_method_without_each_component(tmp_path: Path) -> None:
    found = table(recorded(tmp_path, LEFT_OUT, THREE))
    titles = ["Variant", "dropout", "decay", "Median test error, %", "Range", "n", "Difference to full [90%]"]
    assert found.brief.titles == [title for title in titles if title != "n"]  # parameters, too, are the same
    assert [row[:3] for row in texts(found)] == [["full", "✓", "✓"], ["w/o dropout", "", "✓"], ["w/o decay", "✓", ""]]
    assert [row[0].value is not None and row[1].value for row in found.rows] == [True, False, True]
    assert texts(found.brief)[0][-1] == "baseline" and texts(found.brief)[2][-1].startswith("+")
    assert (
        "Base: WRN-10-1-dropout0.3. Left out: dropout (dropout 0), decay (weight decay 0, not 0.0005, lr 0.2, not 0.1)."
        in found.caption
    )
    written = table_latex(found.brief, "c")
    assert r"full & $\checkmark$ & $\checkmark$ & " in written and "amssymb" in written


def test_the_csv_has_a_column_a_component(tmp_path: Path) -> None:
    analysis = recorded(tmp_path, LEFT_OUT, THREE).analysis()
    rows = list(csv.DictReader(io.StringIO(StudyReport(analysis).frames()["table"].to_csv(index=False))))
    assert [(row["title"], row["with dropout"], row["with decay"]) for row in rows] == [
        ("full", "true", "true"), ("w/o dropout", "false", "true"), ("w/o decay", "true", "false"),
    ]  # fmt: skip
    (first, *_) = analysis.as_json()["summaries"]
    assert first["designs"][0]["levels"] == {"dropout": True, "decay": True} and first["title"] == "full"


def test_many_components_are_said_by_the_label_alone(tmp_path: Path) -> None:
    more = ", ".join(f"c{i}: {{recipe.lr: 0.{i}}}" for i in range(2, 8))
    found = table(recorded(tmp_path, LEFT_OUT.replace("without: {", f"without: {{{more}, "), ERRORS))
    assert found.titles[:2] == ["Variant", "Median test error, %"]


def test_levels_of_an_axis_stand_beside_marks(tmp_path: Path) -> None:
    found = table(recorded(tmp_path, CROSSED, ERRORS))
    assert found.titles[:3] == ["cosine", "lr", "Median test error, %"]
    assert [row[:2] for row in texts(found)] == [["✓", "0.2"], ["", "0.2"], ["", "0.1"], ["✓", "0.1"]]
    assert "Base: WRN-10-1. Components: cosine (schedule cosine, not step)." in found.caption


def test_a_mapping_is_said_in_words(tmp_path: Path) -> None:
    cycle = "{recipe.schedule: {name: one_cycle, cycle_momentum: false, warmup: 0.2}}"
    found = table(recorded(tmp_path, CROSSED.replace("{recipe.schedule: cosine}", cycle), ERRORS))
    assert "cosine (schedule one cycle with cycle momentum off and warmup 0.2, not step)" in found.caption


def test_the_one_change_of_a_row_is_one_column(tmp_path: Path) -> None:
    found = table(recorded(tmp_path, CHANGED, {0: [7.0], 1: [6.0], 2: [8.0]}))
    assert found.titles[:2] == ["Changed", "Network"]
    assert [row[0] for row in texts(found)] == ["base", "lr 0.2", "dropout 0.3"]
    assert found.caption.endswith(" Base: lr 0.1.")


def test_a_path_is_compared_with_the_step_before(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, STEPS, ERRORS)
    found = table(experiment)
    assert found.titles[:4] == ["Variant", "cosine", "cutmix", "wide"] and found.brief.titles[-2:] == [
        "Change [90%]",
        "Parameters",
    ]
    assert [row[0] for row in texts(found)] == ["WRN-10-1", "+ cosine", "+ cutmix (not kept)", "+ wide"]
    assert "each on top of those above it that are kept" in found.caption
    analysis = experiment.analysis()
    against = [baseline.name for summary in analysis.summaries if (baseline := analysis.baseline(summary))]
    assert against == ["WRN-10-1", "WRN-10-1", "+ cosine", "+ cosine"]


def test_the_road_map_goes_from_kept_median_to_median(tmp_path: Path) -> None:
    (info,) = path_values(recorded(tmp_path, STEPS, {**ERRORS, 1: [6.0, None, 8.0]}).analysis())
    road = info.values
    assert isinstance(road, RoadMap)
    assert [(step.label, step.median, step.before, step.kept) for step in road.steps] == [
        ("WRN-10-1", 7.0, None, True), ("+ cosine", 8.0, 7.0, True), ("+ cutmix", 9.0, 8.0, False),
        ("+ wide", 4.0, 8.0, True),
    ]  # fmt: skip
    assert [step.change for step in road.steps] == [None, 1.0, 1.0, -4.0]
    assert road.steps[1].values == [6.0, 8.0]  # a seed that diverged has no point
    figure = draw_path(road, info.title, info.caption)
    drawn = [text.get_text() for text in figure.axes[0].texts]
    assert drawn[:8] == ["7.00", "", "8.00", "+1.00", "9.00", "+1.00", "4.00", "−4.00"]
    bars = [(bar.get_x(), bar.get_width(), bar.get_hatch()) for bar in figure.axes[0].patches]
    assert bars == [(7.0, 1.0, None), (8.0, 1.0, "////"), (8.0, -4.0, None)]
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == ["better", "worse", "not kept"]


def test_the_road_map_writes_the_differences_of_the_table(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, STEPS, ERRORS)
    (info,) = path_values(experiment.analysis())
    assert [step.difference for step in info.values.steps] == [None, -0.5, 2.0, -3.0]  # the medians differ by -2.5 at last
    assert [row[-2].split(" ")[0] for row in texts(table(experiment).brief)] == ["baseline", "−0.50", "+2.00", "−3.00"]
    drawn = [text.get_text() for text in draw_path(info.values, info.title, info.caption).axes[0].texts]
    assert drawn[1:8:2] == ["", "−0.50", "+2.00", "−3.00"]


@pytest.mark.parametrize("errors", [{}, {0: [7.0]}, {0: [None, None], 1: [None], 2: [8.0]}])
def test_a_road_map_of_few_records(tmp_path: Path, errors: dict[int, list[float | None]]) -> None:
    found = list(path_values(recorded(tmp_path, STEPS, errors).analysis()))
    assert len(found) == (len(errors) > 1)
    for info in found:
        draw_path(info.values, info.title, info.caption)


@pytest.mark.usefixtures("unrendered")
def test_the_report_of_a_path_from_the_command_line(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, f"{STEPS}figures: [path]\n", ERRORS)
    arguments = [str(tmp_path / "invented.yaml"), "--runs", str(experiment.runs), "--out", str(tmp_path / "reports")]
    done = CliRunner().invoke(app, ["report", *arguments])
    assert done.exit_code == 0, done.output
    written = {path.name for path in (tmp_path / "reports" / "invented").iterdir()}
    assert {"path.png", "path.svg", "path.pdf"} <= written
    assert "| + cutmix (not kept) |" in (tmp_path / "reports" / "invented" / "table.md").read_text()
    shown = CliRunner().invoke(app, ["plan", str(tmp_path / "invented.yaml"), "--runs", str(experiment.runs), "--json"])
    assert [one["title"] for one in json.loads(shown.stdout)["variants"]] == ["WRN-10-1", "+ cosine", "+ cutmix", "+ wide"]
