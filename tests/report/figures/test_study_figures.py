"""Figures of trained studies: what is computed for them, and that the drawing shows all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from report.figures.tidy import assert_tidy

from ablate.api import load_study
from ablate.errors import RecordError
from ablate.records.attempts import open_trial, write_result
from ablate.records.epochs import write_epochs
from ablate.records.records import trial_directory
from ablate.report.analysis import analyze_study
from ablate.report.figure_values.curves import curves_of, rate_drops, read_curves
from ablate.report.figure_values.errors import errors_of, parameter_values
from ablate.report.figure_values.selection import gaps, select
from ablate.report.figures.colours import ACCENT, SHADE, looks
from ablate.report.figures.curves import draw_curves, draw_train_test
from ablate.report.figures.errors import ErrorPanel, StudyErrors, VariantErrors, draw_errors, swarm
from ablate.report.figures.parameters import MOST_NAMED, draw_parameters
from ablate.report.figures.training_curves import MEASURES, ImportedCurve
from ablate.report.panels import data_panels, legend_names, panel_labels
from ablate.report.summary import Summary, summarize

STUDY = """\
name: invented
title: An invented study
data: {data}
recipe: {{base: wrn_cifar, epochs: {epochs}, batch_size: 32}}
seeds: 3
variants:
  - {entry}
"""
GRID = "grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10}"
SAME_COUNT = "one_at_a_time: {base: WRN-10-1, recipe.lr: [0.05, 0.01]}"


def study(
    tmp_path: Path,
    errors: Sequence[Sequence[float | None]],  # a variant's errors by seed, infinite where it diverged, None where missing
    entry: str = GRID,
    data: str = "digits",
    epochs: int = 4,
) -> list[Summary]:
    """Summaries of invented records; a seed's errors fall to the given one by a point an epoch."""
    path = tmp_path / "invented.yaml"
    path.write_text(STUDY.format(data=data, entry=entry, epochs=epochs))
    experiment = load_study(path, runs=tmp_path / "runs")
    for variant, of_variant in zip(experiment.variants, errors, strict=True):
        for trial, error in zip(variant.trials((0, 1, 2)), of_variant, strict=True):
            if error is None:
                continue
            directory, diverged = trial_directory(experiment.runs, trial.id), math.isinf(error)
            open_trial(directory, trial.definition)
            last = 3 if diverged else epochs
            by_epoch = {n: 50.0 if diverged else error + (epochs - n) for n in range(1, last + 1)}
            write_epochs(directory, [epoch(n, then) for n, then in by_epoch.items()])
            status: dict[str, Any] = {
                "status": "diverged" if diverged else "completed",
                "epochs": last,
                "data_digest": "00",
            }
            write_result(directory, {**status, "test_error": None if diverged else error})
    return summarize(experiment.variants, (0, 1, 2), experiment.runs)


def epoch(number: int, error: float) -> dict[str, Any]:
    losses = {"train_loss": 2.0 / number, "train_error": error / 2, "test_loss": 1.0, "test_error": error}
    return {"epoch": number, "lr": 0.1 if number <= 2 else 0.01, **losses, "train_seconds": 1.0, "test_seconds": 1.0}


def ys(axis: Axes, **wanted: Any) -> list[list[float]]:
    """The heights of each line whose style is as wanted."""
    lines = [line for line in axis.lines if all(getattr(line, f"get_{key}")() == value for key, value in wanted.items())]
    return [np.asarray(line.get_ydata(), float).tolist() for line in lines]


def offsets(axis: Axes) -> list[tuple[float, float]]:
    """Every point of the axis' scatters."""
    return [tuple(point) for drawn in axis.collections for point in np.asarray(drawn.get_offsets()).tolist()]


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_diverged_seed_is_infinite_from_its_epoch(tmp_path: Path) -> None:
    first, second = read_curves(study(tmp_path, [[7.0, math.inf, None], [5.0, 6.0, 4.0]]))
    train_error, test_error = MEASURES.index("train_error"), MEASURES.index("test_error")
    assert {seed: values[:, test_error].tolist() for seed, values in zip(first.seeds, first.values)} == {
        0: [10.0, 9.0, 8.0, 7.0],
        1: [50.0, 50.0, math.inf, math.inf],
    }
    assert second.values[2][:, train_error].tolist() == [3.5, 3.0, 2.5, 2.0]
    low, high = first.band("test_error")  # of the seeds that have a value
    assert low.tolist() == [10.0, 9.0, 8.0, 7.0] and high.tolist() == [50.0, 50.0, 8.0, 7.0]


def test_a_median_over_diverged_seeds_is_infinite(tmp_path: Path) -> None:
    first, second = read_curves(study(tmp_path, [[7.0, math.inf, math.inf], [5.0, 6.0, 4.0]]))
    test_error = MEASURES.index("test_error")
    assert first.median()[:, test_error].tolist() == [50.0, 50.0, math.inf, math.inf]
    assert second.median()[:, test_error].tolist() == [8.0, 7.0, 6.0, 5.0]


def test_curves_are_stacked_with_a_band_of_the_seeds(tmp_path: Path) -> None:
    curves = curves_of([("", study(tmp_path, [[7.0, 6.0, 9.0], [5.0, 6.0, 4.0]]))])
    loss, error = draw_curves(curves, "title", "caption").axes
    colour = looks(curves.names)["WRN-10-1-B(3,3)"].colour
    assert ys(error, color=colour) == [[10.0, 9.0, 8.0, 7.0]] and ys(loss, color=colour) == [[2.0, 1.0, 2 / 3, 0.5]]
    assert loss.get_yscale() == "log" and error.get_yscale() == "linear" and loss.get_xlim() == error.get_xlim()
    band = error.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (6.0, 12.0) and to_hex(error.collections[0].get_facecolor()[0]) == colour


def test_names_stand_at_the_ends_of_the_lines_in_their_order(tmp_path: Path) -> None:
    curves = curves_of([("", study(tmp_path, [[5.1, 5.1, 5.1], [5.0, 5.0, 5.0]]))])
    figure = draw_curves(curves, "title", "caption")
    names = figure.axes[1].texts
    assert [text.get_text().split() for text in names] == [["WRN-10-1-B(3,3)", "5.10%"], ["WRN-10-1-B(3,1)", "5.00%"]]
    upper, lower = (text.get_window_extent() for text in names)
    assert upper.y0 >= lower.y1 - 1  # as close as their lines are, they do not overlap


def test_drops_of_the_learning_rate_are_marked(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[5.0] * 3] * 2, epochs=5)
    assert rate_drops(summaries) == (2,)
    for axis in draw_curves(curves_of([("", summaries)]), "title", "caption").axes:
        assert [line.get_xdata() for line in axis.lines if len(set(line.get_xdata())) == 1] == [[2.5, 2.5]]  # type: ignore[arg-type]
    assert rate_drops([]) == ()


def test_a_diverged_seed_ends_in_a_cross(tmp_path: Path) -> None:
    figure = draw_curves(curves_of([("", study(tmp_path, [[7.0, 6.0, math.inf], [5.0, 6.0, 4.0]]))]), "title", "caption")
    (cross,) = [line for line in figure.axes[1].lines if line.get_marker() == "x"]
    assert np.asarray(cross.get_xydata()).tolist() == [[2.0, 50.0]]
    assert "(1 diverged)" in figure.axes[1].texts[0].get_text() and "before it diverged" in legend_texts(figure)[0]


def test_the_legend_has_no_cross_where_none_is_drawn(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0, 6.0, math.inf], [5.0, 6.0, 4.0]])
    curves = curves_of([("", summaries)])
    for seeds in curves.panels[0].curves:
        for values in seeds.values:
            if np.isinf(values).any():
                values[:] = math.inf  # as if the seed had diverged in epoch 1
    for figure in (draw_curves(curves, "title", "caption"), draw_train_test(curves, "title", "caption")):
        lines = [line for axis in figure.axes for line in axis.lines if line.get_marker() == "x"]
        assert not [line for line in lines if len(np.asarray(line.get_xdata())) == 1]
        assert not any("before it diverged" in text.get_text() for legend in figure.legends for text in legend.get_texts())


def test_panels_share_colours(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0, 6.0, 9.0], [5.0, 6.0, 4.0]])
    curves = curves_of([(f"panel {n}", [summaries[n % 2]]) for n in range(3)])
    axes = draw_curves(curves, "title", "caption").axes
    assert [axis.get_title(loc="left") for axis in axes[::2]] == ["panel 0", "panel 1", "panel 2"]
    drawn = [{line.get_color() for line in axis.lines if line.get_marker() != "None"} for axis in axes[1::2]]
    first, second = (one.colour for one in looks(curves.names).values())
    assert drawn == [{first}, {second}, {first}]


def test_imported_curves_are_grey_and_only_in_their_panel(tmp_path: Path) -> None:
    first, second = study(tmp_path, [[7.0, 6.0, 9.0], [5.0, 6.0, 4.0]])
    rows = [{"epoch": 1, "train_loss": None, "test_error": 30.0}, {"epoch": 2, "train_loss": 0.5, "test_error": None}]
    log = ImportedCurve("an author's log", rows, "b")
    axes = draw_curves(curves_of([("a", [first]), ("b", [second])], [log]), "title", "caption").axes
    greys = [[line for line in axis.lines if line.get_color() == "#555555"] for axis in axes]
    assert [len(lines) for lines in greys] == [0, 0, 1, 1]
    assert np.asarray(greys[2][0].get_xydata()).tolist() == [[2.0, 0.5]]
    assert np.asarray(greys[3][0].get_xydata()).tolist() == [[1.0, 30.0]]
    assert any("log 30.00%" in text.get_text().replace("\n", " ") for text in axes[3].texts)


def test_many_variants_with_long_names_stay_in_the_frame(tmp_path: Path) -> None:
    entry = "grid: {block: [B(3,3), B(3,1)], k: [1, 2, 4], depth: 28, dropout: [0, 0.3], recipe.lr: [0.05]}"
    errors: list[list[float | None]] = [[4.0 + 7 * n, 4.0 + 7 * n, math.inf] for n in range(11)]
    summaries = study(tmp_path, [*errors, [None, None, math.inf]], entry, epochs=5)
    title, caption, badge = "A title of many words " * 8, "A caption of many words " * 20, "SMALL SCALE"
    log = [ImportedCurve("a log", [{"epoch": 1, "train_loss": 1.0, "test_error": 50.0}])]
    multiples = draw_curves(curves_of([("", summaries)], log), title, caption, badge)
    assert_tidy(multiples)
    titles = [axis.get_title(loc="left") for axis in multiples.axes[::2]]
    assert len(titles) == 13 and titles[0].startswith("WRN-28-1-B(3,3)")  # the best first, and the log
    assert_tidy(draw_curves(curves_of([("one", summaries[:7]), ("two", summaries[:1])], log), title, caption, badge))
    assert_tidy(draw_train_test(curves_of(data_panels(summaries)), title, caption, badge))
    assert_tidy(draw_errors(errors_of(summaries, {id(summaries[-1])}), title, caption, badge))
    assert_tidy(draw_parameters(errors_of(summaries), title, caption, badge))


def test_train_and_test_error_share_an_axis(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0, 6.0, 9.0], [5.0, 6.0, 4.0]])
    curves = curves_of(data_panels(summaries))
    (axis,) = draw_train_test(curves, "title", "caption").axes
    colour = looks(curves.names)["WRN-10-1-B(3,3)"].colour
    assert "%" in axis.get_ylabel()
    assert ys(axis, color=colour, linestyle="-") == [[10.0, 9.0, 8.0, 7.0]]
    assert ys(axis, color=colour, linestyle="--") == [[5.0, 4.5, 4.0, 3.5]]
    assert axis.get_ylim()[0] == 0.0 and axis.get_ylim()[1] > 9.0


def test_a_single_epoch_is_a_point(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[5.0, 5.0, 5.0]], "net: [WRN-10-1]", epochs=1)
    axis = draw_curves(curves_of([("", summaries)]), "title", "caption").axes[1]
    (median,) = axis.lines
    assert median.get_marker() in "osD^vPX*<>hp" and list(axis.get_xticks()) == [1]


def test_data_sets_are_panels_and_networks_keep_their_names(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[5.0, 5.0, 5.0]] * 3 + [[25.0, None, math.inf]], GRID, "[cifar10, cifar100]")
    panels = data_panels(summaries)
    assert [title for title, _ in panels] == ["CIFAR-10", "CIFAR-100"]
    assert panel_labels(panels) == [["WRN-10-1-B(3,3)", "WRN-10-1-B(3,1)"]] * 2
    assert list(legend_names(panels).values())[1] == "WRN-10-1-B(3,1) (CIFAR-100: 2/3, 1 diverged)"
    errors = draw_errors(errors_of(summaries), "title", "caption")
    assert [axis.get_title(loc="left") for axis in errors.axes] == ["CIFAR-10", "CIFAR-100"]


def test_one_data_set_is_one_panel(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[5.0] * 3] * 3, SAME_COUNT)
    panels = data_panels(summaries)
    assert [title for title, _ in panels] == [""]
    assert panel_labels(panels) == [["WRN-10-1", "WRN-10-1, lr 0.05", "WRN-10-1, lr 0.01"]]
    # A variant keeps its name, and so its colour, in a panel where it is alone.
    assert panel_labels([*panels, ("alone", summaries[1:2])])[1] == ["WRN-10-1, lr 0.05"]
    assert len(set(panel_labels([("twice", [summaries[0], summaries[0]])])[0])) == 2


def test_errors_are_sorted_and_every_seed_is_drawn(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0, 7.0, 7.0], [5.0, 6.0, 4.0]])
    published = {id(summaries[1]): 5.5}
    figure = draw_errors(errors_of(summaries, {id(summaries[0])}, published, {id(summaries[1])}), "title", "caption")
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["WRN-10-1-B(3,1)", "WRN-10-1-B(3,3)"]
    assert axis.get_yticklabels()[1].get_color() == ACCENT
    assert [text.get_text() for text in axis.texts if text.get_text() != "median"] == ["5.00", "7.00"]
    points = [np.round(np.asarray(line.get_xydata(), float), 2).tolist() for line in axis.lines]
    assert [[5.0, 0.0], [6.0, 0.0], [4.0, 0.0]] in points and [[7.0, 1.0], [7.0, 1.14], [7.0, 0.86]] in points
    assert [[5.5, 0.0]] in points  # the diamond
    assert [line.get_color() for line in axis.lines if np.asarray(line.get_xydata()).tolist() == [[7.0, 1.0]]] == [ACCENT]
    assert legend_texts(figure) == ["seed", "median", "baseline", "indistinguishable from the best", "published"]
    assert axis.get_xscale() == "linear"


def test_rows_that_cannot_be_told_from_the_best_are_shaded() -> None:
    variants = [
        VariantErrors(label=name, errors=[place], median=place, like_best=name != "c") for place, name in enumerate("abc")
    ]
    (axis,) = draw_errors(StudyErrors([ErrorPanel("", variants)], {name: name for name in "abc"}, gaps=[2]), "", "").axes
    shades = [patch.get_extents().transformed(axis.transData.inverted()) for patch in axis.patches]
    assert [round(shade.y0 + shade.y1, 6) / 2 for shade in shades] == [0.0, 1.0]
    assert all(to_hex(patch.get_facecolor()) == SHADE for patch in axis.patches)
    assert [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--"] == [1.5]  # type: ignore[index]


@given(st.integers(0, 60), st.integers(4, 30), st.sets(st.integers(0, 60)))
def test_of_many_variants_the_best_the_baseline_and_the_last_are_shown(count: int, most: int, baselines: set[int]) -> None:
    ranked = list(range(count))
    shown, words = select(ranked, most, baselines.__contains__)
    assert shown == sorted(shown) and len(shown) == min(count, most) and (words == "") == (count <= most)
    if words:
        kept = baselines & set(ranked)
        assert {0, count - 1} <= set(shown) and (kept <= set(shown) or len(kept) > most // 4)
        assert [shown[row] - shown[row - 1] > 1 for row in gaps(ranked, shown)] == [True] * len(gaps(ranked, shown))
    assert select(range(9), 4, lambda one: one == 5)[1] == "4 of 9 variants: the best 2, the baseline, the last 1"


def test_errors_far_apart_get_a_logarithmic_axis(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[4.0, 4.1, 4.2], [90.0, 89.0, 88.0]])
    (axis,) = draw_errors(errors_of(summaries), "title", "caption").axes
    assert axis.get_xscale() == "log" and "log scale" in axis.get_xlabel()
    (axis,) = draw_parameters(errors_of(summaries), "title", "caption").axes
    assert axis.get_yscale() == "log" and "log scale" in axis.get_ylabel()


def test_parameters_show_seeds_medians_and_the_front(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[6.0, 7.0, 8.0], [4.0, 5.0, 6.0], [5.0, 5.5, 6.0]], "net: [WRN-10-1, WRN-10-2, WRN-10-4]")
    (axis,) = draw_parameters(errors_of(summaries), "title", "caption").axes
    counts = [float(summary.variant.counts.parameters) for summary in summaries]
    wanted = [(count, error) for count, s in zip(counts, summaries) for error in s.errors]
    wanted += [(count, float(s.median or 0)) for count, s in zip(counts, summaries)]
    assert np.allclose(sorted(offsets(axis)), sorted(wanted))
    assert axis.get_xscale() == "log"
    (front,) = axis.lines
    assert front.get_drawstyle() == "steps-post"
    assert np.allclose(np.asarray(front.get_xydata()), [[counts[0], 7.0], [counts[1], 5.0], [counts[2], 5.0]])
    hollow = {tuple(drawn.get_offsets()[0]) for drawn in axis.collections if to_hex(drawn.get_facecolor()[0]) == "#ffffff"}
    assert np.allclose(list(hollow), [(counts[2], 5.5)])
    assert {text.get_text() for text in axis.texts} == {"WRN-10-1", "WRN-10-2", "WRN-10-4"}


def test_equal_counts_stand_at_their_place_and_all_have_names(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0] * 3, [6.0] * 3, [5.0] * 3], SAME_COUNT)
    (axis,) = draw_parameters(errors_of(summaries), "title", "caption").axes
    assert {x for x, _ in offsets(axis)} == {float(summaries[0].variant.counts.parameters)}
    assert [label.get_text() for label in axis.get_xticklabels()] == ["77.6 k"]
    assert len(axis.texts) == 3


def test_of_many_variants_the_front_alone_has_names_and_colours() -> None:
    count = MOST_NAMED + 1
    variants = [
        VariantErrors(label=str(n), parameters=n + 1, errors=[1.0, 2.0], median=float(n % 7), on_front=n == 0)
        for n in range(count)
    ]
    (axis,) = draw_parameters(StudyErrors([ErrorPanel("", variants)], {str(n): "" for n in range(count)}), "", "").axes
    assert [text.get_text() for text in axis.texts] == ["0"]
    assert len(offsets(axis)) == count + 1  # every median, the front once more, no seeds


@pytest.mark.parametrize(("entry", "drawn"), [(SAME_COUNT, False), ("net: [WRN-10-1, WRN-10-2, WRN-10-4]", True)])
def test_parameters_are_drawn_where_they_differ(tmp_path: Path, entry: str, drawn: bool) -> None:
    study(tmp_path, [[5.0] * 3] * 3, entry)
    experiment = load_study(tmp_path / "invented.yaml", runs=tmp_path / "runs")
    analysis = analyze_study(experiment.study, experiment.variants, experiment.baselines, experiment.runs)
    assert bool(list(parameter_values(analysis))) is drawn


def test_where_all_seeds_diverged_the_names_and_axes_stay(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[math.inf] * 3] * 2, "net: [WRN-10-1, WRN-10-4]")
    (errors,) = draw_errors(errors_of(summaries, {id(summaries[0])}), "title", "caption").axes
    assert errors.get_xlim() == (0.0, 100.0)
    assert [text.get_text() for text in errors.texts] == ["diverged", "diverged", "median"]
    assert [label.get_text() for label in errors.get_yticklabels()][1] == "WRN-10-4 (3 diverged)"
    (parameters,) = draw_parameters(errors_of(summaries), "title", "caption").axes
    low, high = parameters.get_xlim()
    assert all(low < summary.variant.counts.parameters < high for summary in summaries)
    figure = draw_curves(curves_of([("", summaries)]), "title", "caption")
    assert len([line for line in figure.axes[1].lines if line.get_marker() == "x"]) == 6


def test_records_that_lost_their_epochs_are_not_drawn_as_if_they_had_none(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[5.0] * 3] * 2)
    next(tmp_path.rglob("epochs.jsonl")).unlink()
    with pytest.raises(RecordError, match=r"damaged, its epochs.jsonl is not that of its result.json"):
        draw_curves(curves_of([("", summaries)]), "title", "caption")


def test_without_epochs_the_curves_are_empty(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[None] * 3] * 2)
    assert not any(values.size for each in read_curves(summaries) for values in each.values)
    assert_tidy(draw_curves(curves_of([("", summaries)]), "title", "caption"))
    assert_tidy(draw_train_test(curves_of(data_panels(summaries)), "title", "caption"))


def test_swarm_by_hand() -> None:
    assert swarm([5.0, 1.0, 5.0, 5.0], 0.5, 0.1, 0.3) == [0.0, 0.0, 0.1, -0.1]
    crowded: Mapping[float, int] = {place: swarm([1.0] * 6, 0.5, 0.1, 0.1).count(place) for place in (0.0, 0.1, -0.1)}
    assert crowded == {0.0: 2, 0.1: 2, -0.1: 2}


def test_a_style_of_the_study_reaches_its_live_figures(tmp_path: Path) -> None:
    study(tmp_path, [[5.0] * 3] * 2, "net: [WRN-10-1, WRN-10-4]")
    overrides = ["figure_style.width=84mm", "figure_style.font=serif", "figure_style.title=false"]
    experiment = load_study(tmp_path / "invented.yaml", overrides, runs=tmp_path / "runs")
    figures = experiment.report().figures
    assert {"curves", "errors", "parameters"} <= figures.keys()
    for one in figures.values():
        assert math.isclose(one.figure.get_figwidth(), 84 / 25.4) and not one.figure.texts[:1]
    figures["errors"].figure.axes[0].set_xlabel("error on CIFAR-10 (%)")  # a figure of matplotlib, as live as any
    assert b"error on CIFAR-10" in figures["errors"].rendered("svg")
