"""What the figures of a search show, computed first; and that they stay tidy whatever they are given."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report.figures.tidy import assert_tidy
from search.invented import INFINITE, candidate, forty, searched

from ablate.report.candidate import DIVERGED, Candidate
from ablate.report.drawn_figures import draw_figures
from ablate.report.figure_values.search import (
    axis_panels,
    best_so_far,
    candidate_lines,
    candidate_points,
    error_against_cost,
    ordered_importances,
)
from ablate.report.figures.objective import AxisPanel, draw_objective
from ablate.report.figures.search import (
    LOOKS,
    CandidateLine,
    History,
    Intermediate,
    draw_history,
    draw_importances,
    draw_intermediate,
    draw_pareto,
)
from ablate.report.figures.style import to_bytes
from ablate.report.search_analysis import SearchAnalysis
from ablate.report.search_report import SearchReport
from ablate.study.study import Study

LONG = "A title that goes on and on to say what was searched for, on which images and under which budget " * 3
SPACE = "{recipe.lr: {low: 0.001, high: 1.0, log: true}, k: {low: 1, high: 8}, activation: [relu, elu, leaky_relu]}"
THREE = f"search: {{space: {SPACE}, validation: {{folds: 2}}, trials: 12, pruner: median}}"
BLOCKS = """\
search: {space: {block: {l: {low: 1, high: 4}, kernels: [1, 3]}}, validation: {folds: 2}, trials: 16,
  also_minimize: multiply_adds}
depth_rule: nominal
"""


def analysis_of(study: Study, candidates: Sequence[Candidate]) -> SearchAnalysis:
    return SearchAnalysis(study, tuple(candidates), study.folder / "runs", "study.yaml")


def report_of(study: Study, candidates: Sequence[Candidate]) -> SearchReport:
    return SearchReport(analysis_of(study, candidates))


def figures_of(analysis: SearchAnalysis) -> list[str]:
    return list(draw_figures(analysis, "search"))


def history_of(analysis: SearchAnalysis) -> History:
    points = candidate_points(analysis)
    return History(points, best_so_far(points))


def panels_of(analysis: SearchAnalysis) -> list[AxisPanel]:
    return axis_panels(analysis, candidate_points(analysis))


def twelve(study: Study) -> list[Candidate]:
    """12 candidates of three values: a far too high rate, a third of them pruned after an epoch, two named."""
    found = []
    for n in range(12):
        values = {"recipe.lr": round(0.001 * 1.8**n, 6), "k": 1 + n % 8, "activation": ("relu", "elu", "leaky_relu")[n % 3]}
        errors = [5.0 + (n - 6) ** 2 / 4, 5.5 + (n - 6) ** 2 / 4] if n < 11 else [88.0, 89.0]
        told = {step: errors[(step - 1) // 2] + 3 * (step % 2) for step in range(1, 5)}
        if n % 3 == 2:
            found.append(candidate(study, n, values, [], "pruned", intermediate={1: told[1]}))
        else:
            found.append(candidate(study, n, values, errors, enqueued=n in (0, 3), intermediate=told))
    return found


def sixteen(study: Study) -> list[Candidate]:
    """16 blocks, all of them named in the study file."""
    names = [f"B({a},{b},{c},{d})" for a in (1, 3) for b in (1, 3) for c in (1, 3) for d in (1, 3)]
    return [candidate(study, n, {"block": name}, [8 - n % 5 / 3, 8.1], enqueued=True) for n, name in enumerate(names)]


def written(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def test_points_say_what_became_of_each(tmp_path: Path) -> None:
    study = searched(tmp_path)
    named = candidate(study, 0, {"dropout": 0.1}, [6.0] * 5, enqueued=True)
    best = candidate(study, 1, {"dropout": 0.2}, [5.0] * 5)
    repeat = candidate(study, 2, {"dropout": 0.2}, [5.0] * 5)
    pruned = candidate(study, 3, {"dropout": 0.3}, [8.0, 9.0], "pruned")
    early = candidate(study, 4, {"dropout": 0.4}, [], "pruned", intermediate={1: 60.0, 2: 40.0})
    diverged = candidate(study, 5, {"dropout": 0.5}, [INFINITE] * 5)
    failed = candidate(study, 6, {"dropout": 0.6}, [7.0], "failed")
    running = candidate(study, 7, {"dropout": 0.0}, [7.0], "running")
    analysis = analysis_of(study, [named, best, repeat, pruned, early, diverged, failed, running])
    points = candidate_points(analysis)
    assert [(point.kind, point.error, point.repeat) for point in points] == [
        ("enqueued", 6.0, False),
        ("best", 5.0, False),
        ("complete", 5.0, True),
        ("pruned", 8.5, False),
        ("pruned", 40.0, False),
        ("complete", math.inf, False),
        ("complete", math.inf, False),
    ]
    assert best_so_far(points) == [(0, 6.0), (1, 5.0)]
    (panel,) = axis_panels(analysis, points)
    assert [value for value, _ in panel.points] == [0.1, 0.2, 0.3, 0.4]  # neither the repeat nor those without an error


def test_history_has_crosses_and_steps(tmp_path: Path) -> None:
    study = searched(tmp_path)
    figure = draw_history(history_of(analysis_of(study, forty(study))), "title", "caption")
    (axis,) = figure.axes
    crosses = next(line for line in axis.lines if line.get_marker() == "x")
    assert list(crosses.get_xdata()) == [20, 30]
    steps = next(line for line in axis.lines if line.get_drawstyle() == "steps-post")
    assert list(steps.get_xdata()) == [0, 1, 8, 39] and list(steps.get_ydata()) == [6.8, 5.09, 5.08, 5.08]
    assert axis.get_ylabel() == "validation error, %" and axis.get_xlabel() == "candidate"


def test_a_panel_an_axis_with_its_own_scale(tmp_path: Path) -> None:
    study = searched(tmp_path, THREE)
    panels = panels_of(analysis_of(study, twelve(study)))
    rate, width, activation = panels
    assert (rate.log, rate.whole, rate.low, rate.high) == (True, False, 0.001, 1.0)
    assert (width.log, width.whole, width.low, width.high) == (False, True, 1.0, 8.0)
    assert activation.choices == ["relu", "elu", "leaky_relu"]  # in the order of the space
    places = [value for value, point in activation.points if point.number % 3 == 1]  # elu
    assert places == pytest.approx([0.775, 0.925, 1.075, 1.225])  # side by side
    axes = draw_objective(panels, "title", "caption").axes
    assert [axis.get_xlabel() for axis in axes] == ["lr, log scale", "k", "activation"]
    assert [axis.get_xscale() for axis in axes] == ["log", "linear", "linear"]
    assert [axis.get_yscale() for axis in axes] == ["log"] * 3  # 5% to 89%
    assert [bool(axis.collections and axis.lines) for axis in axes] == [True, True, False]  # no curve over choices
    assert "WRN-16-1, lr 0.001" in written(axes[0])


def test_of_many_choices_the_best_are_shown(tmp_path: Path) -> None:
    study = searched(tmp_path, BLOCKS)
    blocks = [f"B({','.join(kernels)})" for l in (1, 2, 3, 4) for kernels in itertools.product("13", repeat=l)]
    candidates = [candidate(study, n, {"block": block}, [30.0 - n] * 2) for n, block in enumerate(blocks)]
    (panel,) = panels_of(analysis_of(study, candidates))
    assert (panel.tried, len(panel.choices), panel.choices[-1]) == (30, 24, "B(3,3,3,3)") and "B(1)" not in panel.choices
    assert draw_objective([panel], "title", "caption").axes[0].get_xlabel() == "block (24 best of 30)"


def test_the_caption_speaks_of_a_curve_where_there_is_one(tmp_path: Path) -> None:
    study = searched(tmp_path)
    for count, said in ((3, False), (40, True)):
        figure = report_of(study, forty(study)[:count]).figures["objective"].figure
        caption = " ".join(figure.texts[-1].get_text().split())
        assert ("Gaussian process" in caption) is said
        assert (
            "validation error on 5 folds of the training images" in caption and "the test images were not read" in caption
        )


def test_a_range_that_depends_on_another_axis_has_no_curve(tmp_path: Path) -> None:
    parts = "[{when: {k: 1}, low: 0.0, high: 0.2}, {when: {k: 2}, low: 0.0001, high: 0.6, log: true}]"
    text = f"search: {{space: {{k: [1, 2], dropout: {parts}}}, validation: {{folds: 2}}, trials: 12}}"
    study = searched(tmp_path, text)
    found = [
        candidate(study, n, {"k": 1 + n % 2, "dropout": round((n + 1) / 64, 2)}, [5 + n % 2, 5 + n / 9]) for n in range(12)
    ]
    figure = report_of(study, found).figures["objective"].figure
    caption = " ".join(figure.texts[-1].get_text().split())
    assert caption.endswith("No curve over dropout, whose range depends on k.") and "Gaussian" not in caption
    assert not any(axis.lines for axis in figure.axes)
    assert figure.axes[1].get_xscale() == "linear"  # 0 is in the range


def test_lines_end_where_a_candidate_was_pruned(tmp_path: Path) -> None:
    study = searched(tmp_path)
    lines = {line.number: line for line in candidate_lines(analysis_of(study, forty(study)), first=1)}
    assert (lines[8].kind, lines[8].steps) == ("best", [1, 2, 3, 4, 5])
    assert (lines[15].kind, lines[15].steps) == ("pruned", [1, 2])
    assert 20 not in lines and 30 not in lines  # failed; told nothing finite
    figure = draw_intermediate(Intermediate(list(lines.values()), "fold"), "t", "c")
    colours = {line.get_color() for line in figure.axes[0].lines}
    assert len(colours) == 2 + 5  # grey, the best's, and one a pruned candidate


def test_the_same_end_is_drawn_once_and_what_diverged_is_not(tmp_path: Path) -> None:
    study = searched(tmp_path)
    told = ({0: 60.0, 1: DIVERGED}, {0: 60.0, 1: DIVERGED}, {0: 60.0, 1: 70.0}, {0: DIVERGED})
    pruned = [candidate(study, n, {"dropout": 0.1}, [], "pruned", intermediate=steps) for n, steps in enumerate(told)]
    lines = candidate_lines(analysis_of(study, pruned))
    assert [(line.number, line.errors) for line in lines] == [(0, [60.0]), (2, [60.0, 70.0])]
    other = candidate(study, 4, {"dropout": 0.2}, [], "pruned", intermediate=told[0])
    assert len(candidate_lines(analysis_of(study, [*pruned, other]))) == 3
    assert [point.error for point in candidate_points(analysis_of(study, pruned))] == [math.inf, math.inf, 70.0, math.inf]


@pytest.mark.parametrize(("validation", "dotted"), [("{folds: 2}", True), ("{holdout: 20}", False)])
def test_the_caption_speaks_of_a_next_training_where_there_is_one(tmp_path: Path, validation: str, dotted: bool) -> None:
    study = searched(tmp_path, THREE.replace("{folds: 2}", validation))
    few = [replace(one, errors=dict(list(one.errors.items())[: len(one.trials)])) for one in twelve(study)]
    caption = report_of(study, few).figures["intermediate"].figure.texts[-1].get_text()
    assert ("dotted" in caption) is dotted


def test_the_next_training_is_marked() -> None:
    line = CandidateLine(0, "best", [1, 2, 3, 4, 5, 6], [9.0, 8, 9, 7, 9, 6])
    figure = draw_intermediate(Intermediate([line], "epoch", every=2), "t", "c")
    dotted = [line.get_xdata() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [list(x) for x in dotted] == [[2.5, 2.5], [4.5, 4.5]]


def test_the_front_is_a_step_line_to_the_end(tmp_path: Path) -> None:
    study = searched(tmp_path, BLOCKS)
    analysis = analysis_of(study, sixteen(study))
    steps = error_against_cost(analysis).front_steps
    assert steps[:-1] == sorted(steps[:-1]) and [error for _, error in steps] == sorted((e for _, e in steps), reverse=True)
    assert steps[-1] == (max(one.variant.counts.multiply_adds for one in analysis.candidates), steps[-2][1])
    figure = draw_pareto(error_against_cost(analysis), "title", "caption")
    assert figure.axes[0].get_xlabel() == "multiply-adds, log scale"
    names, best = {one.label for one in analysis.candidates}, analysis.best
    assert {one.label for one in analysis.front} <= set(written(figure.axes[0])) <= names
    assert best is not None  # a star, so that it has no colour of its own
    others = {"Pareto front", "best", "in the Pareto set", "other candidate", *names} - {best.label}
    assert {text.get_text() for text in figure.legends[0].get_texts()} == others


def test_a_front_of_the_best_alone_has_no_other_in_the_legend(tmp_path: Path) -> None:
    study = searched(tmp_path, BLOCKS)
    two = [candidate(study, n, {"block": block}, [5.0 + n] * 2) for n, block in enumerate(("B(1)", "B(3,3)"))]
    for shown, legend in ((two, ["Pareto front", "best", "other candidate"]), (two[:1], ["Pareto front", "best"])):
        figure = draw_pareto(error_against_cost(analysis_of(study, shown)), "title", "caption")
        assert [text.get_text() for text in figure.legends[0].get_texts()] == legend
        assert next(iter(figure.axes[0].collections)).get_sizes()[0] == LOOKS["best"]["s"]  # type: ignore[attr-defined]


def test_importances_are_in_order() -> None:
    assert ordered_importances({"b": 0.2, "a": 0.2, "c": 0.6}) == [("c", 0.6), ("a", 0.2), ("b", 0.2)]
    axis = draw_importances([("recipe.lr", 0.75), ("k", 0.25)], "title", "caption").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["recipe.lr", "k"]
    assert [bar.get_width() for bar in axis.patches] == [0.75, 0.25] and written(axis) == ["0.75", "0.25"]  # type: ignore[attr-defined]


def test_which_figures_there_are(tmp_path: Path) -> None:
    study = searched(tmp_path)
    three = [candidate(study, n, {"dropout": n / 10}, [6.0 + n] * 5) for n in range(3)]
    made = analysis_of(study, three)
    assert figures_of(made) == ["objective", "history"]
    shares = {"dropout": 1.0}
    assert "importances" not in figures_of(replace(made, importances=shares))  # of one there is nothing to compare
    assert "importances" in figures_of(replace(made, importances={**shares, "k": 0.0}))
    assert "intermediate" in figures_of(analysis_of(study, [replace(three[0], state="pruned"), *three[1:]]))
    assert figures_of(analysis_of(study, [replace(one, errors={0: INFINITE}) for one in three])) == []
    assert figures_of(analysis_of(study, [])) == []
    blocks = searched(tmp_path, BLOCKS)
    assert figures_of(analysis_of(blocks, sixteen(blocks))) == ["objective", "history", "pareto"]


def hostile(folder: Path, name: str) -> Figure:
    badge = "small scale, not the paper's"
    dropout, three, blocks = searched(folder), searched(folder, THREE), searched(folder, BLOCKS)
    match name:
        case "forty":
            return draw_history(history_of(analysis_of(dropout, forty(dropout))), LONG, LONG, badge)
        case "no crosses":
            return draw_history(history_of(analysis_of(three, twelve(three))), LONG, LONG, badge)
        case "one value":
            same = [candidate(dropout, n, {"dropout": 0.3}, [5.0 + n / 9] * 5, enqueued=n < 9) for n in range(40)]
            analysis = analysis_of(dropout, same)
            points = [replace(point, repeat=False) for point in candidate_points(analysis)]
            return draw_objective(axis_panels(analysis, points), LONG, LONG, badge)
        case "three axes":
            return draw_objective(panels_of(analysis_of(three, twelve(three))), LONG, LONG, badge)
        case "pruned at once":
            lines = candidate_lines(analysis_of(three, twelve(three)[2::3]))
            return draw_intermediate(Intermediate(lines, "epoch"), LONG, LONG, badge)
        case "one candidate":
            return draw_pareto(error_against_cost(analysis_of(blocks, sixteen(blocks)[:1])), LONG, LONG, badge)
        case "sixteen blocks":
            return draw_pareto(error_against_cost(analysis_of(blocks, sixteen(blocks))), LONG, LONG, badge)
        case _:
            return draw_importances([(LONG.replace(" ", "_"), 0.0), ("k", 0.0)], LONG, LONG, badge)


@pytest.mark.parametrize(
    "name",
    ["forty", "no crosses", "one value", "three axes", "pruned at once", "one candidate", "sixteen blocks", "importances"],
)
def test_nothing_overlaps_however_often_it_is_drawn(tmp_path: Path, name: str) -> None:
    figure = hostile(tmp_path, name)
    assert_tidy(figure)
    before = [axis.get_position().bounds for axis in figure.axes]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("png", "svg"):
            to_bytes(figure, kind)
    assert np.allclose([axis.get_position().bounds for axis in figure.axes], before, atol=0.03)


def test_the_same_candidates_are_the_same_bytes(tmp_path: Path) -> None:
    study = searched(tmp_path, THREE)
    once, again = (report_of(study, twelve(study)).figures["objective"] for _ in range(2))
    assert once.rendered("svg") == again.rendered("svg")


def test_each_of_several_costs_has_a_panel_and_no_line(tmp_path: Path) -> None:
    study = searched(
        tmp_path, BLOCKS.replace("also_minimize: multiply_adds", "also_minimize: [parameters, activation_memory]")
    )
    analysis = analysis_of(study, sixteen(study))
    points = {one.number: (*analysis.costs(one), analysis.objective(one)) for one in analysis.distinct}
    front = {one.number for one in analysis.front}
    for number, point in points.items():
        beaten = any(other != point and all(a <= b for a, b in zip(other, point)) for other in points.values())
        assert (number in front) is not beaten
    found = error_against_cost(analysis)
    figure = draw_pareto(found, "title", "caption")
    assert len(figure.axes) == 2 and not any(axis.lines for axis in figure.axes)
    assert figure.axes[1].get_xlabel().startswith("bytes of activation memory")
