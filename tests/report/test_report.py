from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import recorded
from recorded import captions

from ablate.api import load_study
from ablate.errors import RecordError, RunError
from ablate.network_experiment import Experiment
from ablate.report.figure_values.curves import read_curves
from ablate.report.figure_values.errors import errors_of
from ablate.report.figures.training_curves import MEASURES
from ablate.report.numbers import quantity
from ablate.report.setting import describe_data, describe_setting
from ablate.report.study_report import StudyReport
from ablate.report.summary import summarize
from ablate.report.table import Cell, Column, Table, make_table
from ablate.report.writers.latex import latex_escape, table_latex
from ablate.report.writers.markdown import document_markdown, table_markdown

ERRORS = {0: [7.0, 5.0, 9.0], 1: [6.0, 8.0, 4.0]}
STUDY = """\
name: invented
title: An invented study, 100% & more
source: nobody's Table_1
notes: These records were written by a test.
data: {name: digits, train_size: 128}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
seeds: 3
variants:
  - grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10}
baseline: WRN-10-1
"""


def record(runs: Path, trial: Any, error: float | None, **changes: Any) -> None:
    """A record whose first epoch's error is a point above its last one's."""
    recorded.record(runs, trial, error, (error or 90.0) + 1, **changes)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    path = tmp_path / "invented.yaml"
    path.write_text(STUDY)
    return load_study(path, runs=tmp_path / "runs")


def fill(experiment: Experiment, errors: dict[int, list[float | None]]) -> StudyReport:
    for index, of_variant in errors.items():
        for trial, error in zip(experiment.variants[index].trials(experiment.study.seeds), of_variant):
            record(experiment.runs, trial, error)
    return experiment.report()


def cells(table: Table) -> list[dict[str, str]]:
    """The rows of a table, each cell's text by its column."""
    return [dict(zip(table.titles, (cell.text for cell in row))) for row in table.rows]


def test_summaries_are_of_the_seeds_they_say(experiment: Experiment) -> None:
    first, second = fill(experiment, ERRORS).as_json()["summaries"]
    assert (first["net"], second["net"]) == ("WRN-10-1-B(3,3)", "WRN-10-1-B(3,1)")
    assert (first["median_test_error"], first["min"], first["max"]) == (7.0, 5.0, 9.0)
    assert (second["median_test_error"], second["n"], second["seeds"]) == (6.0, 3, [0, 1, 2])
    assert second["test_errors"] == [6.0, 8.0, 4.0]


def test_an_even_number_of_seeds_takes_the_middle(experiment: Experiment) -> None:
    assert fill(experiment, {0: [7.0, 5.0]}).analysis.summaries[0].median == 6.0


def test_missing_seeds_are_said_everywhere(experiment: Experiment) -> None:
    made = fill(experiment, {0: [7.0, 5.0]})
    assert [summary["n"] for summary in made.as_json()["summaries"]] == [2, 0]
    assert made.as_json()["summaries"][1]["median_test_error"] is None
    first, second = cells(made.tables()[0])
    assert first["n"] == "2/3" and second["n"] == "0/3" and second["Range"] == "–"
    assert "over 0 to 2 seeds" in captions(made.document)[0]
    assert "**Incomplete: 2 of 6" in document_markdown(made.document)


@pytest.mark.parametrize(
    ("errors", "median", "cell"),
    [
        ([None, 5.0, 9.0], 9.0, "9.00"),
        ([None, None, 5.0], None, "diverged"),
        ([None, None, None], None, "diverged"),
    ],
)
def test_a_diverged_seed_is_never_left_out(
    experiment: Experiment, errors: list[float | None], median: float | None, cell: str
) -> None:
    made = fill(experiment, {0: errors, 1: [6.0, 8.0, 4.0]})
    summary = made.as_json()["summaries"][0]
    assert summary["median_test_error"] == median and summary["n"] == 3
    assert summary["diverged"] == [seed for seed, error in enumerate(errors) if error is None]
    assert summary["max"] is None
    row = cells(made.tables()[0])[1]  # the better one comes first
    assert row["Median test error, %"] == cell and row["n"] == f"3, {errors.count(None)} diverged"
    assert row["Range"].endswith("–diverged")


def test_networks_of_one_size_are_not_drawn_against_parameters(tmp_path: Path) -> None:
    path = tmp_path / "invented.yaml"
    path.write_text(
        STUDY.replace("grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10}", "grid: {net: WRN-10-1, recipe.lr: [0.1, 0.2]}")
    )
    made = fill(load_study(path, runs=tmp_path / "runs"), ERRORS)
    assert "errors" in made.figures and "parameters" not in made.figures


def test_the_table_compares_with_the_baseline(experiment: Experiment) -> None:
    made = fill(experiment, ERRORS)
    table = made.tables()[1]
    second, first = cells(table)  # the better one comes first
    assert (first["Baseline"], second["Baseline"]) == ("baseline", "WRN-10-1-B(3,3)")
    # 6, 8, 4 against 7, 5, 9: of the nine seed pairs six are won, 6 < 7, 6 < 9, 8 < 9, 4 < 7, 4 < 5, 4 < 9
    assert (second["Difference"], second["P(better)"]) == ("−1.00", "0.67 (0.24–0.92)")
    assert any("cannot be told apart" in sentence for sentence in made.analysis.sentences)
    assert "the smallest possible is 0.100" in " ".join(table.details)  # 2 of the 20 splits of 6 seeds
    without = replace(made.analysis, baselines=(None, None))
    assert "Difference" not in StudyReport(without).tables()[1].titles


def test_varied_axes_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "axes.yaml"
    entry = "- zip: {net: WRN-10-1, recipe.lr: [0.1, 0.05, 0.1], data.train_size: [128, 128, 64]}"
    path.write_text(STUDY.replace("- grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10}", entry))
    table = load_study(path, runs=tmp_path).report().document.tables[0]
    assert table.titles[:3] == ["Network", "lr", "train size"]
    assert [[cell.text for cell in row[1:3]] for row in table.rows] == [["0.1", "128"], ["0.05", "128"], ["0.1", "64"]]


def test_records_on_different_images_are_not_mixed(experiment: Experiment) -> None:
    fill(experiment, ERRORS)
    trial = experiment.trials()[4]
    record(experiment.runs, trial, 5.0, data_digest="00bb")
    with pytest.raises(RecordError, match="00bb"):
        experiment.report()


def test_same_records_same_bytes(experiment: Experiment, tmp_path: Path) -> None:
    fill(experiment, ERRORS)
    script = (
        "import sys; from pathlib import Path; from ablate import load_study\n"
        "load_study(sys.argv[1], runs=sys.argv[2]).report().write(Path(sys.argv[3]))"
    )
    digests = []
    command = [sys.executable, "-c", script, str(tmp_path / "invented.yaml"), str(experiment.runs), str(tmp_path / "two")]
    experiment.report().write(tmp_path / "one")
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "2"})
    for out in ("one", "two"):
        files = sorted((tmp_path / out / "invented").glob("*.*"))
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert digests[0] == digests[1]
    assert set(digests[0]) == {"table.md", "table.tex", "table.csv", "trials.csv", "index.html"} | {
        f"{figure}.{kind}" for figure in ("curves", "errors", "parameters") for kind in ("png", "svg", "pdf")
    }


def test_an_empty_study_still_has_its_tables(experiment: Experiment, tmp_path: Path) -> None:
    paths = experiment.report().write(tmp_path / "out")
    assert {path.name for path in paths} == {"table.md", "table.tex", "table.csv", "trials.csv", "index.html"}


@pytest.mark.usefixtures("unrendered")
def test_files_say_what_they_are_of(experiment: Experiment, tmp_path: Path) -> None:
    fill(experiment, ERRORS).write(tmp_path)
    markdown = (tmp_path / "invented" / "table.md").read_text()
    assert "Digits, 128 training images" in markdown and "last epoch" in markdown
    assert "These records were written by a test." in markdown and "ffffffffffff" in markdown
    trials = list(csv.DictReader(io.StringIO((tmp_path / "invented" / "trials.csv").read_text())))
    assert [(row["seed"], row["test_error"]) for row in trials[:3]] == [("0", "7.0"), ("1", "5.0"), ("2", "9.0")]
    assert {row["id"] for row in trials} == {trial.id for trial in experiment.trials()}
    (first, _) = csv.DictReader(io.StringIO((tmp_path / "invented" / "table.csv").read_text()))
    assert (first["net"], first["median_test_error"], first["seeds"]) == ("WRN-10-1-B(3,3)", "7.0", "0 1 2")


def test_curves_are_medians_over_seeds_epoch_by_epoch(experiment: Experiment) -> None:
    first = read_curves(fill(experiment, ERRORS).analysis.summaries)[0].median()
    assert first[:, MEASURES.index("test_error")].tolist() == [8.0, 7.0]
    assert first[:, MEASURES.index("train_loss")].tolist() == [2.0, 1.0]


def test_every_seed_is_a_point(experiment: Experiment) -> None:
    (panel,) = errors_of(fill(experiment, {0: [7.0, None, 9.0]}).analysis.summaries).panels
    first = panel.variants[0]
    assert first.errors == [7.0, 9.0] and panel.errors == [7.0, 9.0]
    assert first.parameters == experiment.variants[0].counts.parameters


def test_results_are_tidy(experiment: Experiment) -> None:
    fill(experiment, {0: [7.0, 5.0]})
    frame = experiment.results()
    assert len(frame) == 6 and frame.state.tolist() == ["recorded"] * 2 + ["missing"] * 4
    assert frame.test_error[0] == 7.0 and math.isnan(frame.test_error[5])


def test_latex_is_escaped_and_booktabs(experiment: Experiment) -> None:
    text = table_latex(fill(experiment, ERRORS).tables()[0], "100% & more_of $it$ #1 {a}~^\\")
    assert r"100\% \& more\_of \$it\$ \#1 \{a\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")
    assert latex_escape("5–6") == "5--6"


def test_markdown_lines_up_and_is_escaped() -> None:
    text = table_markdown(make_table([Column("a|b", False), Column("n")], [["*x*", "1"], ["_y_z", "23"]]))
    assert text.splitlines() == [r"| a\|b  |   n |", "| ----- | --: |", r"| \*x\* |   1 |", r"| \_y_z |  23 |"]
    assert len({len(line) for line in text.splitlines()}) == 1


def test_marks_and_bold_are_written_in_both_languages() -> None:
    cell = Cell(5.43, "5.43", "a", bold=True)
    table = make_table([Column("a", False), Column("b")], [["x", cell]], notes=[("a", "10 epochs, not 200")])
    markdown, latex = table_markdown(table), table_latex(table, "c")
    assert "**5.43**<sup>a</sup>" in markdown and markdown.endswith("\n<sup>a</sup> 10 epochs, not 200\n")
    assert r"\bfseries 5.43\tnote{a}" in latex and r"\item[a] 10 epochs, not 200" in latex


@pytest.mark.parametrize(
    ("number", "text"),
    [(999, "999"), (1_500, "1.50 k"), (21_000_000, "21.0 M"), (26_400_000, "26.4 M"), (5_243_328_768, "5.24 G")],
)
def test_quantities(number: int, text: str) -> None:
    assert quantity(number) == text


def test_images_are_described_with_what_is_done_to_them(experiment: Experiment) -> None:
    data = experiment.study.data
    assert describe_data(data) == "Digits, 128 training images, mean/std, no augmentation"
    assert describe_data(data.model_copy(update={"train_size": None})) == "Digits, mean/std, no augmentation"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["recipe.compile=never"], "float32"),
        (["recipe.compile=always"], "float32, compiled blocks"),
        (["recipe.compile=auto"], "float32"),  # neither repays it
        (
            ["recipe.compile=auto", "recipe.epochs=100000", "variants=[{net: [WRN-10-1, WRN-10-64]}]"],
            "float32. Varied: compile",
        ),
        (["recipe.gpus=2", "recipe.sync_batch_norm=true"], "float32, 2 GPUs, batch norm of the whole batch"),
    ],
)
def test_what_changes_the_last_bits_is_said(tmp_path: Path, overrides: list[str], said: str) -> None:
    path = tmp_path / "invented.yaml"
    path.write_text(STUDY)
    experiment = load_study(path, overrides, runs=tmp_path / "runs")
    summaries = summarize(experiment.variants, experiment.study.seeds, experiment.runs)
    found = describe_setting(summaries, ". ").partition("learning rate 0.1, ")[2]
    for other in ("; the rest as in the recipe WRN on CIFAR", ", uniform batch norm weights"):
        assert found.count(other) == 1
        found = found.replace(other, "")
    assert found == said


def test_many_varied_axes_leave_room_for_the_figure(tmp_path: Path) -> None:
    path = tmp_path / "axes.yaml"
    changes = "recipe.lr: [0.05], recipe.decay_on: [weights], recipe.momentum_at_drop: [keep], data.preprocess: [scale]"
    entry = "- one_at_a_time: {base: WRN-10-1, " + changes + "}"
    path.write_text(STUDY.replace("- grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10}", entry))
    experiment = load_study(path, runs=tmp_path / "runs")
    made = fill(experiment, {index: [5.0, 6.0, 7.0] for index in range(5)})
    labels = [summary.label for summary in made.analysis.summaries]
    assert labels[:2] == ["WRN-10-1", "WRN-10-1, lr 0.05"] and len(set(labels)) == 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.write(tmp_path)


def test_trials_have_a_column_an_axis_that_varies(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\ndata: digits\nrecipe: wrn_cifar\nseeds: 1\nvariants:\n"
        "  - grid: {block: [B(3,3), B(3,1)], k: [1, 2], depth: 10, recipe.lr: [0.1, 0.2]}\n"
    )
    frame = load_study(path, runs=tmp_path / "runs").results()
    assert list(frame.columns[:6]) == ["net", "block", "k", "recipe.lr", "parameters", "seed"]
    assert frame[["block", "k", "recipe.lr"]].drop_duplicates().shape == (8, 3) == (len(frame), 3)
    assert set(frame.block) == {"B(3,3)", "B(3,1)"} and set(frame.k) == {1.0, 2.0}


@pytest.mark.usefixtures("unrendered")
def test_what_a_killed_report_left_is_removed(experiment: Experiment, tmp_path: Path) -> None:
    fill(experiment, ERRORS)
    directory = tmp_path / "out" / experiment.study.name
    directory.mkdir(parents=True)
    left, mine = directory / ".table.md.0123abcd.tmp", directory / ".mine.tmp"
    for path in (left, mine):
        path.write_text("half")
    experiment.report().write(tmp_path / "out")
    assert not left.exists() and mine.exists()


def test_a_report_is_not_written_through_a_link(experiment: Experiment, tmp_path: Path) -> None:
    fill(experiment, ERRORS)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / experiment.study.name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="cannot be a directory, a file or a link is in its place"):
        experiment.report().write(tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())
