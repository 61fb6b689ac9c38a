"""Training curves as WRN's figures 2 and 3: test error solid on the right axis, training loss dashed on the left one.

Medians over the seeds are thick and marked, every seed is thin behind them. What is drawn is computed first
(seed_points, curve_points); the drawing is thin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from ablate.records.columns import Columns, epoch_columns
from ablate.records.records import Record
from ablate.report.panels import Panel, data_panels, legend_names, panel_labels
from ablate.report.style import DASH_DOT, DASHED, DOTTED, INK, TEXT, Look, look, open_canvas, styled, wrap_text
from ablate.report.summary import Summary

MEASURES = ("train_loss", "train_error", "test_error")
IMPORTED_LOOKS = (Look("#000000", "1"), Look("#6e6e6e", "2"), Look("#3c3c3c", "3"), Look("#8c8c8c", "4"))


CROSS: dict[str, Any] = {"marker": "x", "markersize": 6, "markeredgewidth": 1.6, "linestyle": ""}


class ImportedCurve(NamedTuple):
    """A curve from elsewhere, such as an author's log, drawn in grey beside ours.

    rows: an epoch each, with epoch, train_loss (nats) and test_error (percent), each of the two may be None.
    panel: the title of the panel it belongs in; empty for every panel.
    """

    label: str
    rows: Sequence[Mapping[str, Any]]
    panel: str = ""


def seed_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Columns variant, seed, epoch, train_loss (nats), train_error and test_error (percent), a row a seed and epoch.

    A diverged seed counts as infinite from the epoch in which it diverged, as it does in the table's median.
    """
    places, curves = [], [np.empty((0, len(MEASURES)))]
    for index, summary in enumerate(summaries):
        for run in summary.runs:
            if run.record:
                places.append((index, run.trial.seed))
                curves.append(_curve(run.record, summary.variant.recipe.epochs))
    lengths = list(map(len, curves[1:]))
    variants, seeds = np.repeat(np.array(places, int).reshape(-1, 2), lengths, axis=0).T
    epochs = np.concatenate([np.arange(0), *(np.arange(1, length + 1) for length in lengths)])
    measured = dict(zip(MEASURES, np.concatenate([curve.T for curve in curves], axis=1)))
    return pd.DataFrame({"variant": variants, "seed": seeds, "epoch": epochs, **measured})


def _curve(record: Record, planned: int) -> Columns:
    """MEASURES of a seed, shape (epochs, measures); infinite to the last planned epoch from that in which it diverged."""
    values = epoch_columns(record, MEASURES)
    if not record.diverged:
        return values
    kept = values[:-1]
    return np.concatenate([kept, np.full((max(0, planned - len(kept)), len(MEASURES)), np.inf)])


def curve_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Columns variant, epoch, train_loss (nats), train_error and test_error (percent): medians over the recorded seeds."""
    return _medians(seed_points(summaries))


@styled
def draw_curves(
    panels: Sequence[Panel],
    title: str,
    caption: str,
    imported: Sequence[ImportedCurve] = (),
    badge: str = "",
) -> Figure:
    """Test error (solid, right) and training loss (dashed, left) by epoch, a panel each for what the caller sets apart."""
    names = legend_names(panels)
    looks = {label: look(index) for index, label in enumerate(names)}
    greys = {curve.label: IMPORTED_LOOKS[i % len(IMPORTED_LOOKS)] for i, curve in enumerate(imported)}
    labels = panel_labels(panels)
    points = [seed_points(summaries) for _, summaries in panels]
    handles = [_handle(name, looks[label]) for label, name in names.items()]
    handles += [_handle(label, grey, DASH_DOT) for label, grey in greys.items()] + _cross(points)
    figure, axes = _curve_canvas(title, caption, badge, panels, handles)
    for (panel, _), lines, of_panel, loss_axis in zip(panels, labels, points, axes):
        error_axis = loss_axis.twinx()
        # The legend and the labels say it in words; the marks are on the test error alone.
        for axis, measure, dashes in ((loss_axis, "train_loss", DASHED), (error_axis, "test_error", "-")):
            _draw_measure(axis, of_panel, [looks[label] for label in lines], measure, dashes)
        values = [of_panel]
        for curve in imported:
            if curve.panel in ("", panel):
                values.append(_draw_imported(loss_axis, error_axis, curve, greys[curve.label]))
        loss_axis.set_ylim(*_limits(values, "train_loss"))
        error_axis.set_ylim(*_limits(values, "test_error"))
        _set_epochs(loss_axis, values)
        loss_axis.set_title("\n".join(wrap_text(panel, 3.6, TEXT, "bold")))
        loss_axis.set_xlabel("epoch")
        error_axis.spines["right"].set_visible(True)
        loss_axis.grid(False, axis="y")
        error_axis.grid(False, axis="x")
        if loss_axis.get_subplotspec().is_first_col() or len(panels) < 3:  # type: ignore[union-attr]
            loss_axis.set_ylabel(f"training loss, nats (dashed{', imported dotted' if imported else ''})")
        if loss_axis.get_subplotspec().is_last_col() or len(panels) < 3:  # type: ignore[union-attr]
            error_axis.set_ylabel(f"test error, % (solid{', imported dash-dot' if imported else ''})")
    return figure


@styled
def draw_train_test(summaries: Sequence[Summary], title: str, caption: str, badge: str = "") -> Figure:
    """Train error (dashed) against test error (solid) by epoch, in percent on one axis, a panel a data set.

    The train error is that of the training itself: on augmented images, while the weights change.
    """
    panels = data_panels(summaries)
    names = legend_names(panels)
    looks = {label: look(index) for index, label in enumerate(names)}
    points = [seed_points(of_panel) for _, of_panel in panels]
    handles = [_handle(name, looks[label]) for label, name in names.items()] + _cross(points)
    figure, axes = _curve_canvas(title, caption, badge, panels, handles)
    for (panel, _), labels, of_panel, axis in zip(panels, panel_labels(panels), points, axes):
        lines = [looks[label] for label in labels]
        _draw_measure(axis, of_panel, lines, "train_error", DASHED)
        _draw_measure(axis, of_panel, lines, "test_error", "-")
        low, high = zip(_limits([of_panel], "train_error"), _limits([of_panel], "test_error"))
        axis.set_ylim(0.0 if min(low) < max(high) / 3 else min(low), max(high))
        _set_epochs(axis, [of_panel])
        axis.set_title(panel)
        axis.set(xlabel="epoch", ylabel="error, %: test (solid), train (dashed)")
    return figure


def _curve_canvas(
    title: str, caption: str, badge: str, panels: Sequence[Panel], handles: Sequence[Line2D]
) -> tuple[Figure, list[Axes]]:
    columns = len(panels) if len(panels) <= 2 else 2 if len(panels) == 4 else min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    width = {1: 6.4, 2: 9.4}.get(columns, 12.0)
    figure, axes = open_canvas(
        title, caption, badge, width=width, body=3.4 * rows, legend=handles, rows=rows, columns=columns
    )
    for spare in axes[len(panels) :]:
        spare.remove()
    return figure, axes[: len(panels)]


def _draw_measure(axis: Axes, points: pd.DataFrame, looks: Sequence[Look], measure: str, dashes: Any) -> None:
    """A measure's seeds thin and its medians thick; the solid one has marks, and a cross where a seed diverged."""
    solid = dashes == "-"
    for index, (colour, _) in enumerate(looks):
        of_variant = points[points.variant == index]
        for _, seed in of_variant.groupby("seed"):
            curve = _finite(seed, measure)
            alone = "." if len(curve) == 1 else ""
            axis.plot(curve.epoch, curve[measure], linestyle=dashes, linewidth=0.6, color=colour, alpha=0.35, marker=alone)
            if solid and len(curve) and np.isinf(seed[measure]).any():
                last = curve.iloc[-1]
                axis.plot(
                    [last.epoch], [last[measure]], marker="x", markersize=6, markeredgewidth=1.6, color=colour, zorder=5
                )
    for index, (colour, marker) in enumerate(looks):
        median = _finite(_medians(points[points.variant == index]), measure)
        every = max(1, math.ceil(len(median) / 8))
        marks = _marks(marker, index % every, every, 4) if solid or len(median) == 1 else {}
        if not solid:
            marks |= {"markersize": 7, "fillstyle": "none"}
        wide = 1.7 if solid else 1.3
        axis.plot(median.epoch, median[measure], linestyle=dashes, linewidth=wide, color=colour, zorder=3, **marks)


def _draw_imported(loss_axis: Axes, error_axis: Axes, curve: ImportedCurve, grey: Look) -> pd.DataFrame:
    """Draws a curve from elsewhere and returns its points as those of a seed."""
    rows = [(0, 0, row["epoch"], row.get("train_loss"), None, row.get("test_error")) for row in curve.rows]
    points = pd.DataFrame(rows, columns=["variant", "seed", "epoch", *MEASURES]).astype(dict.fromkeys(MEASURES, float))
    for axis, measure, dashes in ((loss_axis, "train_loss", DOTTED), (error_axis, "test_error", DASH_DOT)):
        of_measure = _finite(points, measure)
        every = max(1, math.ceil(len(of_measure) / 6))
        marks = _marks(grey.marker, every // 2, every, 7) if measure == "test_error" else {}
        wide = 1.5 if measure == "test_error" else 1.1
        axis.plot(
            of_measure.epoch, of_measure[measure], linestyle=dashes, linewidth=wide, color=grey.colour, zorder=4, **marks
        )
    return points


def _marks(marker: str, first: int, every: int, size: float) -> dict[str, Any]:
    return {"marker": marker, "markevery": (first, every), "markersize": size}


def _finite(points: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The epochs with a finite value, so that a line runs on over those without one."""
    return points[np.isfinite(points[measure])]


def _medians(points: pd.DataFrame) -> pd.DataFrame:
    return points.drop(columns="seed").groupby(["variant", "epoch"], as_index=False).median()


def _set_epochs(axis: Axes, points: Sequence[pd.DataFrame]) -> None:
    """The range of the epochs, from the first to the last one, with whole numbers."""
    last = max((int(frame.epoch.max()) for frame in points if len(frame)), default=1)
    beside = 0.02 * (last - 1) or 0.5
    axis.set_xlim(1 - beside, last + beside)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True) if last > 1 else FixedLocator([1]))


def _limits(points: Sequence[pd.DataFrame], measure: str) -> tuple[float, float]:
    """The range of an axis: from zero, unless all values lie far from it.

    The medians of the first tenth, the single seeds of the first half and a seed that diverged would press the rest flat,
    so they may leave it.
    """
    shown = []
    for each in points:
        lost = each[np.isinf(each[measure])].groupby(["variant", "seed"]).size().index if len(each) else ()
        steady = each[~each.set_index(["variant", "seed"]).index.isin(lost)] if len(lost) else each
        frame = steady if len(steady) else each
        if len(frame):
            last = frame.epoch.max()
            medians = _medians(frame)
            shown += [medians[medians.epoch > last / 10][measure], frame[frame.epoch >= last / 2][measure]]
    values = pd.concat(shown).to_numpy(float) if shown else np.array([])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = values.min(), values.max()
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return (0.0 if low < high / 3 else low - margin), high + margin


def _handle(name: str, of: Look, dashes: Any = "-") -> Line2D:
    return Line2D([], [], label=name, color=of.colour, marker=of.marker, linestyle=dashes, markersize=5, linewidth=1.7)


def _cross(points: Sequence[pd.DataFrame]) -> list[Line2D]:
    """What the legend says of the crosses, if a seed diverged after its first epoch."""
    diverged = any(np.isinf(frame.test_error).any() for frame in points)
    label = "a seed's last epoch before it diverged"
    return [Line2D([], [], label=label, color=INK, **CROSS)] if diverged else []
