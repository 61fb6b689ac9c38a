"""The main table as its author shapes it: labels, columns, order, groups, statistic, marks, in every writer."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev

import pytest
from recorded import DIGITS, recorded, written
from typer.testing import CliRunner

from ablate.commands.cli import app
from ablate.errors import StudyError
from ablate.network_experiment import Experiment
from ablate.report.paper_table import paper_table
from ablate.report.report import report_page
from ablate.report.table import Table
from ablate.report.writers.csv import table_csv
from ablate.report.writers.latex import table_latex
from ablate.report.writers.markdown import table_markdown
from ablate.report.writers.plain import table_text

ERRORS: dict[int, list[float | None]] = {0: [7.0, 5.0, 9.5], 1: [6.0, 6.5, 5.5], 2: [9.0, 9.5, 8.0], 3: [3.0, 4.0, 5.0]}
THREE = {place: ERRORS[place] for place in range(3)}
NETS = f"{DIGITS}seeds: 3\nvariants:\n  - net: [WRN-10-1, WRN-10-2, WRN-16-1]\n"
CROSSED = f"{DIGITS}seeds: 3\nvariants:\n  - grid: {{net: WRN-10-1, k: [1, 2], recipe.weight_decay: [0, 0.1]}}\n"
LABELS = "labels: {k: {'1': narrow, '2': wide}, recipe.weight_decay: {'0': w/o decay}}\n"


def table(experiment: Experiment) -> Table:
    return paper_table(experiment.analysis())


def column(found: Table, title: str) -> list[str]:
    return [row[found.titles.index(title)].text for row in found.rows]


def test_a_label_is_the_name_everywhere_and_changes_no_trial(tmp_path: Path) -> None:
    text = f"{NETS}    label: [ours, '', thin]\nbaseline: thin\n"
    experiment = recorded(tmp_path, text, THREE)
    analysis = experiment.analysis()
    assert [summary.name for summary in analysis.summaries] == ["ours", "WRN-10-2", "thin"]
    assert column(table(experiment), "Network") == ["WRN-10-2", "ours", "thin"]
    assert [baseline and baseline.name for baseline in analysis.baselines] == ["thin"] * 3
    assert any(sentence.startswith("ours") or " ours " in sentence for sentence in analysis.sentences)
    assert analysis.as_json()["summaries"][0]["title"] == "ours"
    assert [trial.id for trial in experiment.trials()] == [trial.id for trial in written(tmp_path, NETS).trials()]


def test_words_for_values_of_axes(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, CROSSED + LABELS, ERRORS)
    names = [summary.name for summary in experiment.analysis().summaries]
    assert names == ["narrow, w/o decay", "narrow, weight decay 0.1", "wide, w/o decay", "wide, weight decay 0.1"]
    found = table(experiment)
    assert column(found, "Network") == ["wide", "narrow", "narrow", "wide"]
    assert column(found, "weight decay") == ["0.1", "0.1", "w/o decay", "w/o decay"]
    assert "weight_decay" not in table_markdown(found) + found.caption
    assert experiment.report().as_json()["summaries"][0]["labels"] == {"k": "narrow", "recipe.weight_decay": "w/o decay"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("labels: {kk: {'1': a}}", "s.yaml:7:10: labels: unknown axis 'kk'; "),
        ("labels: {k: {'3': a}}", "s.yaml:7:14: labels.k: found '3'; allowed: 1, 2"),
        ("labels: {k: {'1': a, '2': a}}", "s.yaml:7:14: labels.k: 'a' stands for two values"),
        ("    label: ours", "s.yaml:6:5: label: found 1; allowed: 4, one per variant"),
        ("    label: [a, b, c, a]", "label: 'a' is given twice; give each variant its own"),
        ("    label: [1, b, c, a]", "label: allowed: a text of one line"),
        ("    label: ['', b, c, a]\n  - net: WRN-16-1\n    label: b", "label: 'b' names two variants; give each its own"),
        ("table: {group_by: kk}", "s.yaml:7:9: table.group_by: unknown axis 'kk'; "),
        ("table: {columns: [published]}", "table.columns: 'published' needs 'published' rows; add them"),
        ("table: {order: published}", "table.order: 'published' needs 'published' rows"),
        ("table: {columns: [nets]}", "table.columns: found 'nets'; allowed: name, axes, "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, more: str, message: str) -> None:
    (tmp_path / "s.yaml").write_text(f"{CROSSED}{more}\n")
    told = CliRunner().invoke(app, ["plan", str(tmp_path / "s.yaml")])
    assert isinstance(told.exception, StudyError)
    assert message in str(told.exception).replace(f"{tmp_path}/", "") and "\n" not in str(told.exception)


def test_the_best_comes_first_unless_the_author_says_otherwise(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, NETS, THREE)
    assert column(table(experiment), "Network") == ["WRN-10-2", "WRN-10-1", "WRN-16-1"]
    experiment = written(tmp_path, f"{NETS}table: {{order: study}}\n")
    assert column(table(experiment), "Network") == ["WRN-10-1", "WRN-10-2", "WRN-16-1"]


def test_published_rows_stand_in_the_order_of_the_paper(tmp_path: Path) -> None:
    rows = ["{net: WRN-16-1, cifar10: 9}", "{label: DSN, cifar10: 8, not_run: not built}", "{net: WRN-10-1, cifar10: 7}"]
    told = "published:\n  - source: T\n    rows:\n" + "".join(f"      - {row}\n" for row in rows)
    text = NETS.replace("{name: digits, train_size: 128}", "cifar10") + told
    experiment = recorded(tmp_path, text, THREE)
    assert column(table(experiment), "Network") == ["WRN-16-1", "DSN", "WRN-10-1", "WRN-10-2"]
    experiment = written(tmp_path, f"{text}table: {{order: result}}\n")
    assert column(table(experiment), "Network") == ["WRN-10-2", "WRN-10-1", "WRN-16-1", "DSN"]


def test_columns_by_name_in_the_order_of_the_author(tmp_path: Path) -> None:
    text = f"{NETS}baseline: WRN-10-1\ntable: {{columns: [parameters, result, name]}}\n"
    found = table(recorded(tmp_path, text, THREE))
    assert found.titles == found.brief.titles == ["Parameters", "Median test error, %", "Network"]
    assert column(found, "Network")[1] == "WRN-10-1 (baseline)"  # no column says it


def test_the_mean_and_the_standard_deviation(tmp_path: Path) -> None:
    usual = recorded(tmp_path, f"{NETS}baseline: WRN-10-1\n", {**THREE, 2: [9.0, None, 8.0]})
    found = written(tmp_path, f"{NETS}baseline: WRN-10-1\ntable: {{statistic: mean_std}}\n")
    title = "Test error, %, mean ± SD"
    of_one = [7.0, 5.0, 9.5]
    assert column(table(found), title) == ["6.00 ± 0.50", f"{mean(of_one):.2f} ± {stdev(of_one):.2f}", "–"]
    assert "mean ± SD over 3 seeds" in table(found).caption
    assert found.analysis().sentences == usual.analysis().sentences


def test_marks_are_said_and_each_has_its_own_look(tmp_path: Path) -> None:
    six = {0: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 1: [1.5, 2.5, 3.5, 4.5, 5.5, 5.0], 2: [21.0, 22.0, 23.0, 24.0, 25.0, 26.0]}
    errors: dict[int, list[float | None]] = {place: [*values] for place, values in six.items()}
    text = f"{NETS.replace('seeds: 3', 'seeds: 6')}table: {{mark: [best, second, indistinguishable]}}\n"
    found = table(recorded(tmp_path, text, errors))
    first, second, last = (row[found.titles.index("Median test error, %")] for row in found.rows)
    assert (first.bold, first.underlined, first.shaded) == (True, False, True)
    assert (second.bold, second.underlined, second.shaded) == (False, True, True)
    assert not (last.bold or last.underlined or last.shaded)
    assert "Bold: the lowest. Underlined: the second lowest. Shaded: indistinguishable from the best." in found.caption
    latex = table_latex(found, "A")
    assert r"\cellcolor[gray]{0.88}\bfseries 3.50" in latex and r"{\underline{4.00}}" in latex and "colortbl" in latex
    assert "**`3.50`**" in table_markdown(found)
    found = table(written(tmp_path, text.replace("[best, second, indistinguishable]", "[]")))
    assert not any(cell.bold for row in found.rows for cell in row) and "Bold" not in found.caption


@pytest.mark.usefixtures("unrendered")
def test_groups_of_rows_in_every_writer(tmp_path: Path) -> None:
    experiment = recorded(
        tmp_path, f"{CROSSED}{LABELS}table: {{group_by: recipe.weight_decay, columns: [name, result]}}\n", ERRORS
    )
    found = table(experiment)
    assert found.groups == ((0, "weight decay 0.1"), (2, "w/o decay"))
    assert column(found, "Median test error, %") == ["4.00", "6.00", "7.00", "9.00"]
    text = table_text(found).splitlines()
    assert text[2].startswith("| weight decay 0.1") and text[5].startswith("| ---") and text[6].startswith("| w/o decay")
    assert table_markdown(found).count("**w/o decay**") == 1
    latex = table_latex(found, "A")
    assert r"\multicolumn{2}{l}{\textit{w/o decay}} \\" in latex and latex.count(r"\midrule") == 2
    assert [line.split(",")[0] for line in table_csv(found).splitlines()] == [
        "Group",
        *["weight decay 0.1"] * 2,
        *["w/o decay"] * 2,
    ]
    page = report_page([experiment.report()]).decode()
    assert '<th scope="rowgroup" colspan="2">w/o decay</th>' in page


def test_a_study_of_a_program(tmp_path: Path) -> None:
    text = """\
name: own
program: {command: "python train.py {lr} {wide} {seed}"}
measures: [loss]
seeds: 2
variants:
  - grid: {lr: [0.1, 0.2], wide: [0, 1]}
    label: ['', '', ours, '']
labels: {wide: {'0': narrow, '1': wide}}
table: {group_by: wide, columns: [name, seeds]}
"""
    (tmp_path / "s.yaml").write_text(text)
    (tmp_path / "train.py").write_text("")
    told = CliRunner().invoke(
        app, ["report", str(tmp_path / "s.yaml"), "--runs", str(tmp_path), "--out", str(tmp_path), "--json"]
    )
    assert [row["net"] for row in json.loads(told.stdout)["summaries"]] == [
        "lr 0.1, narrow",
        "lr 0.1, wide",
        "ours",
        "lr 0.2, wide",
    ]
