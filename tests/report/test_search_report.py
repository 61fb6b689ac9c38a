"""What a search says of itself: the order of its candidates, its tables, sentences, files and best.yaml."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from recorded import DIGITS, captions
from recorded import recorded as recorded_study
from search.invented import DROPOUT, INFINITE, candidate, forty, recorded_report, searched

from ablate.errors import RunError, StudyError
from ablate.records.records import read_record
from ablate.report.best_file import best_values, best_yaml
from ablate.report.candidate import Candidate
from ablate.report.candidates_table import candidates_frame, search_tables
from ablate.report.document import Provenance
from ablate.report.report import report_page
from ablate.report.search_analysis import SearchAnalysis
from ablate.report.search_report import SearchReport
from ablate.report.search_sentences import search_finding, search_sentences
from ablate.report.setting import describe_budget
from ablate.report.trace import trace_cell
from ablate.report.trainings import read_trainings, trainings_frame
from ablate.report.writers.markdown import document_markdown
from ablate.statistics.sample_size import seeds_needed
from ablate.study.budget import Budget
from ablate.study.document import read_document
from ablate.study.study import Study

TWO = """\
search:
  space: {dropout: {low: 0.0, high: 0.6, step: 0.05}}
  validation: {folds: 2}
  objective: median_validation_error
  trials: 4
"""
FRONT = """\
search:
  space: {block: ["B(3,3)", "B(3,1)", "B(1,3)", "B(1,1)"]}
  validation: {holdout: 20}
  trials: 4
  also_minimize: parameters
"""


def dropouts(study: Study, errors: Mapping[float, Sequence[float]], **more: Any) -> list[Candidate]:
    return [candidate(study, n, {"dropout": value}, list(of), **more) for n, (value, of) in enumerate(errors.items())]


def report_of(study: Study, candidates: Sequence[Candidate], limit: int | None = None) -> SearchReport:
    return SearchReport(analysis_of(study, candidates, limit))


def analysis_of(
    study: Study, candidates: Sequence[Candidate], limit: int | None = None, file: str = "s.yaml"
) -> SearchAnalysis:
    return SearchAnalysis(study, tuple(candidates), study.folder / "runs", file, None, limit)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchReport, Path]:
    """A report of 40 candidates, with its files."""
    folder = tmp_path_factory.mktemp("search")
    study = searched(folder, DROPOUT.replace("  trials", "  pruner: wilcoxon\n  trials"))
    made = recorded_report(study, forty(study), folder / "runs")
    made.write(folder / "reports")
    return made, folder / "reports" / "invented"


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_lowest_objective_comes_first_and_of_equal_ones_the_lower_number(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO)
    analysis = analysis_of(study, dropouts(study, {0.1: (6, 7), 0.2: (5, 8), 0.3: (4, 6), 0.4: (6, 6)}))
    assert [one.number for one in analysis.ranked] == [2, 3, 0, 1]  # medians 5, 6, 6.5, 6.5
    assert analysis.best is not None and analysis.best.number == 2


def test_of_equal_errors_the_cheaper_comes_first_where_the_cost_counts(tmp_path: Path) -> None:
    study = searched(tmp_path, FRONT)
    errors = {"B(3,3)": 5.0, "B(1,1)": 5.0, "B(3,1)": 5.0}
    made = report_of(study, [candidate(study, n, {"block": b}, [e]) for n, (b, e) in enumerate(errors.items())])
    assert [one.number for one in made.analysis.ranked] == [1, 2, 0]
    assert made.analysis.best is not None and made.analysis.front == [made.analysis.best]
    assert (
        "of 3 candidates that were trained to the end; 2 others have the same value, with no fewer parameters."
        in " ".join(search_sentences(made.analysis))
    )


@pytest.mark.parametrize(
    ("others", "said", "comment"),
    [
        (
            {0.2: (5, 5)},
            "; 1 other has the same value, and this one came first.",
            "# 1 other has the same error; this one came first.",
        ),
        (
            {0.2: (5, 5), 0.3: (4, 6), 0.4: (6, 6)},
            "; 2 others have the same value, and this one came first.",
            "# 2 others have the same error; this one came first.",
        ),
        ({0.2: (6, 6)}, "trained to the end.", "search: invented"),
    ],
)
def test_equal_errors_are_said(tmp_path: Path, others: Any, said: str, comment: str) -> None:
    study = searched(tmp_path, TWO)
    candidates = dropouts(study, {0.1: (5, 5), **others})
    again = candidate(study, 9, {"dropout": 0.1}, [5, 5])  # the best itself, not another
    made = report_of(study, [*candidates, again])
    (sentence,) = [text for text in search_sentences(made.analysis) if "lowest median" in text]
    assert sentence.endswith(said)
    assert best_yaml(made.analysis).decode().splitlines()[1] == comment


def test_a_pruned_or_diverged_candidate_is_never_the_best(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO)
    pruned = candidate(study, 0, {"dropout": 0.1}, [1.0], "pruned")
    diverged = candidate(study, 1, {"dropout": 0.2}, [1.0, INFINITE])
    whole = candidate(study, 2, {"dropout": 0.3}, [9.0, 9.0])
    assert [one.number for one in analysis_of(study, [pruned, diverged, whole]).ranked] == [2]
    assert analysis_of(study, [pruned, diverged]).best is None


def test_the_mean_is_another_order_than_the_median(tmp_path: Path) -> None:
    errors = {0.1: (5.0, 5.0, 8.0), 0.2: (5.5, 5.5, 5.5)}
    orders = []
    for objective in ("median", "mean"):
        text = TWO.replace("folds: 2", "folds: 3").replace("median_validation", f"{objective}_validation")
        study = searched(tmp_path, text)
        made = report_of(study, dropouts(study, errors))
        orders.append([one.number for one in made.analysis.ranked])
        table, *_ = search_tables(made.analysis)
        assert table.titles[2] == objective.capitalize() and f", by {objective} validation error" in table.caption
    assert orders == [[0, 1], [1, 0]]
    assert table.rows[1][5].text == "+0.50"  # of the means, though the medians differ the other way: 6.0 against 5.5


def test_candidates_of_the_same_values_count_once(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO)
    twice = [candidate(study, n, {"dropout": value}, [5, 5]) for n, value in enumerate((0.1, 0.2, 0.1))]
    made = report_of(study, twice)
    assert [one.number for one in made.analysis.distinct] == [0, 1]
    assert made.analysis.ranks == {0: 1, 2: 1, 1: 2}
    assert "1 of 3 candidates repeated another one; its results were used again." in search_sentences(made.analysis)
    assert list(candidates_frame(made.analysis)["rank"]) == [1, 1, 2]


def test_the_table_compares_each_with_the_best(written: tuple[SearchReport, Path]) -> None:
    table, *others = written[0].document.tables
    (caption,) = captions(written[0].document)
    assert not others and len(table.rows) == 10
    assert table.titles == [
        "Candidate", "dropout", "Median", "SD", "Range", "Difference", "Interval", "Won", "p", "p (family)", "n",
    ]  # fmt: skip
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts[0] == ["8", "0.35", "5.08", "0.31", "4.94–5.71", "best", "–", "–", "–", "–", "5"]
    assert texts[1][:8] == ["1", "0.3", "5.09", "0.20", "4.81–5.28", "+0.01", "−0.43 to +0.19 (94%)", "3 of 5"]
    assert table.rows[1][0].mark == "a" and table.notes == (("a", "named in the study file, not sampled"),)
    assert not any(row[2].bold for row in table.rows)  # five folds tell none from the best
    assert "validation error on 5 folds of the training images, 5 trainings per candidate" in caption
    assert "the test images were not read" in caption and "p cannot be below 0.062" in caption
    assert (
        "128 training images" in caption
        and "Searched: dropout (base WRN-16-1). The 10 best of 12 candidates, by" in caption
    )


def test_its_author_names_values_and_shapes_the_table(tmp_path: Path) -> None:
    more = "labels: {dropout: {'0.1': a little, '0.2': more}}\ntable: {columns: [result, axes, name], order: study}"
    study = searched(tmp_path, TWO, more)
    assert study.search and study.search.digest == searched(tmp_path, TWO).search.digest  # type: ignore[union-attr]
    made = report_of(study, dropouts(study, {0.2: [6, 6], 0.1: [5, 5], 0.3: [7, 7]}))
    table = search_tables(made.analysis)[0]
    assert table.titles == ["Median", "dropout", "Candidate"]
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts == [["6.00", "more", "0"], ["5.00", "a little", "1"], ["7.00", "0.3", "2"]]
    assert "Candidate 1 (a little) has the lowest" in " ".join(search_sentences(made.analysis))
    assert "0.2" in candidates_frame(made.analysis).to_csv()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("labels: {k: {'1': one}}", "labels: unknown axis 'k'; allowed: dropout"),
        ("table: {columns: [published]}", "table.columns: found published; allowed: "),
        ("table: {statistic: mean_std}", "table.statistic: not valid with 'search'; leave it out"),
    ],
)
def test_what_the_table_of_a_search_has_not_is_refused(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(StudyError, match=re.escape(message)):
        searched(tmp_path, TWO, more)


def test_the_sentences_say_what_is_so(written: tuple[SearchReport, Path]) -> None:
    said = search_sentences(written[0].analysis)
    assert said[:4] == [
        "The search is unfinished: 39 of 40 candidates have ended.",
        "Candidate 8 (dropout 0.35) has the lowest median validation error, 5.08%, of 12 candidates that were "
        "trained to the end.",
        "Against the second, candidate 1 (dropout 0.3), it is ahead in 2 of 5 trainings. No other in the table can be "
        "distinguished from it, because 5 trainings are too few for 11 comparisons: p cannot be below 0.062.",
        "Any two folds share most of the images that were trained on, so these p-values speak of these images only, not of "
        "other images.",
    ]
    text = " ".join(said)
    assert "The best of 12 candidates is too optimistic" in text and "Any two folds share most of the images" in text
    assert "5 candidates were pruned after 2 to 4 of 5 trainings" in text
    assert "1 candidate was not trained to the end, because a training failed" in text
    assert "The error of 1 candidate is infinite" in text and "seed" not in text


def test_what_many_trainings_can_tell(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO.replace("folds: 2", "folds: 8"))
    near = [5.0 + fold / 10 for fold in range(8)]
    errors = {
        0.3: near,
        0.25: [e + 0.01 + 0.02 * (-1) ** n for n, e in enumerate(near)],
        0.1: [e + 3 for e in near],
        0.6: [e + 4 for e in near],
    }
    said = search_sentences(analysis_of(study, dropouts(study, errors)))
    alike = "1 of the 3 others in the table cannot be distinguished from it: 1 (dropout 0.25)."
    assert f"Against the second, candidate 1 (dropout 0.25), it is ahead in 4 of 8 trainings; {alike}" in said
    del errors[0.25]
    said = search_sentences(analysis_of(study, dropouts(study, errors), limit=3))
    best = "No other of the 3 in the table is better than candidate 0 (dropout 0.3), with 95% confidence. "
    assert f"{best}Against the second, candidate 1 (dropout 0.1), it is ahead in all 8 trainings." in said


def test_a_best_value_on_the_edge_is_said(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO)
    assert "Its dropout, 0, is the lowest of the range" in " ".join(
        search_sentences(analysis_of(study, dropouts(study, {0.0: (5, 5)})))
    )
    parts = "[{when: {k: 1}, low: 0.0, high: 0.2}, {when: {k: 2}, low: 0.1, high: 0.6}]"
    study = searched(tmp_path, f"search: {{space: {{k: [1, 2], dropout: {parts}}}, validation: {{folds: 2}}, trials: 1}}")
    other = search_sentences(analysis_of(study, [candidate(study, 0, {"k": 2, "dropout": 0.2}, [5, 5])]))
    assert not any("of the range" in sentence for sentence in other)  # the edge of the other part
    study = searched(tmp_path, TWO)
    inside = search_sentences(analysis_of(study, dropouts(study, {0.05: (5, 5)})))
    assert not any("of the range" in sentence for sentence in inside)


def test_one_training_says_nothing_of_the_order(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO.replace("folds: 2", "holdout: 20"))
    made = report_of(study, dropouts(study, {0.1: (5,), 0.2: (6,), 0.3: (7,)}))
    assert "With one training per candidate it is not known how certain their order is." in search_sentences(made.analysis)
    (table,) = made.tables()
    titles = [column.title for column in table.columns]
    assert "Difference" in titles and not {"Won", "p", "p (family)", "Interval"} & {*titles}
    assert table.details[-1].endswith("A training against a training allows neither an interval nor a test.")
    assert (
        "validation error on 20 held-out training images, 1 training per candidate"
        in search_tables(made.analysis)[0].caption
    )
    assert "on other images the order may differ" in " ".join(search_sentences(made.analysis))


@pytest.mark.parametrize(
    ("state", "errors", "sentence"),
    [
        ("pruned", [5.0], "4 candidates were pruned after 1 of 2 trainings, as worse than others."),
        ("complete", [INFINITE, INFINITE], "The error of 4 candidates is infinite"),
        ("failed", [], "4 candidates were not trained to the end"),
        ("interrupted", [5.0], "The search is unfinished: 0 of 4 candidates have ended, 4 interrupted."),
        ("running", [], "The search is unfinished: 0 of 4 candidates have ended, 4 being trained."),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unrendered")
def test_without_a_best_candidate_it_is_said(tmp_path: Path, state: Any, errors: list[float], sentence: str) -> None:
    study = searched(tmp_path, TWO)
    made = recorded_report(
        study, [candidate(study, n, {"dropout": n / 20}, errors, state) for n in range(4)], tmp_path / "runs"
    )
    text = " ".join(search_sentences(made.analysis))
    assert sentence in text and "There is no best candidate" in text
    assert search_tables(made.analysis) == [] and not {"best", "value"} & best_values(made.analysis).keys()
    directory = made.write(tmp_path / "reports")[0].parent
    assert len(rows(directory / "table.csv")) == 4 and b"no best candidate" in (directory / "index.html").read_bytes()


def test_a_search_that_has_not_begun_has_a_report(tmp_path: Path) -> None:
    made = report_of(searched(tmp_path, TWO), [])
    names = [path.name for path in made.write(tmp_path / "reports")]
    assert names == ["table.md", "table.tex", "table.csv", "trials.csv", "index.html", "best.yaml"]
    assert search_sentences(made.analysis) == ["No candidate has been trained yet."] and (
        made.analysis.recorded,
        made.analysis.planned,
    ) == (0, 4)
    assert rows(tmp_path / "reports" / "invented" / "table.csv") == []


def test_what_another_search_chose_is_said(tmp_path: Path) -> None:
    study = replace(searched(tmp_path, TWO), chosen=("lr 0.1: the best of 9 candidates of rates",))
    assert "Chosen by a search: lr 0.1: the best of 9 candidates of rates.\n" in document_markdown(
        report_of(study, []).document
    )


def test_one_candidate_alone(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO.replace("folds: 2", "folds: 3"))
    made = report_of(study, dropouts(study, {0.3: (5, 5, 6)}), limit=1)
    assert search_sentences(made.analysis) == [
        "Candidate 0 (dropout 0.3) has the lowest median validation error, 5.00%; it is the only candidate."
    ]
    assert search_tables(made.analysis)[0].titles == ["Candidate", "dropout", "Median", "SD", "Range", "n"]


def test_best_yaml_can_be_read_by_a_study(written: tuple[SearchReport, Path]) -> None:
    made, directory = written
    text = (directory / "best.yaml").read_text()
    assert text.startswith(
        "# A study takes a value from here with {from: invented}, such as dropout: {from: invented}.\nsearch: invented\n"
    )
    assert read_document(directory / "best.yaml").value == {
        "search": "invented",
        "study": "invented_search.yaml",
        "digest": made.analysis.search.digest,
        "finished": False,
        "candidates": 39,
        "objective": "median_validation_error",
        "value": 5.08,
        "trainings": 5,
        "net": "WRN-16-1-dropout0.35",
        "best": {"dropout": 0.35},
    }
    assert "best: {dropout: 0.35}\n" in text


def test_best_yaml_keeps_every_kind_of_value(tmp_path: Path) -> None:
    space = "{block: ['B(3,1,3)', 'B(1)'], recipe.lr: {low: 0.00001, high: 1.0, log: true}, recipe.nesterov: [true, false]}"
    study = searched(tmp_path, f"search: {{space: {space}, validation: {{folds: 2}}, trials: 1}}", "depth_rule: nominal")
    values = {"block": "B(3,1,3)", "recipe.lr": 1.5e-05, "recipe.nesterov": True}
    analysis = analysis_of(study, [candidate(study, 0, values, [5.1, 5.2])])
    (tmp_path / "best.yaml").write_bytes(best_yaml(replace(analysis, study_file="/home/me/studies/s.yaml")))
    found = read_document(tmp_path / "best.yaml").value
    assert found["best"] == values and found["finished"] is True and found["study"] == "s.yaml"
    assert type(found["best"]["recipe.lr"]) is float and found["value"] == 5.15


def test_a_search_of_two_objectives_has_a_pareto_set(tmp_path: Path) -> None:
    study = searched(tmp_path, FRONT)
    blocks = {"B(3,3)": 5.0, "B(3,1)": 6.0, "B(1,3)": 7.0, "B(1,1)": 9.0}  # B(3,1) and B(1,3) cost the same
    made = report_of(study, [candidate(study, n, {"block": b}, [e]) for n, (b, e) in enumerate(blocks.items())])
    assert [one.values["block"] for one in made.analysis.front] == ["B(1,1)", "B(3,1)", "B(3,3)"]
    table = search_tables(made.analysis)[1]
    assert table.label == "invented_pareto" and [row[1].text for row in table.rows] == ["B(1,1)", "B(3,1)", "B(3,3)"]
    assert "Parameters" in table.titles and "Difference" not in table.titles
    found = best_values(made.analysis)
    assert "best" not in found and found["pareto"][0] == {
        "block": "B(1,1)", "net": "WRN-16-1-B(1,1)", "validation_error": 9.0,
        "parameters": made.analysis.costs(made.analysis.front[0])[0],
    }  # fmt: skip
    assert "3 of them are in the Pareto set" in " ".join(search_sentences(made.analysis))


SOLVED = """\
search: {space: {block: ["B(3,3)", "B(1,1)"], k: [1, 2]}, validation: {folds: 3}, trials: 4%s}
budget: {parameters: 200k, tolerance: 10%%, solve: [depth, k], quantum: exact}
depth_rule: nominal
"""


def blocks(study: Study) -> list[Candidate]:
    found = [{"block": block, "k": k} for block in ("B(3,3)", "B(1,1)") for k in (1, 2)]
    return [candidate(study, n, values, [5.0 + n] * 3) for n, values in enumerate(found)]


def test_a_budget_and_what_is_solved_for_it_are_said(tmp_path: Path) -> None:
    study = searched(tmp_path, SOLVED % "")
    made = report_of(study, blocks(study))
    table, net = search_tables(made.analysis)[0], made.analysis.candidates[0].variant.net
    caption = captions(made.document)[0]
    assert "Searched: block, k (base WRN-16-1). 200 k parameters within 10%, depth and k solved. 4 cand" in caption
    assert table.titles[:4] == ["Candidate", "block", "k (start)", "Mean"]  # so that the error is seen on a telephone
    assert table.titles[-3:] == ["Network", "n", "Parameters"] and table.rows[0][-3].text == net
    assert [column.numeric for column in (*table.columns[:4], table.columns[-3])] == [True, False, True, True, False]
    assert f"Candidate 0 (block B(3,3), k 1), {net}, has the lowest" in search_sentences(made.analysis)[0]
    found = best_values(made.analysis)
    assert found["net"] == net and found["best"] == {"block": "B(3,3)", "k": 1}
    two = searched(tmp_path, SOLVED % ", also_minimize: multiply_adds")
    made = report_of(two, blocks(two)[:1])  # of one alone, too
    assert "Network" in search_tables(made.analysis)[0].titles
    assert best_values(made.analysis)["pareto"][0]["net"] == net


def test_a_network_that_is_the_value_is_not_said_twice(tmp_path: Path) -> None:
    text = "search: {space: {net: [WRN-16-1, WRN-10-1]}, validation: {folds: 2}, trials: 2}"
    study = searched(tmp_path, text)
    values = best_values(analysis_of(study, [candidate(study, 0, {"net": "WRN-10-1"}, [5, 5])]))
    assert "net" not in values and values["best"] == {"net": "WRN-10-1"}


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"target": 1_200_000, "solve": ("depth",)}, "1.20 M parameters within 4%, depth solved"),
        ({"target": 80_000}, "80.0 k parameters within 4%"),
        ({"maximum": 5_000, "measure": "multiply_adds"}, "at most 5.00 k multiply-adds"),
        ({"minimum": 10, "maximum": 20, "measure": "activation_memory"},
         "at least 10 and at most 20 bytes of activation memory"),
    ],
)  # fmt: skip
def test_a_budget_in_words(budget: dict[str, Any], said: str) -> None:
    empty = Budget("parameters", None, 0.04, None, None, "error")
    assert describe_budget(replace(empty, **budget)) == said


def test_what_was_pruned_over_epochs_is_counted_in_epochs(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO.replace("  trials", "  pruner: median\n  trials"))
    told = ({1: 60.0}, {1: 60.0, 2: 50.0, 3: 55.0})
    early = [candidate(study, n, {"dropout": n / 10}, [], "pruned", intermediate=steps) for n, steps in enumerate(told)]
    said = "2 candidates were pruned after 1 to 3 of 4 epochs, as worse than others."  # 2 folds of 2 epochs
    assert said in search_sentences(analysis_of(study, early))


def test_without_a_best_the_example_is_of_the_space(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO.replace("dropout: {low: 0.0, high: 0.6, step: 0.05}", "k: [1, 2]"))
    assert b"such as k: {from: invented}.\n" in best_yaml(analysis_of(study, []))


def test_a_short_search_is_told_in_minutes(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO)
    made = recorded_report(study, dropouts(study, {0.1: (5.0, 6.0)}), tmp_path / "runs")
    spent = [read_record(made.analysis.runs, trial.id) for trial in made.analysis.candidates[0].trials]
    minutes = sum(one.result["train_seconds"] + one.result["test_seconds"] for one in spent if one) / 60
    assert 0 < minutes < 6 and f"- {minutes:.2g} device-minutes of training and testing\n" in document_markdown(
        made.document
    )


def test_every_training_can_be_traced(written: tuple[SearchReport, Path]) -> None:
    made, directory = written
    table, trials = rows(directory / "table.csv"), rows(directory / "trials.csv")
    known = {row["id"]: row for row in trials}
    assert len(known) == len(trials)  # one that is shared stands there once
    assert len(table) == 40 and [row["rank"] for row in table[:4]] == ["1", "1", "1", "2"]
    for row in table:
        errors = [known[trial]["validation_error"] for trial in row["trials"].split()]
        assert len(errors) == int(row["n"])
        finite = sorted(float(error) for error in errors if error)
        assert row["min"] == (str(finite[0]) if finite else "")
    assert [row["state"] for row in table if not row["rank"]] == [
        one.state for one in made.analysis.candidates if one.state != "complete" or math.isinf(one.median or 0)
    ]
    assert [(row["fold"], row["seed"]) for row in trials[:6]] == [(str(fold), "0") for fold in (1, 2, 3, 4, 5, 1)]
    assert {row["device"] for row in trials} == {"a processor"}
    assert not [name for name in (*table[0], *trials[0]) if name.startswith("test_")]
    second = trace_cell(directory / "table.csv", f"candidate {table[1]['number']},min")
    assert (second.row, second.rows, second.name) == (2, 40, f"candidate {table[1]['number']}")
    compared = [row for row in table if row["baseline"]]
    assert len(compared) == 9 and {row["baseline_trials"] for row in compared} == {table[0]["trials"]}


@pytest.mark.usefixtures("unrendered")
def test_a_record_on_another_machine_leaves_its_error(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO)
    made = report_of(study, dropouts(study, {0.1: (5.0, 6.0)}))
    made.write(tmp_path / "reports")
    trials = rows(tmp_path / "reports" / "invented" / "trials.csv")
    assert [(row["state"], row["validation_error"]) for row in trials] == [("missing", "5.0"), ("missing", "6.0")]


def test_a_training_belongs_to_the_first_that_is_judged_by_it(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO)
    pruned, whole = (candidate(study, n, {"dropout": 0.1}, [5.0, 6.0][: n + 1], ("pruned", "complete")[n]) for n in (0, 1))
    runs = recorded_report(study, [whole], tmp_path / "runs").analysis.runs
    frame = trainings_frame(read_trainings([pruned, whole], runs), runs)
    assert frame[["candidate", "fold", "validation_error"]].to_numpy().tolist() == [[0, 1, 5.0], [1, 2, 6.0]]


@pytest.mark.usefixtures("unrendered")
def test_the_page_has_the_tables_and_their_trials(written: tuple[SearchReport, Path]) -> None:
    made, _ = written
    document = made.document
    assert list(made.figures) == ["objective", "history", "intermediate"]
    assert [section.heading for section in document.sections] == [
        "What the search can and cannot say", "Figures", "Made with",
    ]  # fmt: skip
    assert document.tables[0].rows[0][2].trials == tuple(trial.id for trial in made.analysis.candidates[8].trials)
    assert document.tables[0].rows[0][1].trials == ()
    provenance = document.sections[-1].content
    assert isinstance(provenance, Provenance)
    fold = provenance.trials.titles.index("fold")
    (training,) = [row for row in provenance.trials.rows if row[0].value == made.analysis.candidates[8].trials[1].id]
    assert (training[fold].value, training[fold].text) == (2, "2")
    text = report_page([made]).decode()
    assert "What the search can and cannot say" in text
    assert text.partition("</main>")[0].count("test error") == 1  # what the validation error is no estimate of


@pytest.mark.usefixtures("unrendered")
def test_a_page_of_studies_and_searches(tmp_path: Path, written: tuple[SearchReport, Path]) -> None:
    text = f"{DIGITS}title: A study\nseeds: 2\nvariants: [{{net: WRN-10-0.25}}]\nfigures: []\n"
    page = report_page(
        [
            recorded_study(tmp_path, text, {0: [5.0, 6.0]}).report(),
            SearchReport(replace(written[0].analysis, candidates=())),
        ]
    ).decode()
    assert "2 ablation studies" in page
    assert "What the seeds can" not in page  # one variant, nothing to say
    assert page.count("What the search can and cannot say") == 1


@pytest.mark.usefixtures("unrendered")
def test_a_scale_stands_everywhere(tmp_path: Path) -> None:
    study = replace(searched(tmp_path, TWO), scale="small")
    made = recorded_report(study, dropouts(study, {0.1: (5, 6), 0.2: (6, 7)}), tmp_path / "runs")
    directory = made.write(tmp_path / "reports")[0].parent
    assert made.document.heading == "A search that was invented (small scale, not the paper's)"
    for name in ("table.md", "table.tex", "index.html"):
        assert "small scale, not the paper" in (directory / name).read_text().lower()
    assert {row["scale"] for row in (*rows(directory / "table.csv"), *rows(directory / "trials.csv"))} == {"small"}
    assert all(made.analysis.badge in [text.get_text() for text in one.figure.texts] for one in made.figures.values())


def test_json_has_stable_names(written: tuple[SearchReport, Path]) -> None:
    found = orjson.loads(orjson.dumps(written[0].as_json()))
    assert found["best"] == 8 and found["finished"] is False and len(found["candidates"]) == 40
    first, last = found["candidates"][0], found["candidates"][-1]
    assert (first["rank"], first["number"], first["median_validation_error"], first["n"]) == (1, 8, 5.08, 5)
    assert last["rank"] is None


def test_figures_that_are_no_more_are_removed(tmp_path: Path) -> None:
    directory = tmp_path / "reports" / "invented"
    directory.mkdir(parents=True)
    for name in ("pareto.svg", "mine.svg"):
        (directory / name).write_text("old")
    report_of(searched(tmp_path, TWO), []).write(tmp_path / "reports")
    assert not (directory / "pareto.svg").exists() and (directory / "mine.svg").exists()


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(RunError, match=r"`out`: .* cannot be a directory"):
        report_of(searched(tmp_path, TWO), []).write(tmp_path / "reports")


def test_a_grid_is_finished_with_what_it_has(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO)
    candidates = dropouts(study, {0.1: (5, 5), 0.2: (6, 6)})
    assert not report_of(study, candidates).analysis.finished
    assert report_of(study, candidates, limit=2).analysis.finished
    failed = [replace(candidates[0], state="failed"), candidates[1]]
    assert not report_of(study, failed, limit=2).analysis.finished


def test_where_the_trainings_prefer_another_it_is_said(tmp_path: Path) -> None:
    """A mean that one bad training moves, and ranks that it does not: "none is better" was said of any verdict."""
    study = searched(tmp_path, TWO.replace("folds: 2", "folds: 12").replace("median_", "mean_"))
    better = [9.9 - fold / 100 for fold in range(11)] + [15.0]
    analysis = analysis_of(study, dropouts(study, {0.1: [10.0] * 12, 0.2: better}))
    assert search_finding(analysis).endswith(
        "it is ahead in 1 of 12 trainings. Yet by the test of the trainings candidate 1 (dropout 0.2) is better than "
        "candidate 0 (dropout 0.1), with 95% confidence."
    )
    assert not any(map(analysis.leads, analysis.distinct))


def test_seeds_needed_are_those_of_the_family(tmp_path: Path) -> None:
    study = searched(tmp_path, TWO.replace("folds: 2", "folds: 5"))
    near = [5.0, 5.4, 5.1, 5.5, 5.2]
    errors = {i / 20: [e + 0.1 * i + 0.1 * ((7 * i + 3 * n) % 5) for n, e in enumerate(near)] for i in range(8)}
    analysis = analysis_of(study, dropouts(study, errors))
    changed = 0
    for one in analysis.top[1:]:
        alone, family = (seeds_needed(one.errors, analysis.top[0].errors, number) for number in (1, 7))
        assert analysis.verdicts[one.number].needed == family
        changed += alone != family
    assert changed
