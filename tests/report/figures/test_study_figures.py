"""Figures of trained studies: what is computed for them, and that the drawing shows all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from report.figures.tidy import assert_tidy

from ablate.api import load_study
from ablate.errors import RecordError
from ablate.records.epochs import write_epochs
from ablate.records.records import open_trial, trial_directory, write_result
from ablate.report.curves import curve_points, read_curves
from ablate.report.figure_values.curves import curves_of
from ablate.report.figure_values.errors import errors_of
from ablate.report.figures.curves import draw_curves
from ablate.report.figures.errors import draw_errors, swarm
from ablate.report.figures.parameters import dodge, draw_parameters
from ablate.report.figures.style import look
from ablate.report.figures.train_test import draw_train_test
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
            write_epochs(directory, [epoch(n, 50.0 if diverged else error + (epochs - n)) for n in range(1, last + 1)])
            status: dict[str, Any] = {
                "status": "diverged" if diverged else "completed",
                "epochs": last,
                "data_digest": "00",
            }
            write_result(directory, {**status, "test_error": None if diverged else error})
    return summarize(experiment.variants, (0, 1, 2), experiment.runs)


def epoch(number: int, error: float) -> dict[str, Any]:
    losses = {"train_loss": 2.0 / number, "train_error": error / 2, "test_loss": 1.0, "test_error": error}
    return {"epoch": number, "lr": 0.1, **losses, "train_seconds": 1.0, "test_seconds": 1.0}


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


def test_a_median_over_diverged_seeds_is_infinite(tmp_path: Path) -> None:
    points = curve_points(study(tmp_path, [[7.0, math.inf, math.inf], [5.0, 6.0, 4.0]]))
    assert points[points.variant == 0].test_error.tolist() == [50.0, 50.0, math.inf, math.inf]
    assert points[points.variant == 1].test_error.tolist() == [8.0, 7.0, 6.0, 5.0]


def test_curves_show_every_seed_and_the_median_thick(tmp_path: Path) -> None:
    figure = draw_curves(curves_of([("", study(tmp_path, [[7.0, 6.0, 9.0], [5.0, 6.0, 4.0]]))]), "title", "caption")
    loss_axis, error_axis = figure.axes
    colour = look(0).colour
    seeds = sorted(ys(error_axis, color=colour, alpha=0.35))
    assert seeds == [[9.0, 8.0, 7.0, 6.0], [10.0, 9.0, 8.0, 7.0], [12.0, 11.0, 10.0, 9.0]]
    (median,) = ys(error_axis, color=colour, alpha=None)
    assert median == [10.0, 9.0, 8.0, 7.0]
    losses = ys(loss_axis, color=colour)
    assert losses == [[2.0, 1.0, 2 / 3, 0.5]] * 4
    assert {line.get_linestyle() for line in loss_axis.lines} == {"--"}
    assert {line.get_linestyle() for line in error_axis.lines} == {"-"}
    assert error_axis.yaxis.get_label_position() == "right" and "test error, %" in error_axis.get_ylabel()
    widths = {line.get_alpha(): line.get_linewidth() for line in error_axis.lines}
    assert widths[None] > 2 * widths[0.35]


def test_a_diverged_seed_ends_in_a_cross(tmp_path: Path) -> None:
    figure = draw_curves(curves_of([("", study(tmp_path, [[7.0, 6.0, math.inf], [5.0, 6.0, 4.0]]))]), "title", "caption")
    (cross,) = [line for line in figure.axes[1].lines if line.get_marker() == "x"]
    assert np.asarray(cross.get_xydata()).tolist() == [[2.0, 50.0]]
    assert legend_texts(figure)[0] == "WRN-10-1-B(3,3) (1 diverged)" and "before it diverged" in legend_texts(figure)[-1]


def test_the_legend_has_no_cross_where_none_is_drawn(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0, 6.0, math.inf], [5.0, 6.0, 4.0]])
    curves = curves_of([("", summaries)])
    for seeds in curves.panels[0].curves:
        for values in seeds.values:
            if np.isinf(values).any():
                values[:] = math.inf  # as if the seed had diverged in epoch 1
    for figure in (draw_curves(curves, "title", "caption"), draw_train_test(curves, "title", "caption")):
        assert not [line for axis in figure.axes for line in axis.lines if line.get_marker() == "x"]
        assert not any("before it diverged" in text for text in legend_texts(figure))


@pytest.mark.parametrize("panels", [2, 3, 4, 5])
def test_panels_stand_side_by_side_and_share_colours(tmp_path: Path, panels: int) -> None:
    summaries = study(tmp_path, [[7.0, 6.0, 9.0], [5.0, 6.0, 4.0]])
    figure = draw_curves(curves_of([(f"panel {n}", [summaries[n % 2]]) for n in range(panels)]), "title", "caption")
    lefts, rights = figure.axes[:panels], figure.axes[panels:]
    assert [axis.get_title(loc="left") for axis in lefts] == [f"panel {n}" for n in range(panels)]
    assert [{line.get_color() for line in axis.lines} for axis in rights] == [{look(n % 2).colour} for n in range(panels)]
    assert legend_texts(figure) == ["WRN-10-1-B(3,3)", "WRN-10-1-B(3,1)"]


def test_imported_curves_are_grey_and_only_in_their_panel(tmp_path: Path) -> None:
    first, second = study(tmp_path, [[7.0, 6.0, 9.0], [5.0, 6.0, 4.0]])
    rows = [{"epoch": 1, "train_loss": None, "test_error": 30.0}, {"epoch": 2, "train_loss": 0.5, "test_error": None}]
    log = ImportedCurve("an author's log", rows, "b")
    figure = draw_curves(curves_of([("a", [first]), ("b", [second])], [log]), "title", "caption")
    *_, error_a, error_b = figure.axes
    greys = [[line for line in axis.lines if len(set(to_rgb(line.get_color()))) == 1] for axis in figure.axes]
    assert [len(lines) for lines in greys] == [0, 1, 0, 1] and error_a is not error_b
    loss, error = greys[1][0], greys[3][0]
    assert np.asarray(loss.get_xydata()).tolist() == [[2.0, 0.5]]
    assert np.asarray(error.get_xydata()).tolist() == [[1.0, 30.0]]
    assert "an author's log" in legend_texts(figure)


def test_twelve_variants_with_long_names_stay_in_the_frame(tmp_path: Path) -> None:
    entry = "grid: {block: [B(3,3), B(3,1)], k: [1, 2, 4], depth: 28, dropout: [0, 0.3], recipe.lr: [0.05]}"
    errors: list[list[float | None]] = [[4.0 + 7 * n, 4.0 + 7 * n, math.inf] for n in range(11)]
    summaries = study(tmp_path, [*errors, [None, None, math.inf]], entry, epochs=5)
    title, caption, badge = "A title of many words " * 8, "A caption of many words " * 20, "SMALL SCALE"
    log = [ImportedCurve("a log", [{"epoch": 1, "train_loss": 1.0, "test_error": 50.0}])]
    assert_tidy(draw_curves(curves_of([("one", summaries), ("two", summaries[:1])], log), title, caption, badge))
    assert_tidy(draw_train_test(curves_of(data_panels(summaries)), title, caption, badge))
    assert_tidy(draw_errors(errors_of(summaries, summaries[-1:]), title, caption, badge))
    assert_tidy(draw_parameters(errors_of(summaries), title, caption, badge))


def test_train_and_test_error_share_an_axis(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0, 6.0, 9.0], [5.0, 6.0, 4.0]])
    figure = draw_train_test(curves_of(data_panels(summaries)), "title", "caption")
    (axis,) = figure.axes
    assert "%" in axis.get_ylabel()
    assert ys(axis, color=look(0).colour, alpha=None, linestyle="-") == [[10.0, 9.0, 8.0, 7.0]]
    assert ys(axis, color=look(0).colour, alpha=None, linestyle="--") == [[5.0, 4.5, 4.0, 3.5]]
    assert axis.get_ylim()[0] == 0.0 and axis.get_ylim()[1] > 9.0


def test_a_single_epoch_is_a_point(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[5.0, 5.0, 5.0]], "net: [WRN-10-1]", epochs=1)
    figure = draw_curves(curves_of([("", summaries)]), "title", "caption")
    (median,) = [line for line in figure.axes[1].lines if line.get_alpha() is None]
    assert median.get_marker() == look(0).marker and list(figure.axes[1].get_xticks()) == [1]


def test_data_sets_are_panels_and_networks_keep_their_names(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[5.0, 5.0, 5.0]] * 3 + [[25.0, None, math.inf]], GRID, "[cifar10, cifar100]")
    panels = data_panels(summaries)
    assert [title for title, _ in panels] == ["CIFAR-10", "CIFAR-100"]
    assert panel_labels(panels) == [["WRN-10-1-B(3,3)", "WRN-10-1-B(3,1)"]] * 2
    assert list(legend_names(panels).values())[1] == "WRN-10-1-B(3,1) (CIFAR-100: 2/3, 1 diverged)"
    errors = draw_errors(errors_of(summaries), "title", "caption")
    assert [axis.get_title(loc="left") for axis in errors.axes] == ["CIFAR-10", "CIFAR-100"]
    assert offsets(errors.axes[1])[-1] == (25.0, 1.0)


def test_one_data_set_is_one_panel(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[5.0] * 3] * 3, SAME_COUNT)
    panels = data_panels(summaries)
    assert [title for title, _ in panels] == [""]
    assert panel_labels(panels) == [["WRN-10-1", "WRN-10-1, lr 0.05", "WRN-10-1, lr 0.01"]]
    # A variant keeps its name, and so its colour, in a panel where it is alone.
    assert panel_labels([*panels, ("alone", summaries[1:2])])[1] == ["WRN-10-1, lr 0.05"]
    assert len(set(panel_labels([("twice", [summaries[0], summaries[0]])])[0])) == 2


def test_every_seed_is_a_point_of_its_row(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0, 7.0, 7.0], [5.0, math.inf, math.inf]])
    (axis,) = draw_errors(errors_of(summaries, summaries[:1]), "title", "caption").axes
    assert sorted(offsets(axis)) == [(5.0, 1.0), (7.0, -0.11), (7.0, 0.0), (7.0, 0.11)]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["WRN-10-1-B(3,3), baseline", "WRN-10-1-B(3,1) (2 diverged)"]
    assert [np.asarray(line.get_xdata()).tolist() for line in axis.lines] == [[7.0, 7.0], [7.0, 7.0]]
    assert axis.get_xscale() == "linear"


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
    assert {text.get_text() for text in axis.texts} == {"WRN-10-1", "WRN-10-2"}


def test_equal_counts_stand_side_by_side(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[7.0] * 3, [6.0] * 3, [5.0] * 3], SAME_COUNT)
    (axis,) = draw_parameters(errors_of(summaries), "title", "caption").axes
    places = sorted({x for x, _ in offsets(axis)})
    count = summaries[0].variant.counts.parameters
    assert len(places) == 3 and math.isclose(places[1], count) and "side by side" in axis.get_xlabel()
    assert [label.get_text() for label in axis.get_xticklabels()] == ["77.6 k"]


def test_where_all_seeds_diverged_the_names_and_axes_stay(tmp_path: Path) -> None:
    summaries = study(tmp_path, [[math.inf] * 3] * 2, "net: [WRN-10-1, WRN-10-4]")
    (errors,) = draw_errors(errors_of(summaries, summaries[:1]), "title", "caption").axes
    assert errors.get_xlim() == (0.0, 100.0) and not offsets(errors)
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
    assert curve_points(summaries).empty
    assert_tidy(draw_curves(curves_of([("", summaries)]), "title", "caption"))
    assert_tidy(draw_train_test(curves_of(data_panels(summaries)), "title", "caption"))


@given(st.lists(st.floats(0, 1), max_size=10))
def test_dodged_values_keep_apart(values: list[float]) -> None:
    shifts = dodge(values, 0.1, 1.0)
    for (value, shift), (other, of_other) in combinations(zip(values, shifts), 2):
        assert abs(value - other) >= 0.1 or abs(shift - of_other) >= 1.0
    assert math.isclose(sum(shifts), 0.0, abs_tol=1e-9)


def test_dodge_and_swarm_by_hand() -> None:
    assert dodge([5.0, 1.0, 5.0, 5.0], 0.5, 2.0) == [-2.0, 0.0, 0.0, 2.0]
    assert dodge([], 1.0, 1.0) == []
    assert swarm([5.0, 1.0, 5.0, 5.0], 0.5, 0.1, 0.3) == [0.0, 0.0, 0.1, -0.1]
    crowded: Mapping[float, int] = {place: swarm([1.0] * 6, 0.5, 0.1, 0.1).count(place) for place in (0.0, 0.1, -0.1)}
    assert crowded == {0.0: 2, 0.1: 2, -0.1: 2}
